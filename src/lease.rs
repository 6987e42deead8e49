//! Which of several operators leads: a pure rule, and a small loop that follows it.
//!
//! A Lease does not fence a slow writer; the writes' own preconditions do. It keeps two operators from working at the
//! same time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::admin::Health;
use crate::clock::jitter;
use crate::cluster::{ApiError, Leases, Record};
use crate::metrics::Metrics;

/// A candidate takes over a record that it has not seen change for so long.
const DURATION: Duration = Duration::from_secs(15);
/// A leader that could not renew for so long stops.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Time between a leader's renewals, give or take a fifth.
const RETRY: Duration = Duration::from_secs(2);
/// Time between a candidate's looks, give or take a fifth. What it sees late, it takes over late.
const LOOK: Duration = Duration::from_secs(1);
/// Limit of one call.
const CALL: Duration = Duration::from_secs(5);

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Read the record.
    Read,
    /// Write ourselves into it: into this revision, or a new one if there is none.
    Take(Option<Box<Record>>),
    /// Another leads.
    Wait,
}

/// The rule. It never compares another machine's clock with ours: a candidate counts from when *it* last saw the record
/// change.
#[derive(Debug)]
pub struct Rule {
    identity: String,
    /// The record as last read, and when it was first seen so.
    seen: Option<(Option<Record>, Instant)>,
    /// When our last successful write was sent, while we lead.
    renewed: Option<Instant>,
    /// Whether the record must be read before it is written.
    stale: bool,
}

impl Rule {
    /// A candidate of this name.
    pub fn new(identity: &str) -> Self {
        Self { identity: identity.to_owned(), seen: None, renewed: None, stale: true }
    }

    /// Whether we lead at this moment.
    pub fn leads(&self, now: Instant) -> bool {
        self.renewed.is_some_and(|at| now.duration_since(at) < RENEW_DEADLINE)
    }

    /// When the lead ends unless it is renewed.
    pub fn ends(&self) -> Option<Instant> {
        self.renewed.map(|at| at + RENEW_DEADLINE)
    }

    /// When the turn after one that began at `begun` is due; `jitter` is from 0 to 1. A lead that ends and a record that
    /// has stood still for long enough are met to the moment.
    pub fn due(&self, begun: Instant, jitter: f64) -> Instant {
        let now_leads = self.leads(begun);
        let tries = begun + if now_leads { RETRY } else { LOOK }.mul_f64(0.8 + 0.4 * jitter);
        let free = self.seen.as_ref().map(|(_, since)| *since + DURATION);
        let moment = if now_leads { self.ends() } else { free };
        moment.filter(|at| *at > begun).map_or(tries, |at| at.min(tries))
    }

    /// What to do next.
    pub fn next(&mut self, now: Instant) -> Next {
        if self.renewed.is_some() && !self.leads(now) {
            self.renewed = None;
            self.stale = true;
        }
        let Some((record, since)) = &self.seen else { return Next::Read };
        if self.stale {
            return Next::Read;
        }
        match record {
            None => Next::Take(None),
            Some(record) if record.holder.is_empty() || record.holder == self.identity => {
                Next::Take(Some(Box::new(record.clone())))
            }
            Some(record) if now.duration_since(*since) >= DURATION => {
                Next::Take(Some(Box::new(record.clone())))
            }
            Some(_) => Next::Wait,
        }
    }

    /// The record was read.
    pub fn read(&mut self, record: Option<Record>, now: Instant) {
        let unchanged = self.seen.as_ref().is_some_and(|(old, _)| {
            old.as_ref().map(|r| &r.resource_version) == record.as_ref().map(|r| &r.resource_version)
        });
        if !unchanged {
            self.seen = Some((record, now));
        }
        self.stale = false;
    }

    /// Our write, sent at `sent`, was taken.
    pub fn wrote(&mut self, record: Record, sent: Instant) {
        self.seen = Some((Some(record), sent));
        self.renewed = Some(sent);
        self.stale = false;
    }

    /// Another wrote first, or there was no answer.
    pub fn lost(&mut self) {
        self.stale = true;
    }

    /// A candidate reads the record again each time.
    pub fn again(&mut self) {
        self.stale = true;
    }
}

/// Whether this operator leads. Clones share it.
#[derive(Clone, Debug)]
pub struct Lead(Option<watch::Receiver<bool>>);

impl Lead {
    /// A lead that needs no Lease, from now on.
    pub fn without_election() -> Self {
        Self(None)
    }

    /// A lead that a test gives and takes.
    #[cfg(test)]
    pub fn of_test(told: watch::Receiver<bool>) -> Self {
        Self(Some(told))
    }

    /// Whether it leads now.
    pub fn leads(&self) -> bool {
        // Without the loop that renews it there is no lead.
        self.0.as_ref().is_none_or(|told| *told.borrow() && told.has_changed().is_ok())
    }

    /// Waits until it leads, or does no longer.
    pub async fn becomes(&mut self, leads: bool) {
        let known = match &mut self.0 {
            None => leads,
            Some(told) => told.wait_for(|now| *now == leads).await.is_ok() || !leads,
        };
        if !known {
            std::future::pending::<()>().await;
        }
    }
}

/// Takes part in the election.
#[derive(Debug)]
pub struct Election {
    leases: Leases,
    rule: Rule,
    lead: watch::Sender<bool>,
    metrics: Metrics,
    health: Arc<Health>,
    troubled: bool,
}

impl Election {
    /// A candidate.
    pub fn new(leases: Leases, identity: &str, metrics: Metrics, health: Arc<Health>) -> (Self, Lead) {
        let lead = watch::Sender::new(false);
        let seen = Lead(Some(lead.subscribe()));
        (Self { leases, rule: Rule::new(identity), lead, metrics, health, troubled: false }, seen)
    }

    /// Leads, or waits to, until `stop` says so; then gives the Lease free.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            self.health.lease_beat();
            let asked = Instant::now();
            self.turn().await;
            self.tell();
            let wake = self.rule.due(asked, jitter());
            tokio::select! {
                // After a call that took long the next turn is due at once: the word to end must not lose to it.
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                () = tokio::time::sleep_until(wake) => self.tell(),
            }
        }
        self.free().await;
    }

    /// One read, one write, or both.
    async fn turn(&mut self) {
        if !self.rule.leads(Instant::now()) {
            self.rule.again();
        }
        for _ in 0..2 {
            let now = Instant::now();
            let limit = self.rule.ends().map_or(CALL, |ends| ends.saturating_duration_since(now)).min(CALL);
            let outcome = match self.rule.next(now) {
                Next::Wait => return,
                Next::Read => {
                    self.leases.read(limit).await.map(|record| self.rule.read(record, Instant::now()))
                }
                Next::Take(over) => {
                    match self.leases.write(over.as_deref(), &self.rule.identity, limit).await {
                        Ok(record) => {
                            self.rule.wrote(record, now);
                            self.recovered();
                            return;
                        }
                        Err(error) => Err(error),
                    }
                }
            };
            if let Err(error) = outcome {
                self.rule.lost();
                self.trouble(&error);
                if !matches!(error, ApiError::Conflict { .. }) {
                    return;
                }
            }
        }
    }

    fn tell(&mut self) {
        let leads = self.rule.leads(Instant::now());
        if self.lead.send_if_modified(|known| std::mem::replace(known, leads) != leads) {
            self.metrics.set_leader(leads);
            if leads {
                info!(identity = %self.rule.identity, lease = %self.leases.what(), "leads");
            } else {
                warn!(identity = %self.rule.identity, lease = %self.leases.what(), "leads no longer; nothing is decided until it does again");
            }
        }
    }

    fn trouble(&mut self, error: &ApiError) {
        let remedy = match error {
            ApiError::Refused { .. } => {
                "give the operator's service account get and update on this Lease, and create it, or use --no-election"
            }
            _ => "check that the API server can be reached; it is tried again",
        };
        if matches!(error, ApiError::Conflict { .. }) {
            debug!(%error, "another wrote the lease first");
        } else if !std::mem::replace(&mut self.troubled, true) {
            let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            warn!(%error, cause, remedy, "the lease cannot be kept");
        }
    }

    fn recovered(&mut self) {
        if std::mem::replace(&mut self.troubled, false) {
            info!("the lease can be kept again");
        }
    }

    /// Gives the Lease free, if it is ours.
    async fn free(mut self) {
        let held = self.rule.leads(Instant::now());
        self.lead.send_replace(false);
        self.metrics.set_leader(false);
        if let (true, Some((Some(record), _))) = (held, self.rule.seen.take()) {
            match self.leases.write(Some(&record), "", CALL).await {
                Ok(_) => info!("the lease is given free"),
                Err(error) => debug!(%error, "the lease was not given free; it ends by itself"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn record(holder: &str, version: u64) -> Record {
        Record::new(holder, &version.to_string())
    }

    #[test]
    fn a_free_or_missing_lease_is_taken_at_once() {
        let now = Instant::now();
        for found in [None, Some(record("", 4))] {
            let mut rule = Rule::new("me");
            assert_eq!(rule.next(now), Next::Read);
            rule.read(found.clone(), now);
            assert_eq!(rule.next(now), Next::Take(found.map(Box::new)));
        }
    }

    #[test]
    fn another_leads_until_its_record_stood_still_for_a_full_lease() {
        let start = Instant::now();
        let mut rule = Rule::new("me");
        rule.read(Some(record("other", 1)), start);
        assert_eq!(rule.next(at(start, 14)), Next::Wait);
        rule.read(Some(record("other", 2)), at(start, 14));
        assert_eq!(rule.next(at(start, 28)), Next::Wait, "a change starts the wait anew");
        rule.read(Some(record("other", 2)), at(start, 28));
        assert_eq!(rule.next(at(start, 29)), Next::Take(Some(Box::new(record("other", 2)))));
        assert!(!rule.leads(at(start, 29)), "only an accepted write makes a leader");
    }

    #[test]
    fn a_candidate_is_there_when_the_record_has_stood_still_for_long_enough() {
        let start = Instant::now();
        let ms = |n| start + Duration::from_millis(n);
        let mut rule = Rule::new("me");
        assert_eq!((rule.due(start, 0.0), rule.due(start, 1.0)), (ms(800), ms(1200)), "it looks each second");
        rule.read(Some(record("other", 1)), start);
        assert_eq!(rule.due(ms(13_000), 1.0), ms(14_200));
        assert_eq!(rule.due(ms(14_200), 1.0), ms(15_000), "and not a moment later than it may take over");
        assert_eq!(rule.next(ms(15_000)), Next::Take(Some(Box::new(record("other", 1)))));
        assert_eq!(rule.due(ms(15_000), 0.5), ms(16_000), "once the moment is past it looks as before");
        rule.wrote(record("me", 2), ms(15_000));
        assert_eq!(rule.due(ms(15_000), 0.5), ms(17_000), "a leader renews every two seconds");
        assert_eq!(rule.due(ms(24_500), 0.5), ms(25_000), "and knows the moment its lead ends");
    }

    #[test]
    fn a_lead_ends_ten_seconds_after_the_last_accepted_write_was_sent() {
        let start = Instant::now();
        let mut rule = Rule::new("me");
        rule.read(None, start);
        rule.wrote(record("me", 2), start);
        assert!(rule.leads(at(start, 9)));
        assert_eq!(
            rule.next(at(start, 2)),
            Next::Take(Some(Box::new(record("me", 2)))),
            "a leader renews without reading"
        );
        rule.lost();
        assert_eq!(rule.next(at(start, 4)), Next::Read);
        assert!(rule.leads(at(start, 9)) && !rule.leads(at(start, 10)));
        assert_eq!(rule.next(at(start, 11)), Next::Read);
        rule.read(Some(record("other", 3)), at(start, 11));
        assert_eq!(rule.next(at(start, 12)), Next::Wait);
    }
}
