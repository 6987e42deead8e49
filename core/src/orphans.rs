//! Objects beside a gateway that outlived their release: an owner reference cannot reach there, and a finalizer can be
//! taken off by hand.

use crate::api::{LABEL_NAME, LABEL_NAMESPACE, LABEL_UID};

/// The release that an object in another namespace says it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl Owner {
    /// By the object's own namespace and its labels. None of an object beside its release, where the owner reference
    /// does it, and none of one that does not name its release in full: it is not ours to judge.
    pub fn of<'a>(namespace: &str, label: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let named = |key| label(key).filter(|value| !value.is_empty()).map(str::to_owned);
        let owner =
            Self { namespace: named(LABEL_NAMESPACE)?, name: named(LABEL_NAME)?, uid: named(LABEL_UID)? };
        (owner.namespace != namespace).then_some(owner)
    }

    /// Whether the object is to go: there is no release of that name, or it is another one. `found` is the UID of the
    /// release of that name, read live; a release that could not be read is no answer, and nothing is decided on it.
    pub fn is_gone(&self, found: Option<&str>) -> bool {
        found != Some(self.uid.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(namespace: &str, labels: &[(&str, &'static str)]) -> Option<Owner> {
        Owner::of(namespace, |key| labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value))
    }

    const WHOLE: [(&str, &str); 3] = [(LABEL_NAMESPACE, "ml"), (LABEL_NAME, "fraud"), (LABEL_UID, "1")];

    #[test]
    fn only_what_names_its_release_in_full_and_lies_elsewhere_is_judged() {
        assert!(owner("gateways", &WHOLE).is_some());
        assert_eq!(owner("ml", &WHOLE), None, "the owner reference does it");
        for left_out in 0..3 {
            let mut labels = WHOLE.to_vec();
            labels.remove(left_out);
            assert_eq!(owner("gateways", &labels), None, "without {:?}", WHOLE.get(left_out));
        }
        let empty = [(LABEL_NAMESPACE, "ml"), (LABEL_NAME, "fraud"), (LABEL_UID, "")];
        assert_eq!(owner("gateways", &empty), None);
    }

    #[test]
    fn it_goes_with_its_release_and_does_not_stay_for_the_next_of_that_name() {
        let owner = owner("gateways", &WHOLE).unwrap();
        assert!(!owner.is_gone(Some("1")));
        assert!(owner.is_gone(Some("2")), "a release made anew has objects of its own");
        assert!(owner.is_gone(None));
    }
}
