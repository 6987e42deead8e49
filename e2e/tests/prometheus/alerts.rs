//! Alerts fire when they are to and not else, by promtool's own word; and what the operator exports is as it should be.

use std::path::{Path, PathBuf};
use std::process::Command;

use testbed::build::Programs;
use testbed::plan::Times;
use testbed::{checkout, command, exposition};

use super::told::Told;

fn promtool() -> Command {
    let (root, cache) = (checkout::root().unwrap(), checkout::cache());
    let programs = Programs::locate(&root, &cache).unwrap();
    programs.provide(&root, &cache, false, &mut Times::load(&cache)).unwrap();
    Command::new(programs.kubernetes.program("promtool"))
}

/// The rule files of tests below `e2e/alerts`.
fn tests(root: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(root.join("e2e/alerts")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn each_alert_fires_when_it_is_to_and_not_else() {
    let root = checkout::root().unwrap();
    let rules = root.join("helm/model-release-operator/files/alerts.yaml");
    let said = command::output(promtool().args(["check", "rules", "--lint=all", "--lint-fatal"]).arg(&rules));
    assert!(said.unwrap_or_else(|error| panic!("{error}")).contains("SUCCESS"));
    let files = tests(&root);
    let said = command::output(promtool().args(["test", "rules"]).args(&files));
    said.unwrap_or_else(|error| panic!("{error}"));
    let told: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let rules = std::fs::read_to_string(rules).unwrap();
    let mut alerts = 0;
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        alerts += 1;
        assert!(told.contains(&format!("alertname: {alert}\n")), "no test has {alert} fire");
        // On one line are those that expect none.
        let quiet = told.lines().any(|line| line.contains(alert) && line.contains("exp_alerts: []"));
        assert!(quiet, "no test has {alert} not fire");
    }
    assert!(alerts >= 9, "{alerts}");
}

#[test]
fn the_page_of_metrics_has_nothing_that_promtool_would_not_have() {
    let mut told = Told::new("2026-11-21T09:00:00Z".parse().unwrap());
    told.story(3600, |_, _| ());
    let said =
        exposition::complaints(&mut promtool(), &told.page()).unwrap_or_else(|error| panic!("{error}"));
    assert!(said.is_empty(), "{said}");
}
