//! What may be committed: moves, roles, numbers of decisions, quarantine (S5), and on what grounds (S3).

use std::collections::BTreeMap;

use model_release_core::api::reasons::Reason;
use model_release_core::api::status::{Act, Decision, ModelReleaseStatus, Track};

use super::Check;
use super::object::{annotation, text, writers};
use super::rule::{Findings, Rule};
use super::world::{Change, Release, World};

/// Annotation that promotes without evidence.
const PROMOTE: &str = "modelrelease.dev/promote";
/// Annotation that lifts a quarantine.
const RETRY: &str = "modelrelease.dev/retry";
/// Entries of the quarantine beyond which the oldest is dropped.
const QUARANTINE: usize = 10;

/// Phases and those that may follow; staying, and Pending of a release that expired, are always allowed.
const MOVES: [(&str, &[&str]); 11] = [
    ("Pending", &["Stable"]),
    ("Stable", &["Starting", "Replacing", "RolledBack", "RollingBack"]),
    ("Starting", &["Warming", "Stable", "RollingBack", "Replacing"]),
    ("Warming", &["Shadowing", "Analyzing", "Starting", "Stable", "RollingBack", "Replacing"]),
    ("Shadowing", &["Analyzing", "Promoting", "Starting", "Stable", "RollingBack", "Replacing"]),
    ("Analyzing", &["Promoting", "Starting", "Stable", "RollingBack", "Replacing"]),
    ("Promoting", &["Baking", "Starting", "RollingBack", "Replacing"]),
    ("Replacing", &["Baking", "Stable", "RollingBack"]),
    ("Baking", &["Stable", "RollingBack"]),
    ("RollingBack", &["RolledBack", "Stable"]),
    ("RolledBack", &["Stable", "Starting", "Replacing", "RollingBack"]),
];

/// Judges every status that the operator writes.
#[derive(Debug, Default)]
pub struct Commits {
    /// Versions that were promoted on grounds that were seen, by UID of the release.
    grounds: BTreeMap<String, String>,
}

/// A status of a release that the operator wrote over another: before and after.
pub fn committed(change: &Change) -> Option<(&Release, &Release, &ModelReleaseStatus, &ModelReleaseStatus)> {
    let (old, new) = (change.old_release.as_deref()?, change.new_release.as_deref()?);
    let who = writers(Some(&old.body), &new.body);
    let (before, after) = (old.status.as_ref()?, new.status.as_ref()?);
    (old.uid == new.uid && before != after && (who.operator || !who.others))
        .then_some((old, new, before, after))
}

/// The decision that a status commits, if it is a new one.
pub fn decided<'a>(before: &ModelReleaseStatus, after: &'a ModelReleaseStatus) -> Option<&'a Decision> {
    after.decision.as_ref().filter(|decision| before.decision.as_ref() != Some(decision))
}

impl Check for Commits {
    fn look(&mut self, _: &World, change: &Change, found: &mut Findings) {
        let Some((old, new, before, after)) = committed(change) else {
            if let (Some(old), None) = (&change.old_release, &change.new_release) {
                self.grounds.remove(&old.uid);
            }
            return;
        };
        moves(old, new, before, after, found);
        roles(after, found);
        numbers(before, after, found);
        quarantine(old, new, before, after, found);
        self.grounds(old, new, before, after, found);
    }
}

fn moves(
    old: &Release,
    new: &Release,
    before: &ModelReleaseStatus,
    after: &ModelReleaseStatus,
    found: &mut Findings,
) {
    let (from, to) = (old.phase(), new.phase());
    match decided(before, after) {
        Some(decision) => {
            let follows = MOVES.iter().any(|(phase, next)| *phase == from && next.contains(&to));
            found.must(Rule::Moves, from == to || to == "Pending" || follows, || {
                format!("from {from} to {to} by decision {} for {}", decision.seq, decision.reason)
            });
            let said = (decision.from.as_str(), decision.to.as_str());
            found.must(Rule::Moves, said == (from, to), || {
                format!(
                    "decision {} says {} to {}, the phase went from {from} to {to}",
                    decision.seq, said.0, said.1
                )
            });
        }
        None => {
            if before.phase.is_some() {
                found.must(Rule::Moves, from == to, || format!("from {from} to {to} without a decision"));
            }
        }
    }
}

fn roles(after: &ModelReleaseStatus, found: &mut Findings) {
    let versions = &after.versions;
    for (n, version) in versions.iter().enumerate() {
        let others = versions.iter().skip(n + 1);
        let twice = others.clone().find(|other| other.track == version.track || other.hash == version.hash);
        found.must(Rule::Roles, twice.is_none(), || {
            let other =
                twice.map_or_else(String::new, |other| format!("{} {}", other.track.as_str(), other.hash));
            format!("{} {} and {other}", version.track.as_str(), version.hash)
        });
    }
}

fn numbers(before: &ModelReleaseStatus, after: &ModelReleaseStatus, found: &mut Findings) {
    let traffic = (before.state.traffic.seq, after.state.traffic.seq);
    found.must(Rule::S5, traffic.1 >= traffic.0, || {
        format!("the number of the traffic object falls from {} to {}", traffic.0, traffic.1)
    });
    match (&before.decision, &after.decision) {
        (Some(last), Some(now)) if last != now => {
            found.must(Rule::S5, now.seq > last.seq, || {
                format!("decision {} ({}) follows decision {}", now.seq, now.reason, last.seq)
            });
        }
        (Some(last), None) => found.must(Rule::S5, false, || format!("decision {} is forgotten", last.seq)),
        _ => {}
    }
}

fn quarantine(
    old: &Release,
    new: &Release,
    before: &ModelReleaseStatus,
    after: &ModelReleaseStatus,
    found: &mut Findings,
) {
    for barred in &after.quarantine {
        let track = new.track(&barred.hash);
        found.must(Rule::S5, matches!(track, None | Some(Track::Failed)), || {
            format!("{} is quarantined and {}", barred.hash, track.map_or("", Track::as_str))
        });
    }
    let lifted =
        before.quarantine.iter().filter(|barred| !after.quarantine.iter().any(|q| q.hash == barred.hash));
    for barred in lifted {
        let asked = annotation(&old.body, RETRY).is_some_and(|token| !token.trim().is_empty());
        let full = before.quarantine.len() >= QUARANTINE;
        found.must(Rule::S5, asked || full || new.phase() == "Pending", || {
            format!("the quarantine of {} is lifted without a retry", barred.hash)
        });
    }
}

impl Commits {
    /// S3: who is promoted, and who becomes the live version, has grounds.
    fn grounds(
        &mut self,
        old: &Release,
        new: &Release,
        before: &ModelReleaseStatus,
        after: &ModelReleaseStatus,
        found: &mut Findings,
    ) {
        let (from, to) = (old.phase(), new.phase());
        let canary = new.role(Track::Canary);
        if let (true, Some(decision), Some(canary)) =
            (to == "Promoting" && from != to, decided(before, after), canary)
        {
            let entry = after.history.iter().find(|entry| entry.seq == decision.seq);
            let by_numbers = matches!(decision.reason, Reason::QualityPassed | Reason::GuardrailsPassed)
                && entry.is_some_and(|entry| !entry.numbers.is_empty() && entry.verdict == Act::Promote);
            let asked = annotation(&old.body, PROMOTE).map(str::trim).unwrap_or_default();
            let by_hand = decision.reason.to_string() == "ManualPromotion"
                && (asked == canary.version || asked == canary.hash);
            found.must(Rule::S3, by_numbers || by_hand, || {
                format!(
                    "{} is to be promoted for {} without what it rests on",
                    canary.version, decision.reason
                )
            });
            self.grounds.insert(new.uid.clone(), canary.hash.clone());
        }
        if let (true, Some(canary)) = (to == "Replacing" && from != to, canary) {
            let named = text(&old.body, "/spec/stable/version");
            found.must(Rule::S3, named == canary.version, || {
                format!("{} is to replace stable; spec.stable names {named}", canary.version)
            });
            self.grounds.insert(new.uid.clone(), canary.hash.clone());
        }
        let (was, is) = (old.role(Track::Stable), new.role(Track::Stable));
        if let (Some(was), Some(is)) = (was, is)
            && was.hash != is.hash
        {
            let fallback = to == "RollingBack"
                && (old.track(&is.hash) == Some(Track::Previous)
                    || is.version == text(&old.body, "/spec/stable/version"));
            let seen = to == "Baking" && self.grounds.get(&new.uid) == Some(&is.hash);
            found.must(Rule::S3, fallback || seen, || {
                format!("{} takes over from {} ({from} to {to}) without grounds", is.version, was.version)
            });
        }
    }
}
