//! What the panels about all releases, and about the operator itself, ask and say.

use super::panels::{Kind, Panel};

/// Labels of the releases that are looked at.
const THESE: &str = r#"namespace=~"$namespace""#;

/// Lines that begin at 0.
fn lines(unit: &'static str) -> Kind {
    Kind::Lines { unit, least: Some(0.0), most: None }
}

#[expect(clippy::too_many_lines, reason = "a list, one panel after the other")]
pub(super) fn fleet() -> Vec<Panel> {
    vec![
        Panel {
            title: "Releases by phase",
            description: "How many releases are in each phase now.",
            kind: Kind::Numbers { unit: "short" },
            size: (12, 5),
            series: vec![(
                format!("sum by (phase) (modelrelease_phase{{{THESE}}}) > 0"),
                "{{phase}}",
            )],
        },
        Panel {
            title: "Stalled releases",
            description: "Releases that cannot go on alone. Their condition Stalled says why.",
            kind: Kind::Numbers { unit: "short" },
            size: (4, 5),
            series: vec![(format!(r#"sum(modelrelease_condition{{{THESE},type="Stalled"}})"#), "stalled")],
        },
        Panel {
            title: "Decisions of a day",
            description: "Steps, promotions, replacements and rollbacks that were committed within the last 24 hours.",
            kind: Kind::Numbers { unit: "short" },
            size: (8, 5),
            series: vec![(
                format!("round(sum by (decision) (increase(modelrelease_decisions_total{{{THESE}}}[1d])))"),
                "{{decision}}",
            )],
        },
        Panel {
            title: "Phases over time",
            description: "How many releases were in each phase.",
            kind: lines("short"),
            size: (12, 8),
            series: vec![(format!("sum by (phase) (modelrelease_phase{{{THESE}}})"), "{{phase}}")],
        },
        Panel {
            title: "Decisions over time",
            description: "Decisions of each kind within the 24 hours before.",
            kind: lines("short"),
            size: (12, 8),
            series: vec![(
                format!("round(sum by (decision) (increase(modelrelease_decisions_total{{{THESE}}}[1d])))"),
                "{{decision}}",
            )],
        },
        Panel {
            title: "Time to decision",
            description: "How long trials of the last seven days took from their start until they were decided: half of them less than p50, 19 of 20 less than p95. Of all namespaces.",
            kind: Kind::Numbers { unit: "s" },
            size: (8, 5),
            series: vec![
                (quantile("0.5", "time_to_decision_seconds", "decision, "), "p50 {{decision}}"),
                (quantile("0.95", "time_to_decision_seconds", "decision, "), "p95 {{decision}}"),
            ],
        },
        Panel {
            title: "Time of a rollback",
            description: "How long rollbacks of the last seven days took from their commit until every gateway was seen to have weight 0. Of all namespaces.",
            kind: Kind::Numbers { unit: "s" },
            size: (8, 5),
            series: vec![
                (quantile("0.5", "rollback_duration_seconds", ""), "p50"),
                (quantile("0.95", "rollback_duration_seconds", ""), "p95"),
            ],
        },
        Panel {
            title: "Requests that a rollback came too late for",
            description: "Requests that a version had answered when it was rolled back, the mean of the last seven days. Of all namespaces.",
            kind: Kind::Numbers { unit: "short" },
            size: (8, 5),
            series: vec![(
                "sum(increase(modelrelease_rollback_exposed_requests_sum[7d])) / sum(increase(modelrelease_rollback_exposed_requests_count[7d]))".to_owned(),
                "requests",
            )],
        },
        Panel {
            title: "Rolled back, by reason",
            description: "Releases whose last decision was a rollback, by its reason.",
            kind: Kind::Numbers { unit: "short" },
            size: (8, 8),
            series: vec![(
                format!(r#"count by (reason) (modelrelease_last_decision_info{{{THESE},decision="rollback"}})"#),
                "{{reason}}",
            )],
        },
        Panel {
            title: "Longest waiting",
            description: "Releases that are at work and have been in their phase the longest.",
            kind: Kind::Numbers { unit: "s" },
            size: (8, 8),
            series: vec![(
                format!(
                    r#"topk(10, time() - max by (namespace, name) (modelrelease_phase_start_timestamp_seconds{{{THESE}}}) and on (namespace, name) modelrelease_condition{{{THESE},type="Reconciling"}} == 1)"#
                ),
                "{{namespace}}/{{name}}",
            )],
        },
        Panel {
            title: "Corrections",
            description: "Objects that others had changed and the operator put right, by kind, within the 24 hours before.",
            kind: lines("short"),
            size: (8, 8),
            series: vec![(
                format!("round(sum by (kind) (increase(modelrelease_drift_corrections_total{{{THESE}}}[1d])))"),
                "{{kind}}",
            )],
        },
    ]
}

/// A quantile of what was seen within a week.
fn quantile(of: &str, histogram: &str, by: &str) -> String {
    format!("histogram_quantile({of}, sum by ({by}le) (increase(modelrelease_{histogram}_bucket[7d])))")
}

#[expect(clippy::too_many_lines, reason = "a list, one panel after the other")]
pub(super) fn operator() -> Vec<Panel> {
    let rate =
        |by: &str, counter: &str| format!("sum by ({by}) (rate(modelrelease_{counter}[$__rate_interval]))");
    let slow = |of: &str, by: &str, histogram: &str| {
        format!(
            "histogram_quantile({of}, sum by ({by}le) (rate(modelrelease_{histogram}_bucket[$__rate_interval])))"
        )
    };
    vec![
        Panel {
            title: "Leaders",
            description: "How many operators lead. It has to be one.",
            kind: Kind::Numbers { unit: "short" },
            size: (4, 5),
            series: vec![("sum(modelrelease_leader)".to_owned(), "leaders")],
        },
        Panel {
            title: "Version",
            description: "Versions of the operators that run.",
            kind: Kind::Words,
            size: (8, 5),
            series: vec![(
                "count by (version, revision) (modelrelease_build_info)".to_owned(),
                "{{version}} {{revision}}",
            )],
        },
        Panel {
            title: "Sources in use",
            description: "Whether a version is judged by what a Prometheus source tells.",
            kind: Kind::Numbers { unit: "bool_yes_no" },
            size: (6, 5),
            series: vec![(
                "max by (source) (modelrelease_prometheus_sources_in_use)".to_owned(),
                "{{source}}",
            )],
        },
        Panel {
            title: "Since the last answer",
            description: "How long ago each Prometheus source last answered. One that is not in use is not asked.",
            kind: Kind::Numbers { unit: "s" },
            size: (6, 5),
            series: vec![(
                "time() - max by (source) (modelrelease_prometheus_last_success_timestamp_seconds > 0)".to_owned(),
                "{{source}}",
            )],
        },
        Panel {
            title: "Looks by result",
            description: "Looks at releases a second, by how they ended. Conflicts are tried again at once.",
            kind: lines("ops"),
            size: (12, 8),
            series: vec![(rate("result", "reconcile_total"), "{{result}}")],
        },
        Panel {
            title: "Looks that failed",
            description: "Share of the looks that came to no end.",
            kind: Kind::Lines { unit: "percentunit", least: Some(0.0), most: Some(1.0) },
            size: (12, 8),
            series: vec![(
                r#"sum(rate(modelrelease_reconcile_total{result=~"failed|refused|panicked"}[$__rate_interval])) / sum(rate(modelrelease_reconcile_total[$__rate_interval]))"#.to_owned(),
                "failed",
            )],
        },
        Panel {
            title: "Time of a look",
            description: "How long a look at a release takes, with all that is asked for it.",
            kind: lines("s"),
            size: (12, 8),
            series: vec![
                (slow("0.5", "", "reconcile_duration_seconds"), "p50"),
                (slow("0.95", "", "reconcile_duration_seconds"), "p95"),
                (slow("0.99", "", "reconcile_duration_seconds"), "p99"),
            ],
        },
        Panel {
            title: "Queue",
            description: "Releases that wait for a look that is due. It falls to 0 again and again while the operator keeps up.",
            kind: lines("short"),
            size: (12, 8),
            series: vec![("max(modelrelease_queue_depth)".to_owned(), "waiting")],
        },
        Panel {
            title: "Requests to the API server",
            description: "Requests a second by verb, resource and status code.",
            kind: lines("reqps"),
            size: (12, 8),
            series: vec![(
                rate("verb, resource, code", "kube_requests_total"),
                "{{verb}} {{resource}} {{code}}",
            )],
        },
        Panel {
            title: "Questions to Prometheus",
            description: "Questions a second, by source and outcome. Open is one that was not sent, because the source did not answer before.",
            kind: lines("reqps"),
            size: (12, 8),
            series: vec![(
                rate("source, outcome", "prometheus_queries_total"),
                "{{source}} {{outcome}}",
            )],
        },
        Panel {
            title: "Time of an answer of Prometheus",
            description: "How long questions take until they are answered or given up.",
            kind: lines("s"),
            size: (12, 8),
            series: vec![
                (slow("0.5", "source, ", "prometheus_query_duration_seconds"), "p50 {{source}}"),
                (slow("0.95", "source, ", "prometheus_query_duration_seconds"), "p95 {{source}}"),
            ],
        },
        Panel {
            title: "Memory",
            description: "What the operator's pods use. Needs cAdvisor.",
            kind: lines("bytes"),
            size: (12, 8),
            series: vec![(
                r#"max by (pod) (container_memory_working_set_bytes{pod=~"model-release-operator-.+",container!=""})"#.to_owned(),
                "{{pod}}",
            )],
        },
    ]
}
