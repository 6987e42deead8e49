//! What a look sees, made of the numbers of a state: the release, the cluster, Prometheus.

use std::collections::BTreeMap;

use model_release_core::analysis::share::SHARE;
use model_release_core::api::status::{Phase, Track};
use model_release_core::api::{self, ModelRelease};
use model_release_core::observed::{
    Answer, Container, Ended, GatewayAnswer, Live, Observed, Pod, Unanswered, WarmupAnswer,
};
use model_release_core::plan::{Asks, Kind, Probe, Query};
use model_release_core::traffic;
use model_release_core::version::Hash;
use serde_json::json;

use super::decide::{Input, Lab};
use super::normal::{self, now};
use super::state::{Metric, Pods, Release, Trouble};
use super::tables::Id;

impl Lab {
    /// The release as it is stored.
    pub fn object(&self, release: Release, status: Id) -> ModelRelease {
        let mut object = self.specs[usize::from(release.spec)].clone();
        let meta = &mut object.metadata;
        meta.generation = Some(i64::from(release.generation) + 1);
        let mut annotations = BTreeMap::new();
        for (at, (name, values)) in release.notes.iter().zip(&self.run.notes) {
            if let Some(value) = usize::from(*at).checked_sub(1).map(|at| values[at]) {
                annotations.insert(format!("modelrelease.dev/{name}"), value.to_owned());
            }
        }
        meta.annotations = Some(annotations);
        if release.deleting {
            meta.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
        }
        if release.finalizer {
            meta.finalizers = Some(vec![api::FINALIZER.to_owned()]);
        }
        object.status = (status != 0).then(|| self.statuses.get(status).status.clone());
        object
    }

    pub(super) fn observed(&self, input: &Input) -> Observed {
        let mut observed = Observed { istio: true, gateway_api: true, ..Observed::default() };
        for (key, body) in &input.children {
            let named = self.key_of(*key);
            let key = &named.key;
            let body = self.bodies.get(*body);
            let mut value = body.value.clone();
            value["metadata"]["uid"] = json!(format!("uid {key}"));
            value["metadata"]["generation"] = json!(1);
            if let (Kind::Deployment, Some(version)) = (key.kind, named.version) {
                let Pods { ready, trouble } = input.pods[version];
                let status = json!({"observedGeneration": 1, "availableReplicas": ready});
                value["status"] = status;
                for n in 0..body.replicas {
                    observed.pods.push(pod(
                        &key.name,
                        &self.hashes[version],
                        n,
                        n < i64::from(ready),
                        trouble,
                    ));
                }
                observed.endpoints.insert(key.name.clone(), i32::from(ready));
            }
            let meta = &value["metadata"];
            let owner =
                meta["ownerReferences"][0]["uid"].as_str().or(meta["labels"][api::LABEL_UID].as_str());
            let live = Live {
                uid: format!("uid {key}"),
                resource_version: "read".into(),
                owner: owner.map(str::to_owned),
                seq: meta["annotations"][api::ANNOTATION_SEQ].as_str().and_then(|s| s.parse().ok()),
                deleting: false,
                body: value.clone(),
                ..Live::default()
            };
            observed.children.insert(key.clone(), live);
        }
        let services: Vec<String> =
            observed.children.keys().filter(|k| k.kind == Kind::Service).map(|k| k.name.clone()).collect();
        observed.endpoints.retain(|name, _| services.contains(name));
        observed
    }

    /// What is asked is answered: by Prometheus, by gateways, and by a version that is asked by its own route or warmed up
    /// as well as it serves.
    pub(super) fn answered(&self, asks: &Asks, input: &Input, observed: &mut Observed) {
        observed.answers = asks.queries.iter().map(|query| self.answer(query, input, observed)).collect();
        let seq = observed.children.values().find_map(|live| traffic::seq_read(&live.body));
        let answers = |hash: &str| {
            let ready = self.hashes.iter().position(|h| h == hash).is_some_and(|v| input.pods[v].ready > 0);
            if ready && input.metric != Metric::Errors { 200 } else { 503 }
        };
        let gateway = |probe: &Probe| GatewayAnswer {
            set: probe.set.clone(),
            pod: "gateway-0".into(),
            seq,
            limited: Some(true),
            route: probe.direct.as_ref().map(|direct| answers(&direct.version)),
        };
        observed.gateways = asks.probes.iter().map(gateway).collect();
        observed.warmup = asks.warmup.as_ref().map(|warmup| WarmupAnswer {
            hash: warmup.hash.clone(),
            good: if input.metric == Metric::Good { warmup.requests } else { 0 },
            last_status: (input.metric == Metric::Errors).then_some(500),
            unreachable: input.metric == Metric::None,
        });
    }

    fn answer(&self, query: &Query, input: &Input, observed: &Observed) -> Answer {
        let weights = observed.children.values().find_map(|live| traffic::read_back(&live.body));
        let status = &self.statuses.get(input.status).status;
        let copied = status.phase == Some(Phase::Shadowing);
        let live = status.versions.iter().find(|v| v.track == Track::Stable);
        let stable = live.map(|v| v.hash.clone()).unwrap_or_default();
        let promql = query.promql();
        let quality = promql.contains("model_predictions");
        let mut rows = Vec::new();
        let weight_of = |hash: &Hash| {
            let all = weights.iter().flatten().filter(|(other, _)| other == hash);
            all.map(|(_, weight)| *weight).sum::<i32>()
        };
        let requests = |hash: &Hash| {
            if query.id.check == SHARE { f64::from(weight_of(hash)) * 100.0 } else { 10_000.0 }
        };
        let weighty =
            weights.iter().flatten().filter(|(_, weight)| *weight > 0).map(|(hash, _)| hash.clone());
        let shadowed = status.versions.iter().filter(|v| v.track == Track::Canary && copied);
        for hash in weighty.chain(shadowed.map(|v| Hash::known(&v.hash))) {
            let other = hash.as_str() != stable;
            let share = match (quality, input.metric) {
                (true, Metric::Good | Metric::Errors | Metric::None) if other => 0.95,
                (true, Metric::Bad) | (false, Metric::Errors) if other => 0.5,
                (true, _) => 0.9,
                (false, _) => 0.0,
            };
            let mut row = |stat: &str, value: f64| {
                let labels = if quality {
                    json!({
                        "namespace": "ml", "modelrelease_dev_name": "fraud",
                        "modelrelease_dev_version": hash.as_str(), "stat": stat,
                    })
                } else {
                    let cluster = format!("outbound|80||fraud-{hash}.ml.svc.cluster.local");
                    json!({"cluster_name": cluster, "stat": stat})
                };
                let time = query.time.as_second();
                rows.push(json!({"metric": labels, "value": [time, value.to_string()]}));
            };
            row("k", share * 10_000.0);
            row("n", requests(&hash));
            if quality && promql.contains("\"ck\"") {
                row("ck", 1.0);
                row("cn", 1.0);
            }
        }
        let past = query.id.check.ends_with("/past");
        for row in rows.iter_mut().filter(|_| past) {
            // As it is now it was in each block before.
            let value = row["value"][1].clone();
            let times = (0..20).map(|block| query.time.as_second() - block * normal::TICK);
            row["values"] = times.map(|time| json!([time, value])).collect();
        }
        let kind = if past { "matrix" } else { "vector" };
        let body = json!({"status": "success", "data": {"resultType": kind, "result": rows}});
        let outcome = match input.metric {
            Metric::None => Err(Unanswered::Unreachable),
            Metric::Good | Metric::Bad | Metric::Errors => Ok((200, body.to_string().into_bytes())),
        };
        Answer { id: query.id.clone(), asked_at: now(), outcome }
    }
}

fn pod(deployment: &str, hash: &str, n: i64, ready: bool, trouble: Trouble) -> Pod {
    let ended =
        |reason: &str, message: &str| Ended { reason: reason.into(), exit_code: 1, message: message.into() };
    let container = match trouble {
        Trouble::None => Container { name: "model".into(), ..Container::default() },
        Trouble::Fatal => Container {
            name: model_release_core::pods::FETCHER.into(),
            init: true,
            ended: Some(ended("Error", r#"{"reason":"DigestMismatch"}"#)),
            ..Container::default()
        },
        Trouble::Crashing => Container {
            name: "model".into(),
            restarts: 5,
            waiting: Some("CrashLoopBackOff".into()),
            ended_before: Some(ended("Error", "")),
            ..Container::default()
        },
    };
    Pod {
        name: format!("{deployment}-{n}"),
        uid: format!("{deployment}-{n}"),
        hash: hash.to_owned(),
        ready,
        containers: vec![container],
        ..Pod::default()
    }
}
