//! What is to be there: weights, sizes and objects as a function of spec, committed status and what is seen.
//!
//! Nothing here remembers or decides: run again after a crash it asks for the same, so a crash anywhere is repaired.

use std::borrow::Cow;

use serde_json::Value;

use crate::api::status::{ModelReleaseStatus, Phase, Track, VersionStatus};
use crate::capacity;
use crate::children::{self, Rendered};
use crate::covers::covers;
use crate::effects::newcomer;
use crate::meta::{self, Component};
use crate::observed::Live;
use crate::plan::{Key, Kind};
use crate::seeded::{Bug, on};
use crate::situation::{Situation, role};
use crate::traffic::{self, Entry, Mirror, Route, Split};
use crate::version::{Hash, digest};

/// The percent that is committed for a version.
pub fn committed_weight(status: &ModelReleaseStatus, hash: &Hash) -> i32 {
    let candidate = status.step.as_ref().map_or(0, |rung| rung.weight);
    match status.versions.iter().find(|v| v.hash == hash.as_str()).map(|v| v.track) {
        Some(Track::Stable) if role(status, Track::Canary).is_some() => 100_i32.saturating_sub(candidate),
        Some(Track::Stable) => 100,
        Some(Track::Canary) => candidate,
        Some(Track::Previous | Track::Failed) | None => 0,
    }
}

/// What the traffic object is to say; none before anything serves.
pub fn split(s: &Situation) -> Option<Split> {
    let stable = s.role(Track::Stable)?;
    let entry = |v: &VersionStatus, weight| {
        let hash = Hash::known(&v.hash);
        Entry { entrance: s.entrance(&hash), hash, name: v.version.clone(), weight }
    };
    let candidate = s.role(Track::Canary).filter(|_| takes_part(s));
    let leaving = s.role(Track::Failed);
    let (other, weight) = match (candidate, leaving, s.role(Track::Previous)) {
        (Some(candidate), _, _) => (candidate, s.committed_percent()),
        (None, Some(leaving), _) => (leaving, if traffic_is_back(s, stable, leaving) { 0 } else { 100 }),
        (None, None, Some(previous)) => (previous, 0),
        // The placeholder: of two entries Istio makes a weighted cluster, of one it would not.
        (None, None, None) => (stable, 0),
    };
    let route = |v: &VersionStatus, word: Option<&str>| {
        let hash = Hash::known(&v.hash);
        let words = std::iter::once(v.version.clone()).chain(word.map(str::to_owned)).collect();
        Route { entrance: s.entrance(&hash), hash, name: v.version.clone(), words }
    };
    let routes = [
        Some(route(stable, Some("stable"))),
        candidate.map(|v| route(v, Some("canary"))),
        s.role(Track::Previous).map(|v| route(v, None)),
        leaving.filter(|v| v.drained_at.is_none()).map(|v| route(v, None)),
    ];
    Some(Split {
        entries: [entry(stable, 100_i32.saturating_sub(weight)), entry(other, weight)],
        routes: routes.into_iter().flatten().collect(),
        mirror: candidate.and_then(|v| copies(s, v)),
    })
}

/// The candidate's copies, while it is shown to nobody yet.
fn copies(s: &Situation, candidate: &VersionStatus) -> Option<Mirror> {
    let shadow = s.release.rollout.shadow.as_ref().filter(|_| s.phase() == Phase::Shadowing)?;
    let hash = Hash::known(&candidate.hash);
    Some(Mirror { entrance: s.entrance(&hash), hash, percent: shadow.mirror_percent })
}

/// Whether the candidate has its place in the traffic object: it was ready, and has not lost its endpoints since.
fn takes_part(s: &Situation) -> bool {
    s.on_the_way() && s.phase() != Phase::Starting && s.candidate().is_some_and(|c| c.ready_at.is_some())
}

/// Whether the last decision only noted that there is nothing to roll back.
fn nothing_to_roll_back(s: &Situation) -> bool {
    s.status.decision.as_ref().is_some_and(|d| d.reason == crate::api::reasons::Reason::NothingToRollBack)
}

/// Whether traffic may be with stable while a version leaves: it has weight already or had all of it, or can take it, or the
/// leaving version cannot. Until then traffic stays where endpoints are.
fn traffic_is_back(s: &Situation, stable: &VersionStatus, leaving: &VersionStatus) -> bool {
    let stable = Hash::known(&stable.hash);
    s.phase() != Phase::RollingBack
        || !leaving.exposed
        || (s.weight(&stable) > 0 || leaving.zero_since.is_some()) && !on(Bug::R9)
        || s.ready(&stable, if on(Bug::R9) { s.stable_replicas() } else { 1 })
        || s.endpoints(&Hash::known(&leaving.hash)) == 0
}

/// The version that a sticky split is for: whichever may have less than all of it. It changes only where that has no
/// weight: a candidate is chosen at weight 0, and one that took over keeps it.
pub fn salt(s: &Situation) -> Hash {
    let leaving = s.role(Track::Failed).filter(|v| v.drained_at.is_none());
    let other = s.role(Track::Canary).or(leaving).or(s.role(Track::Stable));
    other.map_or_else(|| s.release.stable.hash.clone(), |version| Hash::known(&version.hash))
}

/// What the traffic object is to be, its number aside.
pub struct Traffic {
    /// What it says.
    pub split: Split,
    /// Its name.
    pub key: Key,
    /// All of it but the number.
    pub body: Value,
    /// Digest of the body.
    pub digest: String,
}

/// The traffic object; none before anything serves.
pub fn traffic(s: &Situation) -> Option<Traffic> {
    let split = split(s)?;
    let live = s.traffic_object().map(|live| &live.body);
    let (key, body) = traffic::traffic_object(s.release, s.settings, &split, live);
    let digest = digest(&body).chars().take(16).collect();
    Some(Traffic { split, key, body, digest })
}

/// Pods that a version's model is to have; under an autoscaler the least number of them.
pub fn size(s: &Situation, version: &VersionStatus) -> i32 {
    let hash = Hash::known(&version.hash);
    let own = capacity::least(s, &hash);
    let phase = s.phase();
    match version.track {
        Track::Stable if s.on_the_way() || phase == Phase::Baking => {
            own.unwrap_or(version.replicas).max(s.stable_replicas())
        }
        Track::Stable if on(Bug::R10) && nothing_to_roll_back(s) => 0,
        Track::Stable => own.unwrap_or(version.replicas),
        Track::Canary => candidate_size(s, &hash),
        Track::Previous => version.replicas,
        Track::Failed if phase == Phase::RollingBack && !on(Bug::R29) => version.replicas,
        Track::Failed => 0,
    }
}

fn candidate_size(s: &Situation, hash: &Hash) -> i32 {
    let rung = s.status.step.as_ref();
    let percent = rung.map_or(0, |r| r.weight.max(r.target)).max(s.next_percent());
    match s.phase() {
        Phase::Promoting | Phase::Replacing => s.full_size(hash),
        _ => s.release.rollout.canary_replicas.max(s.need(percent)),
    }
}

impl Situation<'_> {
    /// Pods that a version needs for all traffic: in a promotion as many as stable had, else its own minimum. Of a version
    /// that nobody names any more as many as it was to have.
    pub fn full_size(&self, hash: &Hash) -> i32 {
        let known = || self.status.versions.iter().find(|v| v.hash == hash.as_str());
        let own = capacity::least(self, hash).or_else(|| known().map(|v| v.replicas)).unwrap_or(1);
        if self.phase() == Phase::Promoting { own.max(self.stable_replicas()) } else { own }
    }
}

/// One object that is to be there.
pub struct Child<'a> {
    /// Its name.
    pub key: Key,
    /// All that we say about it, but for its size and number. What is on record is compared where it stands: mostly
    /// there is nothing to write, and nothing is copied.
    pub body: Cow<'a, Value>,
    /// Pods that it asks for, if it is a Deployment whose size is ours to set.
    pub replicas: Option<i32>,
    /// Number of the decision that it follows.
    pub seq: i64,
    /// Number that it has to bear at least. A version that gets a role anew may have objects that are as they should
    /// be, while another operator, on older grounds, is about to delete or shrink them: written once more, they are no
    /// longer what that was decided on.
    pub since: i64,
}

impl Child<'static> {
    /// An object that is sent as it was rendered.
    pub fn whole((key, body): (Key, Value), seq: i64) -> Self {
        Self { key, body: Cow::Owned(body), replicas: None, seq, since: 0 }
    }
}

impl Child<'_> {
    /// Whether a live object says all that, and bears a number that is high enough.
    pub fn is(&self, live: &Live) -> bool {
        let pods = || meta::at(&live.body, &["spec", "replicas"]).and_then(Value::as_i64);
        live.seq.unwrap_or(0) >= self.since
            && self.replicas.is_none_or(|wanted| pods() == Some(i64::from(wanted)))
            && covers(&self.body, &live.body)
    }

    /// The object as it is to be sent.
    pub fn object(&self) -> Value {
        children::sent(self.body.clone().into_owned(), self.replicas, self.seq)
    }
}

/// Records, Services and Deployments of every version with a role, and the release's own Service.
pub fn workloads<'a>(s: &'a Situation) -> Vec<Child<'a>> {
    let seq = s.status.decision.as_ref().map_or(0, |d| d.seq);
    let mut wanted = Vec::new();
    if s.expired() {
        return wanted;
    }
    if s.role(Track::Stable).is_none() {
        if s.release.refused.is_none() {
            let version = &s.release.stable;
            let starts = newcomer(s, &version.hash, Track::Stable, 0);
            version_children(s, &starts, seq, &mut wanted);
        }
        return wanted;
    }
    for version in &s.status.versions {
        version_children(s, version, seq, &mut wanted);
    }
    wanted.extend(apex(s, seq));
    wanted
}

/// What was rendered for a version when it first got a role; for a new one, what is rendered now.
///
/// Where its record is gone or somebody else's, what runs is the only record left: rendered anew, after an edit of the
/// release's policy, it would restart the pods of a version that one may have to go back to.
fn rendered<'a>(s: &'a Situation, hash: &Hash) -> Option<Rendered<'a>> {
    let ours = |live: &&Live| live.owner.as_deref() == Some(s.release.uid.as_str());
    let find = |key| s.observed.children.get(&key).filter(ours).map(|live| &live.body);
    let record = find(children::record_key(s.release, hash));
    if let Some((_, rendered)) = record.and_then(children::recorded) {
        return Some(rendered);
    }
    let anew = children::render(s.release, s.release.version(hash)?, s.settings);
    Some(anew.as_it_stands(|component, kind| find(children::part_key(s.release, hash, component, kind))))
}

fn version_children<'a>(s: &'a Situation, version: &VersionStatus, seq: i64, wanted: &mut Vec<Child<'a>>) {
    let hash = &Hash::known(&version.hash);
    let Some(mut rendered) = rendered(s, hash) else { return };
    if on(Bug::R1)
        && s.phase() == Phase::Baking
        && version.track == Track::Previous
        && let Some(other) = s.hash(Track::Stable).and_then(|hash| self::rendered(s, &hash))
    {
        rendered.deployment = other.deployment;
    }
    let key = children::record_key(s.release, hash);
    // A record never changes: one that is there is as it should be.
    let record = match s.observed.children.get(&key) {
        Some(live) => Cow::Borrowed(&live.body),
        None => Cow::Owned(children::record(s.release, hash, &version.version, &rendered, seq)),
    };
    wanted.push(Child { key, body: record, replicas: None, seq, since: 0 });
    let app = rendered.app.map(|app| (Component::App, app.deployment, app.service));
    let model = (Component::Model, rendered.deployment, rendered.service);
    for (component, deployment, service) in [Some(model), app].into_iter().flatten() {
        let of = |kind| children::part_key(s.release, hash, component, kind);
        let since = version.seq;
        wanted.push(Child { key: of(Kind::Service), body: service, replicas: None, seq, since });
        let key = of(Kind::Deployment);
        let floor = capacity::floor(s, version, component);
        let scale = capacity::scale(s, hash, component).filter(|_| floor > 0);
        let replicas = capacity::asked(s, &key, floor, scale.is_some());
        wanted.push(Child { key, body: deployment, replicas, seq, since });
        if let Some(scale) = scale {
            let named = (hash, version.version.as_str());
            let scaler = children::autoscaler(s.release, named, component, scale, floor, seq);
            wanted.push(Child::whole((of(Kind::HorizontalPodAutoscaler), scaler), seq));
        }
    }
}

/// The release's own Service. It follows stable only to where there are endpoints.
fn apex(s: &Situation, seq: i64) -> Option<Child<'static>> {
    let stable = s.hash(Track::Stable)?;
    let key = children::apex_key(s.release);
    if s.observed.children.contains_key(&key) && !s.ready(&stable, 1) {
        return None;
    }
    let body = children::apex(s.release, &stable, &rendered(s, &stable)?, seq);
    Some(Child { key, body: Cow::Owned(body), replicas: None, seq, since: 0 })
}

/// Objects of ours that nothing asks for any more, and that nothing needs: no role, no route, drained, and of a
/// Service: no pod left.
pub fn leftovers<'a>(s: &'a Situation, wanted: &[&Key]) -> Vec<&'a Key> {
    // Before anything was ever routed nothing has to be drained.
    let served = s.role(Track::Stable).is_some();
    let drain = s.release.rollout.drain;
    let settled = s.status.state.traffic.settled_at;
    let rested = settled.is_some_and(|at| s.elapsed(at) >= drain);
    let quiet = match s.status.state.expired_at {
        // Of a release whose time is over the routes go first.
        Some(_) => !routed_at_all(s) && rested,
        None => (!served && s.traffic_object().is_none()) || rested,
    };
    let routed: Vec<Hash> =
        s.traffic_object().map(|live| traffic::routes_read(&live.body)).unwrap_or_default();
    // What has a role stays, also where nothing tells any more what was rendered for it.
    let needed = |hash: &Hash| s.status.versions.iter().any(|v| v.hash == hash.as_str());
    let ours = s.observed.children.iter().filter(|(key, live)| {
        live.owner.as_deref() == Some(s.release.uid.as_str()) && !live.deleting && !wanted.contains(key)
    });
    ours.filter(|(key, live)| match key.kind {
        // Routes and limits of a refused spec stay as they are until it is mended; routes also until it is known again
        // what serves, if the status was lost.
        Kind::VirtualService | Kind::HttpRoute => (served && s.release.refused.is_none()) || s.expired(),
        Kind::EnvoyFilter if s.expired() => quiet,
        Kind::EnvoyFilter => s.release.refused.is_none(),
        // It can only raise; what it found last is the size for as long as the spec is refused.
        Kind::HorizontalPodAutoscaler => s.release.refused.is_none() || s.expired(),
        Kind::Deployment => {
            let hash = hash_of(&live.body);
            quiet && !needed(&hash) && !routed.contains(&hash)
        }
        Kind::Service | Kind::ControllerRevision => {
            let hash = hash_of(&live.body);
            let deployment = |component| children::part_key(s.release, &hash, component, Kind::Deployment);
            let still_runs = s.observed.pods.iter().any(|pod| pod.hash == hash.as_str())
                || s.observed.children.contains_key(&deployment(Component::Model))
                || s.observed.children.contains_key(&deployment(Component::App));
            quiet && !needed(&hash) && !still_runs && !routed.contains(&hash)
        }
    })
    .map(|(key, _)| key)
    .collect()
}

/// Whether any route of ours is there.
pub fn routed_at_all(s: &Situation) -> bool {
    let ours = |live: &Live| live.owner.as_deref() == Some(s.release.uid.as_str());
    let routes = |kind| matches!(kind, Kind::VirtualService | Kind::HttpRoute);
    s.observed.children.iter().any(|(key, live)| routes(key.kind) && ours(live))
}

/// Whether a version without a role still has an object of ours: it goes once it is drained.
pub fn outlived(s: &Situation) -> bool {
    let ours = |live: &&Live| live.owner.as_deref() == Some(s.release.uid.as_str()) && !live.deleting;
    let hashes = s.observed.children.values().filter(ours).map(|live| hash_of(&live.body));
    hashes
        .filter(|hash| !hash.as_str().is_empty())
        .any(|hash| !s.status.versions.iter().any(|v| v.hash == hash.as_str()))
}

fn hash_of(body: &Value) -> Hash {
    let label = meta::at(body, &["metadata", "labels", crate::api::LABEL_VERSION]);
    Hash::known(label.and_then(Value::as_str).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use crate::api::status::Track;
    use crate::release::Release;
    use crate::situation::Situation;
    use crate::testing::World;
    use crate::version::Hash;

    #[test]
    fn a_version_that_nobody_names_any_more_needs_as_many_pods_for_all_traffic_as_it_was_to_have() {
        let mut world = World::replacing();
        world.remember(|status| {
            let v2 = status.versions.iter_mut().find(|version| version.track == Track::Canary);
            v2.expect("v2 is to take over").replicas = 3;
        });
        let v2 = Hash::known(&world.hash_of("v2"));
        let full_size = |world: &World| {
            let release = Release::parse(&world.object, &world.settings);
            let (status, observed) = (&world.status(), &world.observed);
            let (settings, now) = (&world.settings, world.now);
            Situation { release: &release, status, observed, weights: None, settings, now, look: None }
                .full_size(&v2)
        };
        assert_eq!(full_size(&world), 1, "spec.stable names it, and says one");
        world.stable("v1");
        assert_eq!(full_size(&world), 3, "only the status knows it");
    }
}
