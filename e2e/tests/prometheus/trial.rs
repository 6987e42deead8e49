//! A release under analysis, its looks a minute of real time apart or none at all: it is judged in the past.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model_release_core::analysis::{Subject, look, queries};
use model_release_core::api::status::{AnalysisStatus, CheckStatus, Checkpoint};
use model_release_core::observed::Answer;
use model_release_core::release::Release;
use model_release_core::settings::Settings;
use model_release_core::version::Hash;
use serde_json::{Value, json};

use super::history::Prometheus;
use super::servers::{CANARY, STABLE, Server};

/// Seconds of a block, and after its end until it is asked for.
const WIDTH: i64 = 30;
const LAG: i64 = 3;

pub struct Trial {
    release: Release,
    begin: i64,
    /// Whether it is judged by copies of requests.
    copied: bool,
    checks: BTreeMap<String, Checkpoint>,
    status: AnalysisStatus,
}

impl Trial {
    /// One with a guardrail of each kind that the server's preset can tell.
    pub fn new(server: &Server, begin: i64) -> Self {
        let all = [
            (server.counts_failures, json!({"name": "errors", "metric": "ErrorRate", "max": "0.05"})),
            (
                server.latency.is_some(),
                json!({"name": "slow", "metric": "Latency", "bound": "500ms", "max": "0.05"}),
            ),
            (
                server.first_token.is_some(),
                json!({"name": "first", "metric": "FirstTokenLatency", "bound": "500ms", "max": "0.05"}),
            ),
        ];
        let release = |guardrails: Vec<&Value>| {
            release(
                server.preset,
                server.preset,
                &json!({"quality": {"mode": "Disabled"}, "guardrails": guardrails}),
            )
        };
        // Each kind is taken if the server tells it, and else refused before anything is asked.
        for (told, guardrail) in &all {
            let refused = format!("{:?}", release(vec![guardrail]).refused);
            assert_eq!(
                refused.contains("PresetLacksMetric"),
                !told,
                "{}: {guardrail} {refused}",
                server.preset
            );
        }
        let told: Vec<_> = all.iter().filter(|(told, _)| *told).map(|(_, guardrail)| guardrail).collect();
        Self::of(release(told), begin)
    }

    /// One that only quality is judged of.
    pub fn of_quality(name: &str, begin: i64) -> Self {
        Self::of(release(name, "custom", &json!({"quality": {"minSamples": 100}, "guardrails": []})), begin)
    }

    fn of(release: Release, begin: i64) -> Self {
        let (checks, status) = (BTreeMap::new(), AnalysisStatus::default());
        Self { release, begin, copied: false, checks, status }
    }

    /// The same under copies of requests.
    pub fn copied(self) -> Self {
        Self { copied: true, ..self }
    }

    /// Asks what is due and looks, after each of so many blocks.
    pub fn run(&mut self, prometheus: &Prometheus, blocks: i64) {
        for block in 1..=blocks {
            let now = at(self.begin + block * WIDTH + LAG);
            let (stable, canary) = (Hash::known(STABLE), Hash::known(CANARY));
            let subject = Subject {
                stable: Some(&stable),
                canary: &canary,
                apps: Vec::new(),
                attempt: 1,
                evidence_from: at(self.begin),
                weight: 33,
                copied: self.copied,
                baking: false,
                last_step: true,
            };
            let answers: Vec<Answer> = queries(&self.release, &subject, &self.checks, now)
                .into_iter()
                .map(|query| {
                    let (code, body) = prometheus.ask(&query.promql(), query.time).unwrap();
                    assert_eq!(code, 200, "{}: {body}", query.promql());
                    Answer { id: query.id, asked_at: now, outcome: Ok((code, body.into_bytes())) }
                })
                .collect();
            let look = look(&self.release, &subject, &self.checks, &answers, now);
            (self.checks, self.status) = (look.checks, look.status);
        }
    }

    /// What a guardrail says.
    pub fn check(&self, name: &str) -> Option<&CheckStatus> {
        self.status.guardrails.iter().find(|check| check.name == name)
    }

    /// What is said of quality.
    pub fn quality(&self) -> &CheckStatus {
        self.status.quality.as_ref().unwrap()
    }

    /// Whether stable's past was learnt from.
    pub fn informed(&self, name: &str) -> bool {
        self.checks.get(name).is_some_and(|kept| kept.informed && kept.uninformed == 0)
    }
}

fn release(name: &str, preset: &str, analysis: &Value) -> Release {
    let settings: Settings = serde_json::from_value(json!({
        "prometheus": {"sources": [
            {"name": "default", "url": "http://localhost", "entrance": "server", "lagSeconds": LAG},
        ]},
    }))
    .unwrap();
    let object = serde_json::from_value(json!({
        "apiVersion": "modelrelease.dev/v1alpha1", "kind": "ModelRelease",
        "metadata": {"name": name, "namespace": "ml", "uid": "u"},
        "spec": {
            "runtime": {"image": "a", "preset": preset},
            "stable": {"version": "1"}, "canary": {"version": "2"},
            "analysis": analysis,
        },
    }))
    .unwrap();
    Release::parse(&object, &settings)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}
