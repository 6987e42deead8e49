//! M3, M10, M11, M12 and M13: what must lead to the same end, whatever came before or stands beside it.

use std::collections::BTreeMap;

use model_release_core::api::ANNOTATION_RENDERED;
use model_release_core::api::Reason;
use model_release_core::api::annotations::{Annotations, Rollback};
use model_release_core::api::status::{Phase, Track};
use model_release_core::plan::Kind;
use model_release_core::testing::World;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::ends::{End, Words, differences, end, way};
use super::events::{Happens, happens};
use super::law::Law;
use super::play::Play;
use super::same::{alike, rested, settled};
use super::{law, starts};

pub const M03: Law = law("M3", "m03_a_spec_that_was_passed_through_leaves_nothing", 350);
pub const M10: Law = law("M10", "m10_other_names_change_names_alone", 350);
pub const M11: Law = law("M11", "m11_other_releases_change_nothing", 350);
pub const M12: Law = law("M12", "m12_a_new_renderer_writes_nothing", 350);
pub const M13: Law = law("M13", "m13_a_rollback_at_any_point_ends_on_the_fallback_of_that_point", 450);

/// What a spec names, and how good each version is.
type Spec = (u8, Option<u8>);

fn write(play: &mut Play, (stable, canary): Spec) {
    play.happen(&Happens::Canary(None));
    play.happen(&Happens::Stable(stable));
    play.happen(&Happens::Canary(canary));
}

/// The end of a run: phase, live version, weights, objects. What is on record of how it came there is its own.
fn place(play: &Play) -> End {
    let mut end = end(play);
    end.status
        .retain(|line| line.starts_with("Stable is") || line.starts_with("phase") || line.contains(" has "));
    end
}

/// Objects that were created and not deleted.
fn net(play: &Play) -> BTreeMap<String, i64> {
    let count = |n: usize| i64::try_from(n).unwrap();
    let left =
        way(play).counts.into_iter().map(|(key, (created, deleted))| (key, count(created) - count(deleted)));
    left.filter(|(_, left)| *left != 0).collect()
}

/// S0 → S1 → S2 ends as S0 → S2 if S1 was not promoted, nor took over, before S2 came; S0 → S1 → S0 ends as S0, and
/// if S0 names no canary, also when S1 was promoted. What S1 was on trial for and failed is remembered: S2 does not
/// name it (5.3).
#[test]
fn m03_a_spec_that_was_passed_through_leaves_nothing() {
    let spec = || (prop_oneof![3 => Just(1_u8), 1 => 2_u8..5], proptest::option::weighted(0.7, 1_u8..5));
    let strategy =
        (proptest::option::weighted(0.5, 2_u8..5), spec(), spec(), vec(any::<bool>(), 5), 0_usize..30);
    M03.hold("any three specs, S1 for up to 29 looks", &strategy, |(s0, s1, s2, good, looks), seen| {
        let s0 = (1, s0);
        let mut play = starts::serving();
        play.world.rate = 5_000.0;
        for (version, good) in (1_u8..).zip(&good) {
            play.world.accuracy.insert(play.name(version), if *good { 0.95 } else { 0.7 });
        }
        write(&mut play, s0);
        play.rest();
        let live = |play: &Play| play.world.track(Track::Stable);
        let before = live(&play);
        let back = looks % 3 == 0;
        let s2 = if back { s0 } else { s2 };
        let mut other = play.clone();
        if !back {
            write(&mut play, s2);
        }
        play.rest();
        let decided = other.world.decisions.len();
        write(&mut other, s1);
        other.looks_due(looks);
        // Who took over may have been replaced by who was live before.
        let since = &other.world.decisions[decided..];
        let took_over = since.iter().any(|d| matches!(d.2, Reason::Promoted | Reason::Replaced));
        prop_assume!(live(&other) == before && !took_over || back && s0.1.is_none());
        let named = [Some(s2.0), s2.1].into_iter().flatten().map(|version| play.name(version));
        let known = play.world.status().quarantine;
        let found: Vec<_> =
            other.world.status().quarantine.into_iter().filter(|q| !known.contains(q)).collect();
        prop_assume!(named.into_iter().all(|name| found.iter().all(|q| q.version != name)));
        write(&mut other, s2);
        other.rest();
        seen.borrow_mut().count(&other);
        let differ = differences(&place(&play), &place(&other));
        prop_assert!(differ.is_empty(), "{differ:?}; {}", other.world.story());
        prop_assert_eq!(net(&play), net(&other), "{}", other.world.story());
        Ok(())
    });
}

/// A release of these names, from nothing.
fn named(release: &str, namespace: &str, prefix: &'static str) -> Play {
    let mut world = World::new("v1", None);
    world.object.metadata.name = Some(release.to_owned());
    world.object.metadata.namespace = Some(namespace.to_owned());
    let name = format!("{prefix}1");
    world.edit(|spec| {
        spec["stable"] = json!({"version": name, "image": format!("registry.example.com/fraud:{name}")});
    });
    let mut play = Play::of(starts::hurried(world));
    play.prefix = prefix;
    play.settle();
    play
}

/// An object without what is made of a digest of its own.
fn unnamed(body: &Value) -> Value {
    match body {
        Value::Object(fields) => {
            let kept = fields
                .iter()
                .filter(|(name, _)| !["stat_prefix", ANNOTATION_RENDERED].contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name.clone(), unnamed(value))).collect())
        }
        Value::Array(items) => items.iter().map(unnamed).collect(),
        other => other.clone(),
    }
}

#[test]
fn m10_other_names_change_names_alone() {
    let strategy = vec(happens(), 1..14);
    M10.hold("release, namespace and versions renamed", &strategy, |events, seen| {
        let mut one = named("shop", "space-one", "edition-");
        let mut other = named("a-longer-name", "somewhere-else", "release-");
        for event in &events {
            one.happen(event);
            other.happen(event);
        }
        let (one, other) = (rested(one), rested(other));
        seen.borrow_mut().count(&other);
        let common = |play: &Play| {
            let words = Words::of(play);
            let (end, way) = (end(play), way(play));
            let mut told: Vec<String> = end.status.iter().map(|line| words.common(line)).collect();
            let objects =
                end.children.iter().map(|(key, body)| words.common(&format!("{key} {}", unnamed(body))));
            told.extend(objects);
            let counts = way.counts.iter().map(|(key, counts)| words.common(&format!("{key} {counts:?}")));
            told.extend(counts);
            told.sort_unstable();
            (told, way.history)
        };
        let ((one, its_way), (told, way)) = (common(&one), common(&other));
        let differ: Vec<_> = one.iter().zip(&told).filter(|(a, b)| a != b).take(2).collect();
        prop_assert!(differ.is_empty() && one.len() == told.len(), "{differ:?}; {}", other.world.story());
        prop_assert_eq!(its_way, way);
        Ok(())
    });
}

/// Their pods, endpoints, routes, series and gateways' answers may be seen by mistake; they mean nothing.
#[test]
fn m11_other_releases_change_nothing() {
    let strategy = (starts::any(), vec(happens(), 0..12));
    M11.hold("others' pods, endpoints, routes and series", &strategy, |(start, events), seen| {
        let (mut one, mut other) = (starts::at(start), starts::at(start));
        other.world.crowded = true;
        for event in &events {
            one.happen(event);
            other.happen(event);
        }
        let (one, other) = (rested(one), rested(other));
        seen.borrow_mut().count(&other);
        alike(&one, &other)
    });
}

/// Pod templates, by Deployment.
fn templates(play: &Play) -> BTreeMap<String, Value> {
    let all = play.world.observed.children.iter().filter(|(key, _)| key.kind == Kind::Deployment);
    all.map(|(key, live)| (key.to_string(), live.body["spec"]["template"].clone())).collect()
}

/// As an operator of another version would have rendered them: in each version's record and in what runs.
fn of_an_older_renderer(play: &mut Play) {
    for (key, live) in &mut play.world.observed.children {
        let at = match key.kind {
            Kind::ControllerRevision => "/data/deployment/spec/template/spec/containers/0",
            Kind::Deployment => "/spec/template/spec/containers/0",
            _ => continue,
        };
        if let Some(container) = live.body.pointer_mut(at) {
            container["args"] = json!(["--as-it-was-once"]);
        }
    }
}

/// At the core's level: settings that render other pods, and records that render otherwise than now. What runs stays
/// as it is to its end; only versions that come after are rendered anew.
#[test]
fn m12_a_new_renderer_writes_nothing() {
    let strategy = (starts::any(), vec(happens(), 0..10), any::<bool>());
    M12.hold(
        "another fetcher image, or records of an older renderer",
        &strategy,
        |(start, events, older), seen| {
            let mut play = settled(start, &events);
            prop_assume!(!play.gone());
            if older {
                of_an_older_renderer(&mut play);
            } else {
                play.world.settings.fetcher_image = "registry.example.com/fetcher:9.9.9".to_owned();
            }
            let before = templates(&play);
            let made = play.world.decide();
            prop_assert!(made.writes.is_empty(), "{:?}; {}", made.writes, play.world.story());
            prop_assert!(made.status.is_none(), "{:?}", made.status);
            let since = play.world.writes.len();
            let play = rested(play);
            seen.borrow_mut().count(&play);
            let created = &play.world.writes[since..];
            for (key, template) in templates(&play) {
                let anew = created.contains(&format!("create {key}"));
                prop_assert!(
                    anew || before.get(&key) == Some(&template),
                    "{key} restarts: {}",
                    play.world.story()
                );
            }
            Ok(())
        },
    );
}

/// What all traffic is to go to if `rollback` is set to `true` now, by the words of the design: none, if nothing is to
/// happen.
fn fallback(play: &Play) -> Option<String> {
    let world = &play.world;
    let status = world.status();
    let role = |track| status.versions.iter().find(|v| v.track == track);
    let stable = role(Track::Stable)?;
    let stays = Some(stable.hash.clone());
    let spec = &world.object.spec;
    let barred = |hash: &str| status.quarantine.iter().any(|q| q.hash == hash);
    let hash =
        |block| model_release_core::version::Version::of(spec.runtime.as_ref(), block).hash.to_string();
    if role(Track::Canary).is_some() || !matches!(world.phase(), Phase::Stable | Phase::Baking) {
        return stays;
    }
    let may_start = spec.canary.as_ref().map(hash).is_some_and(|hash| hash != stable.hash && !barred(&hash));
    if may_start {
        return stays;
    }
    let previous = role(Track::Previous).map(|v| v.hash.clone()).filter(|hash| !barred(hash));
    let own = hash(&spec.stable);
    let block = model_release_core::version::block_digest(&spec.stable);
    let out_of_it =
        stable.promoted_from.as_deref() == Some(block.as_str()) && own != stable.hash && !barred(&own);
    previous.or(out_of_it.then_some(own)).or(stays)
}

#[test]
fn m13_a_rollback_at_any_point_ends_on_the_fallback_of_that_point() {
    let strategy = (starts::any(), vec(happens(), 0..14));
    M13.hold("after up to 13 events", &strategy, |(start, events), seen| {
        let mut play = settled(start, &events);
        let meta = &play.world.object.metadata;
        let said = Annotations::read(meta.annotations.as_ref());
        // A release that is deleted or whose time comes goes nowhere, and a word that stands there was answered.
        let ends = meta.deletion_timestamp.is_some() || play.world.object.spec.ttl.is_some();
        prop_assume!(!ends && said.rollback == Rollback::Absent);
        let expected = fallback(&play);
        prop_assume!(expected.is_some());
        let role = |play: &Play| {
            let status = play.world.status();
            status.versions.iter().find(|v| v.track == Track::Stable).map(|v| v.hash.clone())
        };
        let (before, suspended) = (role(&play), play.world.object.spec.suspend == Some(true));
        play.happen(&Happens::Say("rollback", Some("true")));
        let play = rested(play);
        seen.borrow_mut().count(&play);
        let live = role(&play);
        // What was suspended and has nothing to go back to is not touched: a route that a hand removed stays away.
        let untouched = suspended && live == before;
        prop_assert_eq!(&live, &expected, "{}", play.world.story());
        let read = play.world.observed.children.values();
        let weights: Vec<_> =
            read.filter_map(|live| model_release_core::traffic::read_back(&live.body)).flatten().collect();
        let all = weights
            .iter()
            .filter(|(_, weight)| *weight > 0)
            .map(|(hash, _)| hash.as_str())
            .collect::<Vec<_>>();
        prop_assert!(!all.is_empty() || untouched, "{}", play.world.story());
        prop_assume!(!all.is_empty());
        prop_assert_eq!(all, live.iter().map(String::as_str).collect::<Vec<_>>(), "{}", play.world.story());
        Ok(())
    });
}
