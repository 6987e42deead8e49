//! What the production `step` makes of a world, decided once for each, with the rules held against it.

use std::sync::{Mutex, RwLock};

use model_release_core::api::status::{Act, Track};
use model_release_core::api::{self, ModelRelease};
use model_release_core::observed::{GatewayAnswer, Observed};
use model_release_core::plan::{Key, Plan, Write};
use model_release_core::settings::Settings;
use model_release_core::testing::{rules, settings};
use model_release_core::version::{Hash, Version};
use model_release_core::{moves, queries, seeded, step, traffic};
use serde_json::{Value, json};

use super::bounds::{NAMES, Run};
use super::normal::{self, Status, now};
use super::state::{Commit, Metric, Pods, Release, Seen, VERSIONS};
use super::tables::{Id, Memo, Table, text};

/// Everything that a look sees.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Input {
    pub release: Release,
    pub status: Id,
    pub children: Vec<(u8, Id)>,
    pub pods: [Pods; VERSIONS],
    pub metric: Metric,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    pub commit: Option<Commit>,
    pub writes: Vec<Id>,
    /// The row that answered.
    pub row: Option<u8>,
    /// Whether a condition says what is awaited, or nothing is.
    pub explained: bool,
    /// Whether it is where a release rests.
    pub rests: bool,
    /// The version that leaves by this decision.
    pub leaves: Option<String>,
}

/// A stored object's content.
pub struct Body {
    pub value: Value,
    pub seq: i64,
    pub replicas: i64,
    /// The version that it belongs to, by name of its objects.
    pub weights: Option<Vec<(Hash, i32)>>,
    /// Whether somebody else made it what it is.
    pub tampered: bool,
    /// Versions that have a route of their own in it.
    pub routes: Vec<Hash>,
}

/// Annotation of what somebody else has changed; the rules do not answer for that.
pub const TAMPERED: &str = "example.com/tampered";

/// A write of a plan.
pub struct Planned {
    pub what: What,
    pub key: u8,
    pub body: Id,
    /// Rules that it breaks by what the plan rests on.
    pub broken: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Finalize(bool),
    Create,
    Apply,
    Delete,
}

/// Rules, by their place in the bits.
pub const RULES: [&str; 17] = [
    "H1", "S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "S11", "S12", "S13", "S15", "L5",
    "size",
];

/// The bit of a rule.
pub fn bit(rule: &str) -> u32 {
    1 << RULES.iter().position(|known| *known == rule).expect("a known rule")
}

/// A run with all that was found out in it.
pub struct Lab {
    pub run: Run,
    pub rows: Vec<&'static str>,
    pub hashes: [String; VERSIONS],
    pub settings: Settings,
    pub specs: Vec<ModelRelease>,
    pub statuses: Table<Status>,
    pub bodies: Table<Body>,
    pub writes: Table<Planned>,
    keys: RwLock<Vec<Key>>,
    outcomes: Memo<Input, &'static Outcome>,
    pub shifted: Memo<Id, Id>,
    pub renumbered_status: Memo<(Id, Vec<i64>), Id>,
    pub renumbered_body: Memo<(Id, i64), Id>,
    pub renumbered_write: Memo<(Id, i64), Id>,
    pub calm: Memo<super::closure::Calm, super::closure::Way>,
    /// The first things that were broken, in words.
    pub said: Mutex<Vec<String>>,
}

impl Lab {
    pub fn new(run: Run) -> Self {
        let specs: Vec<ModelRelease> = run.specs.iter().map(|spec| object(spec, run.replicas)).collect();
        let mut hashes: [String; VERSIONS] = Default::default();
        for spec in &specs {
            for block in [Some(&spec.spec.stable), spec.spec.canary.as_ref()].into_iter().flatten() {
                let at = NAMES.iter().position(|name| *name == block.version).expect("a known version");
                hashes[at] = Version::of(spec.spec.runtime.as_ref(), block).hash.to_string();
            }
        }
        let mut settings = settings();
        settings.propagation_wait_seconds = normal::TICK;
        settings.detect_seconds = normal::TICK;
        for source in &mut settings.prometheus.sources {
            source.lag_seconds = 0;
        }
        let lab = Self {
            run,
            rows: std::iter::once("1").chain(moves::numbers()).collect(),
            hashes,
            settings,
            specs,
            statuses: Table::default(),
            bodies: Table::default(),
            writes: Table::default(),
            keys: RwLock::default(),
            outcomes: Memo::default(),
            shifted: Memo::default(),
            renumbered_status: Memo::default(),
            renumbered_body: Memo::default(),
            renumbered_write: Memo::default(),
            calm: Memo::default(),
            said: Mutex::default(),
        };
        let none = lab.status(normal::status(&api::ModelReleaseStatus::default()));
        assert_eq!(none, 0, "the first number is that of no status");
        lab
    }

    /// The number of a status in its normal form.
    pub fn status(&self, value: Value) -> Id {
        self.statuses.intern(&normal::digestible(&value), || Status::of(value.clone()))
    }

    pub fn body(&self, value: Value) -> Id {
        self.bodies.intern(&text(&value), || {
            let seq = value["metadata"]["annotations"][api::ANNOTATION_SEQ].as_str();
            Body {
                seq: seq.and_then(|s| s.parse().ok()).unwrap_or(0),
                replicas: value["spec"]["replicas"].as_i64().unwrap_or(1),
                weights: traffic::read_back(&value),
                routes: traffic::routes_read(&value),
                tampered: value["metadata"]["annotations"].get(TAMPERED).is_some(),
                value: value.clone(),
            }
        })
    }

    pub fn write(&self, what: What, key: u8, body: Id, broken: u32) -> Id {
        let text = format!("{what:?} {key} {body} {broken}");
        self.writes.intern(text.as_bytes(), || Planned { what, key, body, broken })
    }

    /// The number of a key.
    pub fn key(&self, key: &Key) -> u8 {
        let known = |keys: &[Key]| keys.iter().position(|k| k == key);
        if let Some(at) = known(&self.keys.read().unwrap()) {
            return u8::try_from(at).unwrap();
        }
        let mut keys = self.keys.write().unwrap();
        let at = known(&keys).unwrap_or_else(|| {
            keys.push(key.clone());
            keys.len() - 1
        });
        u8::try_from(at).unwrap()
    }

    pub fn key_of(&self, at: u8) -> Key {
        self.keys.read().unwrap()[usize::from(at)].clone()
    }

    /// The version that an object is of, by its name.
    pub fn version_of(&self, key: &Key) -> Option<usize> {
        let hash = key.name.strip_prefix("fraud-")?;
        self.hashes.iter().position(|known| known == hash)
    }

    /// Rows that answered anywhere.
    pub fn reached(&self) -> Vec<&'static str> {
        let mut rows = self.outcomes.values(|outcome| outcome.row);
        rows.sort_unstable();
        rows.dedup();
        rows.into_iter().flatten().map(|row| self.rows[usize::from(row)]).collect()
    }

    /// How many worlds were decided on.
    pub fn decided(&self) -> usize {
        self.outcomes.len()
    }

    /// Decides on a world, once.
    pub fn decide(&self, release: Release, status: Id, seen: &Seen, metric: Metric) -> &'static Outcome {
        let children = seen.children.iter().map(|child| (child.key, child.body)).collect();
        let input = Input { release, status, children, pods: seen.pods, metric };
        self.outcomes.of(input, |input| Box::leak(Box::new(self.look(input))))
    }

    fn look(&self, input: &Input) -> Outcome {
        let object = self.object(input.release, input.status);
        let mut observed = self.observed(input);
        let bug = self.run.bug;
        let asks = seeded::with(bug, || queries(&object, &observed, &self.settings, now()));
        observed.answers = asks.queries.iter().map(|query| self.answer(query, input, &observed)).collect();
        let at = observed.children.values().find_map(|live| traffic::seq_read(&live.body));
        observed.gateways = asks
            .probes
            .iter()
            .map(|probe| GatewayAnswer { set: probe.set.clone(), pod: "gateway-0".into(), seq: at })
            .collect();
        let plan = seeded::with(bug, || step(&object, &observed, &self.settings, now()));
        let judged = !asks.queries.is_empty();
        self.outcome(input, &object, &observed, &plan, judged)
    }

    fn outcome(
        &self,
        input: &Input,
        object: &ModelRelease,
        observed: &Observed,
        plan: &Plan,
        judged: bool,
    ) -> Outcome {
        let old = self.statuses.get(input.status);
        let raw = plan.status.as_deref().unwrap_or(&old.status);
        let ground = rules::Ground {
            object,
            status: raw,
            observed,
            current: false,
            settings: &self.settings,
            now: now(),
        };
        let row = plan.row.map(|row| self.rows.iter().position(|r| *r == row).unwrap());
        let row = row.map(|row| u8::try_from(row).unwrap());
        let mut found = Vec::new();
        if plan.status.is_some() {
            found.extend(rules::commit(object, raw));
            found.extend(rules::shown(&ground));
            // The last decision adds no words to a status that is here without them.
            found.extend(rules::status(raw).into_iter().filter(|_| !input.release.deleting));
        }
        found.extend(rules::plan(&ground, &plan.writes));
        let mut broken = self.note(&found, plan);
        if input.metric == Metric::None && counts_moved(&old.status, raw) {
            broken |=
                self.note(&[rules::Broken { rule: "S4", what: "no answer, and counts moved".into() }], plan);
        }
        let value = normal::status(raw);
        let status = self.status(value);
        let decision = raw.decision.as_ref().filter(|_| plan.row.is_some());
        let version = |hash: &str| self.hashes.iter().position(|h| h == hash).map_or(0, |at| at as u8 + 1);
        let canary = old.status.versions.iter().find(|v| v.track == Track::Canary);
        let has_weight = |hash: &str| {
            observed
                .children
                .values()
                .filter_map(|live| traffic::read_back(&live.body))
                .any(|all| all.iter().any(|(h, weight)| h.as_str() == hash && *weight > 0))
        };
        let proof = canary.filter(|c| judged && input.metric == Metric::Good && has_weight(&c.hash));
        let advance = decision.filter(|_| matches!(plan.row, Some("37" | "38")));
        let commit = Commit {
            status,
            broken,
            row: row.unwrap_or(255),
            proof: proof.map_or(0, |c| version(&c.hash)),
            advances: advance.map_or(0, |d| version(&d.hash)),
            fresh_attempt: matches!(plan.row, Some("15" | "16")),
        };
        let writes = plan.writes.iter().map(|write| {
            let broken = self.note(&rules::write(&ground, write), plan);
            match write {
                Write::Finalizer { present } => self.write(What::Finalize(*present), 0, 0, broken),
                Write::Create { key, body } => {
                    self.write(What::Create, self.key(key), self.body(body.clone()), broken)
                }
                Write::Apply { key, body, .. } => {
                    self.write(What::Apply, self.key(key), self.body(body.clone()), broken)
                }
                Write::Delete { key, .. } => self.write(What::Delete, self.key(key), 0, broken),
            }
        });
        let said = |kind: &str, is: &str| {
            raw.conditions.iter().any(|c| c.type_ == kind && c.status == is && !c.message.is_empty())
        };
        let phase = raw.phase.unwrap_or_default();
        Outcome {
            commit: (status != input.status).then_some(commit),
            writes: writes.collect(),
            row,
            explained: said("Stalled", "True") || said("Held", "True") || said("Reconciling", "True"),
            rests: matches!(phase, api::status::Phase::Stable | api::status::Phase::RolledBack),
            leaves: decision.filter(|d| d.verdict == Act::Rollback && d.from != d.to).map(|d| d.hash.clone()),
        }
    }

    fn note(&self, found: &[rules::Broken], plan: &Plan) -> u32 {
        if found.is_empty() {
            return 0;
        }
        let mut said = self.said.lock().unwrap();
        if said.len() < 20 {
            said.push(format!("{found:?}, row {:?}", plan.row));
        }
        found.iter().fold(0, |bits, broken| bits | bit(broken.rule))
    }
}

/// Whether what was counted of the same check differs.
fn counts_moved(old: &api::ModelReleaseStatus, new: &api::ModelReleaseStatus) -> bool {
    new.state.checks.iter().any(|(name, check)| {
        let before = old.state.checks.get(name).filter(|before| before.digest == check.digest);
        let counts = |c: &api::status::Checkpoint| {
            [c.stable_hits, c.stable_events, c.canary_hits, c.canary_events].map(f64::to_bits)
        };
        match before {
            Some(before) => counts(before) != counts(check),
            None => check.canary_events > 0.0,
        }
    })
}

fn object(spec: &Value, replicas: u8) -> ModelRelease {
    let mut spec = spec.clone();
    spec["runtime"]["minReplicas"] = json!(replicas);
    let object = json!({
        "apiVersion": "modelrelease.dev/v1alpha1",
        "kind": "ModelRelease",
        "metadata": {
            "name": "fraud",
            "namespace": "ml",
            "uid": "8f14e45f-ceea-467f-a6a1-0a9b0c4d3e21",
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": "2026-11-21T08:00:00Z",
        },
        "spec": spec,
    });
    serde_json::from_value(object).expect("the spec of a run decodes")
}
