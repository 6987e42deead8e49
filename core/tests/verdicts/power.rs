//! How long a decision takes, and which: beside rules of other tools, on the same traffic.

use super::others::{argo, flagger, kayenta};
use super::ours::{End, Rules, Trial, guarded};
use super::table::Table;
use super::traffic::Setting;
use super::{allowed, share};

/// A day of half minutes, and of minutes.
const DAY: (u32, u32) = (2_880, 1_440);

/// Runs of each setting: what is compared needs fewer than what is promised.
fn runs() -> u32 {
    super::runs(200).min(2_000)
}

type Rule = fn(Setting, u64) -> End;

const RULES: [(&str, Rule); 4] = [
    ("Flagger-like", |setting, seed| flagger(setting, seed, DAY.1)),
    ("Argo-like", |setting, seed| argo(setting, seed, DAY.1)),
    ("Kayenta-like", |setting, seed| kayenta(setting, seed, DAY.1)),
    ("ours", |setting, seed| Trial::new(setting, Rules::of(0.02), seed).end(DAY.0)),
];

/// What a rule did in all runs of a setting.
struct Summary {
    promoted: f64,
    failed: f64,
    minutes: f64,
    events: f64,
}

impl Summary {
    fn of(ends: &[End]) -> Self {
        let all = f64::from(u32::try_from(ends.len()).unwrap());
        let mean = |of: fn(&End) -> f64| ends.iter().map(of).sum::<f64>() / all;
        Self {
            promoted: share(&ends.iter().map(|end| end.promoted).collect::<Vec<_>>()),
            failed: share(&ends.iter().map(|end| end.failed).collect::<Vec<_>>()),
            minutes: mean(|end| end.minutes),
            events: mean(|end| end.events),
        }
    }

    fn words(&self) -> String {
        format!(
            "{:.1} / {:.1} %, {:.1} min, {:.0}",
            100.0 * self.promoted,
            100.0 * self.failed,
            self.minutes,
            self.events
        )
    }
}

fn played(setting: Setting, runs: u32, rule: impl Fn(Setting, u64) -> End) -> Summary {
    Summary::of(&(0..runs).map(|seed| rule(setting, u64::from(seed))).collect::<Vec<_>>())
}

#[test]
fn better_and_worse_versions_are_told_apart_where_thresholds_guess() {
    let runs = runs();
    let mut heads = vec!["answers a minute", "canary beside 0.90"];
    heads.extend(RULES.map(|(name, _)| name));
    let mut table =
        Table::new("Promoted / rolled back, mean minutes, the canary's answers; maxDrop 0.02", &heads);
    let worst = |of: &Summary| of.promoted;
    for (rate, canary) in [
        (10.0, 0.90),
        (10.0, 0.85),
        (10.0, 0.70),
        (100.0, 0.92),
        (100.0, 0.90),
        (100.0, 0.88),
        (100.0, 0.85),
        (100.0, 0.80),
        (100.0, 0.70),
        (1000.0, 0.90),
        (1000.0, 0.88),
        (1000.0, 0.85),
        (1000.0, 0.70),
    ] {
        let setting = Setting::of(rate, 0.9, canary);
        let found = RULES.map(|(_, rule)| played(setting, runs, rule));
        let [.., ours] = &found;
        let row = [rate.to_string(), format!("{canary:.2}")];
        table.row(row.into_iter().chain(found.iter().map(Summary::words)));
        let what = format!("{canary} at {rate} a minute: {}", ours.words());
        if canary >= 0.9 {
            assert!(ours.failed <= 0.02 && ours.promoted >= 0.95, "{what}");
        } else {
            assert!(worst(ours) <= allowed(runs), "{what}");
        }
        if canary <= 0.7 {
            assert!(ours.failed >= 0.99 && ours.events <= 250.0 * (rate / 100.0).max(1.0), "{what}");
        }
    }
    table.print();
}

/// It was good for six hours: what was proven then does not keep its failure from being seen.
#[test]
fn a_version_that_breaks_after_hours_is_out_within_minutes() {
    let runs = runs();
    let setting = Setting { breaks: Some((360.0, 0.7)), ..Setting::of(100.0, 0.9, 0.9) };
    let mut late: Vec<f64> = (0..runs)
        .filter_map(|seed| {
            let mut trial = Trial::new(setting, Rules::of(0.02), u64::from(seed));
            let at = (1..=DAY.0)
                .find(|_| trial.look().verdict == model_release_core::api::evidence::Verdict::Fail)?;
            Some(f64::from(at) * super::traffic::BLOCK - 360.0)
        })
        .collect();
    late.sort_by(f64::total_cmp);
    let median = late[late.len() / 2];
    println!(
        "0.70 instead of 0.90 after six hours at 100 a minute: out after {median:.1} min (median of {runs})"
    );
    assert!((0.5..=5.0).contains(&median), "{median}");
}

#[test]
fn errors_beyond_a_guardrail_are_seen_within_minutes() {
    let runs = runs();
    let heads = ["requests a minute", "bound", "the canary's errors beside 0.1 %", "rolled back", "minutes"];
    let mut table = Table::new("Guardrails", &heads);
    for (rate, bound, words) in [
        (600.0, (None, Some(2.0)), "maxRatio 2"),
        (600.0, (Some(0.01), None), "max 0.01"),
        (60.0, (None, Some(2.0)), "maxRatio 2"),
    ] {
        for errors in [0.001, 0.005, 0.01, 0.02, 0.05, 0.2] {
            let within = bound.0.map_or(0.002, |max| max) >= errors;
            let most = if errors <= 0.001 { 480 } else { DAY.0 };
            let found = played(Setting::of(rate, 0.001, errors), runs, |setting, seed| {
                guarded(setting, bound, seed, most)
            });
            let minutes = format!("{:.1}", found.minutes);
            let failed = format!("{:.1} %", 100.0 * found.failed);
            table.row([rate.to_string(), words.to_owned(), format!("{} %", 100.0 * errors), failed, minutes]);
            let what =
                format!("{errors} at {rate} with {words}: {} of runs, {} min", found.failed, found.minutes);
            assert!(if within { found.failed <= allowed(runs) } else { found.failed >= 0.95 }, "{what}");
        }
    }
    table.print();
}
