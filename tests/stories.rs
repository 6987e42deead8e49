//! What must be seen of one release on an API server, told from its first write to its last.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod support;

use std::time::Duration;

use model_release_core::settings::{GatewaySet, Settings};
use serde_json::{Value, json};
use support::{Fault, NAMESPACE, Operator, cluster, condition, phase, release, stable_only, weights};

#[tokio::test(start_paused = true)]
async fn a_release_becomes_stable_and_its_decision_is_stored_before_the_first_child() {
    let server = cluster();
    let _operator = Operator::start(&server);
    server.create("modelreleases", stable_only("fraud"));
    let stored = server.until_phase("fraud", "Stable").await;
    assert_eq!(stored["status"]["stableVersion"], "v1");
    let asked = server.asked();
    let commit = asked.iter().position(|a| a.verb == "update" && a.resource == "modelreleases/status");
    let first = asked.iter().position(support::store::Asked::writes_child);
    assert!(commit.unwrap() < first.unwrap(), "{asked:?}");
    server.until("the route", |s| s.get("virtualservices", "fraud")).await;
    support::check_history(&server.store());
}

#[tokio::test(start_paused = true)]
async fn a_canary_gets_its_share_and_a_word_takes_it_back_within_a_second() {
    let server = cluster();
    let _operator = Operator::start(&server);
    server.create("modelreleases", release("fraud"));
    server.until_phase("fraud", "Analyzing").await;
    server.until("10 %", |s| s.get("virtualservices", "fraud").filter(|vs| weights(vs) == [90, 10])).await;
    let asked_at = tokio::time::Instant::now();
    server.patch(
        "modelreleases",
        "fraud",
        &json!({"metadata": {"annotations": {"modelrelease.dev/rollback": "true"}}}),
    );
    server.until("0 %", |s| s.get("virtualservices", "fraud").filter(|vs| weights(vs) == [100, 0])).await;
    assert!(asked_at.elapsed() < Duration::from_secs(1), "{:?}", asked_at.elapsed());
    let stored = server.until_phase("fraud", "RolledBack").await;
    assert_eq!(stored["status"]["quarantine"][0]["version"], "v2");
    assert_eq!(stored["status"]["quarantine"][0]["reason"], "ManualRollback");
}

#[tokio::test(start_paused = true)]
async fn a_commit_on_an_older_revision_is_read_again_and_made_anew() {
    let server = cluster();
    let mut refused = 0;
    server.faults(move |asked| {
        if asked.resource == "modelreleases/status" && refused < 2 {
            refused += 1;
            return Fault::Refuse(409);
        }
        Fault::None
    });
    let _operator = Operator::start(&server);
    server.create("modelreleases", stable_only("fraud"));
    server.until_phase("fraud", "Stable").await;
    let asked = server.asked();
    let own: Vec<_> =
        asked.iter().filter(|a| a.name == "fraud" && a.resource.starts_with("modelreleases")).collect();
    let firsts: Vec<_> = own.iter().map(|a| a.verb).take(6).collect();
    assert_eq!(firsts, ["get", "update", "get", "update", "get", "update"]);
    let commit = asked.iter().enumerate().filter(|(_, a)| a.verb == "update").nth(2).unwrap().0;
    let first = asked.iter().position(support::store::Asked::writes_child).unwrap();
    assert!(commit < first, "nothing is written for a decision that was refused");
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_release_harms_no_other_and_is_told() {
    let server = cluster();
    let _operator = Operator::start(&server);
    let mut bad = stable_only("bad");
    bad["spec"]["stable"] = json!(7);
    server.create("modelreleases", bad);
    server.create("modelreleases", stable_only("good"));
    server.until_phase("good", "Stable").await;
    let told = server
        .until("a stalled release", |s| {
            s.get("modelreleases", "bad").filter(|r| condition(r, "Stalled", "True") == Some("Undecodable"))
        })
        .await;
    assert_eq!(condition(&told, "Ready", "False"), Some("Undecodable"));
    let about = server.until("an event", |s| {
        let store = s.store();
        let said = |event: &&serde_json::Value| {
            event["reason"] == "Undecodable" && event["regarding"]["name"] == "bad"
        };
        store.objects.values().find(said).cloned()
    });
    let note = about.await["note"].as_str().unwrap().to_owned();
    assert!(note.contains("cannot read the object") && note.contains("struct"), "{note}");
    // Corrected, it is served.
    server.patch("modelreleases", "bad", &json!({"spec": {"stable": {"version": "v1", "image": "i"}}}));
    server.until_phase("bad", "Stable").await;
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_release_that_is_deleted_is_not_held() {
    let server = cluster();
    let mut bad = stable_only("bad");
    bad["metadata"]["finalizers"] = json!(["modelrelease.dev/gateway-objects"]);
    server.create("modelreleases", bad);
    server.patch("modelreleases", "bad", &json!({"status": {"phase": "Flying"}}));
    let uid = server.get("modelreleases", "bad").unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    let limit = beside("limit", NAMESPACE, "bad", &uid);
    server.act(|s| s.create("envoyfilters", "gateways", limit)).unwrap();
    let _operator = Operator::with(&server, with_gateways());
    let untold = |s: &support::api::ApiServer| {
        s.get("modelreleases", "bad").filter(|r| condition(r, "Stalled", "True") == Some("Undecodable"))
    };
    server.until("a stalled release", untold).await;
    server.act(|s| s.delete("modelreleases", NAMESPACE, "bad", &json!({}))).unwrap();
    server.until("it is gone", |s| s.get("modelreleases", "bad").is_none().then_some(())).await;
    let left = server.store().get("envoyfilters", "gateways", "limit");
    assert!(left.is_err(), "what is ours elsewhere went first");
}

#[tokio::test(start_paused = true)]
async fn a_release_on_which_deciding_fails_keeps_no_other_waiting_and_is_told() {
    let server = cluster();
    let _operator = Operator::deciding(&server, |object, observed, settings, now| {
        let poisoned = object.metadata.name.as_deref() == Some("poison")
            && object.spec.stable.model.pod.image.as_deref() == Some("example.com/model:1");
        assert!(!poisoned, "a fault of ours");
        model_release_core::step(object, observed, settings, now)
    });
    server.create("modelreleases", stable_only("poison"));
    server.create("modelreleases", release("fraud"));
    let told = |s: &support::api::ApiServer| {
        s.get("modelreleases", "poison").filter(|r| condition(r, "Stalled", "True") == Some("InternalError"))
    };
    let stalled = server.until("it is told", told).await;
    assert!(stalled["status"].get("phase").is_none(), "nothing was decided on it");
    // The other goes on with its canary, and a human's word is obeyed as ever, with the panics in between.
    server.until_phase("fraud", "Analyzing").await;
    server.until("10 %", |s| s.get("virtualservices", "fraud").filter(|vs| weights(vs) == [90, 10])).await;
    let word = json!({"metadata": {"annotations": {"modelrelease.dev/rollback": "true"}}});
    server.patch("modelreleases", "fraud", &word);
    let asked_at = tokio::time::Instant::now();
    server.until("0 %", |s| s.get("virtualservices", "fraud").filter(|vs| weights(vs) == [100, 0])).await;
    assert!(asked_at.elapsed() < Duration::from_secs(1), "as without the other: {:?}", asked_at.elapsed());
    let writes = server.asked().into_iter().filter(|a| a.name.starts_with("poison") && a.writes_child());
    assert_eq!(writes.count(), 0, "nothing is written for it");
    // What it failed on is gone: it is served.
    server.patch("modelreleases", "poison", &json!({"spec": {"stable": {"image": "example.com/model:2"}}}));
    server.until_phase("poison", "Stable").await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_child_is_told_and_the_release_recovers_by_itself() {
    let server = cluster();
    server.faults(|asked| {
        if asked.verb == "create" && asked.resource == "deployments" {
            Fault::Refuse(403)
        } else {
            Fault::None
        }
    });
    let _operator = Operator::start(&server);
    server.create("modelreleases", stable_only("fraud"));
    server
        .until("the refusal", |s| {
            let told = s.get("modelreleases", "fraud")?;
            told["status"].to_string().contains("ChildRefused").then_some(())
        })
        .await;
    let tried = server.asked().iter().filter(|a| a.verb == "create" && a.resource == "deployments").count();
    assert!(tried <= 3, "a refusal is not hammered: {tried}");
    server.faults(|_| Fault::None);
    server.until_phase("fraud", "Stable").await;
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_the_object_is_read_before_anything_is_written() {
    let server = cluster();
    let mut muted = false;
    server.faults(move |asked| {
        if asked.verb == "create" && asked.resource == "deployments" && !std::mem::replace(&mut muted, true) {
            return Fault::Mute;
        }
        Fault::None
    });
    let _operator = Operator::start(&server);
    server.create("modelreleases", stable_only("fraud"));
    server.until_phase("fraud", "Stable").await;
    let asked = server.asked();
    let of_deployment: Vec<_> =
        asked.iter().filter(|a| a.resource == "deployments" && !a.name.is_empty()).collect();
    assert_eq!(of_deployment[0].verb, "create");
    assert_eq!(of_deployment[1].verb, "get", "{of_deployment:?}");
    let created = of_deployment.iter().filter(|a| a.verb == "create").count();
    assert_eq!(created, 1, "what was done is not done again");
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_object_of_our_name_is_left_alone() {
    let server = cluster();
    server.create(
        "services",
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "fraud"}, "spec": {"x": 1}}),
    );
    let before = server.get("services", "fraud");
    let _operator = Operator::start(&server);
    server.create("modelreleases", stable_only("fraud"));
    server
        .until("the conflict", |s| {
            let told = s.get("modelreleases", "fraud")?;
            told["status"].to_string().contains("OwnershipConflict").then_some(())
        })
        .await;
    assert_eq!(server.get("services", "fraud"), before);
}

/// Changes a Deployment by hand; while that is put right, somebody else changes it once more. Gives how often the
/// operator looked at the release anew before it was right.
async fn looks_until_right(meanwhile: Value) -> usize {
    let server = cluster();
    let _operator = Operator::start(&server);
    server.create("modelreleases", stable_only("fraud"));
    let stored = server.until_phase("fraud", "Stable").await;
    server.until("the route", |s| s.get("virtualservices", "fraud")).await;
    let name = format!("fraud-{}", stored["status"]["versions"][0]["hash"].as_str().unwrap());
    let (other, mut again) = (std::sync::Arc::clone(&server), Some(meanwhile));
    let before = server.asked().len();
    server.faults(move |asked| {
        if (asked.resource.as_str(), asked.verb) == ("deployments", "apply")
            && let Some(again) = again.take()
        {
            other.patch("deployments", &asked.name, &again);
        }
        Fault::None
    });
    server.patch("deployments", &name, &json!({"spec": {"revisionHistoryLimit": 7}}));
    let right = |d: &Value| d["spec"]["revisionHistoryLimit"] == 2;
    server.until("it is put right", |s| s.get("deployments", &name).filter(right)).await;
    let asked = server.asked().split_off(before);
    let mut sent =
        asked.iter().enumerate().filter(|(_, a)| (a.resource.as_str(), a.verb) == ("deployments", "apply"));
    let ((first, _), (last, _)) = (sent.next().unwrap(), sent.next().unwrap());
    assert!(sent.next().is_none(), "{asked:?}");
    asked[first..last].iter().filter(|a| (a.resource.as_str(), a.verb) == ("modelreleases", "get")).count()
}

#[tokio::test(start_paused = true)]
async fn a_repair_is_not_kept_waiting_by_whoever_writes_an_objects_status() {
    let status = looks_until_right(json!({"status": {"updatedReplicas": 3}})).await;
    assert_eq!(status, 0, "nothing was decided on that status");
    let spec = looks_until_right(json!({"spec": {"paused": true}})).await;
    assert_eq!(spec, 1, "what a hand did meanwhile is looked at before it is written over");
}

#[tokio::test(start_paused = true)]
async fn drift_is_put_right() {
    let server = cluster();
    let _operator = Operator::start(&server);
    server.create("modelreleases", release("fraud"));
    server.until_phase("fraud", "Analyzing").await;
    let route =
        server.until("10 %", |s| s.get("virtualservices", "fraud").filter(|v| weights(v) == [90, 10])).await;
    let mut changed = route["spec"]["http"].clone();
    let rules = changed.as_array_mut().unwrap();
    rules.last_mut().unwrap()["route"][0]["weight"] = json!(50);
    rules.last_mut().unwrap()["route"][1]["weight"] = json!(50);
    server.patch("virtualservices", "fraud", &json!({"spec": {"http": changed}}));
    server
        .until("10 % again", |s| s.get("virtualservices", "fraud").filter(|v| weights(v) == [90, 10]))
        .await;
    let name = server.store().objects.keys().find(|(r, ..)| r == "deployments").unwrap().2.clone();
    server.act(|store| store.delete("deployments", NAMESPACE, &name, &json!(null))).unwrap();
    server.until("the Deployment again", |s| s.get("deployments", &name)).await;
}

#[tokio::test(start_paused = true)]
async fn a_correction_is_counted_once_it_is_made_and_not_each_time_it_fails() {
    let server = cluster();
    let operator = Operator::start(&server);
    server.create("modelreleases", stable_only("fraud"));
    let stored = server.until_phase("fraud", "Stable").await;
    server.until("the route", |s| s.get("virtualservices", "fraud")).await;
    let name = format!("fraud-{}", stored["status"]["versions"][0]["hash"].as_str().unwrap());
    let counted = |corrections: u32| {
        let line = format!(r#"name="fraud",kind="Deployment"}} {corrections}.0"#);
        operator
            .metrics
            .page()
            .unwrap()
            .lines()
            .any(|l| l.contains("drift_corrections_total") && l.contains(&line))
    };
    let corrects = |a: &support::store::Asked| (a.resource.as_str(), a.verb) == ("deployments", "apply");
    server.faults(move |asked| if corrects(asked) { Fault::Refuse(500) } else { Fault::None });
    let before = server.asked().len();
    server.patch("deployments", &name, &json!({"spec": {"revisionHistoryLimit": 7}}));
    while server.asked().iter().skip(before).filter(|a| corrects(a)).count() < 3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(counted(0), "it was tried three times, and failed");
    server.faults(|_| Fault::None);
    let right = |d: &Value| d["spec"]["revisionHistoryLimit"] == 2;
    server.until("it is put right", |s| s.get("deployments", &name).filter(right)).await;
    while counted(0) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(counted(1), "it was made once");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_without_istio_is_told_and_found_to_have_it_within_a_minute() {
    let server = cluster();
    server.store().lacking.insert("virtualservices".into());
    let _operator = Operator::start(&server);
    server.create("modelreleases", stable_only("fraud"));
    server
        .until("the missing kind", |s| {
            s.get("modelreleases", "fraud")
                .filter(|r| condition(r, "Accepted", "False") == Some("MissingAPI"))
        })
        .await;
    server.store().lacking.clear();
    let installed = tokio::time::Instant::now();
    server.until_phase("fraud", "Stable").await;
    assert!(installed.elapsed() < Duration::from_secs(90), "{:?}", installed.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_release_that_waits_for_nothing_costs_nothing_but_watches() {
    let server = cluster();
    let _operator = Operator::start(&server);
    server.create("modelreleases", stable_only("fraud"));
    server.until_phase("fraud", "Stable").await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let settled = server.until("settled traffic", |s| {
        s.get("modelreleases", "fraud").filter(|r| condition(r, "TrafficApplied", "True").is_some())
    });
    settled.await;
    // Whatever still follows from that has happened a minute later.
    tokio::time::timeout(Duration::from_secs(60), std::future::pending::<()>()).await.unwrap_err();
    let before = server.asked().len();
    tokio::time::timeout(Duration::from_secs(3 * 3600), std::future::pending::<()>()).await.unwrap_err();
    let since: Vec<_> = server.asked().into_iter().skip(before).filter(|a| a.verb != "watch").collect();
    assert!(since.is_empty(), "{since:?}");
    assert_eq!(phase(&server.get("modelreleases", "fraud").unwrap()), "Stable");
}

#[tokio::test(start_paused = true)]
async fn what_a_vanished_release_left_beside_a_gateway_is_removed_and_nothing_else() {
    let server = cluster();
    server.create("modelreleases", stable_only("fraud"));
    for (name, namespace, release, uid) in [
        ("gone", NAMESPACE, "gone", "an-old-uid"),
        ("recreated", NAMESPACE, "fraud", "an-old-uid"),
        ("forbidden", NAMESPACE, "hidden", "an-old-uid"),
    ] {
        server.act(|s| s.create("envoyfilters", "gateways", beside(name, namespace, release, uid))).unwrap();
    }
    server.faults(|asked| {
        let hidden = asked.resource == "modelreleases" && asked.verb == "get" && asked.name == "hidden";
        if hidden { Fault::Refuse(403) } else { Fault::None }
    });
    let _operator = Operator::with(&server, with_gateways());
    let there =
        |s: &support::api::ApiServer, name: &str| s.store().get("envoyfilters", "gateways", name).is_ok();
    server.until("both gone", |s| (!there(s, "gone") && !there(s, "recreated")).then_some(())).await;
    server.until_phase("fraud", "Stable").await;
    assert!(there(&server, "forbidden"), "a release that may not be read is not known to be gone");
}

/// An object of a release beside a gateway.
fn beside(name: &str, namespace: &str, release: &str, uid: &str) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": name, "labels": {
            "app.kubernetes.io/managed-by": "model-release-operator",
            "modelrelease.dev/namespace": namespace,
            "modelrelease.dev/name": release,
            "modelrelease.dev/uid": uid,
        }},
    })
}

/// Settings with a set of gateways that takes limits.
fn with_gateways() -> Settings {
    let set = GatewaySet {
        name: "public".into(),
        namespace: "gateways".into(),
        envoy_filters: true,
        ..GatewaySet::default()
    };
    Settings { gateways: vec![set], ..Settings::default() }
}
