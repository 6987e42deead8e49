//! The watches themselves: a list, a watch from its revision on, and lists again and again that show what there is.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, pin_mut};
use jiff::Timestamp;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::order::Listing;
use super::world::{Event, Key, Kind, Verb};
use crate::error::Error;

/// Time between lists.
const PROOF: Duration = Duration::from_secs(2);
/// Time between tries of what failed.
const AGAIN: Duration = Duration::from_millis(500);
/// A watch is asked for anew after so many seconds.
const LONG: u32 = 240;

/// What the tasks send.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A kind as it was when watching it began; none if the API server does not serve it yet.
    Began(Kind, Option<(u64, Vec<Value>)>),
    Event(Event),
    /// The API server no longer knows the revision that a watch went on from: what the kind is now. With a new schema of a
    /// definition it begins its history anew.
    Resumed(Kind, Listing),
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
pub(super) async fn follow(client: Client, kind: Kind, send: UnboundedSender<Arrival>) {
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
        let ended = watch(&api, kind, &mut revision, &send).await;
        let resumed = match ended {
            WatchEnd::Broke => {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            WatchEnd::Forbidden(why) => Err(why),
            WatchEnd::TooOld => listing(&api, kind).await.map_err(|error| error.to_string()),
        };
        match resumed {
            Ok(listing) => {
                revision = listing.revision.to_string();
                drop(send.send(Arrival::Resumed(kind, listing)));
            }
            Err(why) => {
                drop(send.send(Arrival::Broken(lost(kind, &revision, &why))));
                return;
            }
        }
    }
}

/// How one watch ended.
enum WatchEnd {
    /// The connection broke, or its time was over: the next watch goes on where it ended.
    Broke,
    /// The API server has forgotten the revision.
    TooOld,
    /// It may not be watched, or is not served any more.
    Forbidden(String),
}

/// One watch; `revision` follows what it told.
async fn watch(
    api: &Api<DynamicObject>,
    kind: Kind,
    revision: &mut String,
    send: &UnboundedSender<Arrival>,
) -> WatchEnd {
    let stream = match api.watch(&WatchParams::default().timeout(LONG), revision).await {
        Ok(stream) => stream,
        Err(error) => {
            return match code(&error) {
                Some(410) => WatchEnd::TooOld,
                Some(403 | 404) => WatchEnd::Forbidden(error.to_string()),
                _ => WatchEnd::Broke,
            };
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
                *revision = mark.metadata.resource_version;
                drop(send.send(Arrival::Bookmark(kind, revision.parse().unwrap_or_default())));
                continue;
            }
            Ok(WatchEvent::Error(status)) if status.code == 410 => return WatchEnd::TooOld,
            Ok(WatchEvent::Error(_)) | Err(_) => return WatchEnd::Broke,
        };
        if let Some(newer) = object.resource_version() {
            *revision = newer;
        }
        if let Some(object) = value(kind, object) {
            let revision = revision.parse().unwrap_or_default();
            drop(send.send(Arrival::Event(Event { revision, at, verb, kind, object })));
        }
    }
    WatchEnd::Broke
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

/// What there is of a kind, and at which revision it was last changed.
async fn listing(api: &Api<DynamicObject>, kind: Kind) -> kube::Result<Listing> {
    let list = api.list_metadata(&ListParams::default()).await?;
    let object = |meta: &kube::core::PartialObjectMeta<DynamicObject>| {
        let namespace = meta.namespace().unwrap_or_default();
        let revision = meta.resource_version()?.parse().ok()?;
        Some((Key { kind, namespace, name: meta.name_any() }, revision))
    };
    let objects = list.items.iter().filter_map(object).collect();
    let revision = list.metadata.resource_version.and_then(|text| text.parse().ok()).unwrap_or_default();
    Ok(Listing { revision, objects })
}

/// Lists every kind again and again.
pub(super) async fn prove(client: Client, send: UnboundedSender<Arrival>) {
    loop {
        tokio::time::sleep(PROOF).await;
        let since = Timestamp::now();
        let mut listings = BTreeMap::new();
        let mut failed = None;
        for kind in Kind::ALL {
            match listing(&api(&client, kind), kind).await {
                Ok(listing) => drop(listings.insert(kind, listing)),
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
