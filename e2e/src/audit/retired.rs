//! S8: a version ends last: without a role, without weight for as long as requests last, without a route.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use model_release_core::api::status::Track;

use super::Check;
use super::object::{self, number, owner, we_own, we_wrote_at};
use super::rule::{Findings, Rule};
use super::traffic::Traffic;
use super::world::{Change, Kind, Release, World};

/// Whether a version has weight, and since when at the earliest it has none.
#[derive(Debug, Clone, Copy)]
struct Exposure {
    weight: i64,
    zero_since: Timestamp,
}

/// Follows the weight of every version, and judges how versions end.
#[derive(Debug, Default)]
pub struct Retired {
    /// By UID of the release and hash of the version.
    exposed: BTreeMap<(String, String), Exposure>,
}

impl Check for Retired {
    fn look(&mut self, world: &World, change: &Change, found: &mut Findings) {
        match change.key.kind {
            Kind::VirtualService | Kind::HttpRoute => self.weights(change),
            Kind::Deployment => self.ends(world, change, found),
            Kind::Service if change.new.is_none() => self.ends(world, change, found),
            _ => {}
        }
    }
}

impl Retired {
    fn weights(&mut self, change: &Change) {
        let body = change.body();
        let Some(owner) = owner(body).filter(|owner| owner.name == change.key.name) else { return };
        let now = change.new.as_deref().map(|new| Traffic::of(new).weights()).unwrap_or_default();
        // The API server's clock is behind by less than a second; a deletion has no time of its own.
        let second = SignedDuration::from_secs(1);
        let earliest = change.at.checked_sub(second).unwrap_or(change.at);
        let at = change.new.as_deref().and_then(we_wrote_at).map_or(earliest, |at| at.min(earliest));
        for ((uid, hash), exposure) in &mut self.exposed {
            let weight = now.get(hash).copied().unwrap_or(0);
            if *uid == owner.uid && (weight > 0 || exposure.weight > 0) {
                *exposure = Exposure { weight, zero_since: at };
            }
        }
        for (hash, weight) in now.into_iter().filter(|(_, weight)| *weight > 0) {
            self.exposed.entry((owner.uid.clone(), hash)).or_insert(Exposure { weight, zero_since: at });
        }
    }

    fn ends(&self, world: &World, change: &Change, found: &mut Findings) {
        let body = change.body();
        let Some(hash) = object::hash(body) else { return };
        let Some(release) = world.owner(body).filter(|release| !release.deleting()) else { return };
        let size = |body| number(body, "/spec/replicas").unwrap_or(1);
        let ended = match (&change.old, &change.new) {
            (Some(old), Some(new)) => {
                size(old) > 0 && size(new) == 0 && we_own(new, &["f:spec", "f:replicas"])
            }
            (_, None) => !object::by_hand(body),
            (None, Some(_)) => false,
        };
        if !ended {
            return;
        }
        let how = if change.new.is_some() { "scaled to 0" } else { "deleted" };
        self.judge(world, change, release, hash, how, found);
        if change.key.kind == Kind::Service {
            let pods = world.pods(&release.namespace, &release.name, hash);
            found.must(Rule::S8, pods == 0, || format!("deleted while {pods} of its pods are there"));
        }
    }

    fn judge(
        &self,
        world: &World,
        change: &Change,
        release: &Release,
        hash: &str,
        how: &str,
        found: &mut Findings,
    ) {
        let track = release.track(hash);
        found.must(Rule::S8, matches!(track, None | Some(Track::Failed)), || {
            format!("{how} while its version is {}", track.map_or("", Track::as_str))
        });
        let traffic = world.traffic(release);
        let weight = traffic.as_ref().map_or(0, |traffic| traffic.weight(hash));
        found.must(Rule::S8, weight == 0, || format!("{how} while its version has {weight} %"));
        let routed = traffic.is_some_and(|traffic| traffic.routed.iter().any(|routed| routed == hash));
        found.must(Rule::S8, !routed, || format!("{how} while its version has a route of its own"));
        if let Some(exposure) = self.exposed.get(&(release.uid.clone(), hash.to_owned())) {
            let rest = change.at.duration_since(exposure.zero_since);
            found.must(Rule::S8, rest >= release.drain(), || {
                format!(
                    "{how} {:.1} s after its version lost its weight; {:.1} s are to be waited",
                    rest.as_secs_f64(),
                    release.drain().as_secs_f64()
                )
            });
        }
    }
}
