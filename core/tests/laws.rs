//! Laws over random histories: the rules of `testing::rules` hold at every write, and a release comes to rest.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use model_release_core::api::Reason;
use model_release_core::api::status::Phase;
use model_release_core::plan::Kind;
use model_release_core::testing::World;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Something that happens around a release.
#[derive(Clone, Debug)]
enum Happens {
    Canary(Option<u8>),
    Stable(u8),
    Rollback(Option<&'static str>),
    Sick(u8, bool),
    Prometheus(bool),
    Accuracy(u8, bool),
    Errors(u8, bool),
    Tamper,
    /// A plan of which only so many writes are sent, and with or without its commit.
    Crash(bool, usize),
    Seconds(u16),
}

fn happens() -> impl Strategy<Value = Happens> {
    let version = 1_u8..5;
    prop_oneof![
        3 => proptest::option::weighted(0.8, version.clone()).prop_map(Happens::Canary),
        1 => version.clone().prop_map(Happens::Stable),
        2 => prop_oneof![Just(None), Just(Some("true")), Just(Some("v1")), Just(Some("v2")), Just(Some("no!"))]
            .prop_map(Happens::Rollback),
        1 => (version.clone(), any::<bool>()).prop_map(|(v, on)| Happens::Sick(v, on)),
        1 => any::<bool>().prop_map(Happens::Prometheus),
        1 => (version.clone(), any::<bool>()).prop_map(|(v, on)| Happens::Accuracy(v, on)),
        1 => (version, any::<bool>()).prop_map(|(v, on)| Happens::Errors(v, on)),
        1 => Just(Happens::Tamper),
        2 => (any::<bool>(), 0_usize..5).prop_map(|(commit, sent)| Happens::Crash(commit, sent)),
        6 => (0_u16..400).prop_map(Happens::Seconds),
    ]
}

fn name(version: u8) -> String {
    format!("v{version}")
}

fn happen(mut world: World, event: &Happens) -> World {
    match event {
        Happens::Canary(version) => {
            let stable = world.object.spec.stable.version.clone();
            let version = version.map(name).filter(|v| *v != stable);
            world.canary(version.as_deref());
        }
        Happens::Stable(version) => {
            let canary = world.object.spec.canary.as_ref().map(|c| c.version.clone());
            if canary != Some(name(*version)) {
                world.stable(&name(*version));
            }
        }
        Happens::Rollback(value) => {
            world.annotate(*value);
        }
        Happens::Sick(version, true) => {
            world.sick.insert(name(*version));
        }
        Happens::Sick(version, false) => {
            world.sick.remove(&name(*version));
        }
        Happens::Prometheus(up) => world.prometheus = *up,
        Happens::Accuracy(version, good) => {
            world.accuracy.insert(name(*version), if *good { 0.95 } else { 0.7 });
        }
        Happens::Errors(version, bad) => {
            world.errors.insert(name(*version), if *bad { 0.5 } else { 0.0 });
        }
        Happens::Tamper => {
            if world.observed.children.keys().any(|k| k.kind == Kind::VirtualService && k.name == "fraud") {
                world.tamper(Kind::VirtualService, "fraud", |body| {
                    body["spec"]["http"] = serde_json::json!([]);
                });
            }
        }
        Happens::Crash(commit, sent) => {
            let plan = world.decide();
            if *commit {
                world.commit(&plan);
                world.apply(&plan, *sent);
            }
        }
        Happens::Seconds(seconds) => return world.during(i64::from(*seconds)),
    }
    world
}

/// Per change the same histories each time, so that a red run is this change's; `LAWS_CASES` draws so many new ones.
fn config() -> ProptestConfig {
    let drawn = std::env::var("LAWS_CASES").ok().and_then(|cases| cases.parse().ok());
    let rng_seed = if drawn.is_some() { RngSeed::Random } else { RngSeed::Fixed(20_261_121) };
    let cases = drawn.unwrap_or(150);
    ProptestConfig {
        cases,
        rng_seed,
        max_shrink_iters: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Whatever happens, no rule is broken on the way, and once nothing more happens the release comes to rest: no
    /// write, no decision, for an hour.
    #[test]
    fn every_history_keeps_the_rules_and_comes_to_rest(events in proptest::collection::vec(happens(), 1..24)) {
        let mut world = World::new("v1", None);
        for event in &events {
            world = happen(world, event);
        }
        // The world becomes friendly; then everything that waits for a time has had it.
        world.sick.clear();
        world.prometheus = true;
        world = world.during(6 * 3600);
        let (writes, decisions) = (world.writes.len(), world.decisions.len());
        // A word that a human left there may hold it anywhere; else it ends where nothing is owed to anybody.
        let held = world.condition("Held").starts_with("True");
        let rest = held || matches!(world.phase(), Phase::Stable | Phase::RolledBack | Phase::Analyzing);
        prop_assert!(rest, "no rest: {}", world.story());
        world = world.during(3600);
        prop_assert_eq!(world.writes.len(), writes, "writes at rest: {}", world.story());
        prop_assert_eq!(world.decisions.len(), decisions, "decisions at rest: {}", world.story());
    }

    /// S6: a rollback annotation beats whatever else is true, for as long as it stays.
    #[test]
    fn a_human_always_wins(events in proptest::collection::vec(happens(), 1..16)) {
        let mut world = World::new("v1", None);
        for event in &events {
            world = happen(world, event);
        }
        world.annotate(Some("true"));
        let (before, decided) = (world.now, world.decisions.len());
        for _ in 0..3 {
            world.look();
        }
        prop_assert_eq!(world.now, before);
        let on_trial = matches!(
            world.phase(),
            Phase::Starting | Phase::Warming | Phase::Analyzing | Phase::Promoting | Phase::Replacing
        );
        prop_assert!(!on_trial, "held and still on trial: {}", world.story());
        world = world.during(1800);
        let forward = [Reason::CanaryStarted, Reason::StepStarted, Reason::StepAdvanced, Reason::Promoting];
        let since = &world.decisions[decided..];
        prop_assert!(since.iter().all(|d| !forward.contains(&d.2)), "forward while held: {}", world.story());
    }
}
