//! Prometheus can read every query of the dashboards.

use std::fmt::Write;
use std::process::Command;

use testbed::{command, dashboard};

use crate::objects;

#[test]
fn every_query_is_promql() {
    let file =
        |name: &str| objects::root().join(format!("helm/model-release-operator/dashboards/{name}.json"));
    let queries = ["release", "fleet", "operator"].map(|name| dashboard::queries(&file(name)).unwrap());
    let mut rules = String::from("groups:\n- name: dashboard\n  rules:\n");
    for (number, query) in queries.iter().flatten().enumerate() {
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
