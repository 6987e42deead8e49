//! A version's Deployment: restricted pods whose template never changes.

use serde_json::{Map, Value, json};

use super::{Part, artifact, placement, server, volumes};
use crate::meta::{self, Component, put};
use crate::release::Release;
use crate::settings::Settings;

/// The Deployment but for its replicas.
pub(super) fn render(release: &Release, part: Part, settings: &Settings) -> Value {
    let labels = part.labels(release);
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta::owned(release, &part.name(release), labels.clone()),
        "spec": {
            "selector": {"matchLabels": part.selector(release)},
            // The template stays as it is; should a person restart the pods, none goes before another is ready.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": release.rollout.progress_deadline.as_secs(),
            "template": {"metadata": {"labels": labels}, "spec": pod(release, part, settings)},
        },
    })
}

fn pod(release: &Release, part: Part, settings: &Settings) -> Value {
    let own = part.pod;
    let fetched = Some(part.version).filter(|_| part.component == Component::Model);
    let grace = server::grace_seconds(release, own);
    let mut fields = Map::new();
    put(&mut fields, "automountServiceAccountToken", Some(false));
    put(&mut fields, "enableServiceLinks", Some(false));
    put(&mut fields, "terminationGracePeriodSeconds", Some(grace));
    put(&mut fields, "securityContext", Some(security(own.run_as_user, own.fs_group)));
    fields.extend(placement::render(own, &part.selector(release)));
    put(&mut fields, "serviceAccountName", own.service_account_name.clone());
    let secrets = own.image_pull_secrets.as_ref().filter(|all| !all.is_empty());
    put(&mut fields, "imagePullSecrets", secrets.map(|all| json!(all)));
    let model = fetched.and_then(artifact::volume);
    put(&mut fields, "volumes", volumes::volumes(own, model));
    let fetch = fetched.and_then(|version| artifact::container(version, settings));
    put(&mut fields, "initContainers", fetch.map(|fetch| vec![fetch]));
    put(&mut fields, "containers", Some(vec![server::container(release, part, settings, grace)]));
    Value::Object(fields)
}

/// Pod Security's level `restricted`, whatever the namespace asks for.
fn security(user: Option<i64>, group: Option<i64>) -> Value {
    let mut fields = Map::new();
    put(&mut fields, "runAsNonRoot", Some(true));
    put(&mut fields, "runAsUser", user);
    put(&mut fields, "fsGroup", group);
    put(&mut fields, "seccompProfile", Some(json!({"type": "RuntimeDefault"})));
    Value::Object(fields)
}
