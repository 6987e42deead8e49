//! A Prometheus that knows each version's accuracy and errors, and counts requests by the weights in force.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::World;
use crate::observed::{Answer, Unanswered};
use crate::plan::Query;
use crate::traffic;

impl World {
    /// Requests a second of each version with weight, copies among them, by hash and name.
    fn requests(&self) -> Vec<(String, String, f64)> {
        let read = self
            .observed
            .children
            .values()
            .find_map(|live| traffic::read_back(&live.body))
            .unwrap_or_default();
        let names = self.status().versions;
        let copied = self.observed.children.values().find_map(|live| traffic::mirror_read(&live.body));
        read.iter()
            .map(|(hash, weight)| {
                let extra = copied.as_ref().filter(|(to, _)| to == hash).map_or(0, |(_, percent)| *percent);
                let weight = weight + extra;
                let name = names
                    .iter()
                    .find(|v| v.hash == hash.as_str())
                    .map(|v| v.version.clone())
                    .unwrap_or_default();
                (hash.to_string(), name, self.rate * f64::from(weight) / 100.0)
            })
            .collect()
    }

    pub(super) fn answer(&self, query: &Query) -> Answer {
        let outcome = if self.prometheus {
            Ok((200, self.rows(query).to_string().into_bytes()))
        } else {
            Err(Unanswered::Unreachable)
        };
        Answer { id: query.id.clone(), asked_at: self.now, outcome }
    }

    fn rows(&self, query: &Query) -> Value {
        let seconds = 10.0;
        let quality = query.promql.contains("model_predictions");
        let meta = &self.object.metadata;
        let (name_of, space) =
            (meta.name.clone().unwrap_or_default(), meta.namespace.clone().unwrap_or_default());
        let mut rows = Vec::new();
        for (hash, name, rate) in self.requests() {
            let events = (rate * seconds).round();
            let share = if quality {
                *self.accuracy.get(&name).unwrap_or(&0.9)
            } else {
                *self.errors.get(&name).unwrap_or(&0.0)
            };
            let hits = (events * share).round();
            let mut row = |stat: &str, value: f64| {
                let labels = if quality {
                    json!({
                        "namespace": space, "modelrelease_dev_name": name_of,
                        "modelrelease_dev_version": hash, "stat": stat,
                    })
                } else {
                    let cluster = format!("outbound|80||{name_of}-{hash}.{space}.svc.cluster.local");
                    json!({"cluster_name": cluster, "stat": stat})
                };
                rows.push(json!({"metric": labels, "value": [at(query.time), value.to_string()]}));
            };
            row("k", hits);
            row("n", events);
            if quality && query.promql.contains("\"ck\"") {
                row("ck", 1.0);
                row("cn", 1.0);
            }
        }
        json!({"status": "success", "data": {"resultType": "vector", "result": rows}})
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
fn at(time: Timestamp) -> f64 {
    time.as_second() as f64
}
