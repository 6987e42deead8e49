//! What istiod tells of the gateways' pods that a release uses: pushes that were refused, or that nobody acknowledges.
//! Foreign text, as a proxy's own reason, is never repeated: it may name anybody's hosts.

use crate::observed::Push;
use crate::pushes::worth_telling;
use crate::situation::Situation;

/// Pushes to pods of the release's own sets of gateways.
fn ours<'a>(s: &'a Situation, refused: bool) -> impl Iterator<Item = &'a Push> {
    let named = move |push: &&Push| s.release.traffic.sets.iter().any(|set| set.name == push.set);
    s.observed.pushes.iter().filter(move |push| push.refused == refused).filter(named)
}

/// The first push that was refused, in words, and how many more there are.
pub(super) fn refused(s: &Situation) -> Option<String> {
    let mut all = ours(s, true);
    let Push { set, pod, part, since, .. } = all.next()?;
    let more = match all.count() {
        0 => String::new(),
        1 => " (and one push more)".to_owned(),
        more => format!(" (and {more} pushes more)"),
    };
    let part = part.as_str();
    Some(format!(
        "pod {pod} of gateway set {set} has refused the {part} that istiod sends, since {since:.0}{more}"
    ))
}

/// The first push that is not acknowledged for longer than it takes, in words.
fn unanswered(s: &Situation) -> Option<String> {
    let Push { set, pod, part, since, .. } = ours(s, false).find(|push| worth_telling(push, s.now))?;
    let part = part.as_str();
    Some(format!(
        "pod {pod} of gateway set {set} has not acknowledged the {part} that istiod sent at {since:.0}"
    ))
}

/// What to add where weights are in force all the same.
pub(super) fn awaited(s: &Situation) -> String {
    unanswered(s).map_or_else(String::new, |said| format!("; {said}"))
}

/// What to add where they are not.
pub(super) fn not_taken(s: &Situation) -> String {
    refused(s).or_else(|| unanswered(s)).map_or_else(String::new, |said| format!("; {said}"))
}
