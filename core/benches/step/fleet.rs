//! One block of a fleet: a thousand releases whose checks are asked for together, and what the kernel does for one of them.

use std::collections::BTreeMap;
use std::hint::black_box;

use jiff::Timestamp;
use model_release_core::analysis::kernel::{
    Block, Count, Guardrail, GuardrailBounds, Quality, QualityBounds, ReadingBounds, Readings, Values,
};
use model_release_core::analysis::{About, Look, Question, Subject, look, queries};
use model_release_core::api::status::Checkpoint;
use model_release_core::observed::Answer;
use model_release_core::plan::Query;
use model_release_core::release::Release;
use model_release_core::testing::settings;
use model_release_core::version::Hash;
use serde_json::{Value, json};

/// Releases of a namespace: as many as are asked for by one question.
const SHARD: usize = 200;
/// Namespaces.
const SHARDS: usize = 5;
/// Width of a block and how long after it is asked for, in seconds.
const WIDTH: i64 = 30;
/// When evidence begins: on the grid of blocks.
const BEGIN: i64 = 1_795_000_020 / WIDTH * WIDTH;
/// Blocks that were counted before the one that is measured.
const BEFORE: i64 = 3;

/// A thousand releases at the end of a block, each with three checks that know stable's past and a few blocks.
pub struct Fleet {
    releases: Vec<Release>,
    hashes: [Hash; 2],
    checks: BTreeMap<String, Checkpoint>,
    /// Questions as they are asked, each with the releases that it is about, and the answer to all of them.
    asked: Vec<Asked>,
    now: Timestamp,
}

/// A check of a shard, asked for at once.
struct Asked {
    question: Question,
    query: Query,
    about: Vec<About>,
    body: Vec<u8>,
}

impl Fleet {
    /// Just before its block is looked at.
    pub fn new() -> Self {
        let releases: Vec<Release> = (0..SHARDS * SHARD).map(|at| release(at / SHARD, at % SHARD)).collect();
        let hashes = ["5f3c0a9b11", "9ab1c2d3e4"].map(Hash::known);
        let mut fleet =
            Self { releases, hashes, checks: BTreeMap::new(), asked: Vec::new(), now: due(BEFORE + 1) };
        // They differ in nothing but their names, so one of them learns for all.
        let first = fleet.releases.first().expect("there are some").clone();
        for block in 1..=BEFORE {
            let asked = queries(&first, &fleet.subject(), &fleet.checks, due(block));
            let answers: Vec<Answer> = asked
                .iter()
                .map(|query| answer(query, body(query, &first.namespace, [&query.about])))
                .collect();
            fleet.checks = look(&first, &fleet.subject(), &fleet.checks, &answers, due(block)).checks;
        }
        fleet.asked = fleet.releases.chunks(SHARD).flat_map(|shard| fleet.asked_of(shard)).collect();
        assert_eq!(fleet.asked.len(), 3 * SHARDS, "three checks of each shard");
        fleet
    }

    fn asked_of(&self, shard: &[Release]) -> Vec<Asked> {
        let of = |release: &Release| queries(release, &self.subject(), &self.checks, self.now);
        let first = shard.first().expect("there are some");
        let namespace = &first.namespace;
        of(first)
            .into_iter()
            .enumerate()
            .map(|(at, query)| {
                let alike = |asked: &Query| asked.question == query.question && asked.time == query.time;
                let one = |release: &Release| {
                    of(release).into_iter().nth(at).filter(alike).expect("asked alike").about
                };
                let about: Vec<About> = shard.iter().map(one).collect();
                let body = body(&query, namespace, &about);
                Asked { question: query.question.clone(), query, about, body }
            })
            .collect()
    }

    fn subject(&self) -> Subject<'_> {
        let [stable, canary] = &self.hashes;
        Subject {
            stable: Some(stable),
            canary,
            apps: Vec::new(),
            attempt: 1,
            evidence_from: at(0),
            weight: 10,
            copied: false,
            baking: false,
            last_step: true,
        }
    }

    /// Bytes of all answers.
    pub fn bytes(&self) -> usize {
        self.asked.iter().map(|asked| asked.body.len()).sum()
    }

    /// The answers divided, each release's in their order.
    pub fn divided(&self) -> Vec<Vec<Answer>> {
        let mut answers: Vec<Vec<Answer>> = vec![Vec::with_capacity(3); self.releases.len()];
        for (at, asked) in self.asked.iter().enumerate() {
            let about: Vec<&About> = asked.about.iter().collect();
            let parts = asked.question.divided(&asked.body, &about);
            let shard = answers.iter_mut().skip(at / 3 * SHARD);
            shard.zip(parts).for_each(|(answers, part)| answers.push(answer(&asked.query, part)));
        }
        answers
    }

    /// One look at each release with its answers.
    pub fn looks(&self, answers: &[Vec<Answer>]) -> Vec<Look> {
        let subject = self.subject();
        let one = |(release, answers): (&Release, &Vec<Answer>)| {
            look(release, &subject, &self.checks, answers, self.now)
        };
        self.releases.iter().zip(answers).map(one).collect()
    }

    /// Ends where a look did not count its block: it would be measured for nothing.
    pub fn check(&self) {
        for look in self.looks(&self.divided()) {
            assert_eq!(look.checks.len(), 3);
            for (name, kept) in &look.checks {
                assert_eq!((kept.last_block_end, kept.trouble), (Some(at(BEFORE + 1)), None), "{name}");
                assert!(kept.canary_events > self.checks[name].canary_events, "{name}: {kept:?}");
            }
        }
    }
}

/// End of a block; 0 is when evidence begins.
fn at(block: i64) -> Timestamp {
    Timestamp::from_second(BEGIN + block * WIDTH).expect("a time")
}

/// When it is asked for.
fn due(block: i64) -> Timestamp {
    let lag = settings().prometheus.sources.first().map_or(0, |source| source.lag_seconds);
    Timestamp::from_second(BEGIN + block * WIDTH + lag).expect("a time")
}

fn release(namespace: usize, number: usize) -> Release {
    let object = json!({
        "apiVersion": "modelrelease.dev/v1alpha1", "kind": "ModelRelease",
        "metadata": {"name": format!("fraud-{number:03}"), "namespace": format!("models-{namespace}"), "uid": "u"},
        "spec": {
            "runtime": {"image": "a"}, "stable": {"version": "1"}, "canary": {"version": "2"},
            "analysis": {
                "interval": format!("{WIDTH}s"),
                "guardrails": [
                    {"name": "errors", "metric": "ErrorRate", "maxRatio": "2"},
                    {"name": "slow", "metric": "Latency", "bound": "250ms", "max": "0.05"},
                ],
            },
        },
    });
    Release::parse(&serde_json::from_value(object).expect("it decodes"), &settings())
}

fn answer(query: &Query, body: Vec<u8>) -> Answer {
    Answer { id: query.id.clone(), asked_at: query.time, outcome: Ok((200, body)) }
}

/// What Prometheus answers about these releases: each stat that is asked for, of both versions of each.
fn body<'a>(query: &Query, namespace: &str, about: impl IntoIterator<Item = &'a About>) -> Vec<u8> {
    let promql = query.promql();
    let stats: Vec<(&str, f64)> =
        [("k", 0.9), ("n", 1.0), ("k1", 0.0), ("w", 0.99), ("ck", 1.0), ("cn", 1.0), ("a", 1.0)]
            .into_iter()
            .filter(|(stat, _)| promql.contains(&format!("\"stat\", \"{stat}\"")))
            .collect();
    let labels = |about: &About, version: &str, object: &str, stat: &str| {
        if query.id.check.starts_with("model") {
            json!({
                "namespace": namespace, "modelrelease_dev_name": about.release,
                "modelrelease_dev_version": version, "stat": stat,
            })
        } else if promql.contains("cluster_name") {
            json!({"cluster_name": format!("outbound|80||{object}.{namespace}.svc.cluster.local"), "stat": stat})
        } else {
            json!({"destination_workload_namespace": namespace, "destination_workload": object, "stat": stat})
        }
    };
    let past = query.id.check.ends_with("/past");
    let errors = query.id.check.starts_with("errors");
    let seconds = query.time.as_second();
    let mut rows = Vec::new();
    for about in about {
        for ((version, object), events) in about.versions.iter().zip(&about.objects).zip([450.0, 50.0]) {
            for (stat, share) in &stats {
                let count: f64 = if errors && *stat == "k" { 0.0 } else { events * share };
                let (metric, count) = (labels(about, version, object, stat), count.round().to_string());
                rows.push(if past {
                    let values: Vec<Value> = (0..240).map(|n| json!([seconds - n * WIDTH, count])).collect();
                    json!({"metric": metric, "values": values})
                } else {
                    json!({"metric": metric, "value": [seconds, count]})
                });
            }
        }
    }
    let kind = if past { "matrix" } else { "vector" };
    json!({"status": "success", "data": {"resultType": kind, "result": rows}}).to_string().into_bytes()
}

/// A look of a kind of check; whether it was none that is refused.
type KernelLook = (&'static str, Box<dyn Fn() -> bool>);

/// Looks of the kernel, each at a check that knows stable's past.
pub fn kernel() -> [KernelLook; 3] {
    let stable = Count { hits: 405.0, events: 450.0 };
    let block = Block { stable, canary: Count { hits: 45.0, events: 50.0 } };
    let bounds = QualityBounds {
        max_drop: Some(0.02),
        min: Some(0.8),
        alpha: 0.05,
        min_samples: 100.0,
        dispersion: None,
    };
    let mut quality = Quality::new(bounds).expect("bounds that can be kept");
    let bounds = GuardrailBounds {
        max: Some(0.2),
        max_ratio: Some(2.0),
        needed: 20.0,
        min_requests: 100.0,
        failure_limit: 1,
        dispersion: None,
    };
    let mut guardrail = Guardrail::new(bounds).expect("bounds that can be kept");
    for _ in 0..240 {
        quality.learn(stable).expect("a block");
        guardrail.learn(stable).expect("a block");
    }
    let bounds =
        ReadingBounds { max_drop: Some(0.02), min: Some(0.8), alpha: 0.05, window: 300_000, min_readings: 6 };
    let readings = Readings::new(bounds, true, &[0.9; 24]).expect("bounds that can be kept");
    let values = Values { at: 300_000, stable: Some(0.9), canary: Some(0.91), weight: 10.0 };
    [
        ("quality", Box::new(move || black_box({ quality }.look(black_box(block))).is_ok())),
        ("guardrail", Box::new(move || black_box({ guardrail }.look(black_box(block))).is_ok())),
        ("readings", Box::new(move || black_box({ readings }.look(black_box(values))).is_ok())),
    ]
}
