//! A small gateway before two real model servers: splits by weight, honours the version header, limits, breaks, lies.
#![allow(dead_code, reason = "each program of tests uses its part")]

pub mod relay;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{Request, StatusCode, Version};
use load::{Config, LoadHandle, Snapshot, Way};
use model_server::app::{App, Faults};
use model_server::data::Example;
use model_server::http::{self, Answer};
use model_server::messages::PREDICT;
use model_server::model::Model;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

pub const HOST_NAME: &str = "phishing.example.com";
/// Nothing here takes near as long.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// What the gateway does, changeable while it runs.
#[derive(Default)]
pub struct Rules {
    /// Of 10 requests without a version header, so many go to v2.
    pub canary_of_ten: AtomicU64,
    /// Every n-th prediction is answered 429; 0: none.
    pub limit_every: AtomicU64,
    /// The version header is ignored: such requests are drawn as others are.
    pub ignore_version_header: AtomicBool,
    /// Every n-th prediction is said to come from the version that did not answer; 0: none.
    pub lie_every: AtomicU64,
    /// How often that was said.
    pub lies: AtomicU64,
    /// Predictions by how they were asked for; both ways of HTTP/1.1 are kept as the first of them.
    pub ways: Mutex<BTreeMap<Way, u64>>,
    /// Requests so far.
    pub asked: AtomicU64,
    /// Of those, predictions without a version header.
    pub drawn: AtomicU64,
    /// Who asked.
    pub users: Mutex<Vec<String>>,
}

pub struct Gateway {
    pub rules: Arc<Rules>,
    pub url: String,
    pub versions: [Arc<App>; 2],
}

impl Gateway {
    /// v1 gets everything until the rules say otherwise; each prediction takes `slow`.
    pub async fn start(slow: Duration) -> Self {
        Self::with(Faults { slow, ..Faults::default() }).await
    }

    /// The same; the versions have these faults.
    pub async fn with(faults: Faults) -> Self {
        let versions = ["v1", "v2"].map(|name| {
            let app = App::new("phishing", name, faults, 0);
            // Untaught: every score is one half, so every answer is "legitimate".
            app.load(Model::zero(8, 0), format!("digest of {name}"));
            Arc::new(app)
        });
        let rules = Arc::new(Rules::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/prefix", listener.local_addr().unwrap());
        let (served, followed) = (versions.clone(), Arc::clone(&rules));
        let handler = move |request| answer(request, served.clone(), Arc::clone(&followed));
        tokio::spawn(http::serve(listener, handler, std::future::pending(), Duration::ZERO));
        Self { rules, url, versions }
    }

    /// Half of what is asked is phishing, so half of what these models answer is right.
    pub fn config(&self) -> Config {
        let questions =
            (0..50).map(|n| Example { domain: format!("site-{n}.example"), phishing: n % 2 == 0 }).collect();
        Config {
            host: Some(HOST_NAME.to_owned()),
            rate: 200,
            users: 20,
            duration: DEADLINE,
            ..Config::new(&self.url, questions)
        }
    }

    /// A counter of a version's own `/metrics`.
    pub async fn metric(&self, version: usize, series: &str) -> f64 {
        let answer = self.versions[version].answer_metrics(&Request::get("/metrics").body(()).unwrap());
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
            .expect(series)
    }
}

async fn answer(mut request: Request<Incoming>, versions: [Arc<App>; 2], rules: Arc<Rules>) -> Answer {
    rules.asked.fetch_add(1, Ordering::Relaxed);
    let headers = request.headers();
    // Over HTTP/2 the host is part of the address.
    let named = request.uri().authority().map(Authority::as_str);
    if named.or_else(|| headers.get(HOST)?.to_str().ok()).is_none_or(|host| host != HOST_NAME) {
        return http::refuse(StatusCode::NOT_FOUND, "no such host");
    }
    let user = headers.get("x-user-id").expect("who asks").to_str().unwrap().to_owned();
    rules.users.lock().unwrap().push(user);
    let named = headers.get("x-model-version").and_then(|v| v.to_str().ok()).map(|v| usize::from(v == "v2"));
    let path = request.uri().path().strip_prefix("/prefix").expect("below the prefix").to_owned();
    let n = rules.drawn.fetch_add(u64::from(named.is_none()), Ordering::Relaxed);
    let drawn = usize::from(n % 10 < rules.canary_of_ten.load(Ordering::Relaxed));
    let chosen =
        if rules.ignore_version_header.load(Ordering::Relaxed) { drawn } else { named.unwrap_or(drawn) };
    let due = |every: &AtomicU64| {
        let every = every.load(Ordering::Relaxed);
        every > 0 && path != "/feedback" && n.is_multiple_of(every)
    };
    if path != "/feedback" {
        *rules.ways.lock().unwrap().entry(way(&request)).or_default() += 1;
    }
    if due(&rules.limit_every) {
        let mut limited = refused_by_limit(path == PREDICT);
        limited.headers_mut().insert("x-model-version", HeaderValue::from_static(["v1", "v2"][chosen]));
        return limited;
    }
    let lies = due(&rules.lie_every);
    *request.uri_mut() = path.parse().unwrap();
    let mut answer = versions[chosen].answer(request).await;
    if lies {
        rules.lies.fetch_add(1, Ordering::Relaxed);
        answer.headers_mut().insert("x-model-version", HeaderValue::from_static(["v2", "v1"][chosen]));
    }
    answer
}

fn way(request: &Request<Incoming>) -> Way {
    match (request.version(), request.headers().get(CONTENT_TYPE)) {
        (Version::HTTP_2, Some(media_type)) if media_type == "application/grpc" => Way::Grpc,
        (Version::HTTP_2, _) => Way::Http2,
        _ => Way::KeepAlive,
    }
}

/// As Envoy refuses: a call is answered 200, with a status of gRPC that says that the service is unavailable.
fn refused_by_limit(call: bool) -> Answer {
    let mut limited = http::refuse(StatusCode::TOO_MANY_REQUESTS, "slower");
    limited.headers_mut().insert("x-local-rate-limit", HeaderValue::from_static("gateway"));
    if call {
        *limited.status_mut() = StatusCode::OK;
        limited.headers_mut().insert("grpc-status", HeaderValue::from_static("14"));
        limited.headers_mut().insert("grpc-message", HeaderValue::from_static("local_rate_limited"));
    }
    limited
}

/// Looks at the load until `wanted` holds.
pub async fn until(load: &LoadHandle, what: &str, wanted: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let looking = async {
        loop {
            ticks.tick().await;
            let now = load.snapshot();
            if wanted(&now) {
                return now;
            }
        }
    };
    let found = tokio::time::timeout(DEADLINE, looking).await;
    found.unwrap_or_else(|_elapsed| panic!("waited in vain until {what}: {:?}", load.snapshot()))
}
