//! `simulate`: what a release's fields would decide at this traffic, and when; and what would decide sooner.

use jiff::SignedDuration;
use model_release_core::analysis::QUALITY;
use model_release_core::analysis::kernel::QualityBounds;
use model_release_core::api::ModelRelease;
use model_release_core::explain::span;
use model_release_core::release::Release;
use model_release_core::settings::Settings;
use serde::Serialize;

use crate::error::{CliError, DONE};
use crate::output;
use crate::shell::Shell;
use crate::simulate::{Chances, Setting, play};
use crate::table::{Cell, column, lines, optional};

/// By how much the canary is worse than stable, in points of a hundred.
const LOSSES: [f64; 5] = [-1.0, 0.0, 1.0, 2.0, 5.0];
/// Trials of what would decide sooner: enough for a hint.
const FEW: u32 = 200;

/// What is supposed of the traffic; what is not given is taken from what the release has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Supposed {
    /// Stable's share of right answers.
    pub accuracy: Option<f64>,
    /// Labelled answers a minute, of both versions together.
    pub per_minute: Option<f64>,
    /// The canary's part of them in percent.
    pub weight: Option<f64>,
    /// Trials of each canary.
    pub trials: u32,
}

/// What trials of one canary came to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// The canary's true share of right answers.
    accuracy: f64,
    #[serde(flatten)]
    chances: Chances,
}

/// Tells what would be decided.
///
/// # Errors
/// If nothing tells the rates, or the release judges no quality by counts.
pub fn simulate(object: &ModelRelease, supposed: Supposed, shell: &mut Shell<'_>) -> Result<u8, CliError> {
    let setting = setting(object, supposed)?;
    let refused = |error: model_release_core::analysis::kernel::Refused| CliError::Usage(error.to_string());
    let mut rows = Vec::new();
    for loss in LOSSES {
        let canary = (setting.stable - loss / 100.0).clamp(0.0, 1.0);
        let chances = play(&Setting { canary, ..setting }, supposed.trials).map_err(refused)?;
        rows.push(Row { accuracy: canary, chances });
    }
    if let Some(format) = shell.format {
        shell.write(&output::text(&rows, format)?)?;
        return Ok(DONE);
    }
    shell.say(&head(&setting, supposed.trials))?;
    let table: Vec<Vec<Cell>> = LOSSES.iter().zip(&rows).map(|(loss, row)| cells(*loss, row)).collect();
    let columns = [
        column("CANARY"),
        column("PROMOTED"),
        column("ROLLED BACK"),
        optional("UNDECIDED", 2),
        column("HALF WITHIN"),
        optional("95 % WITHIN", 1),
        optional("ITS ANSWERS", 3),
    ];
    shell.lines(&lines(&columns, &table, shell.style))?;
    let equal = Setting { canary: setting.stable, ..setting };
    let sooner = sooner(&equal).map_err(refused)?;
    if !sooner.is_empty() {
        shell.say(&format!("Of canaries as good as stable half would pass {}.", sooner.join(", ")))?;
    }
    Ok(DONE)
}

fn setting(object: &ModelRelease, supposed: Supposed) -> Result<Setting, CliError> {
    let release = Release::parse(object, &Settings::default());
    let analysis = &release.analysis;
    let seen = object.status.as_ref().and_then(|status| status.analysis.as_ref()?.quality.as_ref());
    let share =
        seen.and_then(|quality| quality.stable.as_ref()).and_then(|share| share.value.parse::<f64>().ok());
    let stable = supposed.accuracy.or(share).ok_or_else(|| {
        CliError::Usage(
            "nothing was seen of this release's accuracy yet: give --accuracy, as in 0.9".to_owned(),
        )
    })?;
    let per_minute = supposed.per_minute.or_else(|| rate(object)).ok_or_else(|| {
        CliError::Usage(
            "nothing was seen of this release's labels yet: give --per-minute, the labelled answers of both versions"
                .to_owned(),
        )
    })?;
    let first = release.rollout.steps.first().map_or(10, |step| step.percent);
    let weight = supposed.weight.unwrap_or(f64::from(first));
    if !(weight > 0.0 && weight < 100.0) {
        return Err(CliError::Usage(format!(
            "a weight of {weight} % shows nothing: give --weight above 0 and below 100"
        )));
    }
    let positive = |length: SignedDuration| std::time::Duration::try_from(length).unwrap_or_default();
    Ok(Setting {
        bounds: QualityBounds {
            max_drop: Some(analysis.quality.max_drop.clamp(0.0, 0.5)),
            min: analysis.quality.min.map(|min| min.clamp(0.0001, 0.9999)),
            alpha: analysis.alpha.clamp(0.0001, 0.2),
            min_samples: f64::from(analysis.quality.min_samples),
            dispersion: None,
        },
        stable,
        canary: stable,
        per_minute,
        weight,
        interval: positive(analysis.interval),
        longest: positive(release.rollout.max_duration),
    })
}

/// Labelled answers a minute that the present trial has had so far.
#[expect(clippy::cast_precision_loss, reason = "events and seconds of a trial fit")]
fn rate(object: &ModelRelease) -> Option<f64> {
    let status = object.status.as_ref()?;
    let quality = status.analysis.as_ref()?.quality.as_ref()?;
    let events = quality.stable.as_ref()?.events + quality.canary.as_ref()?.events;
    let kept = status.state.checks.get(QUALITY)?;
    let minutes = kept.last_block_end?.duration_since(kept.begin?).as_secs() as f64 / 60.0;
    (minutes > 0.0 && events > 0).then(|| events as f64 / minutes)
}

fn head(setting: &Setting, trials: u32) -> String {
    format!(
        "{trials} trials of each canary beside a stable version that is right in {:.1} % of its answers: {:.0} labelled answers a \
         minute, {:.0} % of them the canary's, maxDrop {}, confidence {}, at most {}.",
        100.0 * setting.stable,
        setting.per_minute,
        setting.weight,
        setting.bounds.max_drop.unwrap_or_default(),
        1.0 - setting.bounds.alpha,
        told(setting.longest.as_secs_f64())
    )
}

fn cells(loss: f64, row: &Row) -> Vec<Cell> {
    let name = match loss {
        loss if loss < 0.0 => format!("{:.3}, better by {}", row.accuracy, -loss),
        loss if loss > 0.0 => format!("{:.3}, worse by {loss}", row.accuracy),
        _ => format!("{:.3}, as good", row.accuracy),
    };
    let percent = |share: f64| Cell::new(format!("{:.1} %", 100.0 * share));
    let within = |seconds: Option<f64>| Cell::new(seconds.map_or_else(|| "-".to_owned(), told));
    let chances = &row.chances;
    vec![
        Cell::new(name),
        percent(chances.promoted),
        percent(chances.rolled_back),
        percent(chances.undecided),
        within(chances.half_within_seconds),
        within(chances.most_within_seconds),
        Cell::new(format!("{:.0}", chances.answers)),
    ]
}

/// A time in words.
fn told(seconds: f64) -> String {
    span(SignedDuration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// What would decide sooner, each with the time that half of equal canaries would take.
fn sooner(equal: &Setting) -> Result<Vec<String>, model_release_core::analysis::kernel::Refused> {
    let drop = equal.bounds.max_drop.unwrap_or_default();
    let alpha = equal.bounds.alpha;
    let mut ways = Vec::new();
    if equal.weight < 50.0 {
        ways.push(("at a weight of 50 %".to_owned(), Setting { weight: 50.0, ..*equal }));
    }
    if drop > 0.0 && drop <= 0.25 {
        let bounds = QualityBounds { max_drop: Some(2.0 * drop), ..equal.bounds };
        ways.push((format!("with maxDrop {}", 2.0 * drop), Setting { bounds, ..*equal }));
    }
    if alpha < 0.1 {
        let bounds = QualityBounds { alpha: 0.1, ..equal.bounds };
        ways.push(("with confidence 0.9".to_owned(), Setting { bounds, ..*equal }));
    }
    let now = play(equal, FEW)?.half_within_seconds;
    let mut told_ways = Vec::new();
    for (way, setting) in ways {
        let half = play(&setting, FEW)?.half_within_seconds;
        if let Some(half) = half.filter(|half| now.is_none_or(|now| *half < now)) {
            told_ways.push(format!("{way} within {}", told(half)));
        }
    }
    Ok(told_ways)
}
