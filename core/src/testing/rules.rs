//! What must hold at every commit and every write, whatever happens. Each rule bears the number of the design.
//!
//! Written anew from the page, not from the code that is held against it: laws, model check and seeded bugs share it.

mod fallback;
mod gone;
mod tally;
mod weights;

use jiff::Timestamp;

use crate::api::annotations::{Annotations, Rollback};
use crate::api::reasons::Reason;
use crate::api::spec::ModelRelease;
use crate::api::status::{Act, Checkpoint, ModelReleaseStatus, Phase, Track, VersionStatus};
use crate::observed::{Live, Observed};
use crate::plan::{Key, Kind, Write};
use crate::settings::Settings;
use crate::traffic::read_back;
use crate::version::Hash;

pub use tally::checked;

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its number in the design.
    pub rule: &'static str,
    /// By what.
    pub what: String,
}

/// What a write rests on.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The release as it was read.
    pub object: &'a ModelRelease,
    /// The status that the plan committed, or found committed.
    pub status: &'a ModelReleaseStatus,
    /// What was seen.
    pub observed: &'a Observed,
    /// Whether that is how it is, too: what must hold of the world itself can be held against it.
    pub current: bool,
    /// The administrator's settings.
    pub settings: &'a Settings,
    /// The time.
    pub now: Timestamp,
}

impl Ground<'_> {
    fn role(&self, track: Track) -> Option<&VersionStatus> {
        self.status.versions.iter().find(|v| v.track == track)
    }

    fn phase(&self) -> Phase {
        self.status.phase.unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    fn namespace(&self) -> &str {
        self.object.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// Name of a version's objects.
    fn named(&self, hash: &str) -> String {
        format!("{}-{hash}", self.name())
    }

    /// A child of that name, if it is ours: what others have under our names neither serves us nor binds us.
    fn child(&self, kind: Kind, name: &str) -> Option<&Live> {
        let key = Key { kind, namespace: self.namespace().to_owned(), name: name.to_owned() };
        let found = self.observed.children.get(&key);
        found.filter(|live| live.owner.as_deref() == self.object.metadata.uid.as_deref())
    }

    /// The object that carries the weights, whoever's kind it is.
    fn traffic(&self) -> Option<&Live> {
        let of = |kind| self.child(kind, self.name());
        of(Kind::VirtualService).or_else(|| of(Kind::HttpRoute))
    }

    fn endpoints(&self, hash: &str) -> i32 {
        let name = self.named(hash);
        let count = self.observed.endpoints.get(&name).copied().unwrap_or(0);
        self.child(Kind::Service, &name).map_or(0, |_| count)
    }
}

/// What is broken by the step from a stored release to another status. `next` is the whole new status.
pub fn commit(object: &ModelRelease, next: &ModelReleaseStatus) -> Vec<Broken> {
    let mut found = Found::default();
    let none = ModelReleaseStatus::default();
    let old = object.status.as_ref().unwrap_or(&none);
    let seq = |s: &ModelReleaseStatus| s.decision.as_ref().map_or(0, |d| d.seq);
    found.unless(seq(next) >= seq(old), "S5", || "numbers of decisions never go back".into());
    let same = seq(next) == seq(old) && next.decision != old.decision;
    found.unless(!same, "S5", || {
        format!("two decisions of one number: {:?}, {:?}", old.decision, next.decision)
    });
    let traffic = next.state.traffic.seq >= old.state.traffic.seq;
    found.unless(traffic, "S5", || "numbers of the traffic object never go back".into());
    for (i, version) in next.versions.iter().enumerate() {
        let mut others = next.versions.iter().skip(i + 1);
        let again = others.find(|v| v.hash == version.hash || v.track == version.track);
        found.unless(again.is_none(), "S1", || {
            format!("one role a version and one version a role: {version:?} and {again:?}")
        });
    }
    for barred in &next.quarantine {
        let bears = next.versions.iter().find(|v| v.hash == barred.hash && v.track != Track::Failed);
        found.unless(bears.is_none(), "S5", || format!("a quarantined version has a role: {bears:?}"));
    }
    let weight = next.step.as_ref().map_or(0, |rung| rung.weight);
    let may = matches!(next.phase, Some(Phase::Analyzing | Phase::Promoting | Phase::Replacing));
    found.unless(weight == 0 || may, "S1", || format!("weight {weight} is committed in {:?}", next.phase));
    gone::drained(object, old, next, &mut found);
    unready_clock(old, next, &mut found);
    if seq(next) > seq(old) {
        held(object, old, next, &mut found);
        named(object, old, next, &mut found);
        proven(object, next, &mut found);
        fits(object, next, &mut found);
        if object.metadata.deletion_timestamp.is_some() {
            let verdict = next.decision.as_ref().map(|d| d.verdict);
            found.unless(verdict == Some(Act::Delete), "S13", || format!("{verdict:?} while it is deleted"));
        }
    }
    found.0
}

/// What a status that is to be written must be like, whatever it follows.
pub fn status(next: &ModelReleaseStatus) -> Vec<Broken> {
    let mut found = Found::default();
    let bounded = next.history.len() <= 20 && next.quarantine.len() <= 10;
    found.unless(bounded, "size", || "history and quarantine are bounded".into());
    let size = serde_json::to_string(next).expect("a status is JSON").len();
    found.unless(size <= 32 * 1024, "size", || format!("a status of {size} bytes"));
    let observed = next.conditions.iter().all(|c| c.observed_generation == Some(next.observed_generation));
    found.unless(observed && !next.conditions.is_empty(), "L5", || {
        "every condition is of this generation".into()
    });
    found.0
}

/// L5: what a candidate was unready counts, however often it is ready in between.
fn unready_clock(old: &ModelReleaseStatus, next: &ModelReleaseStatus, found: &mut Found) {
    let trial =
        |s: &ModelReleaseStatus| s.versions.iter().find(|v| v.track == Track::Canary).map(|v| v.hash.clone());
    if let (Some(before), Some(after)) = (&old.state.candidate, &next.state.candidate)
        && before.attempt == after.attempt
        && trial(old).is_some()
        && trial(old) == trial(next)
    {
        let back = after.unready_seconds < before.unready_seconds;
        found.unless(!back, "L5", || "the clock of what was unready goes back".into());
    }
}

/// A candidate lives only while the spec names it: no other gets more weight.
fn named(object: &ModelRelease, old: &ModelReleaseStatus, next: &ModelReleaseStatus, found: &mut Found) {
    let percent = |s: &ModelReleaseStatus| s.step.as_ref().map_or(0, |rung| rung.weight);
    let Some(candidate) = next.versions.iter().find(|v| v.track == Track::Canary) else { return };
    let spec = &object.spec;
    let names = [Some(&spec.stable), spec.canary.as_ref()].into_iter().flatten();
    let known = names.map(|b| &b.version).any(|version| *version == candidate.version);
    let finishes = next.phase == Some(Phase::Replacing) || percent(old) == 100;
    let rises = percent(next) > percent(old);
    found.unless(known || finishes || !rises, "S3", || {
        format!("{} gets {} % and the spec does not name it", candidate.version, percent(next))
    });
}

/// S3: where the canary's share of the requests is proven not to be what its weight says, no evidence moves it forward,
/// unless clients keep their version.
fn fits(object: &ModelRelease, next: &ModelReleaseStatus, found: &mut Found) {
    let skewed = next.state.share.as_ref().and_then(|share| share.skewed.as_ref());
    let sticky = object.spec.traffic.as_ref().and_then(|t| t.sticky) == Some(true);
    let reason = next.decision.as_ref().map(|decision| decision.reason);
    let forward = matches!(
        reason,
        Some(
            Reason::StepAdvanced
                | Reason::QualityPassed
                | Reason::GuardrailsPassed
                | Reason::AwaitingPromotion
        )
    );
    found.unless(sticky || skewed.is_none() || !forward, "S3", || {
        format!("{reason:?} although requests go otherwise than by weight: {skewed:?}")
    });
}

/// S3: what passed by quality, or by guardrails alone, has as many events counted as the user demands.
fn proven(object: &ModelRelease, next: &ModelReleaseStatus, found: &mut Found) {
    let Some(decision) = &next.decision else { return };
    let events = |name: &str| next.state.checks.get(name).map_or(0.0, |check| check.canary_events);
    let analysis = object.spec.analysis.as_ref();
    let quality = analysis.and_then(|a| a.quality.as_ref());
    let (counted, least) = match decision.reason {
        Reason::QualityPassed => {
            (events("model_accuracy"), quality.and_then(|q| q.min_samples).unwrap_or(100))
        }
        Reason::GuardrailsPassed => {
            let all = analysis.and_then(|a| a.guardrails.as_ref());
            let named = all.into_iter().flatten().map(|g| (events(&g.name), g.min_requests.unwrap_or(100)));
            let fewest = named.min_by(|a, b| a.0.total_cmp(&b.0));
            fewest.unwrap_or((events("errors"), 100))
        }
        _ => return,
    };
    found.unless(counted >= f64::from(least), "S3", || {
        format!("{:?} on {counted} events, and {least} are demanded", decision.reason)
    });
}

/// S4: where nothing usable was answered, nothing is counted.
pub fn neutral(old: &ModelReleaseStatus, next: &ModelReleaseStatus) -> Vec<Broken> {
    let mut found = Found::default();
    for (name, check) in &next.state.checks {
        let same = old.state.checks.get(name).filter(|before| before.digest == check.digest);
        let counts = |c: &Checkpoint| {
            [c.stable_hits, c.stable_events, c.canary_hits, c.canary_events].map(f64::to_bits)
        };
        let moved = counts(check) != same.map_or([0; 4], counts);
        found.unless(!moved, "S4", || format!("no number was answered, and the counts of {name} moved"));
    }
    let sums = |s: &ModelReleaseStatus| {
        let known = s.state.share.as_ref();
        known.map_or([0; 2], |k| [k.recent_canary, k.recent_requests].map(f64::to_bits))
    };
    let moved = sums(next) != sums(old) && sums(next) != [0; 2];
    found.unless(!moved, "S4", || "no number was answered, and the canary's share moved".into());
    found.0
}

/// What is shown of the traffic is what was read, never what is meant.
pub fn shown(ground: &Ground) -> Vec<Broken> {
    let mut found = Found::default();
    let read = ground.traffic().and_then(|live| read_back(&live.body));
    for shown in &ground.status.traffic {
        let of = |all: &Vec<(Hash, i32)>| {
            all.iter().filter(|(h, _)| h.as_str() == shown.hash).map(|(_, w)| *w).sum::<i32>()
        };
        let true_of = read.as_ref().map_or(0, of);
        found.unless(shown.percent == true_of, "H1", || {
            format!("{} is shown with {} % and has {true_of}", shown.version, shown.percent)
        });
    }
    found.0
}

/// S2: the first weight comes when gateways were seen to lead to the version, as far as that can be seen.
pub fn led_to(ground: &Ground) -> Vec<Broken> {
    let mut found = Found::default();
    weights::led_to(ground, &mut found);
    found.0
}

/// S6: what the rollback annotation holds is not started, raised or promoted; it leaves. What is only paused, or under
/// a word that cannot be read, does not go forward either, but for a flip that was committed before.
fn held(object: &ModelRelease, old: &ModelReleaseStatus, next: &ModelReleaseStatus, found: &mut Found) {
    let annotations = Annotations::read(object.metadata.annotations.as_ref());
    let Some(decision) = &next.decision else { return };
    let known = next.versions.iter().chain(&old.versions).find(|v| v.hash == decision.hash);
    let names = |version: &VersionStatus| match &annotations.rollback {
        Rollback::True => true,
        Rollback::Version(name) => *name == version.version || *name == version.hash,
        Rollback::Absent | Rollback::Malformed => false,
    };
    let held = annotations.rollback == Rollback::True || known.is_some_and(names);
    let percent = |s: &ModelReleaseStatus| s.step.as_ref().map_or(0, |rung| rung.weight);
    let on_trial = known.is_some_and(|v| v.track == Track::Canary);
    let rises = on_trial && percent(next) > percent(old);
    let at_rest = matches!(decision.from, Phase::Stable | Phase::RolledBack);
    let started = decision.verdict == Act::Start && matches!(decision.to, Phase::Starting | Phase::Shadowing)
        || decision.verdict == Act::Replace && at_rest;
    let judged = matches!(decision.from, Phase::Shadowing | Phase::Analyzing);
    let promoted = decision.verdict == Act::Promote && judged;
    let flips = matches!(decision.from, Phase::Promoting | Phase::Replacing);
    let forward = started || promoted || rises;
    found.unless(!(held && forward), "S6", || format!("forward while held: {decision:?}"));
    let anew = started || promoted || rises && !flips;
    found.unless(!(annotations.paused() && anew), "S6", || format!("forward while paused: {decision:?}"));
    let candidate = old.versions.iter().find(|v| v.track == Track::Canary).filter(|v| names(v));
    let answered = matches!(decision.verdict, Act::Rollback | Act::Delete);
    found.unless(candidate.is_none() || answered, "S6", || {
        format!("a human rolls {:?} back, and what is decided is {decision:?}", candidate.map(|v| &v.version))
    });
}

/// What is broken by a write, at the moment at which it is accepted.
pub fn write(ground: &Ground, write: &Write) -> Vec<Broken> {
    let mut found = Found::default();
    let (key, body) = match write {
        Write::Finalizer { .. } => return Vec::new(),
        Write::Create { key, body } | Write::Apply { key, body, .. } => (key, Some(body)),
        Write::Delete { key, .. } => (key, None),
    };
    confined(ground, key, &mut found);
    let live = ground.observed.children.get(key);
    if let Some(live) = live {
        let ours = live.owner.as_deref() == ground.object.metadata.uid.as_deref();
        found.unless(ours, "S9", || format!("a write to somebody else's object: {key}"));
    }
    match write {
        Write::Apply { uid, resource_version, .. } | Write::Delete { uid, resource_version, .. } => {
            let read = live.is_some_and(|l| l.uid == *uid && l.resource_version == *resource_version);
            found.unless(read, "S11", || format!("{key} is not written as it was read"));
        }
        Write::Create { .. } => {
            let deleting = ground.object.metadata.deletion_timestamp.is_some();
            found.unless(!deleting, "S13", || format!("{key} is created for a deleted release"));
        }
        Write::Finalizer { .. } => {}
    }
    if let Some(body) = body {
        let seq = seq_of(body);
        let given = ground.status.decision.as_ref().map_or(0, |d| d.seq).max(ground.status.state.traffic.seq);
        found.unless(seq <= given, "S5", || format!("{key} bears {seq}, and {given} is the last committed"));
        let newer = live.and_then(|l| l.seq).is_none_or(|at| at <= seq);
        found.unless(newer, "S10", || format!("{key} bears {:?}, and {seq} is written", live.map(|l| l.seq)));
        match key.kind {
            Kind::VirtualService | Kind::HttpRoute if key.name == ground.name() => {
                weights::split(ground, key, body, &mut found);
            }
            Kind::Deployment | Kind::Service => fallback::kept(ground, key, body, &mut found),
            Kind::EnvoyFilter => elsewhere(ground, key, body, &mut found),
            _ => {}
        }
    }
    if matches!(key.kind, Kind::Deployment | Kind::Service) {
        gone::last(ground, key, body, &mut found);
    }
    found.0
}

/// What is broken by a plan as a whole.
pub fn plan(ground: &Ground, writes: &[Write]) -> Vec<Broken> {
    let mut found = Found::default();
    gone::not_with_weights(ground, writes, &mut found);
    found.0
}

/// S9: kinds and names of ours, in the release's namespace or a gateway's.
fn confined(ground: &Ground, key: &Key, found: &mut Found) {
    let home = key.namespace == ground.namespace();
    let place = home
        || (key.kind == Kind::EnvoyFilter
            && ground
                .settings
                .gateways
                .iter()
                .any(|set| set.envoy_filters && set.namespace == key.namespace));
    let own = key.name == ground.name()
        || key.name.starts_with(&format!("{}-", ground.name()))
        || key.name.starts_with(&format!("{}.", ground.name()))
        || (!home && key.name.contains(ground.name()));
    found.unless(place && own, "S9", || format!("{key} is not a name of this release"));
}

/// S15: an EnvoyFilter selects exactly a gateway's pods, or the release's own; or it names Gateways that the
/// administrator lets releases use, in its own namespace.
fn elsewhere(ground: &Ground, key: &Key, body: &serde_json::Value, found: &mut Found) {
    let selector = body.pointer("/spec/workloadSelector/labels").cloned().unwrap_or_default();
    let of_gateway = ground.settings.gateways.iter().any(|set| {
        set.namespace == key.namespace && serde_json::to_value(&set.selector).is_ok_and(|s| s == selector)
    });
    let own = key.namespace == ground.namespace()
        && selector.get(crate::api::LABEL_NAME).and_then(serde_json::Value::as_str) == Some(ground.name());
    let exact = selector.as_object().is_some_and(|labels| !labels.is_empty()) && (of_gateway || own);
    let targets = body.pointer("/spec/targetRefs").and_then(serde_json::Value::as_array);
    let allowed = |target: &serde_json::Value| {
        let name = target.get("name").and_then(serde_json::Value::as_str).unwrap_or_default();
        let full = format!("{}/{name}", key.namespace);
        ground.settings.gateways.iter().any(|set| set.gateways.contains(&full))
    };
    let named = selector.is_null() && targets.is_some_and(|all| !all.is_empty() && all.iter().all(allowed));
    found.unless(exact || named, "S15", || format!("{key} selects {selector}"));
}

fn seq_of(body: &serde_json::Value) -> i64 {
    let annotations = body.pointer("/metadata/annotations");
    let seq = annotations.and_then(|all| all.get(crate::api::ANNOTATION_SEQ)?.as_str()?.parse().ok());
    seq.unwrap_or(i64::MAX)
}

/// Rules that were broken so far.
#[derive(Default)]
struct Found(Vec<Broken>);

impl Found {
    fn unless(&mut self, holds: bool, rule: &'static str, what: impl FnOnce() -> String) {
        tally::one(rule);
        if !holds {
            self.0.push(Broken { rule, what: what() });
        }
    }
}
