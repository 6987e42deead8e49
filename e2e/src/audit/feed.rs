//! Watches without gaps: a list, a watch from its revision, and every two seconds lists that prove that nothing is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, pin_mut};
use jiff::{SignedDuration, Timestamp};
use kube::api::{Api, ApiResource, DynamicObject, ListParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::log::Log;
use super::order::{Listing, Order};
use super::summary::Summary;
use super::world::{Event, Key, Kind, Verb};
use super::{Auditor, Options, Violation, object};
use crate::error::{Error, Result};

/// Time between lists.
const PROOF: Duration = Duration::from_secs(2);
/// How long a watch may be behind a list, or lists fail.
const BEHIND: SignedDuration = SignedDuration::from_secs(30);
/// Time between tries of what failed.
const AGAIN: Duration = Duration::from_millis(500);
/// A watch is asked for anew after so many seconds.
const LONG: u32 = 240;

/// What the tasks send.
#[derive(Debug)]
enum Arrival {
    /// A kind as it was when watching it began; none if the API server does not serve it yet.
    Began(Kind, Option<(u64, Vec<Value>)>),
    Event(Event),
    /// Nothing of a kind is missing up to a revision.
    Bookmark(Kind, u64),
    /// Every kind as it was at some time after `since`.
    Proof {
        since: Timestamp,
        listings: BTreeMap<Kind, Listing>,
    },
    Unproven(String),
    Broken(Error),
}

/// How an audit ended.
#[derive(Debug)]
pub enum Ended {
    /// Nothing was violated.
    Well(Summary),
    /// The violations of the first revision that had any.
    Violated(Vec<Violation>),
}

/// Watches until `end`, judges every revision, and stops at the first violation. `started` is told once everything that
/// happens from now on is seen, with the kinds that are not served yet.
///
/// # Errors
/// If something was missed, or cannot be watched: then nothing is known.
pub async fn audit(
    client: Client,
    options: &Options,
    mut log: Option<Log>,
    started: impl FnOnce(&BTreeSet<Kind>),
    end: impl Future<Output = ()>,
) -> Result<Ended> {
    let (send, mut arrivals) = unbounded_channel();
    let mut tasks = tokio::task::JoinSet::new();
    for kind in Kind::ALL {
        tasks.spawn(follow(client.clone(), kind, send.clone()));
    }
    let mut audit =
        Audit { auditor: Auditor::new(options), order: Order::default(), log: None, absent: BTreeSet::new() };
    let mut unknown: BTreeSet<Kind> = Kind::ALL.into();
    while !unknown.is_empty() {
        match next(&mut arrivals).await? {
            Arrival::Began(kind, found) => {
                unknown.remove(&kind);
                audit.begin(kind, found, &mut log)?;
            }
            other => audit.hear(other),
        }
    }
    started(&audit.absent);
    audit.log = log;
    tasks.spawn(prove(client, send));
    pin_mut!(end);
    let mut ended: Option<Timestamp> = None;
    let mut sure = Timestamp::now();
    loop {
        tokio::select! {
            () = &mut end, if ended.is_none() => ended = Some(Timestamp::now()),
            arrival = next(&mut arrivals) => match arrival? {
                Arrival::Proof { since, listings } => {
                    if let Some(behind) = audit.prove(&listings) {
                        late(sure, &behind)?;
                        continue;
                    }
                    sure = since;
                    if let Err(violations) = audit.judge(Some(since))? {
                        return Ok(Ended::Violated(violations));
                    }
                    if ended.is_some_and(|ended| since > ended) {
                        return Ok(Ended::Well(audit.auditor.summary()));
                    }
                }
                Arrival::Unproven(why) => late(sure, &why)?,
                Arrival::Broken(error) => return Err(error),
                Arrival::Began(kind, found) => audit.appear(kind, found),
                other => audit.hear(other),
            },
        }
        if let Err(violations) = audit.judge(None)? {
            return Ok(Ended::Violated(violations));
        }
    }
}

async fn next(arrivals: &mut UnboundedReceiver<Arrival>) -> Result<Arrival> {
    arrivals.recv().await.ok_or_else(|| Error::other("no watch runs any more; start the auditor again"))
}

fn late(sure: Timestamp, why: &str) -> Result<()> {
    if Timestamp::now().duration_since(sure) <= BEHIND {
        return Ok(());
    }
    Err(Error::other(format!(
        "for {} s it is not known whether a change was missed: {why}; see whether the API server is well",
        BEHIND.as_secs()
    )))
}

/// The order of arrivals, and who judges them.
struct Audit {
    auditor: Auditor,
    order: Order,
    log: Option<Log>,
    absent: BTreeSet<Kind>,
}

impl Audit {
    /// What was there when watching a kind began.
    fn begin(&mut self, kind: Kind, found: Option<(u64, Vec<Value>)>, log: &mut Option<Log>) -> Result<()> {
        let Some((revision, objects)) = found else {
            self.absent.insert(kind);
            return Ok(());
        };
        self.order.complete_to(kind, revision);
        for object in objects {
            self.order.knows(kind, &object);
            let revision = object::revision(&object).unwrap_or_default();
            let event = Event { revision, at: Timestamp::now(), verb: Verb::Found, kind, object };
            if let Some(log) = log {
                log.add(&event)?;
            }
            // What was found breaks no rule: it is nothing that happened.
            self.auditor.take(event).ok();
        }
        Ok(())
    }

    /// A kind that was not served before: everything of it is new.
    fn appear(&mut self, kind: Kind, found: Option<(u64, Vec<Value>)>) {
        let Some((revision, objects)) = found else { return };
        self.absent.remove(&kind);
        for object in objects {
            let revision = object::revision(&object).unwrap_or_default();
            self.order.arrive(Event { revision, at: Timestamp::now(), verb: Verb::Added, kind, object });
        }
        self.order.complete_to(kind, revision);
    }

    fn hear(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Event(event) => self.order.arrive(event),
            Arrival::Bookmark(kind, revision) => self.order.complete_to(kind, revision),
            Arrival::Began(..) | Arrival::Proof { .. } | Arrival::Unproven(_) | Arrival::Broken(_) => {}
        }
    }

    /// What is missing of what the lists show; else everything up to them is known.
    fn prove(&mut self, listings: &BTreeMap<Kind, Listing>) -> Option<String> {
        let behind = |(kind, listing): (&Kind, &Listing)| self.order.covers(*kind, listing).err();
        if let Some(behind) = listings.iter().find_map(behind) {
            return Some(behind);
        }
        let first = listings.values().map(|listing| listing.revision).min().unwrap_or_default();
        for kind in Kind::ALL {
            match listings.get(&kind) {
                Some(listing) => self.order.complete_to(kind, listing.revision),
                // It is not served: nothing of it happened before the lists began.
                None if self.absent.contains(&kind) => self.order.complete_to(kind, first),
                None => {}
            }
        }
        None
    }

    /// Judges what is due, and with `sure` also the clocks.
    fn judge(&mut self, sure: Option<Timestamp>) -> Result<std::result::Result<(), Vec<Violation>>> {
        for event in self.order.due() {
            if let Some(log) = &mut self.log {
                log.add(&event)?;
            }
            if let Err(violations) = self.auditor.take(event) {
                self.log.as_mut().map_or(Ok(()), Log::flush)?;
                return Ok(Err(violations));
            }
        }
        let Some(now) = sure else { return Ok(Ok(())) };
        self.log.as_mut().map_or(Ok(()), Log::flush)?;
        Ok(self.auditor.tick(now))
    }
}

fn api(client: &Client, kind: Kind) -> Api<DynamicObject> {
    let (group, version, plural) = kind.api();
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let resource = ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version,
        kind: format!("{kind:?}"),
        plural: plural.to_owned(),
    };
    Api::all_with(client.clone(), &resource)
}

fn code(error: &kube::Error) -> Option<u16> {
    if let kube::Error::Api(status) = error { Some(status.code) } else { None }
}

fn refused(kind: Kind, error: &kube::Error) -> Error {
    Error::other(format!(
        "{} cannot be watched: {error}; the auditor needs get, list and watch on them in all namespaces",
        kind.api().2
    ))
}

/// Watches a kind from its list on, for ever.
async fn follow(client: Client, kind: Kind, send: UnboundedSender<Arrival>) {
    let api = api(&client, kind);
    let mut told = false;
    let (mut revision, began) = loop {
        match api.list(&ListParams::default()).await {
            Ok(list) => {
                let revision = list.metadata.resource_version.unwrap_or_default();
                let objects = list.items.into_iter().filter_map(|object| value(kind, object)).collect();
                break (revision.clone(), (revision.parse().unwrap_or_default(), objects));
            }
            Err(error) if code(&error) == Some(404) && !told => {
                told = true;
                drop(send.send(Arrival::Began(kind, None)));
            }
            Err(error) if code(&error) == Some(403) => {
                drop(send.send(Arrival::Broken(refused(kind, &error))));
                return;
            }
            Err(_) => {}
        }
        tokio::time::sleep(AGAIN).await;
    };
    drop(send.send(Arrival::Began(kind, Some(began))));
    loop {
        let params = WatchParams::default().timeout(LONG);
        let stream = match api.watch(&params, &revision).await {
            Ok(stream) => stream,
            Err(error) if matches!(code(&error), Some(403 | 404 | 410)) => {
                drop(send.send(Arrival::Broken(lost(kind, &revision, &error.to_string()))));
                return;
            }
            Err(_) => {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        pin_mut!(stream);
        while let Some(heard) = stream.next().await {
            let at = Timestamp::now();
            let (verb, object) = match heard {
                Ok(WatchEvent::Added(object)) => (Verb::Added, object),
                Ok(WatchEvent::Modified(object)) => (Verb::Modified, object),
                Ok(WatchEvent::Deleted(object)) => (Verb::Deleted, object),
                Ok(WatchEvent::Bookmark(mark)) => {
                    revision = mark.metadata.resource_version;
                    drop(send.send(Arrival::Bookmark(kind, revision.parse().unwrap_or_default())));
                    continue;
                }
                Ok(WatchEvent::Error(status)) if status.code == 410 => {
                    drop(send.send(Arrival::Broken(lost(kind, &revision, &status.message))));
                    return;
                }
                // The connection broke: the next watch goes on where this one ended.
                Ok(WatchEvent::Error(_)) | Err(_) => break,
            };
            revision = object.resource_version().unwrap_or(revision);
            if let Some(object) = value(kind, object) {
                let revision = revision.parse().unwrap_or_default();
                drop(send.send(Arrival::Event(Event { revision, at, verb, kind, object })));
            }
        }
    }
}

fn lost(kind: Kind, revision: &str, why: &str) -> Error {
    Error::other(format!(
        "the watch of {} cannot go on from revision {revision}: {why}; changes may have been missed, start the auditor again",
        kind.api().2
    ))
}

/// The whole object as JSON; lists leave out what all their items have in common.
fn value(kind: Kind, object: DynamicObject) -> Option<Value> {
    let mut value = serde_json::to_value(object).ok()?;
    value.as_object_mut()?.insert("kind".into(), format!("{kind:?}").into());
    Some(value)
}

/// Lists every kind again and again.
async fn prove(client: Client, send: UnboundedSender<Arrival>) {
    loop {
        tokio::time::sleep(PROOF).await;
        let since = Timestamp::now();
        let mut listings = BTreeMap::new();
        let mut failed = None;
        for kind in Kind::ALL {
            match api(&client, kind).list_metadata(&ListParams::default()).await {
                Ok(list) => {
                    let revision =
                        list.metadata.resource_version.and_then(|text| text.parse().ok()).unwrap_or_default();
                    let object = |meta: &kube::core::PartialObjectMeta<DynamicObject>| {
                        let namespace = meta.namespace().unwrap_or_default();
                        let revision = meta.resource_version()?.parse().ok()?;
                        Some((Key { kind, namespace, name: meta.name_any() }, revision))
                    };
                    let objects = list.items.iter().filter_map(object).collect();
                    listings.insert(kind, Listing { revision, objects });
                }
                Err(error) if code(&error) == Some(404) => {}
                Err(error) => failed = Some(error.to_string()),
            }
        }
        let arrival = failed.map_or(Arrival::Proof { since, listings }, Arrival::Unproven);
        if send.send(arrival).is_err() {
            return;
        }
    }
}
