//! How each check stands, and how many events more would decide it: the same counts under the same rules, for a reader
//! who asks nobody.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::Subject;
use super::check::{self, Rule};
use super::evidence::LEAST_READINGS;
use super::verdict::Judged;
use super::words;
use crate::api::reasons::Reason;
use crate::api::status::{CheckStatus, Checkpoint, Verdict};
use crate::release::Release;
use crate::settings::{Entrance, Source};

/// One check as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "four facts that depend on each other in no way")]
pub struct Outlook {
    /// What `status.analysis` would show of it now.
    #[serde(flatten)]
    pub check: CheckStatus,
    /// Whether it is the quality gate; else a guardrail.
    pub quality: bool,
    /// Whether it acts; else it is only shown.
    pub enforced: bool,
    /// Whether it does not hold because nobody asked for it and no version has ever had a series of it.
    pub exempt: bool,
    /// Whether it is enough for a step that is not the last.
    pub opens_step: bool,
    /// What it says, in a sentence.
    pub message: String,
    /// What would decide it, if more of the same would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_go: Option<ToGo>,
}

/// What would decide a check if both versions go on as they did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToGo {
    /// How many events more of the canary.
    pub events: i64,
    /// What the check would say then.
    pub verdict: Verdict,
    /// How long that takes at the pace so far, in seconds; none if there is no pace yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<i64>,
    /// The pace so far: events of the canary a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<i64>,
}

/// Every check as it stands at a time, quality first, by what is counted already.
pub fn outlook(
    release: &Release,
    subject: &Subject<'_>,
    checks: &BTreeMap<String, Checkpoint>,
    now: Timestamp,
) -> Vec<Outlook> {
    let checked = check::checks(release, subject);
    let mut all = Vec::with_capacity(checked.len());
    for check in &checked {
        let kept = check.checkpoint(checks, now);
        let judged = Judged::new(check, &kept, release, now);
        all.push(Outlook {
            check: judged.status(release),
            quality: judged.is_quality(),
            enforced: check.enforced,
            exempt: judged.exempt,
            opens_step: judged.opens_step(),
            message: words::sentence(&judged, release, subject),
            to_go: to_go(&judged),
        });
    }
    all
}

/// The source under which the counts were kept, as far as they tell: what they belong to goes by where requests are
/// counted, which only the administrator's settings say. None if they were kept while there was no such source.
pub fn kept_by(
    release: &Release,
    subject: &Subject<'_>,
    checks: &BTreeMap<String, Checkpoint>,
) -> Option<Source> {
    let named =
        |entrance| Some(Source { name: release.analysis.provider.clone(), entrance, ..Source::default() });
    let entrances = [Entrance::Istio, Entrance::IstioGateway, Entrance::Envoy, Entrance::Server];
    let possible = entrances.into_iter().map(named).chain([None]);
    let mut best = (0, named(Entrance::default()));
    for source in possible {
        let mut tried = release.clone();
        tried.analysis.source.clone_from(&source);
        let judges = check::checks(&tried, subject);
        let own = judges.iter().filter(|check| checks.get(check.name).is_some_and(|kept| check.owns(kept)));
        let own = own.count();
        if own > best.0 {
            best = (own, source);
        }
    }
    best.1
}

/// What would decide a check that is open; none before anything was counted, or where more of the same would not.
pub(super) fn to_go(judged: &Judged<'_>) -> Option<ToGo> {
    let kept = judged.kept;
    let open = matches!(judged.reason, Some(Reason::TooFewSamples | Reason::NotProven));
    let found = judged.finding.filter(|_| judged.verdict == Verdict::Inconclusive && open)?;
    let events = Some(kept.canary_events).filter(|events| *events > 0.0)?;
    // Evidence is a product over what was counted: if all goes on as it did, its logarithm grows as the counts do.
    let grows = |evidence: f64| {
        let more = events * (found.needed.ln() / evidence.ln() - 1.0);
        Some(more.max(0.0)).filter(|_| evidence > 1.0)
    };
    let least = match judged.check.rule {
        Rule::Quality(_, readings) if found.readings.is_some() => {
            f64::from(readings.min_readings.max(LEAST_READINGS))
        }
        Rule::Quality(bounds, _) => bounds.min_samples,
        Rule::Guardrail(_, bounds) => bounds.min_requests,
    };
    let pass = match judged.check.rule {
        Rule::Quality(..) => found.to_go.or_else(|| found.good.and_then(grows)),
        // A guardrail passes where nothing speaks against the canary.
        Rule::Guardrail(..) => Some(0.0).filter(|_| found.worse <= 1.0),
    };
    let pass = pass.map(|more| (more.max(least - events), Verdict::Pass));
    let fail = grows(found.worse).map(|more| (more, Verdict::Fail));
    let first = |one: (f64, Verdict), other: (f64, Verdict)| if one.0 <= other.0 { one } else { other };
    let (more, verdict) = pass.into_iter().chain(fail).reduce(first)?;
    let pace = pace(kept);
    Some(ToGo {
        events: words::whole(more).max(1),
        verdict,
        seconds: pace.map(|pace| words::whole(more / pace)),
        per_minute: pace.map(|pace| words::whole(pace * 60.0)),
    })
}

/// Events of the canary a second, since evidence began; none before there was any, or where that is no time at all.
fn pace(kept: &Checkpoint) -> Option<f64> {
    let seconds = kept.last_evidence_at?.duration_since(kept.begin?).as_secs_f64();
    (seconds >= 1.0).then(|| kept.canary_events / seconds)
}
