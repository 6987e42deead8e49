//! Worlds as `step` is shown them: at rest, and each at the moment of one kind of move.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use model_release_core::api::status::{Phase, Track};
use model_release_core::moves;
use model_release_core::testing::World;

/// Releases with 20 decisions on record and nothing to do.
pub fn idle() -> Vec<(&'static str, World)> {
    let warm = lived();
    let mut alone = warm.clone();
    alone = alone.until("only stable is left", |w| w.track(Track::Previous).is_empty()).during(60);
    let settle = |world: World| {
        let mut world = world;
        loop {
            world.ask();
            let plan = world.decide();
            if plan.status.is_none() && plan.writes.is_empty() {
                return world;
            }
            world = world.during(1);
        }
    };
    vec![
        ("stable", settle(alone)),
        ("stable, one kept warm", settle(warm.during(5))),
        ("analyzing", settle(analyzing())),
    ]
}

/// A release with a long life, and a canary that is judged and not decided.
pub fn analyzing() -> World {
    let mut world = lived();
    world.accuracy.insert("v1001".into(), 0.89);
    world.canary(Some("v1001"));
    let world = world.until("the canary has weight", |w| w.phase() == Phase::Analyzing);
    world.during(120)
}

/// Promoted so often that as many decisions are on record as are kept.
fn lived() -> World {
    let mut world = World::serving("v1");
    for next in 2..6 {
        let name = format!("v{next}");
        world.accuracy.insert(name.clone(), 0.9 + 0.01 * f64::from(next));
        world.canary(Some(&name));
        world = world.until("baked", |w| w.phase() == Phase::Stable && w.track(Track::Stable) == name);
        world.stable(&name).canary(None);
    }
    let world = world.during(1);
    assert_eq!(world.status().history.len(), 20, "as long a record as there is");
    world
}

/// The first world at which each row answered, over stories that meet most rows.
pub fn moves() -> Vec<(&'static str, World)> {
    let mut met = BTreeMap::new();
    let analyzing = || World::analyzing("v1", "v2");
    let good = |name: &str| {
        let mut world = World::serving("v1");
        world.accuracy.insert(name.into(), 0.95);
        world.canary(Some(name));
        world
    };
    // First version, canary, promotion, bake, retirement.
    play(&mut met, World::new("v1", None), 60);
    play(&mut met, good("v2"), 4000);
    // Back to the previous version; a quarantined one; a replacement.
    let mut back =
        good("v2").until("baked", |w| w.phase() == Phase::Stable && w.track(Track::Stable) == "v2");
    back.canary(None);
    play(&mut met, back, 120);
    let mut bad = good("v2");
    bad.accuracy.insert("v2".into(), 0.7);
    play(&mut met, bad, 5000);
    let mut replaced = World::serving("v1");
    replaced.stable("v3");
    play(&mut met, replaced, 200);
    let mut errors = analyzing();
    errors.errors.insert("v2".into(), 0.5);
    play(&mut met, errors, 400);
    let mut held = analyzing();
    held.annotate(Some("true"));
    play(&mut met, held, 200);
    let mut lost = analyzing();
    lost.sick.insert("v2".into());
    play(&mut met, lost, 2000);
    let mut removed = analyzing();
    removed.canary(None);
    play(&mut met, removed, 100);
    let mut steps = World::serving("v1");
    steps.edit(|spec| {
        spec["rollout"]["trafficPercent"] = serde_json::Value::Null;
        spec["rollout"]["steps"] = serde_json::json!([
            {"trafficPercent": 10, "minDuration": "10s"}, {"trafficPercent": 50, "minDuration": "10s"},
        ]);
    });
    steps.accuracy.insert("v2".into(), 0.95);
    steps.canary(Some("v2"));
    play(&mut met, steps, 2000);
    moves::numbers().filter_map(|row| met.remove(row).map(|world| (row, world))).collect()
}

fn play(met: &mut BTreeMap<&'static str, World>, mut world: World, seconds: i64) {
    let end = world.now + SignedDuration::from_secs(seconds);
    while world.now < end {
        world.ask();
        let before = world.clone();
        let plan = world.look();
        if let Some(row) = plan.row {
            met.entry(row).or_insert(before);
        }
        let idle = plan.status.is_none() && plan.writes.is_empty();
        world.now = if idle {
            plan.next_look.max(world.now + SignedDuration::from_millis(1)).min(end)
        } else {
            world.now + SignedDuration::from_millis(5)
        };
    }
}
