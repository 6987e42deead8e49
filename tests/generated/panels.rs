//! What the panels of a release's dashboard ask and say.
//!
//! Queries name metrics of the operator, of Envoy and of Istio. Where both meshes' counters would do, `or` takes the one
//! that is there: Istio's own proxies export `istio_requests_total`, a plain Envoy its cluster counters.

/// Labels of the release in the operator's series.
pub(super) const RELEASE: &str = r#"namespace="$namespace",name="$name""#;
/// Envoy's name for a version's Service, as a pattern of PromQL: its hash is group 1.
const CLUSTER: &str = r"outbound[|](?:80|9000)[|][|]$name-([0-9a-f]{10})(?:-app)?[.]$namespace[.]svc[.].+";
/// Istio's name for it.
const WORKLOAD: &str = r"$name-([0-9a-f]{10})(?:-app)?";
/// Labels of a version's pods as the kubelet and kube-state-metrics name them.
const PODS: &str = r#"namespace="$namespace",pod=~"$name-[0-9a-f]{10}-.+""#;
/// Characters that a release's and its namespace's names may hold and a metric's name may not.
const MOST_DASHES: usize = 16;

/// What a panel draws.
pub(super) enum Kind {
    /// Lines over time, with the unit of their values.
    Lines { unit: &'static str, least: Option<f64>, most: Option<f64> },
    /// Bars of states over time.
    States,
    /// The words of the present series' legends.
    Words,
    /// Present numbers.
    Numbers { unit: &'static str },
}

pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) kind: Kind,
    /// Columns of the 24, and rows of the grid.
    pub(super) size: (u32, u32),
    /// Query and legend.
    pub(super) series: Vec<(String, &'static str)>,
}

#[expect(clippy::too_many_lines, reason = "a list, one panel after the other")]
pub(super) fn panels() -> Vec<Panel> {
    let share = Kind::Lines { unit: "percentunit", least: Some(0.0), most: Some(1.0) };
    vec![
        Panel {
            title: "Phase",
            description: "Where the release is in its life.",
            kind: Kind::Words,
            size: (3, 4),
            series: vec![(format!("modelrelease_phase{{{RELEASE}}} == 1"), "{{phase}}")],
        },
        Panel {
            title: "Versions",
            description: "Versions that the release keeps, by role. Stable serves, canary is on trial, previous is kept warm for a way back, failed was rolled back.",
            kind: Kind::Words,
            size: (7, 4),
            series: vec![(format!("modelrelease_version_info{{{RELEASE}}}"), "{{track}}: {{version}}")],
        },
        Panel {
            title: "Last decision",
            description: "What was last decided, about which version and why. The history with all numbers is in the release's status.",
            kind: Kind::Words,
            size: (7, 4),
            series: vec![(
                format!("modelrelease_last_decision_info{{{RELEASE}}} == 1"),
                "{{decision}} {{version}}: {{reason}}",
            )],
        },
        Panel {
            title: "Time left",
            description: "How long until the checks that are open are decided, if all goes on as it did. None is shown where more of the same would decide nothing, or nothing is open.",
            kind: Kind::Numbers { unit: "s" },
            size: (4, 4),
            series: vec![(format!("max(modelrelease_decision_eta_seconds{{{RELEASE}}})"), "to a decision")],
        },
        Panel {
            title: "Canary's share",
            description: "The share of the traffic that the canary is seen to have.",
            kind: Kind::Numbers { unit: "percentunit" },
            size: (3, 4),
            series: vec![(
                format!(
                    r#"max(modelrelease_traffic_weight_ratio{{{RELEASE},track="canary",source="observed"}})"#
                ),
                "canary",
            )],
        },
        Panel {
            title: "Weights wanted and seen",
            description: "Weights that were decided (desired) and that the gateways were read to have (observed). They differ for less than a second.",
            kind: Kind::Lines { unit: "percentunit", least: Some(0.0), most: Some(1.0) },
            size: (12, 8),
            series: vec![(format!("modelrelease_traffic_weight_ratio{{{RELEASE}}}"), "{{track}} {{source}}")],
        },
        Panel {
            title: "True share of requests",
            description: "Each version's share of the requests that the mesh really sent, by its own counters.",
            kind: share,
            size: (12, 8),
            series: vec![(
                named(&format!("({all}) / ignoring (hash) group_left () sum({all})", all = by_hash("", ""))),
                "{{track}} {{version}}",
            )],
        },
        Panel {
            title: "$check by version, and its bounds",
            description: "What the chosen check measured of each version in this attempt, and what it holds the canary against: a floor or a ceiling, stable less the margin, or so many times stable's share.",
            kind: Kind::Lines { unit: "percentunit", least: None, most: None },
            size: (12, 8),
            series: vec![
                (format!(r#"modelrelease_check_value_ratio{{{RELEASE},check="$check"}}"#), "{{track}}"),
                (format!("{} - {}", stable(), bound("max_drop")), "bound: stable less the margin"),
                (bound("min"), "bound: floor"),
                (format!("{} * {}", stable(), bound("max_ratio")), "bound: times stable's"),
                (bound("max"), "bound: ceiling"),
            ],
        },
        Panel {
            title: "Loss against margin",
            description: "The canary's share of right answers less stable's, with bounds that hold however often one looks. Promotion needs the lower bound above the margin; the upper bound well below it rolls back.",
            kind: Kind::Lines { unit: "percentunit", least: None, most: None },
            size: (12, 8),
            series: vec![
                (
                    format!(r#"modelrelease_check_difference_ratio{{{RELEASE},check="model_accuracy"}}"#),
                    "{{estimate}}",
                ),
                (
                    format!(
                        r#"-max(modelrelease_check_bound_ratio{{{RELEASE},check="model_accuracy",bound="max_drop"}})"#
                    ),
                    "bound: margin",
                ),
            ],
        },
        Panel {
            title: "Evidence",
            description: "Odds against chance, as powers of ten: that the canary is within its bounds (good), and that it is beyond one (worse). Whatever first reaches its threshold is proven.",
            kind: Kind::Lines { unit: "short", least: None, most: None },
            size: (12, 8),
            series: vec![
                (
                    format!("modelrelease_check_evidence_log10{{{RELEASE}}}"),
                    "{{check}}: {{hypothesis}}",
                ),
                (
                    format!("modelrelease_check_evidence_threshold_log10{{{RELEASE}}}"),
                    "bound: {{check}}: {{hypothesis}}",
                ),
            ],
        },
        Panel {
            title: "Samples",
            description: "Events that each check rests on, by version.",
            kind: Kind::Lines { unit: "short", least: Some(0.0), most: None },
            size: (6, 8),
            series: vec![(format!("modelrelease_check_samples{{{RELEASE}}}"), "{{check}} {{track}}")],
        },
        Panel {
            title: "Verdicts",
            description: "What each check says. Only a proven Fail rolls back, only a proven Pass promotes.",
            kind: Kind::States,
            size: (6, 8),
            series: vec![(format!("modelrelease_check_verdict{{{RELEASE}}} == 1"), "{{check}}: {{verdict}}")],
        },
        Panel {
            title: "Failed requests by version",
            description: "Share of each version's requests that were answered with a server error.",
            kind: Kind::Lines { unit: "percentunit", least: Some(0.0), most: None },
            size: (8, 8),
            series: vec![(
                // A version without any failure has no such counter: its share is 0.
                named(&format!(
                    "(({bad}) or 0 * ({all})) / ({all})",
                    bad = by_hash(r#",response_code_class="5xx""#, r#",response_code=~"5..""#),
                    all = by_hash("", ""),
                )),
                "{{track}} {{version}}",
            )],
        },
        Panel {
            title: "Requests by version",
            description: "Requests a second that reach each version.",
            kind: Kind::Lines { unit: "reqps", least: Some(0.0), most: None },
            size: (8, 8),
            series: vec![(named(&by_hash("", "")), "{{track}} {{version}}")],
        },
        Panel {
            title: "Requests over the limit",
            description: "Requests a second that the gateway found above a rate limit of the release, before they were split over versions.",
            kind: Kind::Lines { unit: "reqps", least: Some(0.0), most: None },
            size: (8, 8),
            series: vec![(
                r#"sum(rate({__name__=~"envoy_mrel_${limit}_[0-9a-f]{8}_http_local_rate_limit_rate_limited"}[$__rate_interval])) or sum(rate(istio_requests_total{reporter="source",response_code="429",response_flags="RL",destination_service=~"$name.*[.]$namespace[.]svc[.].+"}[$__rate_interval]))"#.to_owned(),
                "over the limit",
            )],
        },
        Panel {
            title: "Time to answer by version",
            description: "Each version's 95th percentile of the time to answer, as counted where its requests are.",
            kind: Kind::Lines { unit: "ms", least: Some(0.0), most: None },
            size: (8, 8),
            series: vec![(named(&slowest()), "{{track}} {{version}}")],
        },
        Panel {
            title: "Memory of the limit",
            description: "What each pod uses of the memory that it may have; beyond all of it, it is killed. Needs cAdvisor, and kube-state-metrics or the scheduler's own metrics of pods.",
            kind: Kind::Lines { unit: "percentunit", least: Some(0.0), most: None },
            size: (8, 8),
            series: vec![(
                format!(
                    r#"max by (pod) (container_memory_working_set_bytes{{{PODS},container!=""}}) / max by (pod) (kube_pod_container_resource_limits{{{PODS},resource="memory"}}) or sum by (pod) (container_memory_working_set_bytes{{{PODS},container!=""}}) / max by (pod) (kube_pod_resource_limit{{{PODS},resource="memory"}})"#
                ),
                "{{pod}}",
            )],
        },
        Panel {
            title: "Requested memory",
            description: "Memory that all pods of the release reserve, which is a part of what they cost. Needs kube-state-metrics or the scheduler's own metrics of pods.",
            kind: Kind::Lines { unit: "bytes", least: Some(0.0), most: None },
            size: (4, 8),
            series: vec![(requested("="), "{{resource}}")],
        },
        Panel {
            title: "Requested units",
            description: "Processors, accelerators and whatever else is counted in units that all pods of the release reserve. Needs the same.",
            kind: Kind::Lines { unit: "short", least: Some(0.0), most: None },
            size: (4, 8),
            series: vec![(requested("!="), "{{resource}}")],
        },
        Panel {
            title: "Phase over time",
            description: "Phases as they followed each other.",
            kind: Kind::States,
            size: (12, 8),
            series: vec![(format!("modelrelease_phase{{{RELEASE}}} == 1"), "{{phase}}")],
        },
        Panel {
            title: "Decisions",
            description: "Decisions since the operator began to lead. Each is also marked in the panels over time.",
            kind: Kind::Numbers { unit: "short" },
            size: (6, 8),
            series: vec![(
                format!("sum by (decision) (modelrelease_decisions_total{{{RELEASE}}})"),
                "{{decision}}",
            )],
        },
        Panel {
            title: "Replicas",
            description: "Pods of each version: wanted, and ready.",
            kind: Kind::Lines { unit: "short", least: Some(0.0), most: None },
            size: (6, 8),
            series: vec![(format!("modelrelease_replicas{{{RELEASE}}}"), "{{track}} {{state}}")],
        },
    ]
}

/// What pods reserve of memory, or of all else.
fn requested(memory: &str) -> String {
    format!(
        r#"sum by (resource) (kube_pod_container_resource_requests{{{PODS},resource{memory}"memory"}}) or sum by (resource) (kube_pod_resource_request{{{PODS},resource{memory}"memory"}})"#
    )
}

/// What the chosen check measured of stable.
fn stable() -> String {
    format!(r#"max(modelrelease_check_value_ratio{{{RELEASE},check="$check",track="stable"}})"#)
}

/// What the chosen check holds a version against.
fn bound(which: &str) -> String {
    format!(r#"max(modelrelease_check_bound_ratio{{{RELEASE},check="$check",bound="{which}"}})"#)
}

/// Requests a second by version hash; further selectors for Envoy's counter and for Istio's.
fn by_hash(envoy: &str, istio: &str) -> String {
    let class = if envoy.is_empty() { r#",response_code_class!="""# } else { envoy };
    format!(
        r#"sum by (hash) (label_replace(rate(envoy_cluster_upstream_rq{{cluster_name=~"{CLUSTER}"{class}}}[$__rate_interval]), "hash", "$1", "cluster_name", "{CLUSTER}")) or sum by (hash) (label_replace(rate(istio_requests_total{{reporter="destination",destination_workload_namespace="$namespace",destination_workload=~"{WORKLOAD}",response_flags!="RL"{istio}}}[$__rate_interval]), "hash", "$1", "destination_workload", "{WORKLOAD}"))"#
    )
}

/// The 95th percentile of milliseconds to the answer, by version hash.
fn slowest() -> String {
    format!(
        r#"histogram_quantile(0.95, sum by (le, hash) (label_replace(rate(envoy_cluster_upstream_rq_time_bucket{{cluster_name=~"{CLUSTER}"}}[$__rate_interval]), "hash", "$1", "cluster_name", "{CLUSTER}")) or sum by (le, hash) (label_replace(rate(istio_request_duration_milliseconds_bucket{{reporter="destination",destination_workload_namespace="$namespace",destination_workload=~"{WORKLOAD}",response_flags!="RL"}}[$__rate_interval]), "hash", "$1", "destination_workload", "{WORKLOAD}")))"#
    )
}

/// The same with the versions' names and roles. A version that has just got another role may be told with both, where the
/// end of a series is not marked; that must not fail the query.
fn named(expression: &str) -> String {
    format!(
        "({expression}) * on (hash) group_left (version, track) topk by (hash) (1, max by (hash, version, track) (modelrelease_version_info{{{RELEASE}}}))"
    )
}

/// The middle of the name of Envoy's counter of limited requests: `<namespace>_<name>`, dashes as underlines. PromQL
/// replaces one match at a time.
pub(super) fn limit_variable() -> String {
    let start = format!(
        r#"label_join(max by (namespace, name) (modelrelease_phase{{{RELEASE}}}), "limit", "_", "namespace", "name")"#
    );
    (0..MOST_DASHES).fold(start, |inner, _| {
        format!(r#"label_replace({inner}, "limit", "$1_$2", "limit", "([^-]*)-(.*)")"#)
    })
}
