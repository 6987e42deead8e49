//! The parts that run beside the pods: command lines, variables, and how to tell that each answers.

use std::collections::BTreeMap;
use std::path::Path;

use super::Cluster;
use super::certificates::NODE;
use crate::supervise::{Part, Probe};

/// The port of the API server.
const API_PORT: u16 = 6443;

impl Cluster {
    fn part(&self, name: &str, version: &str, program: &Path, probe: Probe, arguments: &[String]) -> Part {
        let mut argv = vec![program.display().to_string()];
        argv.extend(arguments.iter().cloned());
        let log = self.record.path(format!("log/{name}.log"));
        Part { name: name.to_owned(), version: version.to_owned(), argv, env: BTreeMap::new(), log, probe }
    }

    fn node(&self) -> String {
        self.record.network().node().to_string()
    }

    fn file(&self, relative: &str) -> String {
        self.record.path(relative).display().to_string()
    }

    fn http(&self, rest: &str) -> Probe {
        Probe::Http(format!("http://{}:{rest}", self.node()))
    }

    /// A program that is built together with the Kubernetes programs.
    fn shared(&self, program: &str, probe: Probe, arguments: &[String]) -> Part {
        let part = &self.programs.kubernetes;
        self.part(program, part.version(program), &part.program(program), probe, arguments)
    }

    pub(super) fn etcd(&self) -> Part {
        let arguments = [
            "--name=testbed".to_owned(),
            format!("--data-dir={}", self.file("etcd")),
            "--listen-client-urls=http://127.0.0.1:2379".to_owned(),
            "--advertise-client-urls=http://127.0.0.1:2379".to_owned(),
            "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
            "--initial-advertise-peer-urls=http://127.0.0.1:2380".to_owned(),
            "--initial-cluster=testbed=http://127.0.0.1:2380".to_owned(),
            format!("--listen-metrics-urls=http://{}:2381", self.node()),
            // The data lives as long as the cluster; nothing is lost that a crash of the machine would not lose anyway.
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
        ];
        let etcd = &self.programs.etcd;
        self.part("etcd", etcd.version("etcd"), &etcd.program("etcd"), self.http("2381/health"), &arguments)
    }

    pub(super) fn api_server(&self) -> Part {
        let node = self.node();
        let pki = |name: &str| self.file(&format!("pki/{name}"));
        let arguments = [
            "--etcd-servers=http://127.0.0.1:2379".to_owned(),
            format!("--secure-port={API_PORT}"),
            format!("--advertise-address={node}"),
            format!("--service-cluster-ip-range={}", self.record.network().services()),
            format!("--client-ca-file={}", pki("ca.crt")),
            format!("--tls-cert-file={}", pki("apiserver.crt")),
            format!("--tls-private-key-file={}", pki("apiserver.key")),
            format!("--kubelet-client-certificate={}", pki("kubelet-client.crt")),
            format!("--kubelet-client-key={}", pki("kubelet-client.key")),
            // The node has no name that anybody could look up.
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
            format!("--service-account-key-file={}", pki("service-accounts.pub")),
            format!("--service-account-signing-key-file={}", pki("service-accounts.key")),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            "--allow-privileged".to_owned(),
            "--profiling=false".to_owned(),
        ];
        self.shared("kube-apiserver", Probe::ApiServer, &arguments)
    }

    pub(super) fn controller_manager(&self) -> Part {
        let config = self.file("kubeconfig/controller-manager");
        let arguments = [
            format!("--kubeconfig={config}"),
            format!("--authentication-kubeconfig={config}"),
            format!("--authorization-kubeconfig={config}"),
            "--leader-elect=false".to_owned(),
            "--use-service-account-credentials".to_owned(),
            format!("--service-account-private-key-file={}", self.file("pki/service-accounts.key")),
            format!("--root-ca-file={}", self.file("pki/ca.crt")),
            format!("--cluster-signing-cert-file={}", self.file("pki/ca.crt")),
            format!("--cluster-signing-key-file={}", self.file("pki/ca.key")),
            "--profiling=false".to_owned(),
        ];
        self.shared("kube-controller-manager", Probe::Process, &arguments)
    }

    pub(super) fn scheduler(&self) -> Part {
        let config = self.file("kubeconfig/scheduler");
        let arguments = [
            format!("--kubeconfig={config}"),
            format!("--authentication-kubeconfig={config}"),
            format!("--authorization-kubeconfig={config}"),
            "--leader-elect=false".to_owned(),
            "--profiling=false".to_owned(),
        ];
        self.shared("kube-scheduler", Probe::Process, &arguments)
    }

    pub(super) fn containerd(&self) -> Part {
        let arguments = ["--config".to_owned(), self.file("settings/containerd.toml")];
        let version = self.programs.debian.version("containerd");
        let probe = Probe::Socket(self.record.path("containerd.sock"));
        self.part("containerd", &version, Path::new("/usr/bin/containerd"), probe, &arguments)
    }

    pub(super) fn kubelet(&self) -> Part {
        let arguments = [
            format!("--config={}", self.file("settings/kubelet.yaml")),
            format!("--kubeconfig={}", self.file("kubeconfig/kubelet")),
            format!("--root-dir={}", self.file("kubelet")),
            format!("--cert-dir={}", self.file("kubelet/pki")),
            format!("--hostname-override={NODE}"),
            format!("--node-ip={}", self.node()),
        ];
        self.shared("kubelet", self.http("10248/healthz"), &arguments)
    }

    pub(super) fn kube_proxy(&self) -> Part {
        let arguments = [format!("--config={}", self.file("settings/kube-proxy.yaml"))];
        self.shared("kube-proxy", self.http("10256/livez"), &arguments)
    }

    pub(super) fn coredns(&self) -> Part {
        let arguments = ["-conf".to_owned(), self.file("settings/Corefile")];
        self.shared("coredns", self.http("8181/ready"), &arguments)
    }

    pub(super) fn istiod(&self) -> Part {
        let node = self.node();
        let arguments = [
            "discovery".to_owned(),
            format!("--kubeconfig={}", self.file("kubeconfig/istiod")),
            "--registries=Kubernetes".to_owned(),
            format!("--meshConfig={}", self.file("settings/mesh.yaml")),
            format!("--httpAddr={node}:8082"),
            format!("--grpcAddr={node}:15010"),
            "--secureGRPCAddr=".to_owned(),
            "--httpsAddr=".to_owned(),
            // Its debug pages answer nobody but this address; `istiod-debug` brings them out.
            "--monitoringAddr=127.0.0.1:15014".to_owned(),
            "--ctrlz_port=0".to_owned(),
        ];
        let istio = &self.programs.istio;
        let probe = self.http("8082/ready");
        let mut part = self.part(
            "istiod",
            istio.version("pilot-discovery"),
            &istio.program("pilot-discovery"),
            probe,
            &arguments,
        );
        // The gateway is a vanilla Envoy: without Istio's own filters, certificates and sidecar injection.
        part.env = [
            ("POD_NAMESPACE", "istio-system"),
            ("POD_NAME", "istiod-beside-the-cluster"),
            ("CLUSTER_ID", "Kubernetes"),
            ("ENABLE_CA_SERVER", "false"),
            ("PILOT_CERT_PROVIDER", "none"),
            ("XDS_AUTH", "false"),
            ("PILOT_ENABLE_METADATA_EXCHANGE", "false"),
            ("PILOT_ENABLE_ALPN_FILTER", "false"),
            ("PILOT_DISABLE_MX_ALPN", "true"),
            ("PILOT_ENABLE_AMBIENT", "false"),
            ("INJECT_ENABLED", "false"),
            ("VALIDATION_WEBHOOK_CONFIG_NAME", ""),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        part
    }

    /// Lets the host reach istiod's debug pages, `/debug/syncz` above all.
    pub(super) fn istiod_debug(&self) -> Part {
        let listen = format!("{}:15014", self.node());
        let arguments = ["forward".to_owned(), listen, "127.0.0.1:15014".to_owned()];
        let program = self.record.path("bin/cluster");
        self.part("istiod-debug", env!("CARGO_PKG_VERSION"), &program, Probe::Process, &arguments)
    }

    pub(super) fn prometheus(&self) -> Part {
        let arguments = [
            format!("--config.file={}", self.file("settings/prometheus.yml")),
            format!("--storage.tsdb.path={}", self.file("prometheus")),
            "--storage.tsdb.retention.time=1d".to_owned(),
            format!("--web.listen-address={}:9090", self.node()),
            "--web.enable-lifecycle".to_owned(),
        ];
        self.shared("prometheus", self.http("9090/-/ready"), &arguments)
    }
}
