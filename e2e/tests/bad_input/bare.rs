//! A cluster that has no Istio at all: the operator says so, and goes on.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use testbed::audit::witness::Witness;
use testbed::checkout;
use testbed::demo::images::{self, Images, Model};
use testbed::demo::manifest::Manifest;
use testbed::demo::releases::{Releases, condition};
use testbed::wait::{Seen, until};

use super::Told;
use super::common::{Raised, blocking};

const SOON: Duration = Duration::from_secs(30);
const NAMESPACE: &str = "default";

/// An operator on this machine; it goes with the test.
struct Operator(Child);

impl Drop for Operator {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub async fn a_cluster_without_istio() -> Vec<Told> {
    let cluster = Raised::api_only().await.unwrap();
    let testbed = cluster.testbed.clone();
    let root = checkout::root().unwrap();
    let definition = root.join("crds/modelreleases.yaml");
    let auditor = {
        let testbed = testbed.clone();
        blocking(move || Witness::begin(&testbed, "bare", &[], Duration::ZERO)).await.unwrap()
    };
    blocking({
        let testbed = testbed.clone();
        move || testbed.apply(&std::fs::read_to_string(definition).unwrap()).unwrap()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("settings.yaml");
    std::fs::write(&settings, SETTINGS).unwrap();
    let mut command = Command::new(images::operator_program().unwrap());
    command.arg("--kubeconfig").arg(&testbed.kubeconfig).arg("--settings").arg(&settings);
    command.args(["--watch-namespace", NAMESPACE, "--lease-namespace", NAMESPACE]);
    command.args(["--metrics-address", "127.0.0.1:0"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut operator = Operator(command.spawn().unwrap());

    let releases = Releases::new(testbed.client().await.unwrap(), NAMESPACE);
    let model = Model { name: "v1".into(), file: "v1.bin".into(), sha256: "0".repeat(64), accuracy: 0.5 };
    let images = Images { server: "localhost/model-release/none:1".into(), ..Images::default() };
    let manifest = Manifest::new(NAMESPACE, "bare", &model).render(&images, "istio-system/public");
    until("the API server knows the resource", SOON, || async {
        Seen::from(releases.apply(&manifest).await)
    })
    .await
    .unwrap();
    let message = until("Accepted=False/MissingAPI", SOON, || async {
        let release = match releases.get("bare").await {
            Ok(release) => release,
            Err(error) => return Seen::NotYet(error.to_string()),
        };
        let status = release.status.unwrap_or_default();
        match condition(&status, "Accepted") {
            Some(("False", "MissingAPI", message)) => Seen::Yes(message.to_owned()),
            other => Seen::NotYet(format!("{other:?}")),
        }
    })
    .await
    .unwrap();
    assert!(operator.0.try_wait().unwrap().is_none(), "the operator ended");
    println!("{}", blocking(move || auditor.end()).await.unwrap_or_else(|error| panic!("{error}")).line);
    vec![Told {
        input: "a cluster without Istio".to_owned(),
        message: format!("Accepted=False/MissingAPI: {message}"),
    }]
}

const SETTINGS: &str = "\
gateways:
- name: public
  gateways: [istio-system/public]
  namespace: istio-system
  selector: {istio: ingressgateway}
  hosts: ['*']
  service: istio-ingressgateway
  probePort: http
  replicas: 1
  envoyFilters: true
";
