//! What a traffic object says, as it is stored: the truth about weights, whoever wrote it.

use serde_json::Value;

use super::istio::{GRPC_TWIN, route_prefix};
use crate::meta::at;
use crate::version::Hash;

/// The weights that a traffic object gives, each version once, in the order of its entries.
///
/// None if they cannot be relied on: there is not exactly one split route of two entries with weights written out; a
/// weight is no percent, or they do not make 100; a host is not a version of this release; or another route may
/// take its requests.
pub fn read_back(body: &Value) -> Option<Vec<(Hash, i32)>> {
    let ours = Ours::of(body)?;
    let http = routes(body);
    let split = format!("{}split", ours.prefix);
    if !http.iter().all(|route| name(route) == Some(split.as_str()) || ours.has_own_requests(route)) {
        return None;
    }
    let mut splits = http.iter().filter(|route| name(route) == Some(split.as_str()));
    let route = splits.next().filter(|_| splits.next().is_none())?;
    if route.get("match").is_some() {
        return None;
    }
    let shares = ours.shares(route)?;
    let twin = format!("{split}{GRPC_TWIN}");
    for route in http.iter().filter(|route| name(route) == Some(twin.as_str())) {
        // gRPC has the same weights, or is left with the first version while the other does not serve it.
        let own = ours.shares(route)?;
        let left = shares.first().is_some_and(|(first, _)| own == [(first.clone(), 100)]);
        if own != shares && !left {
            return None;
        }
    }
    Some(shares)
}

/// The version that gets copies, and the percent of requests that are copied; none without.
pub fn mirror_read(body: &Value) -> Option<(Hash, i32)> {
    let ours = Ours::of(body)?;
    let split = format!("{}split", ours.prefix);
    let route = routes(body).iter().find(|route| name(route) == Some(split.as_str()))?;
    let copies = route.get("mirrors")?.get(0)?;
    let host = at(copies, &["destination", "host"])?.as_str()?;
    let (version, _) = host.strip_prefix(&ours.before)?.split_once('.')?;
    let percent = at(copies, &["percentage", "value"])?.as_i64()?;
    Some((hash(of_app(version))?, i32::try_from(percent).ok()?))
}

/// The versions that have a route of their own in a traffic object.
pub fn routes_read(body: &Value) -> Vec<Hash> {
    let Some(ours) = Ours::of(body) else { return Vec::new() };
    let own = format!("{}to-", ours.prefix);
    routes(body).iter().filter_map(|route| hash(name(route)?.strip_prefix(&own)?)).collect()
}

/// The number of the decision that a traffic object tells to who probes.
pub fn seq_read(body: &Value) -> Option<i64> {
    let probe = format!("{}probe", Ours::of(body)?.prefix);
    let route = routes(body).iter().find(|route| name(route) == Some(probe.as_str()))?;
    at(route, &["directResponse", "body", "string"])?.as_str()?.parse().ok()
}

/// How the routes and hosts of an object's release begin and end.
struct Ours {
    /// Of its routes.
    prefix: String,
    /// Of the hosts of its versions, before the hash.
    before: String,
    /// And after it, up to the cluster's domain.
    after: String,
}

impl Ours {
    /// By the object's own name, which is the release's.
    fn of(body: &Value) -> Option<Self> {
        let release = at(body, &["metadata", "name"])?.as_str()?;
        let namespace = at(body, &["metadata", "namespace"])?.as_str()?;
        Some(Self {
            prefix: route_prefix(namespace, release),
            before: format!("{release}-"),
            after: format!("{namespace}.svc."),
        })
    }

    /// Whether a route bears one of our names and takes only what it matches.
    fn has_own_requests(&self, route: &Value) -> bool {
        let matches = route.get("match").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
        matches && name(route).is_some_and(|name| name.starts_with(&self.prefix))
    }

    /// The weights of a route's two entries, each version once.
    fn shares(&self, route: &Value) -> Option<Vec<(Hash, i32)>> {
        let [first, second] = route.get("route")?.as_array()?.as_slice() else { return None };
        let ((one, a), (other, b)) = (self.entry(first)?, self.entry(second)?);
        if a.checked_add(b)? != 100 {
            return None;
        }
        Some(if one == other { vec![(one, 100)] } else { vec![(one, a), (other, b)] })
    }

    /// The version and percent of an entry.
    fn entry(&self, entry: &Value) -> Option<(Hash, i32)> {
        let host = at(entry, &["destination", "host"])?.as_str()?;
        let (version, rest) = host.strip_prefix(&self.before)?.split_once('.')?;
        let domain = rest.strip_prefix(&self.after)?;
        let weight = i32::try_from(entry.get("weight")?.as_i64()?).ok()?;
        ((0..=100).contains(&weight) && !domain.is_empty()).then_some((hash(of_app(version))?, weight))
    }
}

fn routes(body: &Value) -> &[Value] {
    at(body, &["spec", "http"]).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn name(route: &Value) -> Option<&str> {
    route.get("name").and_then(Value::as_str)
}

/// The version of an entrance: an app has the version's name and a word more.
fn of_app(service: &str) -> &str {
    service.strip_suffix("-app").unwrap_or(service)
}

/// A version's hash: ten lower-case hex digits.
fn hash(text: &str) -> Option<Hash> {
    let digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    (text.len() == 10 && text.chars().all(digit)).then(|| Hash::known(text))
}
