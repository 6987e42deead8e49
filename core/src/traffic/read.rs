//! What a traffic object says, as it is stored: the truth about weights, whoever wrote it.

use serde_json::Value;

use super::httproute::SEQ_PATH;
use super::istio::{GRPC_TWIN, route_prefix};
use crate::meta::at;
use crate::version::Hash;

/// The weights that a traffic object gives, each version once, in the order of its entries.
///
/// None if they cannot be relied on: there is not exactly one split route with weights written out, in a VirtualService
/// of two entries; a weight is no percent, or they do not make 100; a host is not a version of this release; or another
/// route may take its requests.
pub fn read_back(body: &Value) -> Option<Vec<(Hash, i32)>> {
    let ours = Ours::of(body)?;
    let routes = ours.routes(body);
    let split = format!("{}split", ours.prefix);
    let is_split = |route: &&Routed| route.name == Some(split.as_str());
    if !routes.iter().all(|route| is_split(&route) || ours.has_own_requests(route)) {
        return None;
    }
    let mut splits = routes.iter().filter(is_split);
    let route = splits.next().filter(|_| splits.next().is_none())?;
    if route.matches_headers.is_some() {
        return None;
    }
    let shares = shares(route)?;
    let twin = format!("{split}{GRPC_TWIN}");
    // Where all is given to one version, an HTTPRoute names that one first, be it the first of the release or not.
    let whole = route.to.as_ref().is_some_and(|entries| entries.len() == 3);
    for route in routes.iter().filter(|route| route.name == Some(twin.as_str())) {
        // gRPC has the same weights, or is left with the first version while the other does not serve it.
        let own = self::shares(route)?;
        let first = shares.iter().take(if whole { 2 } else { 1 });
        let left = first.into_iter().any(|(hash, _)| own == [(hash.clone(), 100)]);
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
    ours.routes(body).into_iter().find(|route| route.name == Some(split.as_str()))?.copies
}

/// The versions that have a route of their own in a traffic object.
pub fn routes_read(body: &Value) -> Vec<Hash> {
    let Some(ours) = Ours::of(body) else { return Vec::new() };
    let own = format!("{}to-", ours.prefix);
    ours.routes(body).iter().filter_map(|route| hash(route.name?.strip_prefix(&own)?)).collect()
}

/// What a controller says against an HTTPRoute that it has seen as it is: the first parent that it refuses.
pub fn refusal_read(body: &Value) -> Option<String> {
    let generation = at(body, &["metadata", "generation"])?;
    let parents = at(body, &["status", "parents"])?.as_array()?;
    parents.iter().find_map(|parent| {
        let refused = parent.get("conditions")?.as_array()?.iter().find(|condition| {
            let kind = condition.get("type").and_then(Value::as_str).unwrap_or_default();
            matches!(kind, "Accepted" | "ResolvedRefs")
                && condition.get("status").is_some_and(|status| status == "False")
                && condition.get("observedGeneration") == Some(generation)
        })?;
        let word = |field: &str| refused.get(field).and_then(Value::as_str).unwrap_or_default();
        let name = at(parent, &["parentRef", "name"]).and_then(Value::as_str).unwrap_or_default();
        let message: String = word("message").chars().filter(|c| !c.is_control()).take(256).collect();
        Some(format!("{name}: {}: {message}", word("reason")))
    })
}

/// The number of the decision that a traffic object tells to who probes.
pub fn seq_read(body: &Value) -> Option<i64> {
    let ours = Ours::of(body)?;
    let probe = format!("{}probe", ours.prefix);
    ours.routes(body).into_iter().find(|route| route.name == Some(probe.as_str()))?.seq
}

/// A route of either provider, as far as weights go.
struct Routed<'a> {
    name: Option<&'a str>,
    /// Whether each of its matches asks for headers, or for who sends; none if it has no match but for a path.
    matches_headers: Option<bool>,
    /// Versions and weights, none if one of them cannot be read.
    to: Option<Vec<(Hash, i32)>>,
    /// How many entries there are to be.
    entries: std::ops::RangeInclusive<usize>,
    copies: Option<(Hash, i32)>,
    seq: Option<i64>,
}

/// The weights of a route's entries, each version once.
fn shares(route: &Routed) -> Option<Vec<(Hash, i32)>> {
    let entries = route.to.as_ref().filter(|entries| route.entries.contains(&entries.len()))?;
    let mut shares: Vec<(Hash, i32)> = Vec::new();
    for (hash, weight) in entries {
        match shares.iter_mut().find(|(known, _)| known == hash) {
            Some((_, sum)) => *sum = sum.checked_add(*weight)?,
            None => shares.push((hash.clone(), *weight)),
        }
    }
    let sum = shares.iter().try_fold(0_i32, |sum, (_, weight)| sum.checked_add(*weight))?;
    (sum == 100 && shares.len() <= 2).then_some(shares)
}

/// How the routes and Services of an object's release begin and end.
struct Ours {
    /// Of its routes.
    prefix: String,
    /// Of the Services of its versions, before the hash.
    before: String,
    /// Of a host, after the Service, up to the cluster's domain.
    after: String,
    namespace: String,
    gateway_api: bool,
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
            namespace: namespace.to_owned(),
            gateway_api: at(body, &["spec", "rules"]).is_some(),
        })
    }

    fn routes<'a>(&self, body: &'a Value) -> Vec<Routed<'a>> {
        let list = if self.gateway_api { "rules" } else { "http" };
        let routes = at(body, &["spec", list]).and_then(Value::as_array);
        let read = |route| if self.gateway_api { self.rule(route) } else { self.istio(route) };
        routes.into_iter().flatten().map(read).collect()
    }

    /// Whether a route bears one of our names and takes only what it matches.
    fn has_own_requests(&self, route: &Routed) -> bool {
        route.matches_headers == Some(true) && route.name.is_some_and(|name| name.starts_with(&self.prefix))
    }

    fn istio<'a>(&self, route: &'a Value) -> Routed<'a> {
        let matches = route.get("match").and_then(Value::as_array);
        let asks = |one: &Value| {
            let some = |field| one.get(field).and_then(Value::as_object).is_some_and(|all| !all.is_empty());
            some("headers") || some("sourceLabels")
        };
        let copies = route.get("mirrors").and_then(|mirrors| mirrors.get(0)).and_then(|copies| {
            let host = at(copies, &["destination", "host"])?.as_str()?;
            let percent = at(copies, &["percentage", "value"])?.as_i64()?;
            Some((self.version(host.split_once('.')?.0)?, i32::try_from(percent).ok()?))
        });
        let seq = at(route, &["directResponse", "body", "string"]).and_then(Value::as_str);
        let to = route.get("route").and_then(Value::as_array);
        Routed {
            name: route.get("name").and_then(Value::as_str),
            matches_headers: matches.map(|all| !all.is_empty() && all.iter().all(asks)),
            to: to.and_then(|all| all.iter().map(|entry| self.destination(entry)).collect()),
            entries: 2..=2,
            copies,
            seq: seq.and_then(|seq| seq.parse().ok()),
        }
    }

    /// The version and percent of an entry.
    fn destination(&self, entry: &Value) -> Option<(Hash, i32)> {
        let (service, rest) = at(entry, &["destination", "host"])?.as_str()?.split_once('.')?;
        let domain = rest.strip_prefix(&self.after)?;
        (!domain.is_empty()).then_some((self.version(service)?, percent(entry)?))
    }

    fn rule<'a>(&self, rule: &'a Value) -> Routed<'a> {
        let headers =
            |one: &Value| one.get("headers").and_then(Value::as_array).is_some_and(|h| !h.is_empty());
        let matches: Vec<bool> =
            rule.get("matches").and_then(Value::as_array).into_iter().flatten().map(headers).collect();
        let filters = rule.get("filters").and_then(Value::as_array);
        let filter = |name: &str| filters.into_iter().flatten().find_map(|filter| filter.get(name));
        let copies = filter("requestMirror").and_then(|mirror| {
            let percent = i32::try_from(mirror.get("percent")?.as_i64()?).ok()?;
            Some((self.version(at(mirror, &["backendRef", "name"])?.as_str()?)?, percent))
        });
        let target = filter("requestRedirect").and_then(|to| to.pointer("/path/replaceFullPath")?.as_str());
        let to = rule.get("backendRefs").and_then(Value::as_array);
        Routed {
            name: rule.get("name").and_then(Value::as_str),
            matches_headers: matches.contains(&true).then(|| matches.iter().all(|headers| *headers)),
            to: to.and_then(|all| all.iter().map(|entry| self.backend(entry)).collect()),
            entries: 2..=3,
            copies,
            seq: target.and_then(|path| path.strip_prefix(SEQ_PATH)?.parse().ok()),
        }
    }

    /// The version and percent of a backend.
    fn backend(&self, entry: &Value) -> Option<(Hash, i32)> {
        let here = entry.get("namespace").is_none_or(|other| *other == self.namespace.as_str());
        let of_services = entry.get("kind").is_none_or(|kind| kind == "Service");
        let service = entry.get("name")?.as_str().filter(|_| here && of_services)?;
        Some((self.version(service)?, percent(entry)?))
    }

    /// The version that a Service is of: an app's has the version's name and a word more.
    fn version(&self, service: &str) -> Option<Hash> {
        let version = service.strip_prefix(&self.before)?;
        hash(version.strip_suffix("-app").unwrap_or(version))
    }
}

fn percent(entry: &Value) -> Option<i32> {
    let weight = i32::try_from(entry.get("weight")?.as_i64()?).ok()?;
    (0..=100).contains(&weight).then_some(weight)
}

/// A version's hash: ten lower-case hex digits.
fn hash(text: &str) -> Option<Hash> {
    let digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    (text.len() == 10 && text.chars().all(digit)).then(|| Hash::known(text))
}
