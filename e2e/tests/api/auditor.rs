//! The auditor on a real API server: it sees what is done under the operator's name, and only that.

use std::time::Duration;

use testbed::Testbed;
use testbed::audit::witness::Witness;
use testbed::command::output_with_input;

use super::api_server;
use super::common::blocking;

/// A Service in `default`, as whoever writes it is called.
fn write(testbed: &Testbed, name: &str, manager: &str) {
    let service = format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: default}}, \
         spec: {{ports: [{{port: 80}}], selector: {{app: {name}}}}}}}"
    );
    let mut kubectl = testbed.kubectl();
    kubectl.args(["apply", "--server-side", "--field-manager", manager, "--filename", "-"]);
    output_with_input(&mut kubectl, service.as_bytes()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_violation_ends_the_auditor_with_rule_object_and_revision() {
    let cluster = api_server().await;
    let testbed = cluster.testbed.clone();
    blocking(move || {
        let begin = |name| Witness::begin(&testbed, name, &[], Duration::ZERO).unwrap();
        let lawful = begin("lawful");
        write(&testbed, "somebody", "somebody");
        let testimony = lawful.end().unwrap();
        assert!(testimony.line.ends_with("0 violations"), "{}", testimony.report);

        let broken = begin("broken");
        write(&testbed, "nobody", "model-release-operator");
        write(&testbed, "later", "somebody");
        let told = broken.end().expect_err("an object that no release owns").to_string();
        for part in ["VIOLATION of S9 at revision ", "services default/nobody", "no release owns"] {
            assert!(told.contains(part), "{part:?} is missing in {told}");
        }
        assert!(!told.contains("later"), "it ended at the first: {told}");
    })
    .await;
}
