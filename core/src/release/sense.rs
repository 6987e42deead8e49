//! What no rule of the schema can see, because it shows only in the effective version, or needs more than CEL.

use std::collections::BTreeSet;

use super::read::Refusal;
use super::{Analysis, Counted};
use crate::analysis::server;
use crate::api::pods::PodFields;
use crate::api::reasons::Reason;
use crate::children::{MODEL_VOLUME, claim, model_path};
use crate::settings::{Entrance, Settings};
use crate::version::Version;

/// Refuses a version that cannot be meant. `block` is `stable` or `canary`.
pub(super) fn version(block: &str, version: &Version, settings: &Settings, refused: &mut Refusal) {
    let mut refuse = |message: String| refused.add(Reason::InvalidSpec, message);
    if version.pod().image.is_none() {
        refuse("no image: give spec.runtime.image, or an image in each version".to_owned());
    }
    if version.app().is_some_and(|app| app.image.is_none()) {
        refuse("app has no image: give spec.runtime.app.image, or app.image in each version".to_owned());
    }
    let uri = version.effective.storage_uri.as_deref().unwrap_or_default();
    if claim(uri).is_some_and(|(name, folder)| !is_name(name) || folder.split('/').any(|part| part == "..")) {
        refuse(format!(
            "spec.{block}.storageUri: {uri:?} names no claim; write it as pvc://<claim>/<folder in it>"
        ));
    }
    let path = model_path(version);
    let parts = [("", Some(version.pod()), path.as_deref()), (".app", version.app(), None)];
    for (part, pod, model) in parts {
        let Some(pod) = pod else { continue };
        let place = format!("spec.{block}{part}");
        sizes(&place, pod).into_iter().for_each(&mut refuse);
        volumes(&place, pod, model).into_iter().for_each(&mut refuse);
    }
    for (part, pod, _) in parts {
        let Some(account) = pod.and_then(|pod| pod.service_account_name.as_ref()) else { continue };
        if !settings.service_accounts.iter().any(|allowed| allowed == "*" || allowed == account) {
            let known = match settings.service_accounts.as_slice() {
                [] => "none".to_owned(),
                all => all.join(", "),
            };
            refused.add(
                Reason::ServiceAccountNotAllowed,
                format!(
                    "spec.{block}{part}.serviceAccountName: {account} is not among those that the administrator allows ({known})"
                ),
            );
        }
    }
}

/// Refuses a guardrail that no series of the versions' model servers could tell, where servers are asked.
pub(super) fn metrics(analysis: &Analysis, versions: &[Option<&Version>], refused: &mut Refusal) {
    let entrance = analysis.source.as_ref().map(|source| source.entrance).unwrap_or_default();
    for guardrail in &analysis.guardrails {
        let by_server =
            entrance == Entrance::Server || matches!(guardrail.metric, Counted::FirstToken { .. });
        // What an administrator asks for is theirs to know.
        let by_server = by_server && !matches!(guardrail.metric, Counted::Template(_));
        for version in versions.iter().flatten().filter(|_| by_server) {
            let preset = version.effective.model.preset.unwrap_or_default();
            let (has, what) = match guardrail.metric {
                Counted::ErrorRate => (server::counts_failures(preset), "counter of failed requests"),
                Counted::Latency { .. } => {
                    (server::times_requests(preset), "histogram of how long requests take")
                }
                Counted::FirstToken { .. } => {
                    (server::times_first_tokens(preset), "histogram of how long first tokens take")
                }
                Counted::Template(_) => continue,
            };
            if !has {
                let name = &guardrail.name;
                refused.add(
                    Reason::PresetLacksMetric,
                    format!(
                        "spec.analysis.guardrails[{name}]: preset {preset:?} of {} has no {what}; leave the guardrail out, or \
                         name a preset that has",
                        version.name
                    ),
                );
            }
        }
    }
}

fn sizes(place: &str, pod: &PodFields) -> Option<String> {
    let least = pod.min_replicas.unwrap_or(1);
    let most = pod.max_replicas.filter(|most| *most < least)?;
    Some(format!(
        "{place}: maxReplicas {most} is below minReplicas {least}, one of them from spec.runtime; raise it"
    ))
}

/// Names of volumes that are used are there, and no two things are at one place. `model` is where the fetched model is.
fn volumes(place: &str, pod: &PodFields, model: Option<&str>) -> Option<String> {
    let names: BTreeSet<&str> = pod.volumes.iter().flatten().map(|volume| volume.name.as_str()).collect();
    if model.is_some() && names.contains(MODEL_VOLUME) {
        return Some(format!(
            "{place}.volumes: {MODEL_VOLUME} is the volume of storageUri; choose another name"
        ));
    }
    pod.volume_mounts.iter().flatten().find_map(|mount| {
        if !names.contains(mount.name.as_str()) {
            Some(format!("{place}.volumeMounts: {} is none of volumes; add it there", mount.name))
        } else if model.is_some_and(|path| path.trim_end_matches('/') == mount.mount_path.trim_end_matches('/')) {
            Some(format!(
                "{place}.volumeMounts: {} is where the model of storageUri lies; choose another, or set storage.mountPath",
                mount.mount_path
            ))
        } else {
            None
        }
    })
}

/// A name of Kubernetes: lower-case letters, digits, `-` and `.`.
fn is_name(text: &str) -> bool {
    let outer = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !text.is_empty()
        && text.len() <= 253
        && text.starts_with(outer)
        && text.ends_with(outer)
        && text.chars().all(|c| outer(c) || matches!(c, '-' | '.'))
}
