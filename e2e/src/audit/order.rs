//! Puts the changes of several watches into the one order of their revisions, and knows up to where nothing is missing.

use std::collections::BTreeMap;

use super::object;
use super::world::{Event, Key, Kind, Verb};

/// Changes that wait until nothing before them can come any more.
#[derive(Debug, Default)]
pub struct Order {
    waiting: BTreeMap<(u64, u64), Event>,
    arrivals: u64,
    /// Up to which revision all changes of a kind have arrived.
    complete: BTreeMap<Kind, u64>,
    /// The newest revision of each object that has arrived; of those that are gone, the one that deleted them.
    newest: BTreeMap<Key, (u64, bool)>,
    /// Up to where changes were given out.
    given: u64,
    /// Changes that came after later ones had been given out.
    pub late: u64,
}

/// One kind as it is listed.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// The revision of the list.
    pub revision: u64,
    /// What is there, and at which revision it was last changed.
    pub objects: BTreeMap<Key, u64>,
}

impl Order {
    /// A change has arrived; those of a kind arrive in their order.
    pub fn arrive(&mut self, event: Event) {
        let key = Key::of(event.kind, &event.object);
        self.newest.insert(key, (event.revision, event.verb == Verb::Deleted));
        self.complete_to(event.kind, event.revision);
        self.late += u64::from(event.revision <= self.given);
        self.arrivals += 1;
        self.waiting.insert((event.revision, self.arrivals), event);
    }

    /// What was there when watching began is known.
    pub fn knows(&mut self, kind: Kind, object: &serde_json::Value) {
        let revision = object::revision(object).unwrap_or_default();
        self.newest.insert(Key::of(kind, object), (revision, false));
    }

    /// Everything of a kind up to this revision has arrived.
    pub fn complete_to(&mut self, kind: Kind, revision: u64) {
        let known = self.complete.entry(kind).or_default();
        *known = revision.max(*known);
    }

    /// Whether everything has arrived that a list of the kind shows, and if not, what is missing.
    ///
    /// # Errors
    /// The first object that is missing.
    pub fn covers(&self, kind: Kind, listing: &Listing) -> Result<(), String> {
        for (key, revision) in &listing.objects {
            let arrived = self.newest.get(key).map_or(0, |(revision, _)| *revision);
            if arrived < *revision {
                return Err(format!("{key} is at revision {revision}, the watch told {arrived}"));
            }
        }
        let gone = self.newest.iter().find(|(key, (revision, deleted))| {
            key.kind == kind
                && !deleted
                && *revision <= listing.revision
                && !listing.objects.contains_key(key)
        });
        gone.map_or(Ok(()), |(key, _)| Err(format!("{key} is gone, and the watch did not tell")))
    }

    /// The changes before which nothing can come any more, in their order.
    pub fn due(&mut self) -> Vec<Event> {
        let sure = Kind::ALL.iter().map(|kind| self.complete.get(kind).copied().unwrap_or(0)).min();
        let sure = sure.unwrap_or(0);
        let later = self.waiting.split_off(&(sure.saturating_add(1), 0));
        self.given = self.given.max(sure);
        std::mem::replace(&mut self.waiting, later).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    fn event(kind: Kind, name: &str, revision: u64, verb: Verb) -> Event {
        let object =
            json!({"metadata": {"namespace": "n", "name": name, "resourceVersion": revision.to_string()}});
        Event { revision, at: Timestamp::UNIX_EPOCH, verb, kind, object }
    }

    fn revisions(order: &mut Order) -> Vec<u64> {
        order.due().into_iter().map(|event| event.revision).collect()
    }

    #[test]
    fn changes_are_given_out_in_order_and_only_once_nothing_can_come_before_them() {
        let mut order = Order::default();
        for kind in Kind::ALL {
            order.complete_to(kind, 10);
        }
        order.arrive(event(Kind::Pod, "a", 14, Verb::Added));
        order.arrive(event(Kind::Service, "b", 12, Verb::Added));
        order.arrive(event(Kind::Pod, "a", 15, Verb::Modified));
        assert_eq!(revisions(&mut order), [0_u64; 0], "other kinds are only known up to 10");
        for kind in Kind::ALL {
            order.complete_to(kind, 14);
        }
        assert_eq!(revisions(&mut order), [12, 14]);
        assert_eq!(order.late, 0);
    }

    #[test]
    fn a_list_tells_whether_a_watch_is_behind() {
        let mut order = Order::default();
        order.arrive(event(Kind::Pod, "a", 14, Verb::Added));
        let key = |name: &str| Key { kind: Kind::Pod, namespace: "n".into(), name: name.into() };
        let listing = |revision, objects: &[(&str, u64)]| Listing {
            revision,
            objects: objects.iter().map(|(name, revision)| (key(name), *revision)).collect(),
        };
        assert!(order.covers(Kind::Pod, &listing(20, &[("a", 14)])).is_ok());
        assert!(order.covers(Kind::Pod, &listing(20, &[("a", 16)])).is_err(), "a change is missing");
        assert!(
            order.covers(Kind::Pod, &listing(20, &[("a", 14), ("b", 15)])).is_err(),
            "a creation is missing"
        );
        assert!(order.covers(Kind::Pod, &listing(20, &[])).is_err(), "a deletion is missing");
        order.arrive(event(Kind::Pod, "a", 18, Verb::Deleted));
        assert!(order.covers(Kind::Pod, &listing(20, &[])).is_ok());
        assert!(order.covers(Kind::Pod, &listing(16, &[("a", 14)])).is_ok(), "it went after the list");
    }
}
