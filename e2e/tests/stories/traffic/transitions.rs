//! What clients get over each transition of a release, from before it exists until its last version on trial has left, by
//! every way that they have: nothing fails, and app and model are of one version.

use std::sync::Arc;
use std::time::Duration;

use load::Way::Grpc;
use load::{Change, Snapshot};
use model_release_core::api::reasons::Reason;
use model_release_core::api::status::Phase::{Analyzing, Baking, Promoting, RolledBack, RollingBack, Stable};
use model_release_core::api::status::Track;
use serde_json::{Value, json};
use testbed::demo::images::Model;
use testbed::demo::install::{INSTALLATION, SYSTEM};
use testbed::demo::manifest::Manifest;
use testbed::demo::story::{Board, STEP, Stage, Story};
use testbed::wait::{Seen, until};
use testbed::{Error, Result};

use super::super::common::blocking;
use super::super::ways::way::Way;
use super::ask::Line;
use super::by::By;
use super::full;
use super::valid::Written;

/// Pods of each component of each version, so that one of them may go.
const PODS: usize = 2;
/// How long pods may take to come again.
const AGAIN: Duration = Duration::from_secs(90);

/// Predictions per second of the clients.
fn rate() -> u32 {
    if full() { 300 } else { 60 }
}

/// Requests over each transition, at least.
fn least(by: By) -> u64 {
    match (full(), by) {
        (true, By::Istio) => 10_000,
        (true, By::GatewayApi) => 2500,
        (false, _) => 250,
    }
}

/// Tells one release from its creation on; what it wrote for Istio and the Gateway API goes to `written`.
pub async fn lose_nothing(stage: &Arc<Stage>, by: By, written: &mut Written) -> Result<Vec<Line>> {
    let mut tour = Tour::begin(stage, by, written).await?;
    tour.over("the start").await?;

    tour.at_ten("second").await?;
    tour.over("a canary's first weight, 10 %").await?;
    if full() {
        tour.pods_go().await?;
        tour.over("the end of a pod of each version and component at 90/10").await?;
        tour.operator_restarts().await?;
        tour.over("a restart of the operator at 90/10").await?;
    }
    tour.on_to_fifty("second").await?;
    tour.over("the step to 50 %").await?;

    if full() {
        tour.way.try_version("third").await?;
        tour.way.in_force("third", 10).await?;
        tour.over("the replacement of the canary by another").await?;
    } else {
        tour.way.annotate("rollback", Some("true")).await?;
        tour.rolled_back("second", Reason::ManualRollback).await?;
        tour.over("a rollback by annotation").await?;
        tour.way.annotate("rollback", None).await?;
        tour.pods_go().await?;
        tour.over("the end of a pod of each component").await?;
    }
    if full() {
        tour.way.remove_canary().await?;
        tour.rolled_back("third", Reason::CanaryRemoved).await?;
        tour.over("the deletion of the canary from the spec").await?;
        tour.way.try_version("fourth").await?;
        tour.way.in_force("fourth", 10).await?;
        tour.over("shadow and first weight of the next canary").await?;
        tour.way.annotate("rollback", Some("true")).await?;
        tour.rolled_back("fourth", Reason::ManualRollback).await?;
        tour.over("a rollback by annotation").await?;
        tour.way.annotate("rollback", None).await?;
    }

    tour.way.try_version("fifth").await?;
    tour.way.in_force("fifth", 10).await?;
    tour.way.annotate("promote", Some("fifth")).await?;
    tour.way.decided_for(Analyzing, Promoting, "fifth", Reason::ManualPromotion).await?;
    tour.way.decided(Promoting, Baking, "fifth").await?;
    tour.way.settled().await?;
    tour.over("a promotion").await?;
    tour.way.decided_for(Baking, Stable, "fifth", Reason::Baked).await?;
    tour.way
        .until("the previous version is gone", |seen| {
            let there = seen.status.versions.iter().any(|version| version.track == Track::Previous);
            (!there).then_some(())
        })
        .await?;
    tour.over("the end of the bake and of the previous version").await?;

    if full() {
        tour.worse_is_tried("worse").await?;
        tour.rolled_back("worse", Reason::QualityRegression).await?;
        tour.over("a rollback by evidence").await?;
    }
    tour.end().await
}

/// What must be seen if a version does lose requests: its only pod is killed.
pub async fn would_be_seen(stage: &Arc<Stage>) -> Result<Vec<Line>> {
    const NAME: &str = "killed-pod";
    let manifest = Manifest::new(&stage.namespace, NAME, &stage.made.worse);
    let story = Story::begin(stage, &Board::default(), ('K', "a killed pod"), manifest).await?;
    let mut story = story.with_clients().await?;
    let (testbed, namespace) = (stage.testbed.clone(), stage.namespace.clone());
    blocking(move || {
        let label = format!("modelrelease.dev/name={NAME}");
        testbed.kubectl_output(&[
            "delete",
            "pod",
            "-n",
            &namespace,
            "-l",
            &label,
            "--grace-period=0",
            "--force",
        ])
    })
    .await?;
    let failed = story
        .until("clients see that nobody is there", STEP, |seen| {
            let failed = seen.load.server_errors + seen.load.broken;
            (failed > 0).then_some(failed)
        })
        .await;
    story.load.stop().await;
    stage.releases.delete(NAME).await?;
    Ok(vec![Line::new(
        "control: requests while the only pod of a version is killed",
        "some fail, or the counts above are blind",
        failed.as_ref().map_or_else(ToString::to_string, |failed| format!("{failed} and more fail")),
        failed.is_ok(),
    )])
}

/// A release on its way through all transitions.
struct Tour<'a> {
    stage: Arc<Stage>,
    by: By,
    way: Way,
    before: Snapshot,
    lines: Vec<Line>,
    written: &'a mut Written,
}

impl<'a> Tour<'a> {
    async fn begin(stage: &Arc<Stage>, by: By, written: &'a mut Written) -> Result<Self> {
        let manifest = by.routed(manifest(stage, &by.release("transitions")));
        let story =
            Story::begin_under_load(stage, &Board::default(), ('T', "transitions"), manifest, rate()).await?;
        // Until then a gateway knew of nothing at that host, and said so; over gRPC that is a call that failed.
        let before = story.load.moment();
        let told = before.answers.server_errors - before.ways.get(&Grpc).map_or(0, |counts| counts.failed);
        let lost = before.all().lost + before.skipped;
        let start = Line::new(
            "requests from before there was a release until clients are served",
            "404, and none fails otherwise",
            format!("{} of {} answered, {told} with 5xx, {lost} lost", before.answers.answered, before.sent),
            told + lost == 0,
        );
        let stage = Arc::clone(stage);
        Ok(Self { stage, by, way: Way::of(story), before, lines: vec![start], written })
    }

    /// Ends a transition: once clients have asked enough since the one before, tells what they got.
    async fn over(&mut self, what: &str) -> Result<()> {
        let wanted = self.before.sent + least(self.by);
        self.way
            .until(&format!("clients asked enough over {what}"), |seen| {
                (seen.load.requests >= wanted).then_some(())
            })
            .await?;
        let now = self.way.story.load.moment();
        let line = told(what, &now.since(&self.before));
        println!("{}: {line}", self.way.story.manifest.name);
        if !line.holds {
            println!("  the last trouble of a client: {:?}; {:?}", now.last_trouble, now.last_mismatch);
        }
        self.lines.push(line);
        self.before = now;
        self.written.look(&self.stage.testbed)
    }

    /// Tries a version and holds it at 10 %.
    async fn at_ten(&mut self, version: &str) -> Result<()> {
        self.way.try_version(version).await?;
        self.way.in_force(version, 10).await?;
        self.way.annotate("pause", Some("true")).await
    }

    /// Lets it go on.
    async fn on_to_fifty(&mut self, version: &str) -> Result<()> {
        self.way.annotate("pause", None).await?;
        self.way.in_force(version, 50).await
    }

    /// The version was made to leave, for this reason, and has left.
    async fn rolled_back(&mut self, version: &str, reason: Reason) -> Result<()> {
        self.way.decided_for(Analyzing, RollingBack, version, reason).await?;
        self.way
            .until(&format!("{version} has left"), |seen| {
                matches!(seen.phase(), RolledBack | Stable).then_some(())
            })
            .await
    }

    /// A worse model, judged by its quality from now on, and by answers that clients got: nobody labels those to copies.
    async fn worse_is_tried(&mut self, version: &str) -> Result<()> {
        let worse = Model { name: version.to_owned(), ..self.stage.made.worse.clone() };
        self.way.set("/spec/rollout/shadow", Value::Null);
        self.way.set("/spec/analysis/quality", json!({"maxDrop": "0.02", "minSamples": 100}));
        self.way.set("/spec/rollout/steps", json!([{"trafficPercent": 50, "minDuration": "5m"}]));
        self.way.story.manifest = self.way.story.manifest.clone().with_canary(&worse);
        self.way.write().await
    }

    /// One pod of each component of each version is deleted; others come.
    async fn pods_go(&mut self) -> Result<()> {
        let release = self.way.story.manifest.name.clone();
        let before = pods(&self.stage, &release).await?;
        let mut gone = Vec::new();
        for (of, names) in before.chunk_by(|a, b| a.of == b.of).map(|all| (&all[0].of, all)) {
            if names.len() != PODS {
                return Err(Error::other(format!(
                    "{release} has {} pods of {of} instead of {PODS}",
                    names.len()
                )));
            }
            gone.extend(names.first().map(|pod| pod.name.clone()));
        }
        let (testbed, namespace) = (self.stage.testbed.clone(), self.stage.namespace.clone());
        let named = gone.clone();
        blocking(move || {
            let mut arguments = vec!["delete", "pod", "-n", &namespace];
            arguments.extend(named.iter().map(String::as_str));
            testbed.kubectl_output(&arguments).map(drop)
        })
        .await?;
        let (stage, count) = (&self.stage, before.len());
        until("other pods are there", AGAIN, || async {
            match pods(stage, &release).await {
                Ok(now) => {
                    let ready = now.iter().filter(|pod| pod.ready && !gone.contains(&pod.name)).count();
                    Seen::when(ready == count, || format!("{ready} of {count} are ready"))
                }
                Err(error) => Seen::NotYet(error.to_string()),
            }
        })
        .await
    }

    /// The operator's pods are replaced by others.
    async fn operator_restarts(&mut self) -> Result<()> {
        let testbed = self.stage.testbed.clone();
        blocking(move || {
            let deployment = format!("deployment/{INSTALLATION}");
            testbed.kubectl_output(&["rollout", "restart", &deployment, "-n", SYSTEM])?;
            testbed
                .kubectl_output(&["rollout", "status", &deployment, "-n", SYSTEM, "--timeout=90s"])
                .map(drop)
        })
        .await
    }

    /// Closes the books: all but what was told of each transition.
    async fn end(self) -> Result<Vec<Line>> {
        let story = self.way.story;
        story.load.stop().await;
        self.stage.releases.delete(&story.manifest.name).await?;
        let problems = story.outcome.problems;
        let mut lines = self.lines;
        lines.push(Line::new(
            "all of these transitions",
            "each decided for its reason",
            if problems.is_empty() { "as they must".to_owned() } else { problems.join("; ") },
            problems.is_empty(),
        ));
        Ok(self.by.said(lines))
    }
}

/// A release with everything that traffic can have, at which nothing is decided by evidence.
fn manifest(stage: &Stage, name: &str) -> Manifest {
    let manifest = Manifest {
        steps: vec![(10, 10), (50, 10)],
        ..Manifest::new(&stage.namespace, name, &stage.made.worse)
    }
    .with_app()
    .with_grpc()
    .with("/spec/runtime/minReplicas", json!(PODS))
    .with("/spec/runtime/app/minReplicas", json!(PODS))
    .with("/spec/rollout/canaryReplicas", json!(PODS))
    .with("/spec/rollout/promotion", json!("Manual"))
    .with("/spec/rollout/bake", json!("5s"))
    .with("/spec/rollout/retention", json!("5s"))
    .with("/spec/traffic/sticky", json!(true))
    .with("/spec/traffic/rateLimit/perClient/requests", json!(1_000_000))
    .with("/spec/traffic/rateLimit/total", json!({"requests": 1_000_000, "window": "60s"}))
    .with("/spec/traffic/rateLimit/perPod", json!({"requests": 1_000_000, "window": "60s"}))
    .with("/spec/analysis/quality", json!({"mode": "Disabled"}))
    .with(
        "/spec/analysis/guardrails",
        json!([{"name": "errors", "metric": "ErrorRate", "maxRatio": "2", "minRequests": 1}]),
    );
    if full() {
        manifest.with("/spec/rollout/shadow", json!({"mirrorPercent": 50, "minDuration": "1m"}))
    } else {
        manifest
    }
}

/// What clients got over a transition.
fn told(what: &str, got: &Change) -> Line {
    let all = got.all();
    let failed = all.failed + all.lost + all.limited;
    let ways: Vec<String> = got.ways.iter().map(|(way, counts)| format!("{way} {}", counts.sent)).collect();
    let every = load::Way::ALL.iter().all(|way| got.ways.get(way).is_some_and(|counts| counts.sent > 0));
    let (pairs, mixed) = (got.pairs, got.mismatched);
    // Clients wait for so many answers at once and no more: a pause of all, be it the machine's.
    let unsent = match got.skipped {
        0 => String::new(),
        skipped => format!(", and {skipped} not sent, for answers were awaited for too long"),
    };
    let least = if full() { 1000 } else { 50 };
    Line::new(
        format!("requests over {what}"),
        format!("none fails; of {least} and more pairs of app and model none is of two versions"),
        format!("{failed} of {} ({}){unsent}; {mixed} of {pairs}", all.sent, ways.join(", ")),
        failed + got.skipped == 0 && mixed == 0 && pairs >= least && every,
    )
}

/// A pod of a release.
struct Pod {
    name: String,
    /// Its version and component.
    of: String,
    ready: bool,
}

/// The release's pods that are not about to go, sorted by what they are of.
async fn pods(stage: &Stage, release: &str) -> Result<Vec<Pod>> {
    let (testbed, namespace) = (stage.testbed.clone(), stage.namespace.clone());
    let label = format!("modelrelease.dev/name={release}");
    let listed = blocking(move || {
        testbed.kubectl_output(&["get", "pods", "-n", &namespace, "-l", &label, "-o", "json"])
    })
    .await?;
    let listed: Value = serde_json::from_str(&listed)
        .map_err(|error| Error::other(format!("kubectl wrote no JSON of pods: {error}")))?;
    let pod = |pod: &Value| {
        let text =
            |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
        let ready = conditions.filter(|one| one["type"] == "Ready").any(|one| one["status"] == "True");
        let label = |name: &str| text(&format!("/metadata/labels/modelrelease.dev~1{name}"));
        Pod {
            name: text("/metadata/name"),
            of: format!("{} {}", label("version"), label("component")),
            ready,
        }
    };
    let stays = |pod: &&Value| pod.pointer("/metadata/deletionTimestamp").is_none();
    let all = listed.pointer("/items").and_then(Value::as_array).into_iter().flatten();
    let mut pods: Vec<Pod> = all.filter(stays).map(pod).collect();
    pods.sort_by(|a, b| (&a.of, &a.name).cmp(&(&b.of, &b.name)));
    Ok(pods)
}
