//! S6: a rollback by hand dominates; and a pause holds what evidence and time would move.

use model_release_core::api::status::{Act, ModelReleaseStatus, Track, VersionStatus};

use super::Check;
use super::commits::{committed, decided};
use super::object::annotation;
use super::rule::{Findings, Rule};
use super::world::{Change, Release, World};

const ROLLBACK: &str = "modelrelease.dev/rollback";
const PAUSE: &str = "modelrelease.dev/pause";
/// Phases in which a candidate is on trial or replaces stable.
const UNDER_WAY: [&str; 6] = ["Starting", "Warming", "Shadowing", "Analyzing", "Promoting", "Replacing"];

/// What an annotation of two words and names says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Absent,
    True,
    Name(String),
    Malformed,
}

fn word(release: &Release, key: &str) -> Word {
    let value = annotation(&release.body, key).unwrap_or_default().trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if value.is_empty() || value.eq_ignore_ascii_case("false") {
        Word::Absent
    } else if value.eq_ignore_ascii_case("true") {
        Word::True
    } else if value.len() <= 63
        && value.chars().all(plain)
        && ends(value.chars().next())
        && ends(value.chars().last())
    {
        Word::Name(value.to_owned())
    } else {
        Word::Malformed
    }
}

/// Whether the rollback annotation holds a version.
pub fn held(release: &Release, version: &VersionStatus) -> bool {
    match word(release, ROLLBACK) {
        Word::True => true,
        Word::Name(name) => name == version.version || name == version.hash,
        Word::Absent | Word::Malformed => false,
    }
}

fn paused(release: &Release) -> bool {
    // `pause` takes no names: one is a slip of the pen, and holds like one.
    word(release, PAUSE) != Word::Absent || word(release, ROLLBACK) == Word::Malformed
}

/// Judges commits while an annotation holds them. Statuses are written on condition of the revision that was read, so the
/// annotations that a commit was made under are those of the release just before it.
#[derive(Debug, Default)]
pub struct Held;

impl Check for Held {
    fn look(&mut self, _: &World, change: &Change, found: &mut Findings) {
        let Some((old, new, before, after)) = committed(change) else { return };
        if old.deleting() {
            return;
        }
        rollback(old, new, before, after, found);
        pause(old, new, before, after, found);
    }
}

fn weight(status: &ModelReleaseStatus) -> i32 {
    status.step.as_ref().map_or(0, |step| step.weight)
}

fn rollback(
    old: &Release,
    new: &Release,
    before: &ModelReleaseStatus,
    after: &ModelReleaseStatus,
    found: &mut Findings,
) {
    if let Some(candidate) = new.role(Track::Canary).filter(|candidate| held(old, candidate)) {
        let name = &candidate.version;
        let started = old.track(&candidate.hash) != Some(Track::Canary);
        found.must(Rule::S6, !started, || format!("{name} is started while rollback holds it"));
        found.must(Rule::S6, started || weight(after) <= weight(before), || {
            format!("{name} rises from {} to {} % while rollback holds it", weight(before), weight(after))
        });
        let promoted = new.phase() == "Promoting" && old.phase() != "Promoting";
        found.must(Rule::S6, !promoted, || format!("{name} is promoted while rollback holds it"));
    }
    let under_way = UNDER_WAY.contains(&old.phase());
    let candidate = old.role(Track::Canary).filter(|candidate| under_way && held(old, candidate));
    if let (Some(candidate), Some(decision)) = (candidate, decided(before, after)) {
        let leaves = decision.verdict == Act::Rollback && new.track(&candidate.hash) == Some(Track::Failed);
        found.must(Rule::S6, leaves, || {
            format!(
                "rollback holds {}, and the first decision after is {} to {} for {}",
                candidate.version,
                decision.verdict.as_str(),
                decision.to.as_str(),
                decision.reason
            )
        });
    }
}

fn pause(
    old: &Release,
    new: &Release,
    before: &ModelReleaseStatus,
    after: &ModelReleaseStatus,
    found: &mut Findings,
) {
    if !paused(old) {
        return;
    }
    let (from, to) = (old.phase(), new.phase());
    let starts = new.role(Track::Canary).is_some_and(|c| old.track(&c.hash) != Some(Track::Canary));
    found.must(Rule::Pause, !starts, || "a version is started while paused".to_owned());
    let rises = to == "Analyzing" && weight(after) > weight(before);
    found.must(Rule::Pause, !rises, || {
        format!("the canary rises from {} to {} % while paused", weight(before), weight(after))
    });
    let stage = to != from && ["Shadowing", "Analyzing", "Promoting"].contains(&to);
    found.must(Rule::Pause, !stage, || format!("from {from} to {to} while paused"));
    let baked = from == "Baking" && to == "Stable";
    found.must(Rule::Pause, !baked, || "a bake ends while paused".to_owned());
    let retired = old.role(Track::Previous).filter(|p| from == to && new.track(&p.hash).is_none());
    found.must(Rule::Pause, retired.is_none(), || "the previous version is retired while paused".to_owned());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[test]
    fn annotations_are_read_as_the_design_says() {
        let release = |value: &str| {
            let body = json!({"metadata": {"annotations": {ROLLBACK: value, PAUSE: value}}});
            Release::of(&Arc::new(body))
        };
        for (value, want) in [
            (" ", Word::Absent),
            ("False", Word::Absent),
            ("TRUE ", Word::True),
            ("2026.08", Word::Name("2026.08".into())),
            ("no way", Word::Malformed),
            ("-x", Word::Malformed),
        ] {
            assert_eq!(word(&release(value), ROLLBACK), want, "{value:?}");
            assert_eq!(paused(&release(value)), want != Word::Absent, "{value:?}");
        }
    }
}
