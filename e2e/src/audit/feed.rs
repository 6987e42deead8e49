//! Watches without gaps: a list, a watch from its revision, and every two seconds lists that prove that nothing is missing.

use std::collections::{BTreeMap, BTreeSet};

use futures::pin_mut;
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::log::Log;
use super::order::{Listing, Order};
use super::summary::Summary;
use super::watches::{Arrival, follow, prove};
use super::world::{Event, Kind, Verb};
use super::{Auditor, Options, Violation, object};
use crate::error::{Error, Result};

/// How long a watch may be behind a list, or lists fail.
const BEHIND: SignedDuration = SignedDuration::from_secs(30);

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
                Arrival::Resumed(kind, listing) => audit.resume(kind, &listing)?,
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
            Arrival::Began(..)
            | Arrival::Proof { .. }
            | Arrival::Resumed(..)
            | Arrival::Unproven(_)
            | Arrival::Broken(_) => {}
        }
    }

    /// A watch begins anew from a list. If that shows nothing but what was told, nothing was missed.
    fn resume(&mut self, kind: Kind, listing: &Listing) -> Result<()> {
        self.order.covers(kind, listing).map_err(|missed| {
            Error::other(format!(
                "the watch of {} could not go on, and a change was missed meanwhile: {missed}; start the auditor again",
                kind.api().2
            ))
        })?;
        self.order.complete_to(kind, listing.revision);
        Ok(())
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
