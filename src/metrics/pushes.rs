//! What istiod tells of gateways, as gauges; and how asking it goes.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use model_release_core::observed::{Part, Push};
use model_release_core::pushes::Gateway;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::istiod::OUTCOMES;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct OfPush {
    set: String,
    pod: String,
    r#type: &'static str,
}

/// Series of gateways' pods, which go with the pods.
#[derive(Default)]
pub struct Pushes {
    questions: Family<Asked, Counter>,
    rejected: Family<OfPush, Gauge>,
    unacknowledged: Family<OfPush, Gauge>,
    told: Mutex<BTreeSet<OfPush>>,
}

impl Pushes {
    /// Puts them on the page.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("istiod_questions", "Questions to istiod", self.questions.clone());
        registry.register(
            "gateway_rejected_pushes",
            "Whether a gateway's proxy refused the last push of a type",
            self.rejected.clone(),
        );
        registry.register(
            "gateway_unacknowledged_pushes",
            "Whether a gateway's proxy has not answered to the last push of a type for half a minute",
            self.unacknowledged.clone(),
        );
    }

    /// Starts the counters at 0.
    pub fn begin(&self) {
        for outcome in OUTCOMES {
            self.questions.get_or_create(&Asked { outcome }).inc_by(0);
        }
    }

    /// Counts a question.
    pub fn asked(&self, outcome: &'static str) {
        self.questions.get_or_create(&Asked { outcome }).inc();
    }

    /// Tells what was sent to whom, whether it was refused, and what else is still open.
    pub fn tell(&self, sent: &[(&Gateway, Part, bool)], open: &[Push]) {
        let of = |set: &str, pod: &str, part: Part| OfPush {
            set: set.to_owned(),
            pod: pod.to_owned(),
            r#type: part.as_str(),
        };
        let awaited: BTreeSet<OfPush> = open
            .iter()
            .filter(|push| !push.refused)
            .map(|push| of(&push.set, &push.pod, push.part))
            .collect();
        let mut now = BTreeSet::new();
        for (gateway, part, refused) in sent {
            let series = of(&gateway.set, &gateway.pod, *part);
            self.rejected.get_or_create(&series).set(i64::from(*refused));
            self.unacknowledged.get_or_create(&series).set(i64::from(awaited.contains(&series)));
            now.insert(series);
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in told.difference(&now) {
            self.rejected.remove(gone);
            self.unacknowledged.remove(gone);
        }
        *told = now;
    }
}
