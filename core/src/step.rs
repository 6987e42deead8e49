//! One look: facts, evidence, the first move that answers, words, writes, and when to look again.

use jiff::{SignedDuration, Timestamp, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::analysis::{self, Look};
use crate::api::reasons::Reason;
use crate::api::spec::{ModelRelease, Provider};
use crate::api::status::{Act, ModelReleaseStatus, Track, TrafficState};
use crate::drift;
use crate::due::{self, IDLE};
use crate::effects::{self, next_seq};
use crate::facts;
use crate::moves::first_move;
use crate::observed::Observed;
use crate::plan::{Asks, Event, Plan, Warmup};
use crate::pushes;
use crate::release::Release;
use crate::room;
use crate::settings::Settings;
use crate::share;
use crate::situation::{self, Situation, later};
use crate::tell;
use crate::traffic;
use crate::version::Hash;
use crate::wanted::{self, Traffic};
use crate::writes::{self, Writes};

/// Version of `status.state` that this operator reads and writes.
pub const STATE: i32 = 1;

/// What has to be asked before the next look. Mostly nothing.
pub fn queries(object: &ModelRelease, observed: &Observed, settings: &Settings, now: Timestamp) -> Asks {
    let status = object.status.clone().unwrap_or_default();
    let release = parse(object, observed, settings);
    let now = not_before(&status, now);
    let weights = situation::weights(&release, observed);
    let view = View { release: &release, observed, weights, settings, now };
    let s = view.of(&status, None);
    if release.deleted_at.is_some() || s.suspended() || s.expired() {
        return Asks::default();
    }
    let (stable, canary) = (s.hash(Track::Stable), s.hash(Track::Canary));
    let mut queries = facts::subject(&s, stable.as_ref(), canary.as_ref())
        .map(|subject| analysis::queries(&release, &subject, &status.state.checks, now))
        .unwrap_or_default();
    queries.extend(share::queries(&s));
    let silent = !status.state.traffic.silent.is_empty();
    let route = s.route_to_check();
    let unproven = !s.settled() || silent || facts::limits_unproven(&s) || route.is_some();
    let asked = !status.state.traffic.digest.is_empty() && unproven && s.traffic_object().is_some();
    let probes = match route {
        _ if !asked => Vec::new(),
        Some((hash, ready)) => traffic::probes_of(&release, settings, &hash, ready.path()),
        None => traffic::probes(&release, settings),
    };
    Asks { queries, probes, warmup: warmup(&s), pushes_until: pushes::wanted_until(&s) }
}

/// The warm-up of a version that is ready, is led to, has its route everywhere, and has not answered all of it yet.
fn warmup(s: &Situation) -> Option<Warmup> {
    let hash = s.hash(Track::Canary)?;
    let memory = s.candidate()?;
    if !s.warms() || s.warms_since().is_none() || s.warmed_up() || !s.settled() {
        return None;
    }
    let wanted = s.warmup()?;
    Some(Warmup {
        attempt: memory.attempt,
        returns: memory.returns,
        // Gateways lead to the app, and it is the model that is to be warm.
        probes: if s.has_app(&hash) {
            Vec::new()
        } else {
            traffic::probes_of(s.release, s.settings, &hash, wanted.path)
        },
        namespace: s.release.namespace.clone(),
        service: s.release.object_name(&hash),
        path: wanted.path.to_owned(),
        body: wanted.body.map(str::to_owned),
        requests: wanted.requests,
        hash,
    })
}

/// Decides. The same world gives the same plan; nothing is done here.
///
/// `object` is the release as stored, with its status; `observed` is the world, `now` the time. At most one move of
/// the table is made; the status that commits it comes back whole, with the writes that follow from it.
pub fn step(object: &ModelRelease, observed: &Observed, settings: &Settings, now: Timestamp) -> Plan {
    let mut old = object.status.clone().unwrap_or_default();
    let now = not_before(&old, now);
    let release = parse(object, observed, settings);
    if old.state.version > STATE {
        return too_old(&old, now);
    }
    let weights = situation::weights(&release, observed);
    let view = View { release: &release, observed, weights, settings, now };
    if release.deleted_at.is_some() {
        return farewell(&view, &old);
    }

    let mut noted = facts::note(&view.of(&old, None));
    let hands_off = view.of(&noted, None).suspended() || view.of(&noted, None).expired();
    if !hands_off {
        noted.state.share = share::note(&view.of(&noted, None));
    }
    let look = if hands_off { None } else { evidence(&view.of(&noted, None)) };
    if let Some(look) = &look {
        noted.state.checks.clone_from(&look.checks);
        // A bake without absolute bounds compares nothing: what was proven stays to be seen.
        if look.status.quality.is_some() || !look.status.guardrails.is_empty() {
            noted.analysis = Some(look.status.clone());
        }
        let phase = noted.phase.unwrap_or_default();
        facts::bake_clock(&mut noted, phase, look.blind, release.annotations.paused(), now);
    }

    let phase = noted.phase;
    let s = view.of(&noted, look.as_ref());
    let found = first_move(&s);
    let row = found.as_ref().map(|(row, _)| *row);
    let (mut status, entry) = match &found {
        Some((_, found)) => effects::apply(&s, found),
        None => (noted, None),
    };
    let traffic = wanted::traffic(&view.of(&status, None));
    status.state.traffic = numbered(&view.of(&status, None), traffic.as_ref(), found.is_some());
    let judged = look.as_ref().filter(|_| status.phase == phase);
    let mut status = tell::tell(&view.of(&status, judged));

    let decided = status.decision.as_ref().map_or(0, |decision| decision.seq);
    let steady = found.is_none()
        && old.observed_generation == release.generation
        && old.state.traffic.digest == status.state.traffic.digest
        && old.state.applied == decided;
    let writes = if view.of(&status, None).suspended() {
        Writes::default()
    } else {
        writes::writes(&view.of(&status, None), traffic, steady)
    };
    let next_look = due::next_look(&view.of(&status, judged), found.is_some(), writes.put_off);
    if !steady {
        status.state.applied = if writes.all.is_empty() && found.is_none() { decided } else { 0 };
    }
    drift::count(&mut status.state.drift, writes.drifted.len(), now);
    status.next_look_at = Some(next_look);

    let made = found.as_ref().map(|(_, found)| found);
    let events = tell::events(&view.of(&status, None), &old, made, entry.as_ref(), &writes.drifted);
    // Another time to look again is no news.
    old.next_look_at = status.next_look_at;
    let changed = old != status;
    if changed {
        room::make(&mut status);
    }
    let status = changed.then(|| Box::new(status));
    Plan { status, row, decision: entry, writes: writes.all, drifted: writes.drifted, events, next_look }
}

/// What does not change within a look.
struct View<'a> {
    release: &'a Release,
    observed: &'a Observed,
    weights: Option<Vec<(Hash, i32)>>,
    settings: &'a Settings,
    now: Timestamp,
}

impl View<'_> {
    fn of<'b>(&'b self, status: &'b ModelReleaseStatus, look: Option<&'b Look>) -> Situation<'b> {
        let Self { release, observed, ref weights, settings, now } = *self;
        Situation { release, status, observed, weights: weights.as_deref(), settings, now, look }
    }
}

/// The release, parsed; refused also for what only the cluster can tell.
fn parse(object: &ModelRelease, observed: &Observed, settings: &Settings) -> Release {
    let mut release = Release::parse(object, settings);
    if let Some(other) = traffic::other_provider(&release, observed) {
        release.traffic.provider = other;
        let message = "spec.traffic.provider cannot change while the release lives: its weights would be nobody's in between. \
                       Apply the same versions as a release of another name, move clients to it, then delete this one";
        release.refused.get_or_insert((Reason::InvalidSpec, message.to_owned()));
    }
    if release.refused.is_none() {
        release.refused = missing(release.traffic.provider, observed);
    }
    if !observed.istio {
        // What EnvoyFilters would do is lacking, and said to be.
        release.traffic.sets.iter_mut().for_each(|set| set.envoy_filters = false);
    }
    if release.refused.is_none() {
        release.refused = traffic::conflict(&release, &observed.claims);
    }
    release
}

/// What the API server lacks that routes are written in.
fn missing(provider: Provider, observed: &Observed) -> Option<(Reason, String)> {
    let (there, what) = match provider {
        Provider::Istio => (observed.istio, "networking.istio.io: install Istio"),
        Provider::GatewayApi => (
            observed.gateway_api,
            "gateway.networking.k8s.io/v1 HTTPRoute: install the Gateway API's CRDs, 1.4 or later",
        ),
    };
    (!there)
        .then(|| (Reason::MissingAPI, format!("the cluster does not serve {what}; nothing starts before")))
}

/// The time to the millisecond; never before the last decision, so that a clock set back only delays.
pub(crate) fn not_before(status: &ModelReleaseStatus, now: Timestamp) -> Timestamp {
    let now = now.round(Unit::Millisecond).unwrap_or(now);
    status.decision.as_ref().map_or(now, |decision| now.max(decision.at))
}

fn evidence(s: &Situation) -> Option<Look> {
    let (stable, canary) = (s.hash(Track::Stable), s.hash(Track::Canary));
    let subject = facts::subject(s, stable.as_ref(), canary.as_ref())?;
    Some(analysis::look(s.release, &subject, &s.status.state.checks, &s.observed.answers, s.now))
}

/// What the traffic object is to say has a number of its own, by which gateways are recognised to have it: that of the
/// decision that changed it, or the next one if the spec did.
fn numbered(s: &Situation, traffic: Option<&Traffic>, decided: bool) -> TrafficState {
    let digest = traffic.map(|traffic| traffic.digest.clone()).unwrap_or_default();
    if digest == s.status.state.traffic.digest {
        return s.status.state.traffic.clone();
    }
    let seq = match &s.status.decision {
        Some(decision) if decided => decision.seq,
        _ => next_seq(s.status),
    };
    TrafficState { seq, changed_at: Some(s.now), digest, ..TrafficState::default() }
}

/// A later operator has been here. Its memory is not ours to read, let alone to write; that is said, not written.
fn too_old(old: &ModelReleaseStatus, now: Timestamp) -> Plan {
    let message = format!(
        "this operator is older than the one that last wrote status.state (version {}, known is {STATE}); it leaves the \
         release alone: upgrade it",
        old.state.version
    );
    let event =
        Event { warning: true, reason: Reason::OperatorOutdated, action: Act::Hold.as_str(), message };
    Plan {
        status: None,
        decision: None,
        row: None,
        writes: Vec::new(),
        drifted: Vec::new(),
        events: vec![event],
        next_look: later(now, IDLE),
    }
}

/// Row 1: the last decision sets stable's weight to 100; our objects in other namespaces are removed, then the
/// finalizer. All else goes by owner reference, and none of it is waited for.
fn farewell(view: &View, old: &ModelReleaseStatus) -> Plan {
    let s = view.of(old, None);
    let found = if s.release.orphans { None } else { first_move(&s) };
    let (mut status, entry) = match &found {
        Some((_, found)) => effects::apply(&s, found),
        None => (old.clone(), None),
    };
    if found.is_some() {
        let traffic = wanted::traffic(&view.of(&status, None));
        status.state.traffic = numbered(&view.of(&status, None), traffic.as_ref(), true);
    }
    let s = view.of(&status, None);
    Plan {
        status: found.is_some().then(|| Box::new(tell::tell(&s))),
        decision: entry,
        row: found.map(|(number, _)| number),
        ..last_writes(&s)
    }
}

/// A deleted release that cannot be read, by its metadata alone: what is ours elsewhere goes, then the finalizer, so
/// that nothing holds it. Its weights stay as they are, for what they should be cannot be read; its status as well.
pub fn bury(metadata: &ObjectMeta, observed: &Observed, settings: &Settings, now: Timestamp) -> Plan {
    let object = ModelRelease { metadata: metadata.clone(), ..ModelRelease::default() };
    let release = Release::parse(&object, settings);
    let view = View { release: &release, observed, weights: None, settings, now };
    last_writes(&view.of(&ModelReleaseStatus::default(), None))
}

/// The last writes, and a Warning if something of ours could not be removed in time.
fn last_writes(s: &Situation) -> Plan {
    let farewell = writes::farewell(s);
    let events = farewell.left_behind.map(|left| {
        let message = format!(
            "the release is deleted, and {left} could not be removed for {} s: remove what is left by hand",
            writes::PATIENCE.as_secs()
        );
        Event { warning: true, reason: Reason::Deleted, action: Act::Delete.as_str(), message }
    });
    let wait = if s.release.has_finalizer { SignedDuration::from_secs(1) } else { IDLE };
    Plan {
        status: None,
        row: None,
        decision: None,
        writes: farewell.all,
        drifted: Vec::new(),
        events: events.into_iter().collect(),
        next_look: later(s.now, wait),
    }
}
