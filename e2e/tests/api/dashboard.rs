//! Prometheus can read every query of the dashboard.

use std::fmt::Write;
use std::process::Command;

use testbed::{command, dashboard};

use crate::objects;

#[test]
fn every_query_is_promql() {
    let queries =
        dashboard::queries(&objects::root().join("helm/model-release-operator/dashboards/release.json"));
    let mut rules = String::from("groups:\n- name: dashboard\n  rules:\n");
    for (number, query) in queries.unwrap().iter().enumerate() {
        let text = serde_json::to_string(&query.of("my-team", "fraud")).unwrap();
        writeln!(rules, "  - {{record: \"panel:{number}\", expr: {text}}}").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yaml");
    std::fs::write(&file, rules).unwrap();
    let promtool = objects::program("promtool");
    let said = command::output(Command::new(promtool).args(["check", "rules"]).arg(&file));
    let said = said.unwrap_or_else(|error| panic!("{error}"));
    assert!(said.contains("SUCCESS"), "{said}");
}
