//! Rows 17 to 20: pods in trouble, and the time that a version has to become ready.

use model_release_core::api::annotations::PAUSE;
use model_release_core::api::status::{Phase, PodCounts};
use model_release_core::observed::{Container, Ended, Pod, Refused};
use model_release_core::plan::{Key, Kind};
use model_release_core::testing::World;
use serde_json::json;

use super::support::*;

/// Pods of a version whose fetcher ended with this word.
fn fetch(world: &mut World, version: &str, why: &str) {
    let message = format!(r#"{{"reason":"{why}"}}"#);
    let ended = Ended { reason: "Error".into(), exit_code: 20, message };
    let fetch = Container { name: "fetch".into(), init: true, ended: Some(ended), ..Container::default() };
    world.sick.insert(version.into());
    world.ailing.insert(version.into(), Pod { containers: vec![fetch], ..Pod::default() });
}

/// Pods of a version whose container waits for this.
fn waits(world: &mut World, version: &str, why: &str) {
    let container = Container { name: "model".into(), waiting: Some(why.into()), ..Container::default() };
    world.sick.insert(version.into());
    world.ailing.insert(version.into(), Pod { containers: vec![container], ..Pod::default() });
}

/// Pods of a version that were restarted so often, for want of memory or not.
fn restarts(world: &mut World, version: &str, restarts: i32, reason: &str) {
    let ended = Ended { reason: reason.into(), exit_code: 1, message: String::new() };
    let container =
        Container { name: "model".into(), restarts, ended_before: Some(ended), ..Container::default() };
    world.ailing.insert(version.into(), Pod { containers: vec![container], ..Pod::default() });
}

#[test]
fn row_17_the_first_version_waits_for_ever_and_says_why() {
    let mut world = at("pending");
    fetch(&mut world, "v1", "ArtifactDenied");
    let mut world = world.during(1);
    assert_eq!(world.phase(), Phase::Pending);
    assert_eq!(world.condition("Stalled"), "True/ArtifactDenied", "what waiting cannot mend is said at once");
    let next = world.look().next_look;
    assert!(next.duration_since(world.now).as_secs() <= 60, "it is looked at again: {next}");
    waits(&mut world, "v1", "ImagePullBackOff");
    let world = world.during(1);
    assert_eq!(world.condition("Stalled"), "False/Idle", "an image may yet come");
    let world = world.during(1200);
    assert_eq!((world.phase(), world.condition("Stalled")), (Phase::Pending, "True/CanaryImagePull".into()));
    let mut slow = at("pending").during(1200);
    assert_eq!(slow.condition("Stalled"), "True/ProgressDeadlineExceeded");
    slow.sick.clear();
    assert_eq!(row(slow), Some("33"), "it is never given up");
}

#[test]
fn row_18_fatal() {
    answers("18", &[|w| fetch(w, "v2", "DigestMismatch")]);
    let cases = vec![
        ("another artifact", changed("analyzing", |w| fetch(w, "v2", "DigestMismatch")), true),
        ("none", changed("starting", |w| fetch(w, "v2", "ArtifactNotFound")), true),
        ("a forbidden one", changed("starting", |w| fetch(w, "v2", "ArtifactDenied")), true),
        ("no name of an image", changed("starting", |w| waits(w, "v2", "InvalidImageName")), true),
        (
            "an image that does not come yet",
            changed("starting", |w| waits(w, "v2", "ImagePullBackOff")),
            false,
        ),
        ("a full disk", changed("starting", |w| fetch(w, "v2", "OutOfDisk")), false),
        ("of the live version", changed("analyzing", |w| fetch(w, "v1", "DigestMismatch")), false),
        (
            "said by a pod that is ready",
            changed("analyzing", |w| {
                fetch(w, "v2", "DigestMismatch");
                w.sick.clear();
            }),
            false,
        ),
        (
            "said by a pod that goes",
            changed("analyzing", |w| {
                fetch(w, "v2", "DigestMismatch");
                w.ailing.entry("v2".into()).and_modify(|pod| pod.deleting = true);
            }),
            false,
        ),
    ];
    guard("18", cases);
    assert_eq!(
        told(changed("starting", |w| fetch(w, "v2", "DigestMismatch"))),
        "18: Starting -> RollingBack, Rollback DigestMismatch; S v1 F v2, barred v2; 0 %"
    );
    let both = changed("starting", |w| {
        w.remember(|status| status.state.clocks.stable_empty_since = status.phase_started_at);
        later(w, 60);
        w.sick.insert("v1".into());
        fetch(w, "v2", "DigestMismatch");
    });
    assert_eq!(row(both), Some("18"), "whatever happens to stable");
}

#[test]
fn row_19_restarts() {
    answers("19", &[|w| restarts(w, "v2", 3, "Error"), |w| restarts(w, "v2", 2, "OOMKilled")]);
    let restarted =
        |name: &str, times: i32, why: &'static str| changed(name, move |w| restarts(w, "v2", times, why));
    guard(
        "19",
        vec![
            ("as often as is allowed", restarted("starting", 2, "Error"), false),
            ("once more", restarted("starting", 3, "Error"), true),
            ("killed once for its memory", restarted("starting", 1, "OOMKilled"), false),
            ("killed twice", restarted("starting", 2, "OOMKilled"), true),
            (
                "more are allowed",
                changed("starting", |w| {
                    w.edit(|spec| spec["analysis"]["maxRestarts"] = json!(5));
                    restarts(w, "v2", 5, "Error");
                }),
                false,
            ),
            ("of the live version", changed("starting", |w| restarts(w, "v1", 9, "Error")), false),
            (
                "stable is down too",
                changed("starting", |w| {
                    restarts(w, "v2", 3, "Error");
                    w.remember(|status| status.state.clocks.stable_empty_since = status.phase_started_at);
                    w.sick.insert("v1".into());
                    later(w, 60);
                }),
                false,
            ),
            (
                "a pod that is gone still counts",
                changed("starting", |w| {
                    let counts = PodCounts { restarts: 3, oom_kills: 0 };
                    w.remember(|status| {
                        let memory = status.state.candidate.get_or_insert_default();
                        memory.pods.insert("gone".into(), counts);
                    });
                }),
                true,
            ),
        ],
    );
    for (name, why, want) in [
        ("starting", "Error", "CanaryCrashLoop"),
        ("starting", "OOMKilled", "OOMKilled"),
        ("analyzing", "Error", "RestartsExceeded"),
    ] {
        let world = restarted(name, 3, why);
        let phase = world.phase();
        assert_eq!(
            told(world),
            format!("19: {phase:?} -> RollingBack, Rollback {want}; S v1 F v2, barred v2; 0 %")
        );
    }
}

#[test]
fn row_20_deadline() {
    // Only phases in which a version is waited for can end it so; elsewhere the clock stands still.
    answers(
        "20",
        &[
            |w| {
                w.room.insert("v2".into(), 0);
                later(w, 1300);
            },
            |w| {
                w.remember(|status| {
                    if let Some(memory) = &mut status.state.candidate {
                        memory.unready_seconds = 1200;
                    }
                });
            },
        ],
    );
    let unready = |seconds: i64| changed("starting", move |w| later(w, seconds - 1));
    let told_by = |change: fn(&mut World)| {
        let mut world = unready(1300);
        change(&mut world);
        told(world)
    };
    guard(
        "20",
        vec![
            ("a second before", unready(1198), false),
            ("in all", unready(1201), true),
            (
                "less is allowed",
                changed("starting", |w| {
                    w.edit(|spec| spec["rollout"]["progressDeadlineSeconds"] = json!(30));
                    later(w, 30);
                }),
                true,
            ),
            (
                "paused: the clock runs on",
                changed("starting", |w| {
                    w.say(PAUSE, Some("true"));
                    later(w, 1300);
                }),
                true,
            ),
            (
                "stable is down too: it stands still",
                changed("starting", |w| {
                    w.sick.insert("v1".into());
                    *w = w.clone().during(3000);
                }),
                false,
            ),
        ],
    );
    let leaves =
        |reason: &str| format!("20: Starting -> RollingBack, Rollback {reason}; S v1 F v2, barred v2; 0 %");
    assert_eq!(told_by(|_| {}), leaves("ProgressDeadlineExceeded"));
    assert_eq!(told_by(|w| waits(w, "v2", "ImagePullBackOff")), leaves("CanaryImagePull"));
    assert_eq!(
        told_by(|w| {
            let pod = Pod { unschedulable: Some("0/3 nodes".into()), ..Pod::default() };
            w.ailing.insert("v2".into(), pod);
        }),
        leaves("CanaryUnschedulable")
    );
    assert_eq!(
        told_by(|w| {
            let key = Key { kind: Kind::Deployment, namespace: "ml".into(), name: "fraud".into() };
            w.observed.refused.push(Refused { key, code: 403, message: "quota".into() });
        }),
        leaves("ChildRefused")
    );
    assert_eq!(
        told_by(|w| {
            let name = format!("fraud-{}", w.hash_of("v2"));
            let own =
                w.observed.children.iter_mut().find(|(key, _)| key.kind == Kind::Service && key.name == name);
            own.expect("its Service").1.owner = Some("somebody".into());
        }),
        leaves("OwnershipConflict")
    );
}
