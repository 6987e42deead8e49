//! What the cluster's tests share: the cluster itself, raised if it is not up.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};
use testbed::command::{command, output};
use testbed::demo::install::{INSTALLATION, SYSTEM};
use testbed::demo::story::Stage;
use testbed::demo::{self, Ground, images};
use testbed::wait::{Seen, until};
use testbed::{Result, Testbed, checkout, terminal};

/// The testbed of the tests, beside one that a demo may have left.
pub const CLUSTER: &str = "test";
/// An API server alone, beside it.
pub const BARE: &str = "test-bare";
/// Keeps the cluster for the next run, which then begins at once.
const KEEP: &str = "TESTBED_KEEP";
/// How long an API server may take to serve a new resource.
const SOON: Duration = Duration::from_secs(20);
/// Namespaces of the tests; the operator watches all of them, so that none of them restarts it.
pub const NAMESPACES: [&str; 3] = ["stories", "bad-input", ODD];
/// A gateway that nobody makes, and one that a story makes for other hosts.
pub const ABSENT: &str = "istio-system/absent";
pub const NARROW: &str = "istio-system/narrow";
/// Where nothing is expected to run.
pub const ODD: &str = "odd-input";

/// A cluster that goes when the test ends, however it ends.
pub struct Raised {
    name: &'static str,
    pub testbed: Testbed,
}

impl Raised {
    pub async fn full() -> Result<Self> {
        let testbed = blocking(|| demo::raise(CLUSTER, false)).await?;
        Ok(Self { name: CLUSTER, testbed })
    }

    /// An API server with etcd and nothing else.
    pub async fn api_only() -> Result<Self> {
        let testbed = blocking(|| demo::raise(BARE, true)).await?;
        Ok(Self { name: BARE, testbed })
    }

    /// The stage in one of the namespaces, with the operator from this checkout.
    pub async fn stage(&self, namespace: &str, rate: u32) -> Result<Stage> {
        let testbed = self.testbed.clone();
        let made = blocking(move || images::provide(&testbed, &mut |what| println!("{what}"))).await?;
        let ground = Ground {
            watched: NAMESPACES.map(str::to_owned).to_vec(),
            // TEST-NET-1: no answer ever comes from there.
            more_sources: vec![
                json!({"name": "nowhere", "url": "http://192.0.2.1:9090", "entrance": "envoy", "lagSeconds": 2}),
            ],
            more_gateways: [ABSENT, NARROW].map(str::to_owned).to_vec(),
            // A story of traffic has two of them.
            gateway_pods: 2,
            ..Ground::new(namespace, rate)
        };
        demo::set(self.testbed.clone(), made, ground).await
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        if std::env::var_os(KEEP).is_some_and(|value| !value.is_empty()) {
            println!("{KEEP} is set: testbed {} stays; `make down NAME={}` removes it", self.name, self.name);
            return;
        }
        let program = self.testbed.variables.get("TESTBED_PROGRAM").cloned().unwrap_or_default();
        let root = checkout::root().expect("the test runs in a checkout");
        let done = Command::new(program).args(["down", "--name", self.name]).current_dir(root).status();
        assert!(done.is_ok_and(|status| status.success()), "testbed {} could not be taken down", self.name);
    }
}

/// The bound that holds: where nothing else runs (`JUDGE_TIMES`, which `make nightly` sets), or on any machine.
pub fn judged<T>((alone, busy): (T, T)) -> T {
    if std::env::var_os("JUDGE_TIMES").is_some() { alone } else { busy }
}

/// A client of an API server that serves the resource.
pub async fn with_definition(testbed: &Testbed) -> kube::Client {
    let definition =
        std::fs::read_to_string(checkout::root().unwrap().join("crds/modelreleases.yaml")).unwrap();
    testbed.apply(&definition).unwrap_or_else(|error| panic!("the definition is refused: {error}"));
    let client = testbed.client().await.unwrap();
    until("the API server serves the resource", SOON, || async {
        let request =
            hyper::Request::get("/apis/modelrelease.dev/v1alpha1/modelreleases").body(Vec::new()).unwrap();
        match client.request::<Value>(request).await {
            Ok(_) => Seen::Yes(()),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await
    .unwrap();
    client
}

/// The plugin's program, from this checkout.
pub fn plugin() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> =
        LazyLock::new(|| terminal::plugin(Path::new(env!("CARGO_BIN_EXE_cluster"))).unwrap());
    &PROGRAM
}

pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("blocking work does not panic")
}

/// The operator's pods as JSON.
pub fn operator_pods(stage: &Stage) -> Value {
    let label = format!("app.kubernetes.io/name={INSTALLATION}");
    let text =
        stage.testbed.kubectl_output(&["get", "pods", "-n", SYSTEM, "-l", &label, "-o", "json"]).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Sends a signal to a container, as the machine's administrator could.
pub async fn signal(testbed: &Testbed, container: &str, signal: &'static str) -> Result<()> {
    let containerd = testbed.need("CONTAINERD_ADDRESS")?.to_owned();
    let id = container.strip_prefix("containerd://").unwrap_or(container).to_owned();
    blocking(move || {
        let reach = ["ctr", "--address", &containerd, "--namespace", "k8s.io"];
        output(&mut command(reach.into_iter().chain(["tasks", "kill", "--signal", signal, &id]))).map(drop)
    })
    .await
}

/// How often the operator's containers were restarted, by pod.
pub fn operator_restarts(stage: &Stage) -> Vec<(String, i64)> {
    let pods = operator_pods(stage);
    let restarts = |pod: &Value| {
        let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
        Some((name, pod["status"]["containerStatuses"][0]["restartCount"].as_i64()?))
    };
    let found: Vec<_> = pods["items"].as_array().unwrap().iter().filter_map(restarts).collect();
    assert!(!found.is_empty(), "the operator has no running pod");
    found
}
