//! A Prometheus that knows each version's accuracy and errors, and counts requests by the weights in force.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::World;
use crate::analysis::share::SHARE;
use crate::api::status::Track;
use crate::observed::{Answer, Unanswered};
use crate::plan::Query;
use crate::traffic;

/// What Prometheus says if it answers. Whatever is not a number is no evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Says {
    /// Numbers.
    #[default]
    Numbers,
    /// NaN for each number.
    NotANumber,
    /// An infinite number for each.
    Infinite,
    /// No rows.
    Nothing,
    /// Each row twice, with another value.
    Doubled,
    /// An answer that was cut off.
    Part,
    /// Rows and a warning that they are not all.
    Warning,
    /// Status code 500.
    Broken,
}

impl Says {
    /// Each of them.
    pub const ALL: [Self; 8] = [
        Self::Numbers,
        Self::NotANumber,
        Self::Infinite,
        Self::Nothing,
        Self::Doubled,
        Self::Part,
        Self::Warning,
        Self::Broken,
    ];
}

impl World {
    /// Requests a second of each version with weight, copies among them, by hash and name.
    fn requests(&self) -> Vec<(String, String, f64)> {
        let read = self
            .observed
            .children
            .values()
            .find_map(|live| traffic::read_back(&live.body))
            .unwrap_or_default();
        let names = self.object.status.as_ref().map_or(&[][..], |status| &status.versions);
        let copied = self.observed.children.values().find_map(|live| traffic::mirror_read(&live.body));
        read.iter()
            .map(|(hash, weight)| {
                let extra = copied.as_ref().filter(|(to, _)| to == hash).map_or(0, |(_, percent)| *percent);
                let canary = names.iter().any(|v| v.hash == hash.as_str() && v.track == Track::Canary);
                let split = self.share.filter(|_| (1..=99).contains(weight));
                let share = split.map(|share| if canary { share } else { 1.0 - share });
                let share = share.unwrap_or(f64::from(*weight) / 100.0) + f64::from(extra) / 100.0;
                let name = names
                    .iter()
                    .find(|v| v.hash == hash.as_str())
                    .map(|v| v.version.clone())
                    .unwrap_or_default();
                (hash.to_string(), name, self.rate * share)
            })
            .collect()
    }

    pub(super) fn answer(&self, query: &Query) -> Answer {
        let mut body = self.rows(query).to_string().into_bytes();
        if self.says == Says::Part {
            body.truncate(body.len() / 2);
        }
        let code = if self.says == Says::Broken { 500 } else { 200 };
        let outcome = if self.prometheus { Ok((code, body)) } else { Err(Unanswered::Unreachable) };
        Answer { id: query.id.clone(), asked_at: self.now, outcome }
    }

    fn rows(&self, query: &Query) -> Value {
        let seconds = 10.0;
        let promql = query.promql();
        let quality = promql.contains("model_predictions");
        let meta = &self.object.metadata;
        let (name_of, space) =
            (meta.name.clone().unwrap_or_default(), meta.namespace.clone().unwrap_or_default());
        let mut rows = Vec::new();
        for (hash, name, rate) in self.requests() {
            // Of few requests a rounded part would be another share.
            let events = if query.id.check == SHARE { rate * seconds } else { (rate * seconds).round() };
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
                let value = match self.says {
                    Says::NotANumber => "NaN".to_owned(),
                    Says::Infinite => "+Inf".to_owned(),
                    _ => value.to_string(),
                };
                rows.push(json!({"metric": labels, "value": [at(query.time), value]}));
            };
            row("k", hits);
            row("n", events);
            if quality && promql.contains("\"ck\"") {
                row("ck", 1.0);
                row("cn", 1.0);
            }
        }
        match self.says {
            Says::Nothing => rows.clear(),
            Says::Doubled => rows.extend(rows.clone()),
            _ => {}
        }
        if self.crowded {
            rows.extend(foreign(query, quality));
        }
        let past = query.id.check.ends_with("/past");
        if past {
            for row in &mut rows {
                always(row, query);
            }
        }
        let kind = if past { "matrix" } else { "vector" };
        let mut answer = json!({"status": "success", "data": {"resultType": kind, "result": rows}});
        if self.says == Says::Warning {
            answer["warnings"] = json!(["a store did not answer"]);
        }
        answer
    }
}

/// What is so at one instant was so in each block before it.
fn always(row: &mut Value, query: &Query) {
    let Some(value) = row.as_object_mut().and_then(|row| row.remove("value")) else { return };
    let width = 10.0;
    let times = (0..240).map(|block| at(query.time) - width * f64::from(239 - block));
    row["values"] = times.map(|time| json!([time, value[1]])).collect();
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
fn at(time: Timestamp) -> f64 {
    time.as_second() as f64
}

/// Rows of versions of other releases, all of them bad.
fn foreign(query: &Query, quality: bool) -> Vec<Value> {
    let labels = |space: &str, name: &str, stat: &str| {
        if quality {
            json!({
                "namespace": space, "modelrelease_dev_name": name,
                "modelrelease_dev_version": "0123456789", "stat": stat,
            })
        } else {
            json!({"cluster_name": format!("outbound|80||{name}-0123456789.{space}.svc.cluster.local"), "stat": stat})
        }
    };
    let of = |space: &str, name: &str| {
        let (k, n) = if quality { ("0", "900") } else { ("900", "900") };
        [("k", k), ("n", n)].map(
            |(stat, value)| json!({"metric": labels(space, name, stat), "value": [at(query.time), value]}),
        )
    };
    [of("others", "fraud"), of("ml", "others")].concat()
}
