//! The dashboards keep the rules of Grafana's own linter for them (`dashboard-linter`), as far as those are about a
//! dashboard whose targets are not machines.

use std::collections::BTreeSet;

use serde_json::Value;

/// What a target may hold: Grafana's types leave it to the data source.
const TARGET: [&str; 6] = ["datasource", "expr", "instant", "legendFormat", "range", "refId"];
/// Shows a counter as it stands, since the operator began to lead, and says so.
const PLAIN: &str = "Decisions";

fn dashboards() -> Vec<Value> {
    let files = super::dashboard::files();
    files.iter().map(|file| serde_json::from_str(&file.text).unwrap()).collect()
}

#[test]
fn a_dashboard_cannot_be_edited_and_begins_with_its_source_of_data() {
    for dashboard in dashboards() {
        assert_eq!(dashboard["editable"], false, "{}", dashboard["title"]);
        let first = &dashboard["templating"]["list"][0];
        assert_eq!((&first["type"], &first["name"]), (&"datasource".into(), &"datasource".into()));
    }
}

#[test]
fn a_target_has_its_fields_and_no_other() {
    for dashboard in dashboards() {
        for panel in dashboard["panels"].as_array().unwrap() {
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{} asks nothing", panel["title"]);
            for target in targets {
                let fields: BTreeSet<&str> = target.as_object().unwrap().keys().map(String::as_str).collect();
                assert_eq!(fields, BTreeSet::from(TARGET), "{}", panel["title"]);
                assert_ne!(target["instant"], target["range"], "{}: one of both is asked", panel["title"]);
            }
        }
    }
}

/// A counter falls to 0 with its process, and a rate over a fixed length is wrong for other lengths of scrapes.
#[test]
fn counters_are_read_by_their_increase_and_rates_over_grafanas_interval() {
    for dashboard in dashboards() {
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let query = target["expr"].as_str().unwrap();
                assert_eq!(
                    query.matches("rate(").count(),
                    query.matches("[$__rate_interval]").count(),
                    "{query}"
                );
                let counted = ["_total", "_bucket", "_sum", "_count"].iter().flat_map(|end| {
                    query.match_indices(end).filter(|(at, end)| {
                        matches!(query.as_bytes().get(at + end.len()), Some(b'{' | b'[' | b')'))
                    })
                });
                for (at, _) in counted {
                    let name = query[..at].rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap();
                    let read = &query[..=name];
                    let increase = read.ends_with("rate(") || read.ends_with("increase(");
                    assert!(increase || panel["title"] == PLAIN, "{}: {query}", panel["title"]);
                }
            }
        }
    }
}
