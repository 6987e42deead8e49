//! Values as Grafana writes them, by the names that it has for units.

/// The units that are known here.
pub const KNOWN: [&str; 9] =
    ["bool_yes_no", "bytes", "ms", "none", "ops", "percentunit", "reqps", "s", "short"];

/// Decimals that tell steps of so much apart.
pub fn decimals(step: f64) -> usize {
    if step <= 0.0 || !step.is_finite() {
        return 0;
    }
    let digits = (-step.log10() - 1e-9).ceil().clamp(0.0, 6.0);
    // Between 0 and 6.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 6")]
    let digits = digits as usize;
    // 0.25 needs one more than its first digit.
    let scaled = step * 10_f64.powi(i32::try_from(digits).unwrap_or(0));
    digits + usize::from((scaled - scaled.round()).abs() > 1e-6 && digits < 6)
}

/// A value in a unit, in steps of so much: as on an axis.
pub fn on_axis(unit: &str, value: f64, step: f64) -> String {
    let (factor, name) = scale(unit, value.abs().max(step));
    written(value / factor, decimals(step / factor), &name)
}

/// A value in a unit, with about three digits that matter.
pub fn alone(unit: &str, value: f64) -> String {
    if unit == "bool_yes_no" {
        return if value == 0.0 { "No" } else { "Yes" }.to_owned();
    }
    let (factor, name) = scale(unit, value.abs());
    let scaled = value / factor;
    let decimals = match scaled.abs() {
        whole if whole.fract() < 1e-9 => 0,
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        _ => 2,
    };
    written(scaled, decimals, &name)
}

fn written(value: f64, decimals: usize, name: &str) -> String {
    let number = format!("{value:.decimals$}");
    // Rounding may leave a sign alone.
    let zero = number.trim_matches(['-', '0', '.']).is_empty();
    let number = if zero { number.trim_start_matches('-').to_owned() } else { number };
    format!("{number}{name}")
}

/// How large the unit is that an axis up to this value counts in, so that its lines are round there.
pub fn size(unit: &str, most: f64) -> f64 {
    if unit == "bytes" { scale(unit, most.abs()).0 } else { 1.0 }
}

/// What a value of this size is divided by, and what is written behind it.
fn scale(unit: &str, size: f64) -> (f64, String) {
    let (factor, name) = match unit {
        "percentunit" => (0.01, "%"),
        "s" => seconds(size),
        "bytes" => {
            by(size, &[(1.0, " B"), (1024.0, " KiB"), (1_048_576.0, " MiB"), (1_073_741_824.0, " GiB")])
        }
        "reqps" | "ops" => {
            let (factor, thousands) = thousands(size);
            let what = if unit == "ops" { "ops/s" } else { "req/s" };
            return (factor, format!("{thousands} {what}"));
        }
        "ms" => {
            let (factor, name) = seconds(size / 1000.0);
            (factor * 1000.0, name)
        }
        _ => thousands(size),
    };
    (factor, name.to_owned())
}

fn thousands(size: f64) -> (f64, &'static str) {
    by(size, &[(1.0, ""), (1e3, " K"), (1e6, " Mil"), (1e9, " Bil")])
}

fn seconds(size: f64) -> (f64, &'static str) {
    let steps =
        [(1e-6, " µs"), (1e-3, " ms"), (1.0, " s"), (60.0, " mins"), (3600.0, " hours"), (86_400.0, " days")];
    if size == 0.0 { (1.0, " s") } else { by(size, &steps) }
}

/// The largest step that is not above a size, else the first.
fn by(size: f64, steps: &[(f64, &'static str)]) -> (f64, &'static str) {
    let fits = steps.iter().rev().find(|(factor, _)| size >= *factor);
    fits.or(steps.first()).copied().unwrap_or((1.0, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_written_as_grafana_does() {
        for (unit, value, expected) in [
            ("percentunit", 0.2, "20%"),
            ("percentunit", 0.8734, "87.3%"),
            ("percentunit", 1.0, "100%"),
            ("s", 0.0, "0 s"),
            ("s", 0.0424, "42.4 ms"),
            ("s", 42.0, "42 s"),
            ("s", 90.0, "1.50 mins"),
            ("s", 7200.0, "2 hours"),
            ("ms", 9.75, "9.75 ms"),
            ("ms", 2500.0, "2.50 s"),
            ("short", 3.0, "3"),
            ("short", 1310.0, "1.31 K"),
            ("reqps", 119.7, "120 req/s"),
            ("ops", 0.25, "0.25 ops/s"),
            ("bytes", 31_457_280.0, "30 MiB"),
            ("bool_yes_no", 1.0, "Yes"),
            ("bool_yes_no", 0.0, "No"),
        ] {
            assert_eq!(alone(unit, value), expected, "{unit} {value}");
        }
    }

    #[test]
    fn an_axis_has_as_many_decimals_as_its_steps_need() {
        assert_eq!(on_axis("percentunit", 0.85, 0.05), "85%");
        assert_eq!(on_axis("percentunit", 0.875, 0.025), "87.5%");
        assert_eq!(on_axis("short", 2.0, 0.5), "2.0");
        assert_eq!(on_axis("short", 1500.0, 500.0), "1.5 K");
        assert_eq!(on_axis("s", 0.05, 0.01), "50 ms");
        assert_eq!(on_axis("percentunit", -1e-17, 0.05), "0%", "no minus of nothing");
    }

    #[test]
    fn bytes_are_counted_in_powers_of_1024() {
        assert!((size("bytes", 3e7) - 1_048_576.0).abs() < 1e-9);
        assert!((size("s", 3e7) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn steps_are_told_apart() {
        for (step, expected) in [(1.0, 0), (0.5, 1), (0.25, 2), (0.2, 1), (0.1, 1), (0.05, 2), (20.0, 0)] {
            assert_eq!(decimals(step), expected, "{step}");
        }
    }
}
