//! One client asks more than it may, another one does not: the gateway must tell them apart.

use std::fmt;

use super::http::Client;
use super::manifest::{CLIENT_HEADER, CLIENT_LIMIT};
use super::story::Stage;
use crate::error::Result;

/// Requests of the greedy client.
const ASKED: usize = 30;

/// What the two clients got.
#[derive(Debug, Clone, Default)]
pub struct Limit {
    /// Answers to the greedy client.
    pub served: usize,
    /// Refusals of the greedy client by the gateway.
    pub refused: usize,
    /// Other answers that it got.
    pub other: usize,
    /// Status that the modest client got afterwards.
    pub neighbour: u16,
}

impl Limit {
    /// Whether about the limit's number was served, the rest refused, and the other client not touched. While the
    /// greedy one asks, its bucket refills by one each three seconds.
    pub fn holds(&self) -> bool {
        let limit = usize::try_from(CLIENT_LIMIT).unwrap_or_default();
        let fair = (limit..=limit + 3).contains(&self.served);
        fair && self.other == 0 && self.served + self.refused == ASKED && self.neighbour == 200
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "of {ASKED} requests of one client {} were served, {} refused with 429, {} neither; another client got {}",
            self.served, self.refused, self.other, self.neighbour
        )
    }
}

/// Asks as both clients.
///
/// # Errors
/// If the gateway does not answer at all.
pub async fn check(stage: &Stage, host: &str) -> Result<Limit> {
    let url = format!("{}/predict", stage.gateway_url);
    // New names each time: a client's bucket outlives a run of the demo.
    let stamp = jiff::Timestamp::now().as_millisecond();
    // Connections of its own: one that was open before the limit came would not know it.
    let http = Client::default();
    let ask = |client: String| {
        let (http, url) = (http.clone(), url.clone());
        async move {
            let headers = [("host", host), (CLIENT_HEADER, &client), ("content-type", "application/json")];
            http.post(&url, &headers, r#"{"domain": "example.com"}"#.to_owned()).await
        }
    };
    let mut limit = Limit::default();
    for _ in 0..ASKED {
        let answer = ask(format!("greedy-{stamp}")).await?;
        let by_gateway = answer.headers.get("x-local-rate-limit").is_some_and(|value| value == "gateway");
        match answer.status {
            200 => limit.served += 1,
            429 if by_gateway => limit.refused += 1,
            _ => limit.other += 1,
        }
    }
    limit.neighbour = ask(format!("modest-{stamp}")).await?.status;
    Ok(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_only_if_it_refuses_the_rest_and_nobody_else() {
        let good = Limit { served: 20, refused: 10, other: 0, neighbour: 200 };
        assert!(good.holds());
        assert!(!Limit { served: 30, refused: 0, ..good.clone() }.holds(), "no limit at all");
        assert!(!Limit { served: 10, refused: 20, ..good.clone() }.holds(), "too strict");
        assert!(!Limit { neighbour: 429, ..good.clone() }.holds(), "one for all");
        assert!(!Limit { served: 20, refused: 9, other: 1, ..good }.holds(), "something else broke");
    }
}
