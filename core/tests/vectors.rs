//! The kernel against numbers that were computed apart from it, with 50 digits.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::collections::BTreeMap;

use model_release_core::analysis::kernel::{
    Baseline, Block, Count, Decision, Dispersion, Guard, Guardrail, GuardrailBounds, Line, PairBounds,
    Paired, Pairs, Point, Quality, QualityBounds, Reading, ReadingBounds, Readings, Requests, Said, Side,
    Situation, Skew, SkewBounds, Values, checkpoint, combine,
};
use model_release_core::api::evidence::Verdict;
use serde_json::{Value, json};

const TOLERANCE: f64 = 1e-9;
const DIGEST: checkpoint::Digest = [7; 16];

/// What a case says, and how it compares.
struct Case<'a> {
    told: &'a Value,
    histories: &'a BTreeMap<String, Value>,
    compared: &'a mut Compared,
}

#[derive(Default)]
struct Compared {
    numbers: u32,
    worst: f64,
    wrong: Vec<String>,
}

impl Case<'_> {
    fn params(&self, field: &str) -> &Value {
        &self.told["params"][field]
    }

    fn looks(&self) -> Vec<Value> {
        list(&self.told["looks"]).to_vec()
    }

    fn history(&self) -> Vec<Count> {
        let told = &self.told["history"];
        let blocks = told.as_str().map_or(told, |name| &self.histories[name]);
        list(blocks).iter().map(count).collect()
    }

    fn number(&mut self, look: usize, field: &str, found: f64, wanted: &Value) {
        let wanted = number(wanted);
        let off = (found - wanted).abs() / wanted.abs().max(1.0);
        self.compared.numbers += 1;
        self.compared.worst = self.compared.worst.max(off);
        if off.is_nan() || off > TOLERANCE {
            self.wrong(look, field, &format!("{found:e} where {wanted:e} is right"));
        }
    }

    fn maybe(&mut self, look: usize, field: &str, found: Option<f64>, wanted: &Value) {
        match found {
            Some(found) if !wanted.is_null() => self.number(look, field, found, wanted),
            _ => self.same(look, field, &json!(found), wanted),
        }
    }

    fn same(&mut self, look: usize, field: &str, found: &Value, wanted: &Value) {
        if found != wanted {
            self.wrong(look, field, &format!("{found} where {wanted} is right"));
        }
    }

    fn wrong(&mut self, look: usize, field: &str, what: &str) {
        self.compared.wrong.push(format!("{} look {look} {field}: {what}", self.told["id"]));
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn count(value: &Value) -> Count {
    Count { hits: number(&value[0]), events: number(&value[1]) }
}

fn block(value: &Value) -> Block {
    Block { stable: count(value), canary: Count { hits: number(&value[2]), events: number(&value[3]) } }
}

fn word(verdict: Verdict) -> Value {
    json!(verdict.as_str().to_lowercase())
}

fn verdict(word: &Value) -> Option<Verdict> {
    Some(match word.as_str()? {
        "pass" => Verdict::Pass,
        "fail" => Verdict::Fail,
        "inconclusive" => Verdict::Inconclusive,
        _ => return None,
    })
}

/// What goes through a checkpoint must go on as if nothing had happened.
fn restarted<S: checkpoint::Kept + Copy>(state: S, fresh: S) -> S {
    let mark = checkpoint::Mark { begin: 30_000, last_block_end: 60_000 };
    let record = checkpoint::save(&state, mark, &DIGEST);
    assert!(record.len() <= checkpoint::MOST_BYTES, "{} bytes", record.len());
    let restored = checkpoint::restore(fresh, &DIGEST, &record);
    assert_eq!((restored.mark, restored.discarded), (Some(mark), None));
    assert_eq!(checkpoint::save(&restored.state, mark, &DIGEST), record, "bit by bit");
    restored.state
}

fn line(told: &Value) -> Line {
    Line { slope: number(&told["a"]), offset: number(&told["b"]) }
}

fn project(case: &mut Case<'_>) {
    let told = case.told;
    let from = Point { stable: number(&told["p"]), canary: number(&told["q"]) };
    let events = Point { stable: number(&told["ns"]), canary: number(&told["nc"]) };
    let nearest = line(told).nearest(from, events);
    case.number(0, "u", nearest.stable, &told["u"]);
    case.number(0, "v", nearest.canary, &told["v"]);
}

fn one_block(case: &mut Case<'_>) {
    let told = case.told;
    let alternative = Point { stable: number(&told["p"]), canary: number(&told["q"]) };
    let side = if told["side"] == "above" { Side::Above } else { Side::Below };
    let found = line(told).evidence(side, alternative, &block(&told["block"]));
    case.number(0, "logE", found, &told["logE"]);
}

fn dispersion(case: &mut Case<'_>) {
    let told = case.told;
    let (mut baseline, mut dispersion) = (Baseline::new(number(&told["cap"])), Dispersion::default());
    let (blocks, tenths) = (list(&told["blocks"]), list(&told["phiEvery10"]));
    let repeat = usize::try_from(told["repeat"].as_u64().expect("a number")).expect("a small one");
    for look in 1..=blocks.len() * repeat {
        let block = count(&blocks[(look - 1) % blocks.len()]);
        dispersion.add(block, baseline.share()).expect("a block");
        baseline.add(block).expect("a block");
        if look % 10 == 0 && repeat == 1 {
            case.number(look, "phiEvery10", dispersion.phi(), &tenths[look / 10 - 1]);
        }
    }
    case.number(blocks.len() * repeat, "phi", dispersion.phi(), &told["phi"]);
}

fn quality(case: &mut Case<'_>) {
    let bounds = QualityBounds {
        max_drop: case.params("maxDrop").as_f64(),
        min: case.params("min").as_f64(),
        alpha: number(case.params("alpha")),
        min_samples: number(case.params("minSamples")),
        dispersion: case.params("dispersion").as_f64(),
    };
    let fresh = Quality::new(bounds).expect("bounds");
    let mut check = fresh;
    for stable in case.history() {
        check.learn(stable).expect("a block");
    }
    for (look, wanted) in case.looks().iter().enumerate() {
        check = restarted(check, fresh);
        let found = check.look(block(&wanted["block"])).expect("a block");
        case.number(look, "pHat", found.share, &wanted["pHat"]);
        case.number(look, "phi", found.phi, &wanted["phi"]);
        case.maybe(look, "goodLines.drop", found.good_drop, &wanted["goodLines"]["drop"]);
        case.maybe(look, "goodLines.min", found.good_min, &wanted["goodLines"]["min"]);
        case.maybe(look, "worseLines.drop", found.worse_drop, &wanted["worseLines"]["drop"]);
        case.maybe(look, "worseLines.min", found.worse_min, &wanted["worseLines"]["min"]);
        case.maybe(look, "coarse", found.coarse, &wanted["coarse"]);
        case.number(look, "good", found.good, &wanted["good"]);
        case.number(look, "worse", found.worse, &wanted["worse"]);
        case.same(look, "verdict", &word(found.verdict), &wanted["verdict"]);
        case.same(look, "stepGate", &json!(found.step_gate), &wanted["stepGate"]);
    }
}

fn guard(case: &mut Case<'_>) {
    let limit = case.params("failureLimit").as_u64().expect("a number");
    let bounds = GuardrailBounds {
        max: case.params("max").as_f64(),
        max_ratio: case.params("maxRatio").as_f64(),
        needed: number(case.params("needed")),
        min_requests: number(case.params("minRequests")),
        failure_limit: u32::try_from(limit).expect("a small one"),
        dispersion: case.params("dispersion").as_f64(),
    };
    let fresh = Guardrail::new(bounds).expect("bounds");
    let mut check = fresh;
    for stable in case.history() {
        check.learn(stable).expect("a block");
    }
    for (look, wanted) in case.looks().iter().enumerate() {
        check = restarted(check, fresh);
        let found = check.look(block(&wanted["block"])).expect("a block");
        case.number(look, "pHat", found.share, &wanted["pHat"]);
        case.number(look, "phi", found.phi, &wanted["phi"]);
        case.maybe(look, "lines.max", found.max, &wanted["lines"]["max"]);
        case.maybe(look, "lines.maxRatio", found.max_ratio, &wanted["lines"]["maxRatio"]);
        case.number(look, "worse", found.worse, &wanted["worse"]);
        case.same(look, "verdict", &word(found.verdict), &wanted["verdict"]);
    }
}

fn gauge(case: &mut Case<'_>) {
    let milliseconds = |value: &Value| value.as_i64().expect("seconds") * 1000;
    let bounds = ReadingBounds {
        max_drop: case.params("maxDrop").as_f64(),
        min: case.params("min").as_f64(),
        alpha: number(case.params("alpha")),
        window: milliseconds(case.params("window")),
        min_readings: 0,
    };
    let history: Vec<f64> = list(case.params("stableReadings")).iter().map(number).collect();
    let moved = case.params("stableLive").as_bool().expect("a truth value");
    let mut check = Readings::new(bounds, moved, &history).expect("bounds");
    let fresh = Readings::new(bounds, false, &[]).expect("bounds");
    for (look, wanted) in case.looks().iter().enumerate() {
        check = restarted(check, fresh);
        let values = Values {
            at: milliseconds(&wanted["t"]),
            stable: wanted["stable"].as_f64(),
            canary: wanted["canary"].as_f64(),
            weight: number(&wanted["weight"]),
        };
        let found = check.look(values).expect("values");
        let (good, why) = match found.reading {
            Reading::Good => (json!(true), Value::Null),
            Reading::Bad => (json!(false), Value::Null),
            Reading::No(why) => (Value::Null, json!(format!("{why:?}"))),
        };
        case.same(look, "counted", &json!(why.is_null()), &wanted["counted"]);
        case.same(look, "why", &why, &wanted["why"]);
        case.same(look, "goodReading", &good, &wanted["goodReading"]);
        case.same(look, "grade", &json!(if found.live { "Gauge" } else { "Declared" }), &wanted["grade"]);
        case.number(look, "good", found.good, &wanted["good"]);
        case.number(look, "worse", found.worse, &wanted["worse"]);
        case.maybe(look, "grossLine", found.gross_line, &wanted["grossLine"]);
        case.same(look, "grossRun", &json!(found.gross_looks), &wanted["grossRun"]);
        case.same(look, "verdict", &word(found.verdict), &wanted["verdict"]);
        case.same(look, "stepGate", &json!(found.step_gate), &wanted["stepGate"]);
    }
}

fn paired(case: &mut Case<'_>) {
    let fresh = Pairs::new(PairBounds {
        max_drop: number(case.params("maxDrop")),
        alpha: number(case.params("alpha")),
        min_samples: number(case.params("minSamples")),
    })
    .expect("bounds");
    let mut check = fresh;
    for (look, wanted) in case.looks().iter().enumerate() {
        check = restarted(check, fresh);
        let told = &wanted["block"];
        let pairs = Paired { canary: number(&told[0]), stable: number(&told[1]), same: number(&told[2]) };
        let found = check.look(pairs).expect("a block");
        case.number(look, "good", found.good, &wanted["good"]);
        case.number(look, "worse", found.worse, &wanted["worse"]);
        case.same(look, "verdict", &word(found.verdict), &wanted["verdict"]);
    }
}

fn skew(case: &mut Case<'_>) {
    let tolerance = number(case.params("tolerance"));
    let fresh = Skew::new(SkewBounds { tolerance, alpha: number(case.params("alpha")) }).expect("bounds");
    let mut check = fresh;
    for (look, wanted) in case.looks().iter().enumerate() {
        check = restarted(check, fresh);
        let requests = Requests {
            weight: number(&wanted["weight"]),
            stable: number(&wanted["stable"]),
            canary: number(&wanted["canary"]),
        };
        let found = check.look(requests).expect("a block");
        case.number(look, "low", found.low, &wanted["low"]);
        case.number(look, "high", found.high, &wanted["high"]);
        case.same(look, "skewed", &json!(found.skewed), &wanted["skewed"]);
    }
}

fn decision(case: &mut Case<'_>) {
    let told = case.told;
    let is = |field: &str| told[field].as_bool().expect("a truth value");
    let guards: Vec<Guard> = list(&told["guardrails"])
        .iter()
        .map(|word| verdict(word).map_or(Guard::Unseen, Guard::Says))
        .collect();
    let quality = verdict(&told["quality"])
        .map_or(Said::Disabled, |verdict| Said::Verdict { verdict, step_gate: is("stepGate") });
    let situation = Situation {
        min_duration_met: is("minDurationMet"),
        split_skewed: is("skewed") && !is("sticky"),
        last_step: is("lastStep"),
    };
    let found = match combine(&guards, quality, situation) {
        Decision::Rollback => "rollback",
        Decision::Hold => "hold",
        Decision::Advance => "advance",
        Decision::Promote => "promote",
    };
    case.same(0, "decision", &json!(found), &told["decision"]);
}

#[test]
fn every_case_has_the_numbers_and_the_verdicts_that_were_computed_apart() {
    let text = std::env::var("VECTORS").map_or_else(
        |_| include_str!("vectors/vectors.jsonl").to_owned(),
        |file| std::fs::read_to_string(file).expect("the file that VECTORS names"),
    );
    let told: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (histories, cases): (Vec<&Value>, Vec<&Value>) = told.iter().partition(|c| c["kind"] == "history");
    let named = |told: &Value| (told["id"].as_str().expect("a name").to_owned(), told["blocks"].clone());
    let histories: BTreeMap<String, Value> = histories.into_iter().map(named).collect();
    let mut compared = Compared::default();
    for told in &cases {
        let mut case = Case { told, histories: &histories, compared: &mut compared };
        match told["kind"].as_str().expect("a kind") {
            "project" => project(&mut case),
            "block" => one_block(&mut case),
            "dispersion" => dispersion(&mut case),
            "quality" => quality(&mut case),
            "guard" => guard(&mut case),
            "gauge" => gauge(&mut case),
            "paired" => paired(&mut case),
            "skew" => skew(&mut case),
            "combine" => decision(&mut case),
            unknown => panic!("{} has the unknown kind {unknown}", told["id"]),
        }
    }
    assert!(!cases.is_empty(), "no case");
    let Compared { numbers, worst, wrong } = compared;
    assert!(
        wrong.is_empty(),
        "{} of {numbers} numbers and more are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    println!("{} cases, {numbers} numbers, worst relative error {worst:.1e}", cases.len());
}
