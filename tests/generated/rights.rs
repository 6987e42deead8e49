//! What the operator may do, said once: roles for `config/`, and the same rules for the chart.

use serde_json::{Value, json};

use super::Generated;
use super::definition::yaml;

/// One rule of a role.
struct Rule {
    group: &'static str,
    resources: &'static [&'static str],
    /// Only objects of these names; none: all.
    names: &'static [&'static str],
    verbs: &'static [&'static str],
}

const READ: &[&str] = &["get", "list", "watch"];
const CHILD: &[&str] = &["get", "list", "watch", "create", "patch", "delete"];

/// In each namespace whose releases are served.
const RELEASES: &[Rule] = &[
    // Patch is for the finalizer alone.
    rule("modelrelease.dev", &["modelreleases"], &["get", "list", "watch", "patch"]),
    rule("modelrelease.dev", &["modelreleases/status"], &["get", "update", "patch"]),
    rule("modelrelease.dev", &["modelreleases/finalizers"], &["update"]),
    rule("apps", &["deployments"], CHILD),
    rule("autoscaling", &["horizontalpodautoscalers"], CHILD),
    rule("apps", &["controllerrevisions"], &["get", "list", "watch", "create", "delete"]),
    rule("", &["services"], CHILD),
    rule("networking.istio.io", &["virtualservices", "envoyfilters"], CHILD),
    rule("gateway.networking.k8s.io", &["httproutes"], CHILD),
    rule("", &["pods"], READ),
    rule("discovery.k8s.io", &["endpointslices"], READ),
    rule("events.k8s.io", &["events"], &["create", "patch"]),
];

/// In each namespace whose gateways releases may use.
const GATEWAYS: &[Rule] = &[
    rule("networking.istio.io", &["envoyfilters"], CHILD),
    rule("discovery.k8s.io", &["endpointslices"], READ),
];

/// In the operator's own namespace. The Lease is installed with it, so it need not create one.
const LEASE: &[Rule] = &[Rule {
    group: "coordination.k8s.io",
    resources: &["leases"],
    names: &["model-release-operator"],
    verbs: &["get", "update"],
}];

const fn rule(
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Rule {
    Rule { group, resources, names: &[], verbs }
}

pub(super) fn files() -> Vec<Generated> {
    vec![
        Generated {
            path: "config/rbac/role-releases.yaml",
            text: role("ClusterRole", "model-release-operator", None, RELEASES),
        },
        Generated {
            path: "config/rbac/role-gateways.yaml",
            text: role("ClusterRole", "model-release-operator-gateways", None, GATEWAYS),
        },
        Generated {
            path: "config/rbac/role-lease.yaml",
            text: role("Role", "model-release-operator-lease", Some("model-release-system"), LEASE),
        },
        Generated {
            path: "helm/model-release-operator/files/rules-releases.yaml",
            text: yaml(&rules(RELEASES)),
        },
        Generated {
            path: "helm/model-release-operator/files/rules-gateways.yaml",
            text: yaml(&rules(GATEWAYS)),
        },
        Generated { path: "helm/model-release-operator/files/rules-lease.yaml", text: yaml(&rules(LEASE)) },
    ]
}

fn role(kind: &str, name: &str, namespace: Option<&str>, allowed: &[Rule]) -> String {
    let mut role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/name": "model-release-operator"},
        },
    });
    if let Some(namespace) = namespace {
        role["metadata"]["namespace"] = namespace.into();
    }
    role["rules"] = rules(allowed)["rules"].take();
    yaml(&role)
}

fn rules(allowed: &[Rule]) -> Value {
    let rules: Vec<Value> = allowed
        .iter()
        .map(|rule| {
            let mut one = json!({"apiGroups": [rule.group], "resources": rule.resources});
            if !rule.names.is_empty() {
                one["resourceNames"] = json!(rule.names);
            }
            one["verbs"] = json!(rule.verbs);
            one
        })
        .collect();
    json!({"rules": rules})
}

/// Rights that the operator must never have, whatever else changes.
#[test]
fn no_rule_reaches_secrets_or_everything() {
    const NEVER: [&str; 12] = [
        "*",
        "secrets",
        "configmaps",
        "pods/exec",
        "pods/log",
        "serviceaccounts",
        "serviceaccounts/token",
        "nodes",
        "namespaces",
        "roles",
        "clusterroles",
        "customresourcedefinitions",
    ];
    for rule in [RELEASES, GATEWAYS, LEASE].into_iter().flatten() {
        for resource in rule.resources {
            assert!(!NEVER.contains(resource), "{resource}");
        }
        assert!(rule.group != "*" && rule.group != "rbac.authorization.k8s.io", "{}", rule.group);
        assert!(!rule.verbs.contains(&"*") && !rule.verbs.contains(&"deletecollection"), "{:?}", rule.verbs);
    }
}
