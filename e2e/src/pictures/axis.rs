//! Where an axis begins and ends, and where its lines are.

/// Lengths between lines of time that people count in, in seconds.
const TIMES: [f64; 16] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 21_600.0,
    86_400.0,
];

/// An axis: its ends, and its lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Length between lines.
    pub step: f64,
}

impl Axis {
    /// Of values from `low` to `high`, with about so many lines; ends that are given stay.
    pub fn of_values((low, high): (f64, f64), (least, most): (Option<f64>, Option<f64>), lines: f64) -> Self {
        let (low, high) = (least.unwrap_or(low), most.unwrap_or(high));
        // What does not vary is in the middle.
        let (low, high) = match (high - low).abs() < 1e-12 {
            true if least.is_some() => (low, low + 1.0),
            true => (low - 1.0, low + 1.0),
            false => (low, high),
        };
        let step = nice((high - low) / lines);
        let from = least.unwrap_or_else(|| (low / step + 1e-9).floor() * step);
        let to = most.unwrap_or_else(|| (high / step - 1e-9).ceil() * step);
        Self { from, to, step }
    }

    /// The same in a unit that is so many times smaller.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        Self { from: self.from * factor, to: self.to * factor, step: self.step * factor }
    }

    /// Of times, with at most so many lines.
    pub fn of_times(from: f64, to: f64, lines: f64) -> Self {
        let fits = TIMES.iter().find(|step| (to - from) / **step <= lines);
        Self {
            from,
            to,
            step: fits.copied().unwrap_or_else(|| ((to - from) / lines / 86_400.0).ceil() * 86_400.0),
        }
    }

    /// Where its lines are.
    pub fn lines(&self) -> Vec<f64> {
        let first = (self.from / self.step - 1e-9).ceil();
        let all = (0..200_u32).map(|number| (first + f64::from(number)) * self.step);
        all.take_while(|at| *at <= self.to + self.step * 1e-9).collect()
    }
}

/// The least of 1, 2, 2.5, 5 and 10 times a power of ten that is not below.
fn nice(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.log10().floor());
    let all = [1.0, 2.0, 2.5, 5.0, 10.0];
    all.iter().map(|nice| nice * power).find(|step| *step >= rough * 0.999).unwrap_or(rough)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_between_lines_that_people_count_in() {
        let axis = Axis::of_values((0.843, 0.891), (None, None), 5.0);
        assert!(axis.from <= 0.843 && axis.to >= 0.891, "{axis:?}");
        assert!((axis.step - 0.01).abs() < 1e-12, "{axis:?}");
        assert_eq!(axis.lines().len(), 7, "{:?}", axis.lines());
    }

    #[test]
    fn given_ends_stay_and_what_does_not_vary_has_room() {
        let share = Axis::of_values((0.2, 0.8), (Some(0.0), Some(1.0)), 5.0);
        assert_eq!(share.lines().len(), 6, "{share:?}");
        assert!(share.from.abs() < 1e-9 && (share.to - 1.0).abs() < 1e-9, "{share:?}");
        let nothing = Axis::of_values((0.0, 0.0), (Some(0.0), None), 5.0);
        assert!(nothing.to >= 1.0, "{nothing:?}");
        let flat = Axis::of_values((3.0, 3.0), (None, None), 4.0);
        assert!(flat.from < 3.0 && flat.to > 3.0, "{flat:?}");
    }

    #[test]
    fn times_are_whole_minutes_where_there_are_many() {
        let axis = Axis::of_times(1_000_001.0, 1_000_001.0 + 600.0, 8.0);
        assert!((axis.step - 120.0).abs() < 1e-9, "{axis:?}");
        assert!(axis.lines().iter().all(|at| at % 120.0 == 0.0), "{:?}", axis.lines());
        assert_eq!(axis.lines().len(), 5);
    }
}
