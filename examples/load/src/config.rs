//! What to send, to whom, how fast, how long; and what of that makes no sense.

use crate::way::Way;
use hyper::Uri;
use hyper::header::HeaderName;
use model_server::data::Example;
use model_server::messages::PREDICT;
use std::time::Duration;

/// Above this a client on one thread would measure itself.
const MAX_RATE: u32 = 5000;
const MAX_DURATION: Duration = Duration::from_secs(24 * 3600);
const MAX_IN_FLIGHT: usize = 10_000;
const MAX_WEIGHT: u32 = 100;

/// One load. The same seed asks the same questions by the same users in the same order.
#[derive(Debug, Clone)]
pub struct Config {
    /// The gateway: `http://<address>[:port][/prefix]`.
    pub url: String,
    /// Host header; none: the address of `url`.
    pub host: Option<String>,
    /// How questions travel, and how many of them each way: a share of its weight in the sum. Labels go over HTTP/1.1.
    pub ways: Vec<(Way, u32)>,
    /// Predictions asked for per second.
    pub rate: u32,
    /// Users `user-0`, `user-1`, … that questions are spread over at random.
    pub users: u32,
    /// Ends by itself after this time.
    pub duration: Duration,
    /// What is asked, at random with replacement, and the label that is reported back.
    pub questions: Vec<Example>,
    /// Time from an answer to its label; none: no labels are sent.
    pub label_delay: Option<Duration>,
    /// Header that says who asks.
    pub user_header: String,
    /// Header by which answers name their version, and labels find it (`traffic.versionHeader`).
    pub version_header: String,
    /// Until an answer is given up.
    pub timeout: Duration,
    /// Predictions waited for at once; what would be more is not sent, and counted as skipped.
    pub in_flight: usize,
    /// Of the random choices.
    pub seed: u64,
}

/// What is wrong with a [`Config`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {why}")]
pub struct ConfigError {
    /// The field, as the command line names it.
    pub field: &'static str,
    /// What it must be.
    pub why: String,
}

/// A config that was found usable, in the form that requests need.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Where to connect to.
    pub gateway: Uri,
    /// What is asked there, by the host's name.
    pub predict: Uri,
    pub feedback: Uri,
    pub call: Uri,
    pub user_header: HeaderName,
    pub version_header: HeaderName,
}

impl Config {
    /// 100 questions a second of 200 users for a minute over HTTP/1.1, labels at once.
    pub fn new(url: &str, questions: Vec<Example>) -> Self {
        Self {
            url: url.to_owned(),
            host: None,
            ways: vec![(Way::KeepAlive, 1)],
            rate: 100,
            users: 200,
            duration: Duration::from_secs(60),
            questions,
            label_delay: Some(Duration::ZERO),
            user_header: "x-user-id".to_owned(),
            version_header: "x-model-version".to_owned(),
            timeout: Duration::from_secs(10),
            in_flight: 500,
            seed: 1,
        }
    }

    pub(crate) fn target(&self) -> Result<Target, ConfigError> {
        let wrong = |field, why: &str| ConfigError { field, why: why.to_owned() };
        let within = |field, value: u64, most: u64| {
            if (1..=most).contains(&value) {
                Ok(())
            } else {
                Err(wrong(field, &format!("must be from 1 to {most}")))
            }
        };
        within("rate", self.rate.into(), MAX_RATE.into())?;
        within("users", self.users.into(), 1_000_000)?;
        within("in-flight", self.in_flight as u64, MAX_IN_FLIGHT as u64)?;
        if self.duration.is_zero() || self.duration > MAX_DURATION {
            return Err(wrong("duration", "must be more than 0s and at most 24h"));
        }
        if self.timeout.is_zero() {
            return Err(wrong("timeout", "must be more than 0s"));
        }
        self.check_ways()?;
        if self.questions.is_empty() {
            return Err(wrong("data", "holds no domain; make the data first (`make example-data`)"));
        }
        let base: Uri = self
            .url
            .parse()
            .map_err(|_| wrong("url", "is no address; write it as http://<address>:<port>"))?;
        let Some(authority) = base.authority().filter(|_| base.scheme_str() == Some("http")) else {
            return Err(wrong(
                "url",
                "must begin with http:// and name an address; https is not spoken here",
            ));
        };
        let host = self.host.as_deref().unwrap_or(authority.as_str());
        let below = |path: &str| {
            let path = format!("{}{path}", base.path().trim_end_matches('/'));
            Uri::builder().scheme("http").authority(host).path_and_query(path).build()
        };
        let named = |path: &str| below(path).map_err(|_| wrong("host", "is no name of a host"));
        let header = |field, name: &str| name.parse().map_err(|_| wrong(field, "is no name of a header"));
        Ok(Target {
            predict: named("/predict")?,
            feedback: named("/feedback")?,
            call: named(PREDICT)?,
            user_header: header("user-header", &self.user_header)?,
            version_header: header("version-header", &self.version_header)?,
            gateway: base,
        })
    }

    fn check_ways(&self) -> Result<(), ConfigError> {
        let wrong = |why: String| Err(ConfigError { field: "ways", why });
        if self.ways.is_empty() {
            return wrong("must name one at least".to_owned());
        }
        for (at, (way, weight)) in self.ways.iter().enumerate() {
            if !(1..=MAX_WEIGHT).contains(weight) {
                return wrong(format!("must weigh from 1 to {MAX_WEIGHT} each; {way} weighs {weight}"));
            }
            if self.ways.iter().take(at).any(|(other, _)| other == way) {
                return wrong(format!("must name {way} only once"));
            }
        }
        Ok(())
    }
}

/// A duration in whole `ms`, `s`, `m` or `h`, as in `500ms`, `60s`, `2m`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    match number.parse::<u64>().ok().and_then(|n| n.checked_mul(millis)) {
        Some(total) if millis > 0 => Ok(Duration::from_millis(total)),
        _ => Err(format!("{text} is no duration; write it as 500ms, 60s, 2m or 1h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Config {
        Config::new("http://192.0.2.1:8080/x/", vec![Example { domain: "a.example".into(), phishing: true }])
    }

    #[test]
    fn addresses_are_below_the_prefix_and_the_host_is_the_one_given() {
        let target = good().target().unwrap();
        assert_eq!(target.predict, "http://192.0.2.1:8080/x/predict");
        assert_eq!(target.call, "http://192.0.2.1:8080/x/modelrelease.example.Phishing/Predict");
        let named = Config { host: Some("h.example".into()), ..good() }.target().unwrap();
        assert_eq!(named.predict, "http://h.example/x/predict");
        assert_eq!(named.gateway.authority().unwrap().as_str(), "192.0.2.1:8080");
    }

    #[test]
    fn nonsense_is_refused_by_the_name_of_the_field() {
        for (field, bad) in [
            ("rate", Config { rate: 0, ..good() }),
            ("rate", Config { rate: MAX_RATE + 1, ..good() }),
            ("users", Config { users: 0, ..good() }),
            ("in-flight", Config { in_flight: 0, ..good() }),
            ("ways", Config { ways: vec![], ..good() }),
            ("ways", Config { ways: vec![(Way::Fresh, 0)], ..good() }),
            ("ways", Config { ways: vec![(Way::Fresh, MAX_WEIGHT + 1)], ..good() }),
            ("ways", Config { ways: vec![(Way::Fresh, 1), (Way::Grpc, 1), (Way::Fresh, 2)], ..good() }),
            ("duration", Config { duration: Duration::ZERO, ..good() }),
            ("duration", Config { duration: MAX_DURATION * 2, ..good() }),
            ("timeout", Config { timeout: Duration::ZERO, ..good() }),
            ("data", Config { questions: vec![], ..good() }),
            ("url", Config { url: "https://h".into(), ..good() }),
            ("url", Config { url: "h:80".into(), ..good() }),
            ("host", Config { host: Some("a\nb".into()), ..good() }),
            ("user-header", Config { user_header: "a b".into(), ..good() }),
            ("version-header", Config { version_header: String::new(), ..good() }),
        ] {
            assert_eq!(bad.target().unwrap_err().field, field, "{bad:?}");
        }
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [("500ms", 500), ("60s", 60_000), ("2m", 120_000), ("1h", 3_600_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)));
        }
        for bad in ["", "5", "s", "-1s", "1.5s", "1d", "99999999999999999999s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
