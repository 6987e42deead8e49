//! The operator may do what it needs and nothing more, by the API server's own word.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;
use testbed::wait::{Seen, until};

use crate::common::blocking;
use crate::objects::charted;

const SOON: Duration = Duration::from_secs(20);

/// Verb, group, resource (`/subresource`, `=name`), namespace.
type Right = (&'static str, &'static str, &'static str, &'static str);

const NEEDED: [Right; 17] = [
    ("watch", "modelrelease.dev", "modelreleases", "default"),
    ("patch", "modelrelease.dev", "modelreleases", "default"),
    ("update", "modelrelease.dev", "modelreleases/status", "default"),
    ("create", "apps", "deployments", "default"),
    ("delete", "apps", "deployments", "default"),
    ("create", "apps", "controllerrevisions", "default"),
    ("patch", "", "services", "default"),
    ("create", "networking.istio.io", "virtualservices", "default"),
    ("patch", "gateway.networking.k8s.io", "httproutes", "default"),
    ("patch", "networking.istio.io", "envoyfilters", "default"),
    ("list", "", "pods", "default"),
    ("watch", "discovery.k8s.io", "endpointslices", "default"),
    ("create", "events.k8s.io", "events", "default"),
    ("patch", "networking.istio.io", "envoyfilters", "istio-system"),
    ("list", "discovery.k8s.io", "endpointslices", "istio-system"),
    ("get", "coordination.k8s.io", "leases=model-release-operator", "model-release-system"),
    ("update", "coordination.k8s.io", "leases=model-release-operator", "model-release-system"),
];

const NEVER: [Right; 22] = [
    ("get", "", "secrets", "default"),
    ("list", "", "secrets", "model-release-system"),
    ("get", "", "configmaps", "default"),
    ("create", "", "pods", "default"),
    ("delete", "", "pods", "default"),
    ("create", "", "pods/exec", "default"),
    ("get", "", "pods/log", "default"),
    ("create", "", "serviceaccounts/token", "default"),
    ("create", "modelrelease.dev", "modelreleases", "default"),
    ("update", "modelrelease.dev", "modelreleases", "default"),
    ("delete", "modelrelease.dev", "modelreleases", "default"),
    ("update", "apps", "controllerrevisions", "default"),
    ("deletecollection", "apps", "deployments", "default"),
    ("create", "rbac.authorization.k8s.io", "rolebindings", "default"),
    ("list", "", "namespaces", ""),
    ("list", "", "nodes", ""),
    ("update", "apiextensions.k8s.io", "customresourcedefinitions", ""),
    // Other namespaces are not its business, nor is the rest of the gateway's.
    ("list", "modelrelease.dev", "modelreleases", "kube-system"),
    ("create", "apps", "deployments", "kube-system"),
    ("create", "apps", "deployments", "istio-system"),
    ("create", "coordination.k8s.io", "leases", "model-release-system"),
    ("update", "coordination.k8s.io", "leases=another", "model-release-system"),
];

/// The API server's answer to one question about the operator's account.
async fn may(reviews: &Api<SubjectAccessReview>, (verb, group, what, namespace): Right) -> bool {
    let (what, name) = what.split_once('=').unwrap_or((what, ""));
    let (resource, subresource) = what.split_once('/').unwrap_or((what, ""));
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: some("system:serviceaccount:model-release-system:model-release-operator"),
            groups: Some(vec!["system:authenticated".into(), "system:serviceaccounts".into()]),
            resource_attributes: Some(ResourceAttributes {
                verb: some(verb),
                group: some(group),
                resource: some(resource),
                subresource: some(subresource),
                name: some(name),
                namespace: some(namespace),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let answer = reviews.create(&PostParams::default(), &review).await.unwrap();
    answer.status.is_some_and(|status| status.allowed)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_may_do_what_it_needs_and_nothing_more() {
    let raised = crate::api_server().await;
    let testbed = raised.testbed.clone();
    blocking(move || {
        for namespace in ["istio-system", "model-release-system"] {
            let object = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}");
            testbed.apply(&object).unwrap();
        }
        testbed.apply(&charted("gateway.yaml")).unwrap();
    })
    .await;
    let reviews = Api::all(raised.testbed.client().await.unwrap());
    // The authorizer learns of new bindings by a watch.
    until("the last binding is known", SOON, || async {
        Seen::when(may(&reviews, NEEDED[0]).await, || "not yet allowed".into())
    })
    .await
    .unwrap();
    let (mut lacking, mut granted) = (Vec::new(), Vec::new());
    for right in NEEDED {
        if !may(&reviews, right).await {
            lacking.push(right);
        }
    }
    for right in NEVER {
        if may(&reviews, right).await {
            granted.push(right);
        }
    }
    assert!(lacking.is_empty(), "the operator lacks {lacking:?}");
    assert!(granted.is_empty(), "the operator must not have {granted:?}");
}
