//! One look: facts, evidence, the first move that answers, words, writes, and when to look again.

use jiff::{SignedDuration, Timestamp, Unit};

use crate::analysis::{self, Look};
use crate::api::reasons::Reason;
use crate::api::spec::ModelRelease;
use crate::api::status::{Act, Decision, HistoryEntry, ModelReleaseStatus, Phase, Track, TrafficState};
use crate::effects::{self, next_seq};
use crate::facts;
use crate::moves::first_move;
use crate::observed::Observed;
use crate::plan::{Asks, Plan};
use crate::release::Release;
use crate::settings::Settings;
use crate::situation::{Situation, later};
use crate::tell;
use crate::traffic;
use crate::wanted;
use crate::writes;

/// Version of `status.state` that this operator reads and writes.
const STATE: i32 = 1;

/// Time between looks of a release that waits for nothing.
const IDLE: SignedDuration = SignedDuration::from_hours(12);

/// What has to be asked before the next look. Mostly nothing.
pub fn queries(object: &ModelRelease, observed: &Observed, settings: &Settings, now: Timestamp) -> Asks {
    let status = object.status.clone().unwrap_or_default();
    let release = parse(object, observed, settings);
    let now = not_before(&status, now);
    let s = Situation { release: &release, status: &status, observed, settings, now, look: None };
    let (stable, canary) = (s.hash(Track::Stable), s.hash(Track::Canary));
    let queries = facts::subject(&s, stable.as_ref(), canary.as_ref())
        .map(|subject| analysis::queries(&release, &subject, &status.state.checks, now))
        .unwrap_or_default();
    let unsettled = !status.state.traffic.digest.is_empty() && !s.settled() && s.traffic_object().is_some();
    Asks { queries, probes: if unsettled { traffic::probes(&release) } else { Vec::new() } }
}

/// Decides. The same world gives the same plan; nothing is done here.
///
/// `object` is the release as stored, with its status; `observed` is the world, `now` the time. At most one move of
/// the table is made; the status that commits it comes back whole, with the writes that follow from it.
pub fn step(object: &ModelRelease, observed: &Observed, settings: &Settings, now: Timestamp) -> Plan {
    let old = object.status.clone().unwrap_or_default();
    let now = not_before(&old, now);
    let release = parse(object, observed, settings);
    if old.state.version > STATE {
        // A later operator has been here. Its memory is not ours to read, let alone to write.
        let nothing = Plan {
            status: None,
            row: None,
            decision: None,
            writes: Vec::new(),
            events: Vec::new(),
            next_look: later(now, IDLE),
        };
        return nothing;
    }
    let view = View { release: &release, observed, settings, now };
    if release.deleting {
        return farewell(&view.of(&old, None));
    }

    let mut noted = facts::note(&view.of(&old, None));
    let look = evidence(&view.of(&noted, None));
    if let Some(look) = &look {
        noted.state.checks.clone_from(&look.checks);
        // A bake without absolute bounds compares nothing: what was proven stays to be seen.
        if look.status.quality.is_some() || !look.status.guardrails.is_empty() {
            noted.analysis = Some(look.status.clone());
        }
        let phase = noted.phase.unwrap_or_default();
        facts::bake_clock(&mut noted, phase, look.blind, now);
    }

    let s = view.of(&noted, look.as_ref());
    let found = first_move(&s);
    let row = found.as_ref().map(|(row, _)| *row);
    let (mut status, entry) = match &found {
        Some((_, found)) => effects::apply(&s, found),
        None => (noted.clone(), None),
    };
    let traffic = numbered_traffic(&view.of(&status, None), found.is_some());
    status.state.traffic = traffic;
    let judged = look.as_ref().filter(|_| status.phase == noted.phase);
    let mut status = tell::tell(&view.of(&status, judged));

    let steady = found.is_none()
        && old.observed_generation == release.generation
        && old.state.traffic.digest == status.state.traffic.digest;
    let writes = writes::writes(&view.of(&status, None), steady);
    let next_look = next_look(&view.of(&status, judged), found.is_some());
    let drifted = i64::try_from(writes.drifted.len()).unwrap_or(0);
    status.state.drift = status.state.drift.saturating_add(drifted);
    status.next_look_at = Some(next_look);

    let events = tell::events(&old, &status, entry.as_ref(), &writes.drifted);
    let changed = differs(&old, &status);
    let status = changed.then(|| Box::new(status));
    Plan { status, row, decision: entry, writes: writes.all, events, next_look }
}

/// What does not change within a look.
struct View<'a> {
    release: &'a Release,
    observed: &'a Observed,
    settings: &'a Settings,
    now: Timestamp,
}

impl View<'_> {
    fn of<'b>(&'b self, status: &'b ModelReleaseStatus, look: Option<&'b Look>) -> Situation<'b> {
        let Self { release, observed, settings, now } = *self;
        Situation { release, status, observed, settings, now, look }
    }
}

/// The release, parsed; refused also for what only the cluster can tell.
fn parse(object: &ModelRelease, observed: &Observed, settings: &Settings) -> Release {
    let mut release = Release::parse(object, settings);
    if release.refused.is_none() && !observed.istio {
        let message = "the cluster does not serve networking.istio.io: install Istio; nothing starts before";
        release.refused = Some((Reason::MissingAPI, message.to_owned()));
    }
    if release.refused.is_none() {
        release.refused = traffic::conflict(&release, &observed.claims);
    }
    release
}

/// The time to the millisecond; never before the last decision, so that a clock set back only delays.
fn not_before(status: &ModelReleaseStatus, now: Timestamp) -> Timestamp {
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
fn numbered_traffic(s: &Situation, decided: bool) -> TrafficState {
    let digest = wanted::traffic_digest(s);
    if digest == s.status.state.traffic.digest {
        return s.status.state.traffic.clone();
    }
    let seq = match &s.status.decision {
        Some(decision) if decided => decision.seq,
        _ => next_seq(s.status),
    };
    TrafficState { seq, changed_at: Some(s.now), read_at: None, settled_at: None, digest }
}

/// Whether two statuses differ in more than when to look again.
fn differs(old: &ModelReleaseStatus, new: &ModelReleaseStatus) -> bool {
    let mut old = old.clone();
    old.next_look_at = new.next_look_at;
    old != *new
}

/// The last decision: our objects elsewhere are removed, then the finalizer. Routes and workloads go by owner reference;
/// their weights are not touched again.
fn farewell(s: &Situation) -> Plan {
    let mut status = s.status.clone();
    let new = s.release.has_finalizer && status.decision.as_ref().is_none_or(|d| d.verdict != Act::Delete);
    let mut entry = None;
    if new {
        let seq = next_seq(&status);
        let phase = s.phase();
        let hash = s.hash(Track::Canary).or(s.hash(Track::Stable)).map(|h| h.to_string()).unwrap_or_default();
        let from_percent = s.committed_percent();
        status.decision = Some(Decision {
            seq,
            verdict: Act::Delete,
            hash: hash.clone(),
            from: phase,
            to: phase,
            weight: 0,
            reason: Reason::Deleted,
            generation: s.release.generation,
            at: s.now,
        });
        status.step = None;
        entry = Some(HistoryEntry {
            seq,
            at: s.now,
            verdict: Act::Delete,
            version: s
                .role(Track::Canary)
                .or(s.role(Track::Stable))
                .map(|v| v.version.clone())
                .unwrap_or_default(),
            hash,
            from: phase,
            to: phase,
            from_percent,
            to_percent: 0,
            reason: Reason::Deleted,
            message: "the release is deleted".to_owned(),
            numbers: Vec::new(),
        });
    }
    let next_look = later(s.now, if s.release.has_finalizer { SignedDuration::from_secs(1) } else { IDLE });
    Plan {
        status: new.then(|| Box::new(status)),
        row: None,
        decision: entry,
        writes: writes::farewell(s),
        events: Vec::new(),
        next_look,
    }
}

/// The earliest time at which something may be due that no event tells.
fn next_look(s: &Situation, moved: bool) -> Timestamp {
    if moved {
        // A later row may answer now.
        return later(s.now, SignedDuration::from_millis(10));
    }
    let seconds = SignedDuration::from_secs;
    let mut due: Vec<Timestamp> = Vec::new();
    let mut at = |since: Option<Timestamp>, wait: SignedDuration| due.extend(since.map(|t| later(t, wait)));
    let memory = &s.status.state.traffic;
    let candidate = s.candidate();
    let clocks = &s.status.state.clocks;
    let rollout = &s.release.rollout;
    let wait = seconds(s.settings.propagation_wait_seconds);
    let detect = seconds(s.settings.detect_seconds);

    if memory.settled_at.is_none() && memory.read_at.is_some() {
        let young = memory.changed_at.is_some_and(|t| s.elapsed(t) < seconds(1));
        at(Some(s.now), SignedDuration::from_millis(if young { 100 } else { 500 }));
        at(memory.read_at, wait);
        at(memory.changed_at, seconds(31));
    }
    at(clocks.stable_empty_since, detect);
    at(clocks.candidate_empty_since, detect);
    at(memory.settled_at.filter(|_| wanted::outlived(s)), rollout.drain);
    match s.phase() {
        Phase::Pending => at(s.status.phase_started_at, rollout.progress_deadline),
        Phase::Starting | Phase::Replacing | Phase::Warming => {
            at(candidate.ready_at, rollout.warmup.max(wait));
            let left = rollout.progress_deadline.saturating_sub(s.unready());
            at(candidate.unready_since.map(|_| s.now), left);
        }
        Phase::Analyzing | Phase::Promoting => {
            let rung = s.status.step.as_ref();
            let least = rung
                .and_then(|r| usize::try_from(r.index).ok())
                .and_then(|i| rollout.steps.get(i))
                .map_or(SignedDuration::ZERO, |step| step.min_duration);
            at(rung.and_then(|r| r.settled_at), least);
            at(candidate.exposed_at, rollout.max_duration);
            at(candidate.evidence_from, SignedDuration::ZERO);
            at(
                s.status.phase_started_at.filter(|_| s.phase() == Phase::Promoting),
                rollout.progress_deadline,
            );
        }
        Phase::Baking => {
            at(
                Some(s.now).filter(|_| clocks.bake_counted_at.is_some()),
                rollout.bake.saturating_sub(s.baked()),
            );
            at(s.status.phase_started_at, rollout.bake.saturating_mul(2));
        }
        Phase::RollingBack => {
            at(s.role(Track::Failed).and_then(|v| v.zero_since), rollout.drain);
        }
        Phase::Stable | Phase::RolledBack => {
            at(s.role(Track::Previous).and_then(|v| v.retire_at), SignedDuration::ZERO);
            at(s.role(Track::Failed).and_then(|v| v.delete_at), SignedDuration::ZERO);
        }
    }
    if s.release.refused.is_some() || !s.observed.refused.is_empty() || s.foreign().is_some() {
        at(Some(s.now), seconds(60));
    }
    due.extend(s.look.map(|look| look.next_at.max(later(s.now, SignedDuration::from_millis(50)))));
    let idle = later(s.now, IDLE);
    // What is past was looked at just now and did not move anything.
    due.into_iter().filter(|t| *t > s.now).min().unwrap_or(idle).min(idle)
}
