//! Kubernetes quantities by their meaning: `1000m` is `1`, `1024Mi` is `1Gi`.

use serde_json::Value;

/// Whether two quantities mean the same; what is no quantity must be the same text.
pub(super) fn same(wanted: &Value, live: &Value) -> bool {
    match (nanos(wanted), nanos(live)) {
        (Some(a), Some(b)) => a == b,
        _ => wanted == live,
    }
}

/// A quantity in billionths, the smallest part that the API server keeps; it rounds up to it.
fn nanos(value: &Value) -> Option<i128> {
    match value {
        Value::String(text) => parse(text.trim()),
        Value::Number(number) => parse(&number.to_string()),
        _ => None,
    }
}

fn parse(text: &str) -> Option<i128> {
    let end =
        text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (digits, places) = decimal(number)?;
    let (tens, factor) = scale(suffix)?;
    let tens = tens.checked_add(9)?.checked_sub(places)?;
    let number = digits.checked_mul(factor)?;
    let power = 10_i128.checked_pow(tens.unsigned_abs())?;
    if tens >= 0 { number.checked_mul(power) } else { ceil(number, power) }
}

/// Digits without their point, and how many stand after it.
fn decimal(text: &str) -> Option<(i128, i32)> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{part}");
    Some((digits.parse().ok()?, i32::try_from(part.len()).ok()?))
}

/// A suffix as a power of ten and a factor.
fn scale(suffix: &str) -> Option<(i32, i128)> {
    let binary = |power: u32| 1024_i128.checked_pow(power).map(|factor| (0, factor));
    match suffix {
        "n" => Some((-9, 1)),
        "u" => Some((-6, 1)),
        "m" => Some((-3, 1)),
        "" => Some((0, 1)),
        "k" => Some((3, 1)),
        "M" => Some((6, 1)),
        "G" => Some((9, 1)),
        "T" => Some((12, 1)),
        "P" => Some((15, 1)),
        "E" => Some((18, 1)),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => Some((exponent.strip_prefix(['e', 'E'])?.parse().ok()?, 1)),
    }
}

fn ceil(number: i128, by: i128) -> Option<i128> {
    let quotient = number.checked_div_euclid(by)?;
    if number.checked_rem_euclid(by)? == 0 { Some(quotient) } else { quotient.checked_add(1) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_meaning_in_two_spellings_is_the_same() {
        for (a, b) in [
            (json!("1000m"), json!("1")),
            (json!("0.5"), json!("500m")),
            (json!(2), json!("2")),
            (json!(0.25), json!("250m")),
            (json!("1024Mi"), json!("1Gi")),
            (json!("1.5Gi"), json!("1536Mi")),
            (json!("1e3"), json!("1k")),
            (json!("12E2"), json!("1200")),
            (json!("1E"), json!("1000P")),
            (json!("0.0000000001"), json!("1n")),
            (json!("8Ei"), json!("8192Pi")),
            (json!("not one"), json!("not one")),
        ] {
            assert!(same(&a, &b), "{a} is {b}");
        }
    }

    #[test]
    fn another_meaning_is_another() {
        for (a, b) in [
            (json!("1"), json!("1m")),
            (json!("1G"), json!("1Gi")),
            (json!("1"), json!("2")),
            (json!("-1"), json!("1")),
            (json!("1"), json!(true)),
            (json!("not one"), json!("another")),
            (json!("999999999999999999999999999999999999999999"), json!("1")),
            (json!("1e999"), json!("2e999")),
        ] {
            assert!(!same(&a, &b), "{a} is not {b}");
        }
    }
}
