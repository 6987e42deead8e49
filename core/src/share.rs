//! The canary's share of the requests at one look: who is compared, what is noted, what is said of it, and what waits.

use jiff::{SignedDuration, Timestamp};

use crate::analysis::share::{self, Split};
use crate::api::status::{ModelReleaseStatus, Phase, ShareState, Skewed, Track};
use crate::plan::Query;
use crate::situation::{Situation, later};
use crate::version::Hash;

/// The two versions that requests are split between; none unless the canary has a weight that was seen in force.
struct Both {
    stable: Hash,
    canary: Hash,
}

impl Both {
    fn of(s: &Situation) -> Option<Self> {
        let judged = matches!(s.phase(), Phase::Analyzing | Phase::Promoting);
        (judged && (1..=99).contains(&s.committed_percent())).then_some(())?;
        Some(Self { stable: s.hash(Track::Stable)?, canary: s.hash(Track::Canary)? })
    }

    /// Requests are counted when they end, and by scrapes that may be as old as the source's lag. So blocks count from
    /// when what began under another weight has ended, and has been scraped.
    fn split<'a>(&'a self, s: &Situation) -> Option<Split<'a>> {
        let settled = s.status.step.as_ref()?.settled_at?;
        let lag = s.release.analysis.source.as_ref().map_or(0, |source| source.lag_seconds.clamp(0, 3600));
        let wait = s.release.rollout.drain.saturating_add(SignedDuration::from_secs(lag));
        let both = [&self.stable, &self.canary];
        Some(Split {
            stable: &self.stable,
            canary: &self.canary,
            apps: both.into_iter().filter(|hash| s.has_app(hash)).cloned().collect(),
            attempt: s.candidate()?.attempt,
            weight: s.committed_percent(),
            from: later(settled, wait),
        })
    }
}

/// What is to be asked.
pub(crate) fn queries(s: &Situation) -> Vec<Query> {
    let Some(both) = Both::of(s) else { return Vec::new() };
    let kept = s.status.state.share.as_ref();
    both.split(s).map(|split| share::queries(s.release, &split, kept, s.now)).unwrap_or_default()
}

/// When there is something to ask for again.
pub(crate) fn next_at(s: &Situation) -> Option<Timestamp> {
    let both = Both::of(s)?;
    share::next_at(s.release, &both.split(s)?, s.status.state.share.as_ref(), s.now)
}

/// What is known of the share after this look; nothing once the trial is over. While the weight is on its way, and
/// while the canary has none, it rests.
pub(crate) fn note(s: &Situation) -> Option<ShareState> {
    let kept = s.status.state.share.as_ref().filter(|_| s.on_trial());
    let both = Both::of(s);
    match both.as_ref().and_then(|both| both.split(s)) {
        Some(split) => share::look(s.release, &split, kept, &s.observed.answers, s.now),
        None => kept.cloned(),
    }
}

/// Shows the share beside the weight that it is of.
pub(crate) fn show(status: &mut ModelReleaseStatus) {
    let Some(known) = status.state.share.as_ref().filter(|known| known.recent_requests > 0.0) else { return };
    let canary = status.versions.iter().find(|version| version.track == Track::Canary);
    let Some(canary) = canary.map(|version| version.hash.clone()) else { return };
    let weight = status.step.as_ref().map_or(0, |rung| rung.weight);
    let share = known.recent_canary / known.recent_requests;
    if known.weight != weight {
        return;
    }
    for shown in &mut status.traffic {
        let own = if shown.hash == canary { share } else { 1.0 - share };
        shown.share = format!("{own:.4}");
    }
}

/// What was proven against the share of the version on trial.
pub(crate) fn skewed<'a>(s: &Situation<'a>) -> Option<&'a Skewed> {
    s.status.state.share.as_ref().filter(|_| s.on_trial())?.skewed.as_ref()
}

/// The same in a sentence, with what may have done it.
pub(crate) fn sentence(s: &Situation) -> Option<String> {
    let Skewed { weight, percent, requests } = skewed(s)?;
    let canary = s.role(Track::Canary)?.version.as_str();
    let then = if s.release.traffic.sticky {
        "where clients keep their version a few busy ones may do that, so nothing waits for it"
    } else {
        "it gets no more before 1,000 requests fit its weight again"
    };
    Some(format!(
        "{canary} has a weight of {weight} % and {percent} % of the requests (of about {requests}), which is no chance: see \
         whether another route leads to a version's Service, or clients ask for one by its header or by its Service's name; \
         {then}"
    ))
}
