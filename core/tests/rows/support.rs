//! Where a row answers, and what follows from it, in words that a table can hold.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::SignedDuration;
use model_release_core::api::status::{ModelReleaseStatus, Phase, Track};
use model_release_core::plan::Plan;
use model_release_core::testing::World;

use super::edges::EDGES;

/// A change of a world.
pub type Change = fn(&mut World);

static EVERYWHERE: LazyLock<Vec<(&'static str, World)>> = LazyLock::new(World::everywhere);

/// Each phase in each of its forms.
pub fn everywhere() -> impl Iterator<Item = (&'static str, World)> {
    EVERYWHERE.iter().map(|(name, world)| (*name, world.clone()))
}

/// One of them.
pub fn at(name: &str) -> World {
    everywhere().find(|(found, _)| *found == name).map(|(_, world)| world).expect("there is such a world")
}

/// One of them, changed.
pub fn changed(name: &str, change: impl FnOnce(&mut World)) -> World {
    let mut world = at(name);
    change(&mut world);
    world
}

/// The number of the row that answers.
pub fn row(mut world: World) -> Option<&'static str> {
    world.decide().row
}

/// The number of the row that answers at one of the worlds, changed.
pub fn row_at(name: &str, change: impl FnOnce(&mut World)) -> Option<&'static str> {
    row(changed(name, change))
}

/// The row answers in exactly the phases, and leads to exactly the phases, that [`EDGES`] has for it: over every phase
/// in each of its forms, under each of the changes.
#[track_caller]
pub fn answers(number: &str, changes: &[Change]) {
    let mut found = BTreeSet::new();
    for (_, world) in everywhere() {
        for change in changes {
            let mut world = world.clone();
            change(&mut world);
            let from = world.phase();
            let plan = world.decide();
            if plan.row == Some(number) {
                let to = plan.status.as_ref().and_then(|status| status.phase);
                found.insert((from, to.expect("a move is committed with its phase")));
            }
        }
    }
    let known: BTreeSet<(Phase, Phase)> =
        EDGES.iter().filter(|edge| edge.1 == number).map(|edge| (edge.0, edge.2)).collect();
    assert_eq!(found, known, "row {number}: found, and on record in edges.rs");
}

/// The guard of a row, part by part: at a world, whether the row answers, and why.
#[track_caller]
pub fn guard(number: &str, cases: Vec<(&str, World, bool)>) {
    for (why, world, answers) in cases {
        let found = row(world.clone());
        assert_eq!(found == Some(number), answers, "{why}: row {found:?}; {}", world.story());
    }
}

/// What a look decides, in a line: row, phases, verdict, reason, roles, who is barred, and the percent of the version that
/// it is about.
pub fn told(mut world: World) -> String {
    let plan = world.decide();
    said(&plan)
}

fn said(plan: &Plan) -> String {
    let (Some(row), Some(status)) = (plan.row, &plan.status) else { return "nothing".to_owned() };
    let decision = status.decision.as_ref().expect("a move is a decision");
    let barred: Vec<&str> = status.quarantine.iter().map(|q| q.version.as_str()).collect();
    let barred = if barred.is_empty() { String::new() } else { format!(", barred {}", barred.join(" ")) };
    format!(
        "{row}: {:?} -> {:?}, {:?} {}; {}{barred}; {} %",
        decision.from,
        decision.to,
        decision.verdict,
        decision.reason,
        roles(status),
        decision.weight
    )
}

/// Who has which role, as in `S v1 C v2`.
pub fn roles(status: &ModelReleaseStatus) -> String {
    let all = [(Track::Stable, "S"), (Track::Canary, "C"), (Track::Previous, "P"), (Track::Failed, "F")];
    let named = all.iter().filter_map(|(track, letter)| {
        status.versions.iter().find(|v| v.track == *track).map(|v| format!("{letter} {}", v.version))
    });
    let named: Vec<String> = named.collect();
    if named.is_empty() { "nobody".to_owned() } else { named.join(" ") }
}

/// Time goes on, and nobody looks.
pub fn later(world: &mut World, seconds: i64) {
    world.now += SignedDuration::from_secs(seconds);
}

/// Sets an annotation to the name of the version in a role.
pub fn name(world: &mut World, annotation: &str, track: Track) {
    let version = world.track(track);
    world.say(annotation, Some(&version));
}

/// The release is deleted; it has our finalizer.
pub fn delete(world: &mut World) {
    let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(world.now);
    world.object.metadata.deletion_timestamp = Some(now);
    world.object.metadata.finalizers = Some(vec!["modelrelease.dev/gateway-objects".into()]);
}

/// One more look commits what is decided now, and sends nothing.
pub fn committed(mut world: World) -> World {
    let plan = world.decide();
    world.commit(&plan);
    world
}
