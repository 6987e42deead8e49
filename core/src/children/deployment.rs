//! A version's Deployment: restricted pods whose template never changes.

use serde_json::{Map, Value, json};

use super::{artifact, server};
use crate::api::pods::Toleration;
use crate::meta::{self, put};
use crate::release::Release;
use crate::settings::Settings;
use crate::version::Version;

/// The Deployment but for its replicas.
pub(super) fn render(release: &Release, version: &Version, settings: &Settings) -> Value {
    let labels = meta::version_labels(release, &version.hash, &version.name);
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta::owned(release, &release.object_name(&version.hash), labels.clone()),
        "spec": {
            "selector": {"matchLabels": meta::selector(release, &version.hash)},
            // The template stays as it is; should a person restart the pods, none goes before another is ready.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": release.rollout.progress_deadline.as_secs(),
            "template": {"metadata": {"labels": labels}, "spec": pod(release, version, settings)},
        },
    })
}

fn pod(release: &Release, version: &Version, settings: &Settings) -> Value {
    let own = version.pod();
    let grace = server::grace_seconds(release, own);
    let mut fields = Map::new();
    put(&mut fields, "automountServiceAccountToken", Some(false));
    put(&mut fields, "enableServiceLinks", Some(false));
    put(&mut fields, "terminationGracePeriodSeconds", Some(grace));
    put(&mut fields, "securityContext", Some(security(own.run_as_user)));
    let selector = own.node_selector.as_ref().filter(|labels| !labels.is_empty());
    put(&mut fields, "nodeSelector", selector.map(|labels| json!(labels)));
    let tolerations = own.tolerations.as_deref().filter(|all| !all.is_empty());
    put(&mut fields, "tolerations", tolerations.map(|all| all.iter().map(toleration).collect::<Vec<_>>()));
    let secrets = own.image_pull_secrets.as_ref().filter(|all| !all.is_empty());
    put(&mut fields, "imagePullSecrets", secrets.map(|all| json!(all)));
    put(&mut fields, "volumes", artifact::volume(version).map(|volume| vec![volume]));
    put(&mut fields, "initContainers", artifact::container(version, settings).map(|fetch| vec![fetch]));
    put(&mut fields, "containers", Some(vec![server::container(release, version, grace)]));
    Value::Object(fields)
}

/// Pod Security's level `restricted`, whatever the namespace asks for.
fn security(user: Option<i64>) -> Value {
    let mut fields = Map::new();
    put(&mut fields, "runAsNonRoot", Some(true));
    put(&mut fields, "runAsUser", user);
    put(&mut fields, "seccompProfile", Some(json!({"type": "RuntimeDefault"})));
    Value::Object(fields)
}

/// A toleration without empty texts, which the API server drops.
fn toleration(own: &Toleration) -> Value {
    let mut value = json!(own);
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, field| field.as_str() != Some(""));
    }
    value
}
