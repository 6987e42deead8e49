//! The gates of a version that is judged: what its checks say, the time at its weight, its share of the requests.

use jiff::SignedDuration;

use super::gates::{candidate, fallback, in_force, readiness, timed, waiting};
use super::{Gate, GateState};
use crate::analysis::outlook::Outlook;
use crate::api::spec::Promotion;
use crate::api::status::{Phase, Track, Verdict};
use crate::release::Step;
use crate::share;
use crate::situation::Situation;

/// Under copies of requests: enough for the first weight.
pub(super) fn shadowing(s: &Situation, outlook: &[Outlook]) -> Vec<Gate> {
    let Some(hash) = candidate(s) else { return Vec::new() };
    let mut all = Vec::new();
    // Nobody wants copies of it any more: then nothing of it is waited for.
    if let Some(shadow) = &s.release.rollout.shadow {
        all.extend(checks(outlook, false));
        all.extend(trust(s));
        all.push(dwelt(s, "time under copies", shadow.min_duration));
    }
    let index = s.status.step.as_ref().map_or(0, |rung| rung.index).max(0);
    let steps = &s.release.rollout.steps;
    let step = usize::try_from(index).ok().and_then(|i| steps.get(i)).or(steps.last());
    all.extend(step.map(|step| readiness(s, &hash, s.need(step.percent))));
    all.extend(fallback(s));
    all
}

/// With a weight: enough for the next step, or all of it for the promotion.
pub(super) fn analyzing(s: &Situation, outlook: &[Outlook]) -> Vec<Gate> {
    let (Some(hash), Some(rung)) = (candidate(s), s.status.step.as_ref()) else { return Vec::new() };
    if rung.target > rung.weight {
        let mut all: Vec<Gate> = trust(s).filter(|_| rung.weight > 0).into_iter().collect();
        all.push(readiness(s, &hash, s.need(rung.target)));
        return all;
    }
    if s.release.rollout.dark() {
        return vec![word(s, "it gets no traffic of the split")];
    }
    let last = at_the_last(s);
    let steps = &s.release.rollout.steps;
    let present = usize::try_from(rung.index).ok().and_then(|i| steps.get(i));
    let present = present.or(if last { steps.last() } else { steps.first() });
    let mut all = checks(outlook, last);
    all.extend(trust(s));
    all.extend(present.map(|step: &Step| dwelt(s, &format!("time at {} %", rung.weight), step.min_duration)));
    if last && s.release.rollout.promotion == Promotion::Manual {
        all.push(word(s, "rollout.promotion is Manual"));
    }
    all
}

/// Proven or ordered: full size, then all traffic.
pub(super) fn promoting(s: &Situation) -> Vec<Gate> {
    let Some(hash) = candidate(s) else { return Vec::new() };
    if s.committed_percent() == 100 {
        return vec![in_force(s)];
    }
    let by_hand = s.candidate().is_some_and(|memory| memory.by_hand);
    let mut all: Vec<Gate> = trust(s).filter(|_| !by_hand).into_iter().collect();
    all.push(readiness(s, &hash, s.full_size(&hash)));
    all
}

/// Whether the present weight is the last one before a promotion.
pub(super) fn at_the_last(s: &Situation) -> bool {
    let index = s.status.step.as_ref().map_or(0, |rung| rung.index);
    let count = i64::try_from(s.release.rollout.steps.len()).unwrap_or(i64::MAX);
    i64::from(index).saturating_add(1) >= count
}

fn word(s: &Situation, why: &str) -> Gate {
    let canary = s.role(Track::Canary).map(|v| v.version.clone()).unwrap_or_default();
    waiting("promotion", format!("{why}: it waits for the annotation promote={canary}"))
}

/// The checks that hold it. `last`: all of them have to pass; else enough for a step will do.
fn checks(outlook: &[Outlook], last: bool) -> Vec<Gate> {
    if outlook.is_empty() {
        return vec![waiting("evidence", "it has not begun: the weight is not in force yet".to_owned())];
    }
    let holding: Vec<&Outlook> = outlook.iter().filter(|check| check.enforced && !check.exempt).collect();
    if holding.is_empty() {
        let none = "no check that is enforced has anything to count, so nothing can be proven";
        return vec![waiting("evidence", none.to_owned())];
    }
    let of = |check: &&Outlook| {
        let state = match check.check.verdict {
            Verdict::Fail => GateState::Fail,
            Verdict::Pass => GateState::Pass,
            Verdict::Inconclusive if !last && check.opens_step => GateState::Pass,
            Verdict::Inconclusive => GateState::Waiting,
        };
        let doubts = check.check.doubts.iter().filter(|doubt| !check.message.contains(doubt.as_str()));
        let detail = std::iter::once(&check.message).chain(doubts).map(String::as_str).collect::<Vec<_>>();
        Gate { name: check.check.name.clone(), state, detail: detail.join("; "), until: None }
    };
    holding.iter().map(of).collect()
}

/// What keeps anything from rising whatever the checks say.
fn trust(s: &Situation) -> Option<Gate> {
    if s.skewed() {
        return Some(waiting("share", share::sentence(s).unwrap_or_default()));
    }
    let blind = "an enforced check has had no usable answer for more than three intervals";
    s.blind().then(|| waiting("evidence source", blind.to_owned()))
}

/// The least time at a weight, or under copies.
fn dwelt(s: &Situation, name: &str, least: SignedDuration) -> Gate {
    match s.dwelt() {
        Some(done) => timed(s, name, done, least),
        None if s.phase() == Phase::Shadowing => waiting(name, "copies are on their way".to_owned()),
        None => waiting(name, "the weight is on its way to the gateways".to_owned()),
    }
}
