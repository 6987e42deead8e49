//! What the production `step` makes of a world, decided once for each, with the rules held against it.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use jiff::SignedDuration;
use model_release_core::analysis::share::SHARE;
use model_release_core::api::status::{Act, Phase, Track};
use model_release_core::api::{self, ModelRelease};
use model_release_core::observed::Observed;
use model_release_core::plan::{Key, Kind, Plan, Write};
use model_release_core::release::Release as ParsedRelease;
use model_release_core::settings::Settings;
use model_release_core::testing::rules::{Broken, Ground};
use model_release_core::testing::{self, release, rules, settings};
use model_release_core::version::{Hash, Version};
use model_release_core::{moves, queries, seeded, step, traffic};
use serde_json::{Value, json};

use super::bounds::Run;
use super::normal::{self, Status, now};
use super::rules::{RULES, SOMEBODY_ELSE, STAYS, TAMPERED, bit, counts_moved, ours_alone, premises, stays};
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
    /// Rules that it breaks, whether or not anything comes of it.
    pub broken: u32,
    /// The row that answered.
    pub row: Option<u8>,
    /// Whether a condition says what is awaited, or nothing is.
    pub explained: bool,
    /// Whether it is where a release rests.
    pub rests: bool,
    /// The version that leaves by this decision.
    pub leaves: Option<String>,
    /// Rules that it could have broken.
    pub premises: u32,
    /// Rows that kept it where it is, or narrowed what may happen.
    pub stays: Vec<&'static str>,
    /// The phase in which a look met its deletion.
    pub ended_in: Option<Phase>,
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
    /// Whether it is somebody else's.
    pub taken: bool,
    /// Versions that have a route of their own in it.
    pub routes: Vec<Hash>,
}

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

/// A key, with what is asked of it all the time.
pub struct Named {
    pub key: Key,
    /// The version that it is of, by its name.
    pub version: Option<usize>,
    /// Whether it is the object that splits the traffic.
    pub splits: bool,
}

/// A run with all that was found out in it.
pub struct Lab {
    pub run: Run,
    pub rows: Vec<&'static str>,
    pub hashes: Vec<String>,
    pub settings: Settings,
    pub specs: Vec<ModelRelease>,
    pub statuses: Table<Status>,
    pub bodies: Table<Body>,
    pub writes: Table<Planned>,
    keys: Table<Named>,
    /// Whether no spec of the run changes the `stable` block.
    pub one_stable: bool,
    /// How often each rule could have been broken.
    pub cases: [AtomicU64; RULES.len()],
    /// Which specs are refused.
    pub refused: Vec<bool>,
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
        let specs: Vec<ModelRelease> = run.specs.iter().map(|spec| of_run(spec, run.replicas)).collect();
        let blocks = |spec: &ModelRelease| {
            let spec = &spec.spec;
            let both = [Some(&spec.stable), spec.canary.as_ref()].into_iter().flatten();
            both.map(|block| Version::of(spec.runtime.as_ref(), block).hash.to_string()).collect::<Vec<_>>()
        };
        let mut hashes: Vec<String> = Vec::new();
        for hash in specs.iter().flat_map(blocks) {
            if !hashes.contains(&hash) {
                hashes.push(hash);
            }
        }
        assert!(hashes.len() <= VERSIONS, "no more versions than a state has room for");
        let one_stable = specs.iter().all(|spec| spec.spec.stable == specs[0].spec.stable);
        let mut settings = settings();
        settings.propagation_wait_seconds = normal::TICK;
        settings.detect_seconds = normal::TICK;
        for source in &mut settings.prometheus.sources {
            source.lag_seconds = 0;
        }
        let refused = |spec| ParsedRelease::parse(spec, &settings).refused.is_some();
        let refused = specs.iter().map(refused).collect();
        let lab = Self {
            run,
            rows: moves::numbers().collect(),
            hashes,
            settings,
            specs,
            statuses: Table::default(),
            bodies: Table::default(),
            writes: Table::default(),
            keys: Table::default(),
            one_stable,
            refused,
            cases: Default::default(),
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
                taken: value["metadata"]["ownerReferences"][0]["uid"] == SOMEBODY_ELSE,
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
        let make = || Named {
            key: key.clone(),
            version: key
                .name
                .strip_prefix("fraud-")
                .and_then(|hash| self.hashes.iter().position(|h| h == hash)),
            splits: matches!(key.kind, Kind::VirtualService | Kind::HttpRoute) && key.name == "fraud",
        };
        u8::try_from(self.keys.intern(key.to_string().as_bytes(), make)).unwrap()
    }

    pub fn key_of(&self, at: u8) -> &'static Named {
        self.keys.get(Id::from(at))
    }

    /// Rows that answered anywhere.
    pub fn reached(&self) -> Vec<&'static str> {
        let of = |outcome: &&Outcome| {
            let row = outcome.row.map(|row| self.rows[usize::from(row)]);
            row.into_iter().chain(outcome.stays.iter().copied()).collect::<Vec<_>>()
        };
        let all = self.outcomes.values(of).concat();
        let more = STAYS.iter().filter(|row| !self.rows.contains(row));
        let known = self.rows.iter().chain(more);
        known.filter(|row| all.contains(row)).copied().collect()
    }

    /// Phases in which looks met a deletion.
    pub fn ended_in(&self) -> Vec<Phase> {
        let all = self.outcomes.values(|outcome: &&Outcome| outcome.ended_in);
        Phase::ALL.into_iter().filter(|phase| all.contains(&Some(*phase))).collect()
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
        self.answered(&asks, input, &mut observed);
        let plan = seeded::with(bug, || step(&object, &observed, &self.settings, now()));
        // How many requests a version gets proves nothing of it.
        let judged = asks.queries.iter().any(|query| query.id.check != SHARE);
        let mut outcome = self.outcome(input, &object, &observed, &plan, judged);
        // What a version counts as evidence is asked for only once; where something is due it is no rest.
        if outcome.rests && outcome.commit.is_none() && plan.writes.is_empty() {
            outcome.premises |= bit("S12");
            outcome.broken |= self.note(&self.again(input, &object, &observed, &plan), &plan);
        }
        outcome
    }

    /// S12: at rest, the look after that brings no write and no status; nor do looks much later if no time is awaited,
    /// once it was told what has lasted for long.
    fn again(&self, input: &Input, object: &ModelRelease, observed: &Observed, plan: &Plan) -> Vec<Broken> {
        let mut last = kept(object, plan);
        let awaits = self.later(input.status) != input.status;
        let mut found = Vec::new();
        for hours in if awaits { 0..1 } else { 0..3 } {
            let at = now() + SignedDuration::from_hours(hours);
            let again = seeded::with(self.run.bug, || step(&last, observed, &self.settings, at));
            let told = hours == 1 && again.row.is_none() && again.writes.is_empty();
            if !told && (again.status.is_some() || !again.writes.is_empty()) {
                let what = format!("a look {hours} h later is not idle: {:?}, {:?}", again.row, again.writes);
                found.push(Broken { rule: "S12", what });
            }
            last = kept(&last, &again);
        }
        found
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
        let ground =
            Ground { object, status: raw, observed, current: false, settings: &self.settings, now: now() };
        let row = plan.row.map(|row| self.rows.iter().position(|r| *r == row).unwrap());
        let row = row.map(|row| u8::try_from(row).unwrap());
        let mut found = ours_alone(plan);
        if plan.status.is_some() {
            found.extend(rules::commit(object, raw));
            found.extend(rules::shown(&ground));
            found.extend(rules::led_to(&ground));
            // The last decision adds no words to a status that is here without them.
            found.extend(rules::status(raw).into_iter().filter(|_| !input.release.deleting));
            found.extend(self.unasked(object, raw, plan));
        }
        found.extend(rules::plan(&ground, &plan.writes));
        let unanswered = judged && input.metric == Metric::None;
        if unanswered && counts_moved(&old.status, raw) {
            found.push(Broken { rule: "S4", what: "no answer, and counts moved".into() });
        }
        let broken = self.note(&found, plan);
        // Evidence goes by what was counted: in which order it came is told apart by the kernel's own tests.
        let counted = testing::retold(object, &normal::capped(raw), &self.settings);
        let status = self.status(normal::status(&counted));
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
        let writes = writes.collect();
        Outcome {
            commit: (status != input.status).then_some(commit),
            writes,
            row,
            broken,
            premises: premises(&ground, plan, unanswered),
            stays: stays(raw, plan),
            ended_in: input.release.deleting.then(|| old.status.phase.unwrap_or_default()),
            explained: said("Stalled", "True") || said("Held", "True") || said("Reconciling", "True"),
            rests: matches!(phase, Phase::Stable | Phase::RolledBack),
            leaves: decision.filter(|d| d.verdict == Act::Rollback && d.from != d.to).map(|d| d.hash.clone()),
        }
    }

    /// S3: while no spec of the run changes the `stable` block, only leaving out the canary block asks for a return to
    /// it; what versions share may change meanwhile.
    fn unasked(&self, object: &ModelRelease, raw: &api::ModelReleaseStatus, plan: &Plan) -> Option<Broken> {
        let replaces = plan.row == Some("15") && self.one_stable && object.spec.canary.is_some();
        let live = raw.versions.iter().find(|v| v.track == Track::Stable)?;
        (replaces && live.version != object.spec.stable.version)
            .then(|| Broken { rule: "S3", what: format!("{} is replaced, and nobody asked", live.version) })
    }

    fn note(&self, found: &[Broken], plan: &Plan) -> u32 {
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

/// The release once a plan's status is stored.
fn kept(object: &ModelRelease, plan: &Plan) -> ModelRelease {
    let status = plan.status.as_deref().or(object.status.as_ref()).cloned();
    ModelRelease { status, ..object.clone() }
}

fn of_run(spec: &Value, replicas: u8) -> ModelRelease {
    let mut spec = spec.clone();
    spec["runtime"]["minReplicas"] = json!(replicas);
    release(&spec, "2026-11-21T08:00:00Z")
}
