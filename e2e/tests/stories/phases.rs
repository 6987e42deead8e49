//! Every phase: a release is held in it, hands change an object of each kind that it owns, and then it is deleted.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use model_release_core::api::reasons::Reason;
use model_release_core::api::status::Phase::{
    self, Baking, Pending, Promoting, Replacing, RolledBack, RollingBack, Shadowing, Stable, Starting,
    Warming,
};
use model_release_core::plan::Kind::{
    self, ControllerRevision, Deployment, EnvoyFilter, Service, VirtualService,
};
use serde_json::json;
use testbed::demo::images::Model;
use testbed::demo::manifest::Manifest;
use testbed::demo::story::Stage;
use testbed::wait::{Seen, until};
use testbed::{Error, Result};

use super::common::judged;
use super::hand::{Hand, WITHIN};
use super::ways::foreign::{kubectl, swapped};
use super::ways::gone::nothing_is_left;
use super::ways::way::{Way, manifest};

/// An image that no node has, so that its pods never run.
const MISSING: &str = "localhost/model-release/none:1";
/// Requests of a release's clients that go on while hands are at it.
const MORE: u64 = 50;
/// How long a release that nobody can ask yet may take to be looked at.
const LOOKED_AT: Duration = Duration::from_secs(30);

/// A release that stays in a phase; while nothing of it serves it has no clients.
struct Held {
    phase: Phase,
    name: String,
    way: Option<Way>,
}

/// Holds a release in each phase, lets hands change all that it owns, one after another, and deletes all of them at once.
/// Gives what did not come out as it must.
pub async fn a_hand_and_the_end_in_every_phase(stage: &Arc<Stage>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut all = Vec::new();
    for (phase, held) in
        Phase::ALL.into_iter().zip(join_all(Phase::ALL.map(|phase| hold(stage, phase))).await)
    {
        match held {
            Ok(held) => all.push(held),
            Err(error) => problems.push(format!("{}: {error}", phase.as_str())),
        }
    }
    let mut changed = Vec::new();
    for mut held in all {
        match hands(stage, &mut held).await {
            Ok(slowest) => changed.push((held, slowest)),
            Err(error) => {
                println!("hands in {}: {error}", held.phase.as_str());
                problems.push(format!("hands in {}: {error}", held.phase.as_str()));
            }
        }
    }
    let ends = changed.into_iter().map(|(held, slowest)| async move {
        let phase = held.phase.as_str();
        (phase, slowest, end(stage, held).await)
    });
    for (phase, (what, slowest), ended) in join_all(ends).await {
        match ended {
            Ok((requests, gone, wrong)) => {
                println!(
                    "{phase:<11} {requests:>5} requests, 0 5xx; slowest repair {slowest:.2} s ({what}); deleted: gone after {gone:.1} s"
                );
                problems.extend(wrong.into_iter().map(|wrong| format!("{phase}: {wrong}")));
            }
            Err(error) => problems.push(format!("end in {phase}: {error}")),
        }
        if slowest > judged(WITHIN) {
            problems.push(format!("{phase}: {what} was put right after {slowest:.2} s"));
        }
    }
    problems
}

/// Brings a release into a phase in which it stays.
async fn hold(stage: &Arc<Stage>, phase: Phase) -> Result<Held> {
    let name = format!("in-{}", phase.as_str().to_lowercase());
    let plain = Manifest { steps: vec![(30, 10)], ..manifest(stage, &name) };
    if phase == Pending {
        let never = plain.with("/spec/stable/image", json!(MISSING));
        stage.releases.apply(&never.render(&stage.made.images, &stage.gateway.name)).await?;
        until(&format!("{name} is looked at"), LOOKED_AT, || async {
            match stage.releases.get(&name).await {
                Ok(release) => {
                    Seen::when(release.status.is_some_and(|status| status.phase == Some(Pending)), || {
                        "it is not Pending".to_owned()
                    })
                }
                Err(error) => Seen::NotYet(error.to_string()),
            }
        })
        .await?;
        return Ok(Held { phase, name, way: None });
    }
    let longer = match phase {
        Warming => plain.with("/spec/rollout/warmup", json!("1h")),
        Shadowing => plain.with("/spec/rollout/shadow", json!({"minDuration": "1h"})),
        Baking => plain.with("/spec/rollout/bake", json!("1h")),
        RollingBack => plain.with("/spec/rollout/drain", json!("1h")),
        // Two pods are wanted of each version, and of the canary's the second finds no node.
        Promoting => plain.with("/spec/runtime/minReplicas", json!(2)),
        _ => plain,
    };
    let mut way = Way::begin(stage, longer).await?;
    match phase {
        Stable => {}
        Starting => {
            way.set("/spec/canary/image", json!(MISSING));
            way.try_version("held").await?;
        }
        Replacing => {
            way.story.manifest.stable = Model { name: "held".into(), ..stage.made.better.clone() };
            way.set("/spec/stable/image", json!(MISSING));
            way.write().await?;
        }
        Promoting => {
            let apart = json!([{"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"modelrelease.dev/name": name, "app.kubernetes.io/version": "held"}}}]);
            way.set(
                "/spec/canary/affinity",
                json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": apart}}),
            );
            way.try_version("held").await?;
        }
        _ => way.try_version("held").await?,
    }
    if matches!(phase, Promoting | Baking) {
        way.annotate("promote", Some("held")).await?;
    }
    if matches!(phase, RollingBack | RolledBack) {
        way.share("held", 30).await?;
        way.annotate("rollback", Some("held")).await?;
        way.until("it leaves", |seen| {
            seen.status.history.iter().any(|entry| entry.reason == Reason::ManualRollback).then_some(())
        })
        .await?;
    }
    way.in_phase(phase).await?;
    if phase != RolledBack {
        way.settled().await?;
    }
    Ok(Held { phase, name, way: Some(way) })
}

/// Hands change each object of a release. Gives what took longest until it was put right, and the seconds.
async fn hands(stage: &Arc<Stage>, held: &mut Held) -> Result<(String, f64)> {
    let client = stage.testbed.client().await?;
    let (name, phase) = (held.name.clone(), held.phase);
    let on = |kind: Kind, name: &str| Hand::on(&client, kind, &stage.namespace, name);
    let image = json!({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 61}}}});
    let outward = json!({"spec": {"type": "NodePort"}});
    let label = format!("modelrelease.dev/name={name}");
    let deployments = kubectl(stage, &["get", "deployments", "-l", &label, "-o", "name"]).await?;
    let versions: Vec<&str> = deployments.lines().filter_map(|line| Some(line.split_once('/')?.1)).collect();
    let expected = if matches!(phase, Pending | Stable) { 1 } else { 2 };
    if versions.len() != expected {
        return Err(Error::other(format!("it has the Deployments {versions:?}, {expected} were expected")));
    }
    // Of the version on trial if there is one, else of the only one. Not of both: Kubernetes writes a Deployment's status
    // meanwhile, each conflict with that counts as one more correction, and ten in a minute are taken for a fight.
    let hashes = versions.first().copied().zip(versions.last().copied());
    let (first, last) = hashes.unwrap_or_default();
    let mut edited = vec![
        ("a Deployment's template", on(Deployment, last).edits(image).await?),
        ("a Service's type", on(Service, first).edits(outward).await?),
    ];
    let mut deleted = vec![("a deleted ControllerRevision", on(ControllerRevision, first).deletes().await?)];
    if phase != Pending {
        let unlabelled = json!({"metadata": {"labels": {"modelrelease.dev/name": null}}});
        edited.push(("a label of the release's Service", on(Service, &name).edits(unlabelled).await?));
        let shown = json!({"spec": {"exportTo": ["*"]}});
        edited.push((
            "a VirtualService's audience",
            on(VirtualService, &format!("{name}-gateway")).edits(shown).await?,
        ));
        let limit = format!("mrel.{}.{name}.public.limit", stage.namespace);
        let limit = Hand::on(&client, EnvoyFilter, &stage.gateway.namespace, &limit);
        deleted.push(("a deleted EnvoyFilter", limit.deletes().await?));
        // Of a rolled-back version nothing is left that could answer.
        if phase != RolledBack {
            edited.push(("swapped weights", swapped(stage, &name).await?));
        }
    }
    // What is missing is made anew, as if it had never been there; what was changed is counted.
    let done = i64::try_from(edited.len()).unwrap_or(i64::MAX);
    let took: Vec<_> = edited.into_iter().chain(deleted).collect();
    for (what, seconds) in &took {
        println!("{:<11} {what}: put right after {seconds:.2} s", phase.as_str());
    }
    if let Some(way) = &mut held.way {
        way.until("all repairs are counted", |seen| (seen.status.state.drift.total >= done).then_some(()))
            .await?;
        let before = way.seen().load.requests;
        way.until("clients go on", |seen| (seen.load.requests >= before + MORE).then_some(())).await?;
    }
    let status = stage.releases.get(&name).await?.status.unwrap_or_default();
    let (counted, now) = (status.state.drift.total, status.phase.unwrap_or_default());
    if counted < done || now != phase {
        return Err(Error::other(format!(
            "{counted} of {done} repairs were counted, and it is {}",
            now.as_str()
        )));
    }
    let slowest = took.into_iter().max_by(|(_, a), (_, b)| a.total_cmp(b));
    Ok(slowest.map(|(what, seconds)| (what.to_owned(), seconds)).unwrap_or_default())
}

/// Deletes a release; its clients go first, as anybody's would. Gives their requests, the seconds until it was gone, and
/// what was wrong.
async fn end(stage: &Arc<Stage>, held: Held) -> Result<(u64, f64, Vec<String>)> {
    let (requests, wrong) = if let Some(way) = held.way {
        let outcome = way.end().await?;
        (outcome.clients.requests, outcome.problems)
    } else {
        stage.releases.delete(&held.name).await?;
        (0, Vec::new())
    };
    Ok((requests, nothing_is_left(stage, &held.name).await?, wrong))
}
