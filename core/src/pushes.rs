//! What istiod tells of the proxies at gateways: which pushes they refused, and which they have not acknowledged.
//!
//! Its page `/debug/syncz` lists the proxies that are connected to it. Newer ones tell for each kind of resource
//! what was sent and acknowledged last, when it was sent, and why it was refused if it was; older ones only what was sent
//! and acknowledged. Nothing here decides about traffic: it finds words for what is seen anyway.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Deserializer as _;
use serde::de::{SeqAccess, Visitor};
use serde_json::{Deserializer, Value};

use crate::observed::{Part, Push};
use crate::situation::{Situation, later};

/// How long a view is wanted new after a change of what is sent to gateways.
const CHANGED: SignedDuration = SignedDuration::from_secs(60);
/// How long a proxy is remembered that no istiod lists: of several each lists its own, and not all may be asked.
const REMEMBERED: SignedDuration = SignedDuration::from_secs(300);
/// Time in which a proxy is expected to answer to a push.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// The first part of every name of a resource's type.
const TYPES: &str = "type.googleapis.com/envoy.";

/// Whether a push has been open for longer than it takes: one that was refused at once, one that is not acknowledged
/// after a while.
pub fn worth_telling(push: &Push, now: Timestamp) -> bool {
    push.refused || now.duration_since(push.since) >= PATIENCE
}

/// Until when this release wants a new view: for a minute from a change, and while what was written is on its way.
pub(crate) fn wanted_until(s: &Situation) -> Option<Timestamp> {
    if s.settings.traffic.istiod.is_none() || s.release.traffic.sets.is_empty() {
        return None;
    }
    let traffic = &s.status.state.traffic;
    let under_way = (!traffic.digest.is_empty() && traffic.settled_at.is_none()).then_some(s.now);
    let limits = &s.status.state.limits;
    let limited = limits.since.filter(|_| limits.proven_at.is_none());
    let changes = [under_way, traffic.changed_at, limited].into_iter().flatten();
    changes.map(|at| later(at, CHANGED)).max().filter(|until| *until > s.now)
}

/// A gateway's pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gateway {
    /// Name of its set.
    pub set: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
}

impl Gateway {
    /// Its proxy's name, as istiod has it.
    fn proxy(&self) -> String {
        format!("{}.{}", self.pod, self.namespace)
    }
}

/// Why a page tells nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("that is no list of proxies; see that the address is that of istiod's port for debugging, 15014")]
pub struct Unreadable;

/// What is known of gateways' proxies, from one page to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    proxies: BTreeMap<String, Proxy>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Proxy {
    /// When an istiod last listed it.
    seen_at: Timestamp,
    /// What was sent to it at all.
    parts: BTreeMap<Part, State>,
}

/// What became of what was sent last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    /// Names the push.
    sent: String,
    stands: Stands,
    /// Since when.
    since: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Taken,
    Awaited,
    Refused,
}

impl View {
    /// Takes a page in, as far as it is about these gateways. One that cannot be read changes nothing; what is odd about
    /// one proxy is passed over.
    ///
    /// # Errors
    /// If it is no JSON list.
    pub fn take(&mut self, page: &[u8], gateways: &[Gateway], now: Timestamp) -> Result<(), Unreadable> {
        let wanted: BTreeSet<String> = gateways.iter().map(Gateway::proxy).collect();
        let mut found = BTreeMap::new();
        each(page, &mut |entry: &Value| {
            let Some(name) = entry.get("proxy").and_then(Value::as_str).filter(|n| wanted.contains(*n))
            else {
                return;
            };
            let before = self.proxies.get(name);
            let part = |part| Some((part, state(entry, part, before, now)?));
            let parts = Part::ALL.into_iter().filter_map(part).collect();
            found.insert(name.to_owned(), Proxy { seen_at: now, parts });
        })?;
        self.proxies.extend(found);
        Ok(())
    }

    /// Forgets proxies that are gone, and those that nobody has listed for long.
    pub fn forget(&mut self, gateways: &[Gateway], now: Timestamp) {
        let wanted: BTreeSet<String> = gateways.iter().map(Gateway::proxy).collect();
        self.proxies
            .retain(|name, proxy| wanted.contains(name) && now.duration_since(proxy.seen_at) <= REMEMBERED);
    }

    /// What these gateways have not taken, in the order of their names.
    pub fn pushes(&self, gateways: &[Gateway]) -> Vec<Push> {
        let all = self.states(gateways).into_iter();
        let open = all.filter(|(_, _, state)| state.stands != Stands::Taken);
        open.map(|(gateway, part, state)| Push {
            set: gateway.set.clone(),
            pod: gateway.pod.clone(),
            part,
            refused: state.stands == Stands::Refused,
            since: state.since,
        })
        .collect()
    }

    /// Everything that was sent to these gateways: to which, what, and whether it was refused.
    pub fn sent<'g>(&self, gateways: &'g [Gateway]) -> Vec<(&'g Gateway, Part, bool)> {
        let refused = |(gateway, part, state): (&'g Gateway, Part, &State)| {
            (gateway, part, state.stands == Stands::Refused)
        };
        self.states(gateways).into_iter().map(refused).collect()
    }

    fn states<'g>(&self, gateways: &'g [Gateway]) -> Vec<(&'g Gateway, Part, &State)> {
        let mut states = Vec::new();
        let mut gateways: Vec<&Gateway> = gateways.iter().collect();
        gateways.sort_unstable();
        for gateway in gateways {
            let parts = self.proxies.get(&gateway.proxy()).map(|proxy| &proxy.parts);
            states.extend(parts.into_iter().flatten().map(|(part, state)| (gateway, *part, state)));
        }
        states
    }
}

/// What became of a part of a proxy's configuration; none if nothing of it was ever sent.
fn state(entry: &Value, part: Part, before: Option<&Proxy>, now: Timestamp) -> Option<State> {
    let told = entry.get("resources").and_then(|all| all.get(format!("{TYPES}{}", kind(part))));
    let text = |of: &Value, field: &str| of.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (sent, acked) = if let Some(told) = told {
        (text(told, "sent"), text(told, "acked"))
    } else {
        let field = field(part)?;
        (text(entry, &format!("{field}_sent")), text(entry, &format!("{field}_acked")))
    };
    if sent.is_empty() {
        return None;
    }
    let refused = told.is_some_and(|told| !text(told, "lastError").is_empty());
    let stands = match (refused, acked == sent) {
        (true, _) => Stands::Refused,
        (false, true) => Stands::Taken,
        (false, false) => Stands::Awaited,
    };
    let at = told.and_then(|told| text(told, "sentTime").parse::<Timestamp>().ok());
    // Go writes the year 1 where it knows no time.
    let at = at.filter(|at| *at > Timestamp::UNIX_EPOCH && *at <= now).unwrap_or(now);
    let before = before.and_then(|proxy| proxy.parts.get(&part)).filter(|before| before.stands == stands);
    let since = match before {
        // What is refused is sent again and again, and refused each time.
        Some(before) if stands == Stands::Refused || before.sent == sent => before.since,
        _ => at,
    };
    Some(State { sent, stands, since })
}

/// Name of the type of a resource, after [`TYPES`].
fn kind(part: Part) -> &'static str {
    match part {
        Part::Clusters => "config.cluster.v3.Cluster",
        Part::Listeners => "config.listener.v3.Listener",
        Part::Routes => "config.route.v3.RouteConfiguration",
        Part::Endpoints => "config.endpoint.v3.ClusterLoadAssignment",
        Part::Extensions => "config.core.v3.TypedExtensionConfig",
        Part::Secrets => "extensions.transport_sockets.tls.v3.Secret",
    }
}

/// How the fields of a part begin that stand beside the proxy's name; secrets have none.
fn field(part: Part) -> Option<&'static str> {
    match part {
        Part::Clusters => Some("cluster"),
        Part::Listeners => Some("listener"),
        Part::Routes => Some("route"),
        Part::Endpoints => Some("endpoint"),
        Part::Extensions => Some("extensionconfig"),
        Part::Secrets => None,
    }
}

/// Shows each entry of a JSON list, one at a time: a mesh may have thousands of proxies.
fn each(page: &[u8], see: &mut dyn FnMut(&Value)) -> Result<(), Unreadable> {
    let mut reader = Deserializer::from_slice(page);
    reader.deserialize_seq(Entries(see)).map_err(|_| Unreadable)?;
    reader.end().map_err(|_| Unreadable)
}

struct Entries<'s>(&'s mut dyn FnMut(&Value));

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of proxies")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(entry) = entries.next_element::<Value>()? {
            (self.0)(&entry);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
