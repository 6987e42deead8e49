//! `kubectl modelrelease backtest`, on what the same Prometheus holds of two canaries: one as good as stable, one worse.

use jiff::Timestamp;
use kubectl_modelrelease::ask::Confirm;
use kubectl_modelrelease::commands::backtest::{Asked, backtest};
use kubectl_modelrelease::shell::Shell;
use model_release_core::api::ModelRelease;
use model_release_core::release::Release;
use model_release_core::settings::{Entrance, Settings};
use serde_json::json;

use super::history::{History, Prometheus};

/// Labelled answers of a pod between two scrapes.
const LABELLED: f64 = 400.0;

/// A canary, and how many of its labelled answers are right.
pub struct Canary {
    release: &'static str,
    right: f64,
    /// What is to be decided.
    pub decided: &'static str,
}

pub const CANARIES: [Canary; 2] = [
    Canary { release: "equal", right: 360.0, decided: "It would have been promoted" },
    Canary { release: "worse", right: 320.0, decided: "It would have been rolled back" },
];

impl Canary {
    fn object(&self) -> ModelRelease {
        serde_json::from_value(json!({
            "apiVersion": "modelrelease.dev/v1alpha1", "kind": "ModelRelease",
            "metadata": {"name": self.release, "namespace": "ml", "uid": "u"},
            "spec": {
                "runtime": {"image": "a"}, "stable": {"version": "v1"}, "canary": {"version": "v2"},
                "rollout": {"steps": [{"trafficPercent": 33, "minDuration": "1m"}]},
                "analysis": {"guardrails": []},
            },
        }))
        .unwrap()
    }

    /// Two pods of stable, of which nine answers in ten are right, and one of the canary.
    pub fn export(&self, history: &mut History) {
        let release = Release::parse(&self.object(), &Settings::default());
        let canary = release.canary.as_ref().unwrap().hash.to_string();
        let stable = release.stable.hash.to_string();
        for (pod, version, right) in
            [("a", &stable, 360.0), ("b", &stable, 360.0), ("c", &canary, self.right)]
        {
            let instance = format!("{}-{pod}:8080", self.release);
            let target: [(&str, &str); 5] = [
                ("job", "model-releases"),
                ("instance", &instance),
                ("namespace", "ml"),
                ("modelrelease_dev_name", self.release),
                ("modelrelease_dev_version", version),
            ];
            history.target(&target);
            history.counter("model_predictions_labelled_total", &target, LABELLED);
            history.counter("model_predictions_correct_total", &target, right);
        }
    }

    /// What the command says, of this many seconds.
    pub async fn told(&self, prometheus: &Prometheus, seconds: i64) -> Result<String, String> {
        let asked = Asked {
            prometheus: prometheus.url.clone(),
            entrance: Entrance::Server,
            from: Some(Timestamp::from_second(prometheus.begin).unwrap()),
            to: Some(Timestamp::from_second(prometheus.begin + seconds).unwrap()),
            ..Asked::default()
        };
        let (mut out, mut err, mut human) = (Vec::new(), Vec::new(), Nobody);
        let mut shell = Shell::new(&mut out, &mut err, &mut human);
        let done = backtest(&self.object(), &asked, &mut shell).await;
        done.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).unwrap())
    }
}

/// Who confirms nothing.
struct Nobody;

impl Confirm for Nobody {
    fn confirm(&mut self, _: &str) -> Option<bool> {
        None
    }
}
