//! `backtest`: what the operator would have decided over a past range of a real Prometheus, and when.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use model_release_core::analysis::{Backtest, Outcome, Turn};
use model_release_core::api::ModelRelease;
use model_release_core::api::spec::OnInconclusive;
use model_release_core::api::status::{AnalysisStatus, CheckStatus, Share, Verdict};
use model_release_core::explain::span;
use model_release_core::observed::{Answer, Unanswered};
use model_release_core::release::Release;
use model_release_core::settings::{Entrance, Settings, Source};
use model_release_core::version::Hash;
use model_release_operator::clock::Clock;
use model_release_operator::metrics::Metrics;
use model_release_operator::prometheus::Prometheus;
use serde::Serialize;

use super::simulate::{Supposed, simulate};
use crate::error::{CliError, DONE};
use crate::names::hint;
use crate::output;
use crate::screen::Tone;
use crate::shell::Shell;
use crate::table::{Cell, column, lines, optional};
use crate::times::stamp;

/// How often it is said how far one is.
const PROGRESS: Duration = Duration::from_secs(2);
/// Trials of what this traffic can tell.
const TRIALS: u32 = 1_000;

/// What is to be judged.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Address of the Prometheus.
    pub prometheus: String,
    /// Where requests were counted.
    pub entrance: Entrance,
    /// Where the range begins; else so long before its end; else when the canary of the spec got its first weight.
    pub from: Option<Timestamp>,
    /// How long it is.
    pub since: Option<Duration>,
    /// Where it ends; else now.
    pub to: Option<Timestamp>,
    /// The version that was live, by name or hash; else the spec's.
    pub stable: Option<String>,
    /// The version on trial, by name or hash; else the spec's.
    pub canary: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    from: Timestamp,
    to: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided: Option<Decided>,
    looks: Vec<Seen>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Decided {
    act: &'static str,
    reason: String,
    at: Timestamp,
    after_seconds: i64,
    message: String,
}

#[derive(Clone, Debug, Serialize)]
struct Seen {
    at: Timestamp,
    analysis: AnalysisStatus,
}

/// Tells what would have been decided.
///
/// # Errors
/// If nothing tells which versions and which range are meant, or Prometheus does not answer.
pub async fn backtest(object: &ModelRelease, asked: &Asked, shell: &mut Shell<'_>) -> Result<u8, CliError> {
    let provider = object.spec.analysis.as_ref().and_then(|analysis| analysis.provider.clone());
    let source = Source {
        name: provider.unwrap_or_else(|| "default".to_owned()),
        url: asked.prometheus.clone(),
        entrance: asked.entrance,
        ..Source::default()
    };
    let mut settings = Settings::default();
    settings.prometheus.sources = vec![source];
    let sources = &settings.prometheus.sources;
    let prometheus = Prometheus::new(sources, &Metrics::default(), &Clock::system())
        .map_err(|error| CliError::Usage(format!("--prometheus: {error}")))?;
    let release = Release::parse(object, &settings);
    let versions = versions(object, &release, asked)?;
    let (from, to) = range(object, asked, shell.now())?;
    let mut trial = Backtest::new(&release, versions, from, to);
    if trial.over() {
        let interval = span(release.analysis.interval);
        return Err(CliError::Usage(format!(
            "from {from:.0} to {to:.0} there is no whole block of {interval}: give a longer range"
        )));
    }
    let mut turns: Vec<Turn> = Vec::new();
    let mut decided = None;
    let mut told = Instant::now();
    while decided.is_none() && !trial.over() {
        let answers = prometheus.ask(trial.ask()).await;
        answers.iter().try_for_each(|answer| usable(answer, &asked.prometheus))?;
        for turn in trial.take(answers) {
            decided = decided.or_else(|| decision(&release, from, &turn));
            turns.push(turn);
            if decided.is_some() {
                break;
            }
        }
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            shell.note(&format!("judged until {:.0} of {to:.0}", trial.next()));
        }
    }
    let seen = turns.iter().map(|turn| Seen { at: turn.at, analysis: turn.look.status.clone() });
    let told = Told { from, to, decided, looks: shown(seen.collect()) };
    if let Some(format) = shell.format {
        shell.write(&output::text(&told, format)?)?;
        return Ok(DONE);
    }
    show(&told, shell)?;
    traffic(object, &release, &told, shell)
}

/// The hashes of the version that was live and of the one on trial.
fn versions(
    object: &ModelRelease,
    release: &Release,
    asked: &Asked,
) -> Result<(Option<Hash>, Hash), CliError> {
    let known = object.status.iter().flat_map(|status| &status.versions);
    let mut known: Vec<(String, Hash)> =
        known.map(|version| (version.version.clone(), Hash::known(&version.hash))).collect();
    let of_spec = [Some(&release.stable), release.canary.as_ref()];
    known.extend(of_spec.into_iter().flatten().map(|version| (version.name.clone(), version.hash.clone())));
    let find = |flag: &str, wanted: &str| {
        let is = |(name, hash): &&(String, Hash)| name == wanted || hash.as_str() == wanted;
        known.iter().find(is).map(|(_, hash)| hash.clone()).ok_or_else(|| {
            let names = known.iter().map(|(name, _)| name.as_str());
            CliError::Usage(format!("{flag}: the release has no version {wanted}{}", hint(wanted, names)))
        })
    };
    let stable = match &asked.stable {
        Some(name) => find("--stable", name)?,
        None => release.stable.hash.clone(),
    };
    let canary = match (&asked.canary, &release.canary) {
        (Some(name), _) => find("--canary", name)?,
        (None, Some(canary)) => canary.hash.clone(),
        (None, None) => {
            return Err(CliError::Usage("the release names no canary: give --canary".to_owned()));
        }
    };
    if stable == canary {
        return Err(CliError::Usage(
            "stable and canary are the same version: give --stable or --canary".to_owned(),
        ));
    }
    Ok((Some(stable), canary))
}

fn range(object: &ModelRelease, asked: &Asked, now: Timestamp) -> Result<(Timestamp, Timestamp), CliError> {
    let to = asked.to.unwrap_or(now);
    let candidate = object.status.as_ref().and_then(|status| status.state.candidate.as_ref());
    let exposed = candidate.and_then(|memory| memory.exposed_at).filter(|_| asked.canary.is_none());
    let since = asked.since.and_then(|since| SignedDuration::try_from(since).ok());
    let from = asked.from.or_else(|| to.checked_sub(since?).ok()).or(exposed).ok_or_else(|| {
        CliError::Usage("the canary has had no weight yet: give --from or --since".to_owned())
    })?;
    if from >= to {
        return Err(CliError::Usage(format!("the range ends at {to:.0}, before it begins at {from:.0}")));
    }
    Ok((from, to))
}

/// Whether an answer is one. What it says is the core's to judge.
fn usable(answer: &Answer, address: &str) -> Result<(), CliError> {
    let why = match &answer.outcome {
        Ok((200, _)) => return Ok(()),
        Ok((code, _)) => format!("answered with status {code}"),
        Err(Unanswered::TimedOut) => "did not answer in time".to_owned(),
        Err(Unanswered::TooLarge) => "answered too much at once".to_owned(),
        Err(Unanswered::Unreachable | Unanswered::Broken) => "could not be reached".to_owned(),
    };
    Err(CliError::Usage(format!(
        "Prometheus at {address} {why}, about the block that ends at {:.0}; see whether --prometheus is its address",
        answer.id.at
    )))
}

/// What the operator would have done at a look.
fn decision(release: &Release, from: Timestamp, turn: &Turn) -> Option<Decided> {
    let after = turn.at.duration_since(from);
    let least = release.rollout.steps.last().map_or(SignedDuration::ZERO, |step| step.min_duration);
    let of = |act, reason: &str, message: &str| {
        Some(Decided {
            act,
            reason: reason.to_owned(),
            at: turn.at,
            after_seconds: after.as_secs(),
            message: message.to_owned(),
        })
    };
    match &turn.look.outcome {
        Outcome::Fail { reason, message, .. } => of("RolledBack", reason.as_str(), message),
        Outcome::Pass { reason, message, .. } if after >= least => of("Promoted", reason.as_str(), message),
        Outcome::Pass { .. } | Outcome::Undecided { .. } => {
            let message = format!("undecided after maxDuration, {}", span(release.rollout.max_duration));
            let act = match release.rollout.on_inconclusive {
                OnInconclusive::Hold => "Held",
                OnInconclusive::Rollback => "RolledBack",
            };
            if after >= release.rollout.max_duration { of(act, "Inconclusive", &message) } else { None }
        }
    }
}

/// The first looks, those after twice as long each, and the last.
fn shown(mut seen: Vec<Seen>) -> Vec<Seen> {
    let last = seen.pop();
    let few = seen.into_iter().enumerate().filter(|(number, _)| (number + 1).is_power_of_two());
    few.map(|(_, look)| look).chain(last).collect()
}

fn show(told: &Told, shell: &mut Shell<'_>) -> Result<(), CliError> {
    let head = match &told.decided {
        Some(decided) => {
            let act = match decided.act {
                "Promoted" => "It would have been promoted",
                "Held" => "It would have been held",
                _ => "It would have been rolled back",
            };
            let after = span(SignedDuration::from_secs(decided.after_seconds));
            format!("{act} at {:.0}, after {after} ({}): {}.", decided.at, decided.reason, decided.message)
        }
        None => format!("From {:.0} to {:.0} nothing would have been decided.", told.from, told.to),
    };
    shell.say(&head)?;
    let columns = [
        column("AT"),
        optional("STABLE", 2),
        optional("CANARY", 3),
        column("GOOD"),
        column("WORSE"),
        optional("NEEDED", 1),
        optional("GUARDRAILS", 4),
        column("VERDICT"),
    ];
    let rows: Vec<Vec<Cell>> = told.looks.iter().map(row).collect();
    shell.lines(&lines(&columns, &rows, shell.style))
}

fn row(seen: &Seen) -> Vec<Cell> {
    let quality = seen.analysis.quality.as_ref();
    let share = |of: fn(&CheckStatus) -> Option<&Share>| {
        let share = quality.and_then(of);
        share.map_or_else(|| "-".to_owned(), |share| format!("{} of {}", share.value, share.events))
    };
    let evidence = quality.and_then(|check| check.evidence.as_ref());
    let odds =
        |text: Option<&String>| text.filter(|text| !text.is_empty()).cloned().unwrap_or_else(|| "-".into());
    let open = seen.analysis.guardrails.iter().filter(|check| check.verdict != Verdict::Pass);
    let open: Vec<String> = open.map(|check| format!("{} {:?}", check.name, check.verdict)).collect();
    let guardrails = match (seen.analysis.guardrails.is_empty(), open.is_empty()) {
        (true, _) => "-".to_owned(),
        (false, true) => "Pass".to_owned(),
        (false, false) => open.join(", "),
    };
    let tone = match seen.analysis.verdict {
        Verdict::Pass => Tone::Good,
        Verdict::Fail => Tone::Bad,
        Verdict::Inconclusive => Tone::Quiet,
    };
    vec![
        stamp(seen.at).into(),
        share(|check| check.stable.as_ref()).into(),
        share(|check| check.canary.as_ref()).into(),
        odds(evidence.map(|evidence| &evidence.good)).into(),
        odds(evidence.map(|evidence| &evidence.worse)).into(),
        odds(evidence.map(|evidence| &evidence.needed)).into(),
        guardrails.into(),
        Cell::new(format!("{:?}", seen.analysis.verdict)).tone(tone),
    ]
}

/// What such traffic can tell: the chances of each verdict at the rates that were seen.
#[expect(clippy::cast_precision_loss, reason = "events and seconds of a range fit")]
fn traffic(
    object: &ModelRelease,
    release: &Release,
    told: &Told,
    shell: &mut Shell<'_>,
) -> Result<u8, CliError> {
    let last = told.looks.last();
    let quality = last.and_then(|look| look.analysis.quality.as_ref());
    let shares = quality.and_then(|quality| quality.stable.as_ref().zip(quality.canary.as_ref()));
    let Some((look, (stable, canary))) = last.zip(shares) else { return Ok(DONE) };
    let all = (stable.events + canary.events) as f64;
    let began = told.from.checked_add(release.analysis.quality.label_delay).unwrap_or(told.from);
    // A look is a little after the end of its block.
    let lag = release.analysis.source.as_ref().map_or(0, |source| source.lag_seconds);
    let minutes = (look.at.duration_since(began).as_secs() - lag) as f64 / 60.0;
    let accuracy = stable.value.parse::<f64>().ok();
    if all <= 0.0 || minutes <= 0.0 || canary.events == 0 || stable.events == 0 {
        return Ok(DONE);
    }
    shell.say("\nWhat such traffic can tell:")?;
    let supposed = Supposed {
        accuracy,
        per_minute: Some(all / minutes),
        weight: Some(100.0 * canary.events as f64 / all),
        trials: TRIALS,
    };
    simulate(object, supposed, shell)
}
