//! From a domain to the places of its 2- to 4-grams in a table of weights.

/// Shortest and longest run of characters that counts as a feature.
pub const GRAMS: std::ops::RangeInclusive<usize> = 2..=4;

/// A domain in the one spelling that training and serving share: lower case, no surrounding space, no final dot.
pub fn normal(domain: &str) -> String {
    domain.trim().trim_end_matches('.').to_ascii_lowercase()
}

/// Places below `1 << bits` of every n-gram of `domain`, repeated ones as often as they occur.
///
/// FNV-1a, its upper half folded into the lower: the low bits of the bare hash of such short inputs are poor.
pub fn places(domain: &str, bits: u8) -> impl Iterator<Item = usize> + '_ {
    let mask = (1_u64 << bits) - 1;
    GRAMS.flat_map(move |n| domain.as_bytes().windows(n)).map(move |gram| {
        let hash = gram
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3));
        usize::try_from((hash ^ (hash >> 32)) & mask).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_of_n_letters_has_every_gram_of_two_to_four() {
        assert_eq!(places("abcde", 16).count(), 4 + 3 + 2);
        assert_eq!(places("ab", 16).count(), 1);
        assert_eq!(places("a", 16).count(), 0);
    }

    #[test]
    fn places_stay_within_the_table_and_repeat_for_repeated_grams() {
        let all: Vec<usize> = places("aaaa-login.example", 8).collect();
        assert!(all.iter().all(|p| *p < 256), "{all:?}");
        assert_eq!(all.iter().filter(|p| **p == all[0]).count(), 3, "`aa` occurs three times: {all:?}");
    }

    #[test]
    fn spelling_does_not_matter() {
        assert_eq!(normal(" Pay.Example. "), "pay.example");
    }
}
