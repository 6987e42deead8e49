//! What model servers tell of their labels: for which part of the answers they come, how late, and who was right of two.

use model_release_core::api::reasons::Reason;
use model_release_core::api::status::{Grade, Verdict};

use super::history::{History, Prometheus};
use super::servers::{CANARY, STABLE};
use super::trial::Trial;

/// Two releases: of one canary's answers half are labelled, of the other's as many as of stable's.
const UNLIKE: &str = "unlike";
const ALIKE: &str = "alike";
/// Answers of stable and of the canary between two scrapes.
const ANSWERS: [f64; 2] = [400.0, 40.0];
/// Labels take up to half an hour.
const DELAYS: [(&str, f64); 4] = [("60", 0.5), ("1800", 0.995), ("3600", 1.0), ("+Inf", 1.0)];
/// Pairs between two scrapes.
const PAIRS: [(&str, f64); 4] = [("both", 34.0), ("canary", 2.0), ("stable", 2.0), ("neither", 2.0)];

/// All that both releases' servers export.
pub fn export(history: &mut History) {
    for (release, labelled) in [(UNLIKE, 0.4), (ALIKE, 0.8)] {
        for ((version, answers), labelled) in [STABLE, CANARY].into_iter().zip(ANSWERS).zip([0.8, labelled]) {
            let instance = format!("{release}-{version}:9090");
            let target: [(&str, &str); 5] = [
                ("job", "model-releases"),
                ("instance", &instance),
                ("namespace", "ml"),
                ("modelrelease_dev_name", release),
                ("modelrelease_dev_version", version),
            ];
            history.target(&target);
            let labels = answers * labelled;
            for (name, by) in [
                ("model_predictions_total", answers),
                ("model_predictions_labelled_total", labels),
                ("model_predictions_correct_total", labels * 0.9),
            ] {
                history.counter(name, &target, by);
            }
            for (bound, share) in DELAYS {
                let bucket = [target.as_slice(), &[("le", bound)]].concat();
                history.counter("model_label_delay_seconds_bucket", &bucket, labels * share);
            }
            for (outcome, by) in PAIRS.iter().filter(|_| version == CANARY) {
                let pairs = [target.as_slice(), &[("outcome", *outcome)]].concat();
                history.counter("model_shadow_pairs_total", &pairs, *by);
            }
        }
    }
}

pub fn of_unlike_answers_are_not_compared(prometheus: &Prometheus) {
    let mut trial = Trial::of_quality(UNLIKE, prometheus.begin);
    trial.run(prometheus, 20);
    let unlike = trial.quality();
    assert_eq!(
        (unlike.verdict, unlike.reason),
        (Verdict::Inconclusive, Some(Reason::PartialData)),
        "{unlike:?}"
    );
    let mut trial = Trial::of_quality(ALIKE, prometheus.begin);
    trial.run(prometheus, 20);
    let alike = trial.quality();
    assert_ne!(alike.reason, Some(Reason::PartialData), "{alike:?}");
    let canary = alike.canary.as_ref().unwrap();
    // Two scrapes a block.
    assert_eq!((canary.value.as_str(), canary.events % 64), ("0.9000", 0), "{alike:?}");
}

pub fn that_come_late_are_a_doubt(prometheus: &Prometheus) {
    let mut trial = Trial::of_quality(ALIKE, prometheus.begin);
    trial.run(prometheus, 2);
    let doubts = &trial.quality().doubts;
    // 99 of 100 are within the bucket that ends at half an hour.
    let told = doubts.iter().any(|doubt| doubt.contains("labels of stable 99 came within 29m"));
    assert!(told, "{doubts:?}");
}

pub fn of_copied_requests_are_pairs(prometheus: &Prometheus) {
    let mut trial = Trial::of_quality(ALIKE, prometheus.begin).copied();
    trial.run(prometheus, 3);
    let paired = trial.quality();
    assert_eq!(paired.grade, Some(Grade::Paired), "{paired:?}");
    let both = [&paired.stable, &paired.canary].map(|share| share.as_ref().unwrap());
    assert!(both.iter().all(|share| (share.value.as_str(), share.events) == ("0.9000", 240)), "{paired:?}");
}
