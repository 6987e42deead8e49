//! A release, a Prometheus that is a function of the block, and looks at them.

mod coverage;
mod order;
mod pairs;
mod verdicts;

use serde_json::{Value, json};

use super::*;
use crate::settings::{Entrance, Settings, Source};

pub(super) const STABLE: &str = "5f3c0a9b11";
pub(super) const CANARY: &str = "9ab1c2d3e4";
/// Width of a block in seconds; the lag is 3.
pub(super) const W: i64 = 30;
/// When evidence begins: on the grid.
pub(super) const BEGIN: i64 = 30_000;

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

/// A release whose `spec.analysis` is this, with a source named `default`.
pub(super) fn release(analysis: &Value) -> Release {
    let mut settings = Settings::default();
    settings.prometheus.sources.push(Source {
        name: "default".into(),
        url: "http://prometheus:9090".into(),
        entrance: Entrance::Envoy,
        lag_seconds: 3,
        ..Source::default()
    });
    release_with(analysis, &settings)
}

pub(super) fn release_with(analysis: &Value, settings: &Settings) -> Release {
    let object = serde_json::from_value(json!({
        "apiVersion": "modelrelease.dev/v1alpha1", "kind": "ModelRelease",
        "metadata": {"name": "fraud", "namespace": "ml", "uid": "u"},
        "spec": {
            "runtime": {"image": "a"}, "stable": {"version": "1"}, "canary": {"version": "2"},
            "analysis": analysis,
        },
    }))
    .unwrap();
    let mut release = Release::parse(&object, settings);
    release.stable.hash = Hash::known(STABLE);
    if let Some(canary) = &mut release.canary {
        canary.hash = Hash::known(CANARY);
    }
    release
}

/// Events of a block: stable's hits and all, the canary's hits and all. None: no row.
pub(super) type Events = [Option<f64>; 4];

pub(super) fn events(numbers: [i32; 4]) -> Events {
    numbers.map(|n| Some(f64::from(n)))
}

/// What Prometheus knows of a block.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    /// Right and labelled answers by counters.
    pub counts: Events,
    /// Right and labelled answers by gauge.
    pub gauge: Events,
    /// What a gauge without samples shows: stable's, the canary's.
    pub alone: [Option<f64>; 2],
    /// Whether both versions' counters exist, though there may be no difference of them yet.
    pub counters: bool,
    /// Answers given by stable and by the canary, labelled or not.
    pub answers: [Option<f64>; 2],
    /// Seconds within which stable's labels came.
    pub label_delay: Option<f64>,
    /// Pairs by who was right: both, the canary alone, stable alone, neither.
    pub pairs: Option<[f64; 4]>,
    /// Failed and all requests; and as many that were answered too late.
    pub errors: Events,
    /// Whether no bucket ends where one is asked for.
    pub no_bucket: bool,
    /// Instead of all that: status code and body, for the quality gate only.
    pub quality_says: Option<(u16, String)>,
}

impl Block {
    pub(super) fn new(counts: [i32; 4], errors: [i32; 4]) -> Self {
        Self { counts: events(counts), counters: true, errors: events(errors), ..Self::default() }
    }

    fn body(&self, check: &str, promql: &str) -> (u16, String) {
        let mut rows = Vec::new();
        let mut add = |version: &str, stat: &str, value: Option<f64>, entrance: bool| {
            let Some(value) = value else { return };
            if !promql.contains(&format!("\"stat\", \"{stat}\"")) {
                return;
            }
            let metric = if entrance {
                let cluster = format!("outbound|80||fraud-{version}.ml.svc.cluster.local");
                json!({"cluster_name": cluster, "stat": stat})
            } else {
                json!({
                    "namespace": "ml", "modelrelease_dev_name": "fraud", "modelrelease_dev_version": version,
                    "stat": stat,
                })
            };
            rows.push(json!({"metric": metric, "value": [0, value.to_string()]}));
        };
        if check == check::QUALITY {
            if let Some(says) = &self.quality_says {
                return says.clone();
            }
            for (index, version, hits, all) in [(0, STABLE, "k", "n"), (2, CANARY, "k", "n")] {
                add(version, hits, self.counts[index], false);
                add(version, all, self.counts[index + 1], false);
                for stat in ["ck", "cn"] {
                    add(version, stat, self.counters.then_some(1.0), false);
                }
                add(version, "gk", self.gauge[index], false);
                add(version, "gn", self.gauge[index + 1], false);
                add(version, "ga", self.alone[index / 2], false);
                add(version, "a", self.answers[index / 2], false);
            }
            add(STABLE, "d", self.label_delay, false);
            for (index, stat) in ["pb", "pc", "ps", "pn"].into_iter().enumerate() {
                add(CANARY, stat, self.pairs.map(|pairs| pairs[index]), false);
            }
        } else {
            for (index, version) in [(0, STABLE), (2, CANARY)] {
                add(version, "k", self.errors[index], true);
                add(version, "n", self.errors[index + 1], true);
                let within = self.errors[index].zip(self.errors[index + 1]).map(|(late, all)| all - late);
                add(version, "w", within.filter(|_| !self.no_bucket), true);
            }
        }
        let body = json!({"status": "success", "data": {"resultType": "vector", "result": rows}});
        (200, body.to_string())
    }
}

/// The answer about all blocks up to this one.
fn past(check: &str, promql: &str, last: i64, world: &impl Fn(i64) -> Block) -> String {
    let mut series: BTreeMap<String, (Value, Vec<Value>)> = BTreeMap::new();
    for block in last - blocks::KEPT + 1..=last {
        let body: Value = serde_json::from_str(&world(block).body(check, promql).1).unwrap_or_default();
        for row in body["data"]["result"].as_array().into_iter().flatten() {
            let (_, values) =
                series.entry(row["metric"].to_string()).or_insert_with(|| (row["metric"].clone(), vec![]));
            values.push(json!([BEGIN + block * W, row["value"][1]]));
        }
    }
    let result: Vec<Value> =
        series.into_values().map(|(metric, values)| json!({"metric": metric, "values": values})).collect();
    json!({"status": "success", "data": {"resultType": "matrix", "result": result}}).to_string()
}

/// A release under analysis, and its memory.
#[allow(clippy::struct_excessive_bools, reason = "what a test turns on and off")]
pub(super) struct Trial {
    pub release: Release,
    stable: Hash,
    canary: Hash,
    pub with_stable: bool,
    pub attempt: i64,
    pub from: i64,
    pub copied: bool,
    pub baking: bool,
    pub last_step: bool,
    pub checks: BTreeMap<String, Checkpoint>,
}

impl Trial {
    pub(super) fn new(analysis: &Value) -> Self {
        Self::of(release(analysis))
    }

    pub(super) fn of(release: Release) -> Self {
        Self {
            release,
            stable: Hash::known(STABLE),
            canary: Hash::known(CANARY),
            with_stable: true,
            attempt: 1,
            from: BEGIN,
            copied: false,
            baking: false,
            last_step: true,
            checks: BTreeMap::new(),
        }
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            stable: self.with_stable.then_some(&self.stable),
            canary: &self.canary,
            apps: Vec::new(),
            attempt: self.attempt,
            evidence_from: at(self.from),
            weight: 10,
            copied: self.copied,
            baking: self.baking,
            last_step: self.last_step,
        }
    }

    pub(super) fn queries(&self, now: i64) -> Vec<Query> {
        queries(&self.release, &self.subject(), &self.checks, at(now))
    }

    /// One look with these answers; the memory is kept.
    pub(super) fn look(&mut self, answers: &[Answer], now: i64) -> Look {
        let look = look(&self.release, &self.subject(), &self.checks, answers, at(now));
        self.checks.clone_from(&look.checks);
        look
    }

    /// Asks what is due and looks. Block 1 is the first after the beginning.
    pub(super) fn step(&mut self, now: i64, world: impl Fn(i64) -> Block) -> Look {
        let answers = self.answers(now, world);
        self.look(&answers, now)
    }

    pub(super) fn answers(&self, now: i64, world: impl Fn(i64) -> Block) -> Vec<Answer> {
        self.queries(now)
            .into_iter()
            .map(|query| {
                let last = (query.time.as_second() - BEGIN) / W;
                let (code, body) = match query.id.check.strip_suffix("/past") {
                    Some(check) => (200, past(check, &query.promql(), last, &world)),
                    None => world(last).body(&query.id.check, &query.promql()),
                };
                Answer { id: query.id, asked_at: at(now), outcome: Ok((code, body.into_bytes())) }
            })
            .collect()
    }

    /// Looks once a block, from the first to the last of them.
    pub(super) fn run(
        &mut self,
        blocks: std::ops::RangeInclusive<i64>,
        world: impl Fn(i64) -> Block,
    ) -> Look {
        let mut last = None;
        for block in blocks {
            last = Some(self.step(due(block), &world));
        }
        last.unwrap()
    }

    pub(super) fn kept(&self, name: &str) -> &Checkpoint {
        self.checks.get(name).unwrap()
    }

    /// The canary's events that quality has counted.
    pub(super) fn labelled(&self) -> f64 {
        self.kept(check::QUALITY).canary_events
    }
}

/// When a block is asked for.
pub(super) fn due(block: i64) -> i64 {
    BEGIN + block * W + 3
}

pub(super) fn good(_: i64) -> Block {
    Block::new([405, 450, 45, 50], [0, 450, 0, 50])
}

pub(super) fn poor(_: i64) -> Block {
    Block::new([405, 450, 35, 50], [0, 450, 0, 50])
}

pub(super) fn fails(look: &Look) -> Option<Reason> {
    match &look.outcome {
        Outcome::Fail { reason, .. } => Some(*reason),
        _ => None,
    }
}

pub(super) fn passes(look: &Look) -> bool {
    matches!(look.outcome, Outcome::Pass { .. })
}

pub(super) fn message(look: &Look) -> &str {
    match &look.outcome {
        Outcome::Fail { message, .. } | Outcome::Pass { message, .. } | Outcome::Undecided { message } => {
            message
        }
    }
}
