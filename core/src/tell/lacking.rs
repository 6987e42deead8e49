//! What a release asks of proxies and does not get from them: limits, and clients that keep their version.

use super::TOLD;
use super::message::not_routed;
use super::pushed;
use crate::api::reasons::Reason;
use crate::api::spec::Provider;
use crate::api::status::Track;
use crate::share;
use crate::situation::Situation;
use crate::traffic;

/// Time in which gateways are given new limits. Seconds.
const SOON: i64 = 5;

/// Name of a sidecar's container, as Istio injects it.
const SIDECAR: &str = "istio-proxy";

/// The first thing that is lacking, with what to do about it.
pub(super) fn lacking(s: &Situation) -> Option<(Reason, String)> {
    unbound(s)
        .or_else(|| not_routed(s, TOLD))
        .or_else(|| skewed(s))
        .or_else(|| unfiltered(s))
        .or_else(|| unproven(s))
        .or_else(|| refused(s))
        .or_else(|| without_sidecar(s))
}

/// A gateway that does not route the release, as far as it or its controller says.
fn unbound(s: &Situation) -> Option<(Reason, String)> {
    let said = s.traffic_object().and_then(|live| traffic::refusal_read(&live.body));
    if let Some(said) = said {
        return Some((Reason::NotApplied, format!("the gateway's controller refuses the HTTPRoute: {said}")));
    }
    let silent = &s.status.state.traffic.silent;
    let host = s.release.traffic.hosts.first().filter(|_| !silent.is_empty())?;
    let message = format!(
        "{silent} was asked for {host} and does not say which weights it has; they are taken to be in force since {} s \
         passed. The gateway has to exist, to select that host, and to be served by that set; it is asked again each minute",
        s.settings.propagation_wait_seconds
    );
    Some((Reason::NotApplied, message))
}

/// Requests that go otherwise than by the weights.
fn skewed(s: &Situation) -> Option<(Reason, String)> {
    Some((Reason::SplitSkewed, share::sentence(s)?))
}

/// A gateway's pod that has refused something, be it somebody else's: nothing new of that part reaches it.
fn refused(s: &Situation) -> Option<(Reason, String)> {
    let message = format!(
        "{}, and keeps what it had, for every host there, until what it refuses is put right; the proxy's log and istiod's \
         say what that is. Weights and rollbacks do not wait for it as long as the pod follows them",
        pushed::refused(s)?
    );
    Some((Reason::Refused, message))
}

/// A set of gateways that takes no filters.
fn unfiltered(s: &Situation) -> Option<(Reason, String)> {
    let traffic = &s.release.traffic;
    let limits = traffic::has_limits(s.release);
    let refusing = traffic.sets.iter().find(|set| !traffic::takes_filters(s.release, set));
    if let Some(set) = refusing.filter(|_| limits || traffic.sticky) {
        let (reason, what) = if limits {
            (Reason::RateLimitUnsupported, "no client is limited")
        } else {
            (Reason::StickyUnsupported, "no client keeps its version")
        };
        let name = &set.name;
        let how = match traffic.provider {
            Provider::Istio => " and a selector",
            Provider::GatewayApi => ", in the Gateway's own namespace",
        };
        return Some((
            reason,
            format!(
                "{what} at gateway set {name}, which takes no EnvoyFilters: it has to be Istio's, and the administrator gives it envoyFilters: true{how}"
            ),
        ));
    }
    None
}

/// A gateway's pod that does not refuse what it should.
fn unproven(s: &Situation) -> Option<(Reason, String)> {
    let memory = &s.status.state.limits;
    let late = memory.since.is_some_and(|at| s.elapsed(at).as_secs() >= SOON);
    (late && !memory.lacking.is_empty()).then(|| {
        let unknown =
            "it cannot be reached, or istiod or the proxy refused the filter, which their logs tell";
        let why = pushed::refused(s).map_or_else(
            || unknown.to_owned(),
            |said| format!("{said}, be it for this filter or for another's, which the proxy's log tells"),
        );
        let message = format!(
            "{} was asked and does not refuse as rateLimit says: {why}; it is asked again each minute",
            memory.lacking
        );
        (Reason::RateLimitUnsupported, message)
    })
}

/// A pod that nothing stands before which could limit it.
fn without_sidecar(s: &Situation) -> Option<(Reason, String)> {
    s.release.traffic.per_pod?;
    let serves = |hash: &str| {
        s.status.versions.iter().any(|v| v.hash == hash && matches!(v.track, Track::Stable | Track::Canary))
    };
    let bare = s.observed.pods.iter().find(|pod| {
        let sidecar = pod.containers.iter().any(|container| container.name == SIDECAR);
        pod.ready && !sidecar && !pod.deleting && serves(&pod.hash)
    })?;
    let message =
        format!("pod {} has no sidecar, so rateLimit.perPod does not shield it: inject one", bare.name);
    Some((Reason::RateLimitUnsupported, message))
}

/// What holds at gateways only, in a release that callers inside the mesh reach too.
pub(super) fn not_in_the_mesh(s: &Situation) -> &'static str {
    let traffic = &s.release.traffic;
    match (traffic.mesh && !traffic.gateways.is_empty(), traffic::has_limits(s.release), traffic.sticky) {
        (true, true, true) => "; callers inside the mesh are neither limited nor kept to a version",
        (true, true, false) => "; callers inside the mesh are not limited",
        (true, false, true) => "; callers inside the mesh are not kept to a version",
        _ => "",
    }
}
