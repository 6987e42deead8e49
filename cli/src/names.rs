//! What may have been meant by a name that does not exist.

use strsim::{damerau_levenshtein, jaro_winkler};

/// How alike two names have to be, from 0 to 1, to be taken for one another.
const ALIKE: f64 = 0.8;
/// Slips of the pen that make one name of another.
const SLIPS: usize = 2;
/// Names that are offered.
const OFFERED: usize = 3;

/// The names that are nearest to one that does not exist, the nearest first.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let likeness = |name: &str| {
        let close = damerau_levenshtein(wanted, name) <= SLIPS.min(wanted.chars().count() / 2);
        let part = name.contains(wanted) || wanted.contains(name);
        let alike = jaro_winkler(wanted, name);
        (close || alike >= ALIKE || part && !name.is_empty() && !wanted.is_empty()).then_some(alike)
    };
    let mut found: Vec<(f64, &str)> =
        names.into_iter().filter_map(|name| likeness(name).map(|alike| (alike, name))).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    found.into_iter().take(OFFERED).map(|(_, name)| name).collect()
}

/// The end of a sentence that says that a name does not exist.
pub fn hint<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let all: Vec<&str> = names.into_iter().collect();
    let near = nearest(wanted, all.iter().copied());
    match (near.as_slice(), all.as_slice()) {
        ([], []) => "; there are none at all".to_owned(),
        ([], [only]) => format!("; there is {only}"),
        ([], many) => format!("; there are {} others: see `kubectl modelrelease get`", many.len()),
        (near, _) => format!("; did you mean {}?", near.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen_find_the_name() {
        let names = ["fraud", "phishing", "fraud-eu", "churn"];
        for (wanted, want) in
            [("fruad", "fraud"), ("fraude", "fraud"), ("phising", "phishing"), ("eu", "fraud-eu")]
        {
            assert_eq!(nearest(wanted, names).first(), Some(&want), "{wanted}");
        }
        assert!(nearest("zzz", names).is_empty());
        assert!(nearest("", names).is_empty());
    }

    #[test]
    fn a_sentence_ends_with_what_may_help() {
        assert_eq!(hint("frod", ["fraud", "churn"]), "; did you mean fraud?");
        assert_eq!(hint("x", []), "; there are none at all");
        assert_eq!(hint("zzz", ["fraud"]), "; there is fraud");
        assert_eq!(hint("zzz", ["fraud", "churn"]), "; there are 2 others: see `kubectl modelrelease get`");
    }
}
