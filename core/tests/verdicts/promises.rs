//! The three promises: at the worst truth that each still covers, with every block looked at, a wrong decision is made
//! in at most the promised share of the runs. And the harness sees what would break them.

use super::ours::{Feed, Rules, Trial, guarded};
use super::table::Table;
use super::traffic::{Pattern, Setting};
use super::{ALPHA, allowed, runs, share};

/// Looks of a run: more than three hours.
const LOOKS: u32 = 400;

/// Share of the runs in which something happens.
fn how_often(runs: u32, happens: impl Fn(u64) -> bool) -> f64 {
    share(&(0..runs).map(|run| happens(u64::from(run))).collect::<Vec<_>>())
}

/// Stable's share, the drop, and the canary's answers a minute.
const STEADY: [(f64, f64, f64); 6] = [
    (0.90, 0.02, 100.0),
    (0.90, 0.02, 2.0),
    (0.60, 0.02, 50.0),
    (0.99, 0.01, 100.0),
    (0.97, 0.0, 20.0),
    (0.80, 0.05, 20.0),
];
const UNEVEN: [Pattern; 4] = [Pattern::Drifting, Pattern::Bursty, Pattern::Clustered, Pattern::Delayed];

/// Each setting with its drop, where the canary loses this part of it.
fn settings(part: f64) -> impl Iterator<Item = (Setting, Rules)> {
    let steady = STEADY
        .into_iter()
        .map(move |(stable, drop, rate)| (Setting::of(rate, stable, stable - part * drop), Rules::of(drop)));
    let uneven = UNEVEN.into_iter().map(move |pattern| {
        let rules = Rules::of(0.02);
        // By then 99 of 100 labels that come last are in, which is what the delay is to be set to.
        let label_delay = if pattern == Pattern::Delayed { 150.0 } else { 0.0 };
        (Setting::of(100.0, 0.9, 0.9 - part * 0.02).with(pattern), Rules { label_delay, ..rules })
    });
    steady.chain(uneven)
}

fn promise(title: &'static str, part: f64, wrong: fn(Trial, u32) -> bool) {
    let runs = runs(2_000);
    let mut table = Table::new(title, &["canary and traffic", "maxDrop", "runs", "wrong", "allowed"]);
    let mut broken = Vec::new();
    for (setting, rules) in settings(part) {
        let found = how_often(runs, |seed| wrong(Trial::new(setting, rules, seed), LOOKS));
        let row = [
            setting.words(),
            rules.max_drop.to_string(),
            runs.to_string(),
            format!("{:.2} %", 100.0 * found),
            format!("{:.2} %", 100.0 * allowed(runs)),
        ];
        if found > allowed(runs) {
            broken.push(row.join(", "));
        }
        table.row(row);
    }
    table.print();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn a_loss_of_the_whole_drop_is_promoted_in_at_most_the_promised_share_of_runs() {
    promise("Promoted although it loses all of maxDrop", 1.0, Trial::ever_good);
}

#[test]
fn a_loss_of_half_the_drop_is_rolled_back_in_at_most_the_promised_share_of_runs() {
    promise("Rolled back although it loses half of maxDrop only", 0.5, Trial::ever_failed);
}

#[test]
fn a_version_at_a_guardrails_bound_is_rolled_back_in_at_most_the_promised_share_of_runs() {
    let runs = runs(2_000);
    let heads = ["canary and traffic", "bound", "runs", "wrong", "allowed"];
    let mut table = Table::new("Rolled back although it is within its guardrail", &heads);
    let mut broken = Vec::new();
    let ratio = |r: f64| (None, Some(r));
    let max = |m: f64| (Some(m), None);
    for (setting, bound, words) in [
        (Setting::of(600.0, 0.001, 0.002), ratio(2.0), "maxRatio 2"),
        (Setting::of(20.0, 0.01, 0.02), ratio(2.0), "maxRatio 2"),
        (Setting::of(60.0, 0.01, 0.01), ratio(1.0), "maxRatio 1"),
        (Setting::of(600.0, 0.001, 0.01), max(0.01), "max 0.01"),
        (Setting::of(6.0, 0.001, 0.01), max(0.01), "max 0.01"),
        (Setting::of(600.0, 0.001, 0.002).with(Pattern::Bursty), ratio(2.0), "maxRatio 2"),
        (Setting::of(600.0, 0.01, 0.02).with(Pattern::Clustered), ratio(2.0), "maxRatio 2"),
    ] {
        let found = how_often(runs, |seed| guarded(setting, bound, seed, LOOKS).failed);
        let row = [
            setting.words(),
            words.to_owned(),
            runs.to_string(),
            format!("{:.2} %", 100.0 * found),
            format!("{:.2} %", 100.0 * allowed(runs)),
        ];
        if found > allowed(runs) {
            broken.push(row.join(", "));
        }
        table.row(row);
    }
    table.print();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn an_equal_version_is_hardly_ever_rolled_back() {
    let runs = runs(2_000);
    for rate in [2.0, 10.0, 100.0] {
        let setting = Setting::of(rate, 0.9, 0.9);
        let found = how_often(runs, |seed| Trial::new(setting, Rules::of(0.02), seed).end(2_880).failed);
        assert!(found <= 0.01, "{found} of equal versions at {rate} answers a minute");
    }
}

/// Counting that is wrong must be seen to break a promise: each of these once was somebody's way.
#[test]
fn what_counts_wrongly_breaks_a_promise() {
    const RUNS: u32 = 300;
    let told = Rules { dispersion: Some(1.0), ..Rules::of(0.02) };
    let on_the_line = Setting::of(100.0, 0.9, 0.88);
    let clustered = on_the_line.with(Pattern::Clustered);
    let worse = Setting::of(100.0, 0.9, 0.85).with(Pattern::Delayed);
    let fed = |feed| Rules { feed, ..told };
    let mut table =
        Table::new("Promoted although it loses all of maxDrop, counted wrongly", &["what", "wrong", "right"]);
    for (what, setting, wrong, right) in [
        ("outcomes in clusters taken for independent ones", clustered, told, Rules::of(0.02)),
        ("each block used twice", on_the_line, fed(Feed::Twice), told),
        ("ranges that overlap fourfold", on_the_line, fed(Feed::Overlapping), told),
        (
            "labels that come late not waited for",
            worse,
            Rules::of(0.02),
            Rules { label_delay: 150.0, ..Rules::of(0.02) },
        ),
    ] {
        let share = |rules| how_often(RUNS, |seed| Trial::new(setting, rules, seed).ever_good(LOOKS));
        let (wrong, right) = (share(wrong), share(right));
        table.row([what.to_owned(), format!("{:.1} %", 100.0 * wrong), format!("{:.1} %", 100.0 * right)]);
        assert!(wrong > allowed(RUNS), "{what}: {wrong} of promotions are wrong, and nothing is seen of it");
        assert!(right <= allowed(RUNS), "{what}: {right} are wrong also without it");
    }
    table.print();
    assert!(ALPHA < allowed(RUNS));
}
