//! The questions for what a version's own series say of its quality.

use super::question::Scope;
use super::template::by_template;
use super::{POD_KEY, Rows, delta, fell, without};
use crate::api::status::Grade;
use crate::release::Series;

/// A gauge is taken if it was sampled at most so long ago, or four blocks. Seconds.
const GAUGE_AGE: i64 = 120;

/// Answers whose label came.
const LABELLED: &str = "model_predictions_labelled_total";
/// Answers given, labelled or not.
const ANSWERS: &str = "model_predictions_total";
/// Seconds from an answer to its label.
const LABEL_DELAY: &str = "model_label_delay_seconds_bucket";
/// Copied requests that both versions answered, by who was right.
pub(in crate::analysis) const PAIRS: &str = "model_shadow_pairs_total";
/// The values of its label `outcome`, and the rows that they are asked for as.
const OUTCOMES: [(&str, &str); 4] = [("both", "pb"), ("canary", "pc"), ("stable", "ps"), ("neither", "pn")];

/// Names of the series that are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::analysis) struct Asked {
    /// Answers that were right, and all whose label came.
    pub counters: Option<(String, String)>,
    /// Share of right answers as the server itself reckons it, and what that averages over.
    pub gauge: Option<(String, String)>,
}

impl Asked {
    /// What the spec names; the names that servers are asked to use if it names nothing.
    pub fn of(series: &Series) -> Self {
        let samples = |gauge: &str| format!("{gauge}_samples");
        let gauge = |name: &str| Some((name.to_owned(), samples(name)));
        let counters = |right: &str, all: &str| Some((right.to_owned(), all.to_owned()));
        match series {
            Series::Best => Self {
                counters: counters("model_predictions_correct_total", LABELLED),
                gauge: gauge("model_accuracy"),
            },
            Series::Gauge(name) => Self { counters: None, gauge: gauge(name) },
            Series::Counters { right, all } => Self { counters: counters(right, all), gauge: None },
            // It has no names of its own to tell.
            Series::Template(_) => Self { counters: None, gauge: None },
        }
    }
}

/// Asks for labelled and right answers of a block. `width` in milliseconds.
///
/// Rows `k`, `n` are of counters, and `a` of all answers; `gk`, `gn` of a gauge and its samples, `ga` of a gauge alone;
/// `p*` of pairs, where requests are copied. While no grade is chosen all are asked for, with how many series of the
/// counters there are, `ck` and `cn`: a pod's first block has no difference yet.
pub(super) fn quality(
    scope: &Scope<'_>,
    series: &Series,
    grade: Option<Grade>,
    copied: bool,
    width: i64,
) -> String {
    if let Series::Template(template) = series {
        return by_template(scope, template, width);
    }
    let mut rows = events(scope, series, grade, width);
    if *series != Series::Best {
        return rows.0;
    }
    let pods = scope.pod_matchers();
    if matches!(grade, None | Some(Grade::Counts)) {
        answers(&mut rows, &pods, width);
    }
    if copied && matches!(grade, None | Some(Grade::Paired)) {
        let fell = fell(&[&format!("{PAIRS}{{{pods}}}")], width);
        for (outcome, stat) in OUTCOMES {
            let pairs = format!("{PAIRS}{{{pods},outcome=\"{outcome}\"}}");
            rows.add(POD_KEY, stat, &without(&delta(&pairs, width), &fell));
        }
    }
    rows.0
}

/// Row `a`: all answers.
fn answers(rows: &mut Rows, pods: &str, width: i64) {
    let (answers, labels) = (format!("{ANSWERS}{{{pods}}}"), format!("{LABELLED}{{{pods}}}"));
    rows.add(POD_KEY, "a", &without(&delta(&answers, width), &fell(&[&answers, &labels], width)));
}

/// What a version's quality is counted or read by.
fn events(scope: &Scope<'_>, series: &Series, grade: Option<Grade>, width: i64) -> Rows {
    let asked = Asked::of(series);
    let pods = scope.pod_matchers();
    let mut rows = Rows::default();
    let wanted = |kinds: &[Grade]| grade.is_none_or(|grade| kinds.contains(&grade));
    if let Some((right, all)) = asked.counters.filter(|_| wanted(&[Grade::Counts])) {
        let (right, all) = (format!("{right}{{{pods}}}"), format!("{all}{{{pods}}}"));
        let fell = fell(&[&right, &all], width);
        rows.add(POD_KEY, "k", &without(&delta(&right, width), &fell));
        rows.add(POD_KEY, "n", &without(&delta(&all, width), &fell));
        if grade.is_none() {
            rows.count(POD_KEY, "ck", &right);
            rows.count(POD_KEY, "cn", &all);
        }
    }
    if let Some((gauge, samples)) = asked.gauge {
        let fine = fine(&format!("{gauge}{{{pods}}}"), width);
        if wanted(&[Grade::Samples]) {
            let samples = format!("{samples}{{{pods}}}");
            rows.add(POD_KEY, "gk", &format!("({fine} * {samples})"));
            rows.add(POD_KEY, "gn", &format!("({samples} and {fine})"));
        }
        if wanted(&[Grade::Gauge, Grade::Declared]) {
            rows.push("avg", POD_KEY, "ga", &fine);
        }
    }
    rows
}

/// Asks for what is to be learnt of a block before the evidence, while it is not known what both versions export: rows
/// `k`, `n` of counters, `a` of all answers, `ga` of a gauge, and `d`, the seconds within which 99 of 100 labels of the hour
/// before came.
pub(super) fn quality_before(scope: &Scope<'_>, series: &Series, width: i64) -> String {
    if let Series::Template(template) = series {
        return by_template(scope, template, width);
    }
    let both = [Grade::Counts, Grade::Gauge].map(|grade| events(scope, series, Some(grade), width).0);
    let mut labels = Rows::default();
    if *series == Series::Best {
        let pods = scope.pod_matchers();
        answers(&mut labels, &pods, width);
        let delays = format!("sum by ({POD_KEY}, le) (increase({LABEL_DELAY}{{{pods}}}[1h]))");
        // Where there were no labels a quantile is no number, and no row.
        labels.push("max", POD_KEY, "d", &format!("histogram_quantile(0.99, {delays}) >= 0"));
    }
    let [counts, gauge] = both;
    [counts, gauge, labels.0].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\nor ")
}

/// Usable values of a gauge: fresh, finite, and above 0 at least once in the last hour, for 0 is what an unset one shows.
fn fine(gauge: &str, width: i64) -> String {
    let age = (width.saturating_mul(4) / 1000).max(GAUGE_AGE);
    format!(
        "({gauge} and (abs({gauge}) < Inf) and (time() - timestamp({gauge}) <= {age}) and (max_over_time({gauge}[1h]) > 0))"
    )
}
