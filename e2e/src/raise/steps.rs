//! The order in which a cluster comes up: what can start at once does.

use std::path::Path;
use std::time::Duration;

use super::{Cluster, namespaces, settings};
use crate::command::output;
use crate::env::Testbed;
use crate::error::Result;
use crate::http;
use crate::image;
use crate::plan::{Plan, Times};
use crate::supervise::{self, Part};
use crate::wait::{Seen, until_blocking};

/// How long a part may take until it answers, and a condition until it holds.
const DEADLINE: Duration = Duration::from_secs(90);

/// How long one look at a condition may take.
const LOOK: Duration = Duration::from_secs(2);

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl Cluster {
    /// Starts everything and returns once the cluster serves.
    pub(super) fn start(&mut self, testbed: &Testbed, times: &mut Times) -> Result<()> {
        namespaces::raise(self)?;
        let mut plan = Plan::default();
        self.control_plane(&mut plan);
        if !self.record.api_only {
            self.node_parts(&mut plan, testbed);
            self.mesh_parts(&mut plan, testbed);
        }
        plan.run(&format!("Starting testbed {}", self.record.name), times)
    }

    /// A step that starts a part and waits until it answers.
    fn run(&self, plan: &mut Plan<'_>, part: Part, after: &[&str], usual: Duration) {
        let folder = self.record.folder();
        plan.step(part.name.clone(), after, usual, move || {
            supervise::run(&folder, &part, DEADLINE)?;
            Ok(part.version.clone())
        });
    }

    fn control_plane(&self, plan: &mut Plan<'_>) {
        self.run(plan, self.etcd(), &[], seconds(1));
        self.run(plan, self.api_server(), &["etcd"], seconds(4));
    }

    fn node_parts<'a>(&'a self, plan: &mut Plan<'a>, testbed: &'a Testbed) {
        let api = "kube-apiserver";
        self.run(plan, self.containerd(), &[], seconds(1));
        plan.step("images", &["containerd"], seconds(3), || {
            let socket = self.record.path("containerd.sock");
            image::import(&socket, &self.programs.pause_archive())?;
            image::import(&socket, &self.programs.envoy_archive())?;
            Ok(String::new())
        });
        plan.step("base objects", &[api], seconds(1), || {
            testbed.apply(&self.fill(settings::BASE)?)?;
            testbed.apply(&self.fill(settings::GATEWAY)?)?;
            Ok(String::new())
        });
        self.run(plan, self.controller_manager(), &[api], seconds(1));
        self.run(plan, self.scheduler(), &[api], seconds(1));
        self.run(plan, self.kubelet(), &[api, "containerd"], seconds(3));
        self.run(plan, self.kube_proxy(), &[api], seconds(2));
        self.run(plan, self.coredns(), &["base objects"], seconds(2));
        self.run(plan, self.prometheus(), &["base objects"], seconds(1));
        plan.step("node Ready", &["kubelet", "kube-controller-manager"], seconds(6), || node_ready(testbed));
    }

    fn mesh_parts<'a>(&'a self, plan: &mut Plan<'a>, testbed: &'a Testbed) {
        plan.step("CRDs of Istio", &["base objects"], seconds(3), || {
            let istio = &self.programs.istio;
            apply_files(testbed, &istio.file("crd-all.gen.yaml"))?;
            apply_files(testbed, &istio.file("standard"))?;
            let wait = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
            testbed.kubectl_output(&wait)?;
            testbed.apply(settings::ISTIO)?;
            Ok(String::new())
        });
        // istiod takes up each kind as its CRD appears.
        self.run(plan, self.istiod(), &["base objects"], seconds(5));
        self.run(plan, self.istiod_debug(), &["istiod"], seconds(0));
        let all = ["istiod-debug", "CRDs of Istio", "node Ready", "kube-scheduler", "kube-proxy", "images"];
        plan.step("gateway", &all, seconds(4), || gateway_ready(testbed));
    }
}

fn apply_files(testbed: &Testbed, path: &Path) -> Result<()> {
    let mut kubectl = testbed.kubectl();
    kubectl.args(["apply", "--server-side", "--force-conflicts", "--field-manager=testbed"]);
    kubectl.args(["--request-timeout=60s", "--filename"]);
    output(kubectl.arg(path)).map(drop)
}

fn node_ready(testbed: &Testbed) -> Result<String> {
    let path = "jsonpath={.status.conditions[?(@.type==\"Ready\")].status} {.status.conditions[?(@.type==\"Ready\")].message}";
    until_blocking("the node is Ready", DEADLINE, || {
        match testbed.kubectl_output(&["get", "node", "node", "-o", path]) {
            Ok(text) => Seen::when(text.starts_with("True"), || text.clone()),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })?;
    Ok(String::new())
}

/// The gateway answers on the host's side: 404, as no release has a route yet.
fn gateway_ready(testbed: &Testbed) -> Result<String> {
    let url = testbed.need("GATEWAY_URL")?;
    let answers = || match http::get(url, LOOK) {
        Ok((404, _)) => Seen::Yes(()),
        Ok((status, _)) => Seen::NotYet(format!("status {status}")),
        Err(error) => Seen::NotYet(error.to_string()),
    };
    until_blocking("the gateway answers", DEADLINE, answers).map_err(|error| {
        let show = ["get", "pods,events", "-n", "istio-system", "-o", "wide"];
        let seen = testbed.kubectl_output(&show).unwrap_or_else(|error| error.to_string());
        crate::Error::other(format!("{error}\n{}", crate::command::tail(&seen, 12)))
    })?;
    Ok(url.to_owned())
}
