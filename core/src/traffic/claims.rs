//! Who has a host at a gateway: of two that claim it, the one that came first.

use crate::api::reasons::Reason;
use crate::observed::Claim;
use crate::release::Release;

/// Why the release may not have its hosts: somebody else had one of them before. No root is to be written then.
pub fn conflict(release: &Release, claims: &[Claim]) -> Option<(Reason, String)> {
    overlaps(release, claims).find(|(claim, ..)| comes_first(claim, release)).map(|(claim, host, gateway)| {
        let who = if claim.release.is_some() { " of an older release" } else { "" };
        let message = format!(
            "{host} at gateway {gateway} is served by {}{who}; give this release another host, or remove that route",
            claim.object
        );
        (Reason::HostTaken, message)
    })
}

/// What may take requests from the release although it was there first. The release keeps its hosts, and says so.
pub fn dispute(release: &Release, claims: &[Claim]) -> Option<(Reason, String)> {
    overlaps(release, claims).find(|(claim, ..)| !comes_first(claim, release)).map(|(claim, host, gateway)| {
        let message = format!(
            "{} claims {host} at gateway {gateway} too, and may take requests from this release, which came first; remove it",
            claim.object
        );
        (Reason::RoutingConflict, message)
    })
}

/// Claims of others on what the release claims, with the host and the gateway.
fn overlaps<'a>(
    release: &'a Release,
    claims: &'a [Claim],
) -> impl Iterator<Item = (&'a Claim, String, &'a str)> {
    claims.iter().filter(|claim| claim.release.as_deref() != Some(&release.uid)).filter_map(|claim| {
        let at_gateway =
            shared_gateway(release, claim).filter(|_| meets(release, claim)).and_then(|gateway| {
                let taken = |host: &&String| claim.hosts.iter().any(|claimed| covers(claimed, host));
                release.traffic.hosts.iter().find(taken).map(|host| (claim, host.clone(), gateway))
            });
        at_gateway.or_else(|| {
            let in_mesh = release.traffic.mesh && claim.gateways.iter().any(|gateway| gateway == "mesh");
            let host = format!("{}.{}.svc", release.name, release.namespace);
            let taken = |claimed: &String| same_service(claimed, &host);
            (in_mesh && claim.hosts.iter().any(taken)).then_some((claim, host, "mesh"))
        })
    })
}

/// Whether both may be asked for one path. Releases of one namespace may share a host as long as no path lies within
/// another; with all others a host is shared or it is not.
fn meets(release: &Release, claim: &Claim) -> bool {
    let (ours, theirs) = (release.traffic.path.as_str(), claim.path.as_str());
    let within = |path: &str, other: &str| {
        path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let apart = !within(ours, theirs) && !within(theirs, ours);
    claim.release.is_none() || claim.namespace != release.namespace || !apart
}

fn shared_gateway<'a>(release: &'a Release, claim: &Claim) -> Option<&'a str> {
    let same = claim.provider == release.traffic.provider;
    release.traffic.gateways.iter().find(|own| same && claim.gateways.contains(own)).map(String::as_str)
}

/// Whether a claimed host, which may begin with `*`, covers one of ours. Host names know no case.
fn covers(claimed: &str, host: &str) -> bool {
    let (claimed, host) = (claimed.to_ascii_lowercase(), host.to_ascii_lowercase());
    match claimed.strip_prefix('*') {
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => claimed == host,
    }
}

/// Whether a claimed host is a Service, named with its namespace, whatever the cluster's domain.
fn same_service(claimed: &str, service: &str) -> bool {
    let claimed = claimed.to_ascii_lowercase();
    claimed.strip_prefix(service).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        || service.strip_suffix(".svc") == Some(claimed.as_str())
}

/// Whether a claim is older than the release. Both releases of a pair answer alike: of two of one age the lower UID is
/// the first, and a route of no release goes before one that is not there yet.
fn comes_first(claim: &Claim, release: &Release) -> bool {
    match (claim.created, release.created) {
        (Some(theirs), Some(ours)) if theirs != ours => theirs < ours,
        _ => claim.release.as_ref().is_none_or(|uid| *uid < release.uid),
    }
}
