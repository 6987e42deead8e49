//! The route check: whether gateways lead to the version on the way, seen before it has any weight.
//!
//! A gateway that says that it knows the routes may still not reach the version: a cluster that it was not sent, a
//! policy that cuts the pods off from it. Found out by the first weight, that would be clients' errors.

use jiff::SignedDuration;

use crate::api::status::ModelReleaseStatus;
use crate::children::Ready;
use crate::observed::GatewayAnswer;
use crate::situation::Situation;

/// Notes what came of it. A pod that does not say which decision it follows counts neither way: nothing tells whether
/// it knows the route, and without it others would answer in the version's place.
pub(super) fn note(status: &mut ModelReleaseStatus, s: &Situation) {
    let Some((_, ready)) = s.route_to_check() else { return };
    let (seq, settled) = (status.state.traffic.seq, status.state.traffic.settled_at.is_some());
    let Some(memory) = status.state.candidate.as_mut().filter(|_| settled) else { return };
    let wait = SignedDuration::from_secs(s.settings.propagation_wait_seconds);
    let young = memory.ready_at.is_none_or(|at| s.elapsed(at) < wait);
    let answers = &s.observed.gateways;
    if answers.is_empty() && (young || !memory.unrouted.is_empty()) {
        // Either there is no pod, or the look was cut short by a human's word. As long as no weight could come yet both
        // may be; what was seen before is not forgotten for it.
        return;
    }
    let knows = |answer: &&GatewayAnswer| answer.seq.is_some_and(|at| at >= seq);
    let astray = answers.iter().filter(knows).find(|answer| !leads(answer.route, &ready));
    memory.unrouted = astray.map(told).unwrap_or_default();
    memory.routed_at = astray.is_none().then_some(s.now);
}

/// Whether an answer shows that the version was reached. One that is known to answer well by a path has to; of another
/// any answer will do that no gateway gives by itself. A limit's refusal shows nothing.
fn leads(answer: Option<u16>, ready: &Ready) -> bool {
    answer.is_some_and(|status| match ready {
        _ if status == 429 => false,
        Ready::Answers(_) => status < 500,
        Ready::Connects => !(502..=504).contains(&status),
    })
}

fn told(answer: &GatewayAnswer) -> String {
    let what =
        answer.route.map_or_else(|| "did not answer".to_owned(), |status| format!("answered {status}"));
    format!("pod {} of gateway set {} {what}", answer.pod, answer.set)
}
