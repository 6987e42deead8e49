//! What the gateway's Envoy really did: requests that it sent to each version, from its own counters.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::http::Client;
use crate::error::{Error, Result};

/// Shares are taken over the requests of this long.
const WINDOW: Duration = Duration::from_millis(2500);
/// Below so many requests a share says nothing.
const LEAST: u64 = 10;

/// Requests since Envoy's start, by namespace, then by Service (`<release>-<hash>`).
pub type Counters = BTreeMap<String, BTreeMap<String, Requests>>;

/// Requests to one version since Envoy's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// All.
    pub all: u64,
    /// Answered with a server error.
    pub failed: u64,
}

/// Reads the counters from Envoy's admin port.
///
/// # Errors
/// If it does not answer, or not with statistics.
pub async fn read(client: &Client, admin: &str) -> Result<Counters> {
    // Only the clusters of Services, and of these only two counters: the rest of a gateway's statistics is megabytes.
    let url = format!("{admin}/stats?filter=%5Ecluster.outbound.*upstream_rq_(completed%7C5xx)$");
    let answer = client.get(&url).await?;
    if answer.status != 200 {
        return Err(Error::other(format!(
            "GET {url}: status {}; ENVOY_ADMIN_URL must be the admin port of the gateway's Envoy",
            answer.status
        )));
    }
    Ok(parse(&answer.body))
}

/// Lines such as `cluster.outbound|80||fraud-5f3c0a9b11.ml.svc.cluster.local;.upstream_rq_completed: 12`.
fn parse(text: &str) -> Counters {
    let mut counters = Counters::new();
    for line in text.lines() {
        let Some((name, value)) = line.rsplit_once(": ") else { continue };
        let (Some((_, host)), Some((_, metric)), Ok(value)) =
            (name.split_once("||"), name.rsplit_once('.'), value.trim().parse::<u64>())
        else {
            continue;
        };
        // Envoy counts each request once more by where it came from.
        if name.ends_with(&format!(".internal.{metric}")) || name.ends_with(&format!(".external.{metric}")) {
            continue;
        }
        let mut labels = host.split('.');
        let (Some(service), Some(namespace)) = (labels.next(), labels.next()) else { continue };
        let place = counters.entry(namespace.to_owned()).or_default().entry(service.to_owned()).or_default();
        match metric {
            "upstream_rq_completed" => place.all += value,
            "upstream_rq_5xx" => place.failed += value,
            _ => {}
        }
    }
    counters
}

/// The counters of the last few seconds, from which shares follow.
#[derive(Debug, Clone, Default)]
pub struct Recent(VecDeque<(Instant, BTreeMap<String, Requests>)>);

impl Recent {
    /// Takes what was read at `at`; older readings than needed are dropped.
    pub fn push(&mut self, at: Instant, counters: BTreeMap<String, Requests>) {
        self.0.push_back((at, counters));
        while self.0.get(1).is_some_and(|(second, _)| at.duration_since(*second) >= WINDOW) {
            self.0.pop_front();
        }
    }

    /// Percent of a release's requests that went to this version of late; none while there were too few.
    pub fn percent(&self, release: &str, hash: &str) -> Option<f64> {
        let (oldest, newest) = (&self.0.front()?.1, &self.0.back()?.1);
        let mut of_version = 0;
        let mut of_release = 0;
        for (service, now) in newest {
            let Some((owner, version)) = service.rsplit_once('-') else { continue };
            if owner != release {
                continue;
            }
            let before = oldest.get(service).map_or(0, |requests| requests.all);
            let grown = now.all.saturating_sub(before);
            of_release += grown;
            if version == hash {
                of_version += grown;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "requests of a few seconds")]
        let percent = || 100.0 * of_version as f64 / of_release as f64;
        (of_release >= LEAST).then(percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "cluster.outbound|80||better-5f3c0a9b11.demo.svc.cluster.local;.upstream_rq_completed: 120\n\
                        cluster.outbound|80||better-5f3c0a9b11.demo.svc.cluster.local;.external.upstream_rq_completed: 100\n\
                        cluster.outbound|80||better-5f3c0a9b11.demo.svc.cluster.local;.internal.upstream_rq_completed: 20\n\
                        cluster.outbound|80||better-5f3c0a9b11.demo.svc.cluster.local;.upstream_rq_5xx: 3\n\
                        cluster.outbound|80||worse-9ab1c2d3e4.other.svc.cluster.local;.upstream_rq_completed: 7\n\
                        cluster.xds-grpc.upstream_rq_completed: 9\nnonsense\n";

    fn counters(pairs: &[(&str, u64)]) -> BTreeMap<String, Requests> {
        pairs.iter().map(|&(name, all)| (name.to_owned(), Requests { all, failed: 0 })).collect()
    }

    #[test]
    fn counters_are_found_by_namespace_and_service() {
        let found = parse(TEXT);
        assert_eq!(found["demo"]["better-5f3c0a9b11"], Requests { all: 120, failed: 3 });
        assert_eq!(found["other"]["worse-9ab1c2d3e4"].all, 7);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_share_is_of_the_release_alone_and_of_late() {
        let start = Instant::now();
        let mut recent = Recent::default();
        recent.push(start, counters(&[("a-1", 1000), ("a-2", 0), ("b-1", 50)]));
        recent.push(start + Duration::from_secs(1), counters(&[("a-1", 1090), ("a-2", 10), ("b-1", 500)]));
        assert_eq!(recent.percent("a", "2"), Some(10.0));
        for second in 2..6 {
            recent.push(
                start + Duration::from_secs(second),
                counters(&[("a-1", 1090), ("a-2", 10 + 100 * second)]),
            );
        }
        assert_eq!(recent.percent("a", "2"), Some(100.0), "what was before the window counts no more");
    }

    #[test]
    fn few_requests_give_no_share() {
        let mut recent = Recent::default();
        recent.push(Instant::now(), counters(&[("a-1", 0)]));
        recent.push(Instant::now(), counters(&[("a-1", LEAST - 1)]));
        assert_eq!(recent.percent("a", "1"), None);
    }
}
