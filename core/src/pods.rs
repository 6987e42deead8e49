//! What pods tell: what is wrong with one, in one word and one sentence; what their fetchers said; restarts.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::api::reasons::Reason;
use crate::api::status::{ArtifactStatus, PodCounts, PodFailure};
use crate::meta;
use crate::observed::{Container, Pod};

/// Name of the init container that fetches the model.
pub const FETCHER: &str = "fetch";

/// Pods remembered per candidate.
const REMEMBERED: usize = 64;

/// What our fetcher writes as its termination message.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fetched {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    size_bytes: i64,
    #[serde(default)]
    fetch_seconds: f64,
    #[serde(default)]
    verified: Option<bool>,
}

/// What is wrong with a version's pods: of all that is wrong the first in order of severity; none if nothing is.
pub fn failure<'a>(pods: impl Iterator<Item = &'a Pod>) -> Option<PodFailure> {
    pods.filter(|pod| !pod.ready).filter_map(one).min_by_key(|found| severity(found.reason))
}

/// What keeps a Deployment's pods from being made at all, a quota or an admission policy: it tells so itself, for there is
/// no pod that could.
pub fn unmade(name: &str, deployment: &Value) -> Option<PodFailure> {
    let conditions = meta::at(deployment, &["status", "conditions"]).and_then(Value::as_array)?;
    let is = |condition: &&Value| {
        let says = |field: &str, word: &str| condition.get(field).and_then(Value::as_str) == Some(word);
        says("type", "ReplicaFailure") && says("status", "True")
    };
    let message = conditions.iter().find(is)?.get("message").and_then(Value::as_str).unwrap_or_default();
    // Before that stands the name of a pod that never was, another one each time.
    let why = message.split_once("is forbidden: ").map_or(message, |(_, why)| why);
    let message = format!("Kubernetes does not make it: {}", short(why));
    Some(PodFailure { reason: Reason::CanaryUnschedulable, message, pod: name.to_owned(), exit_code: None })
}

/// Whether waiting cannot mend it: the artifact is another, absent or denied, or the image name is none.
pub fn fatal(failure: &PodFailure) -> bool {
    matches!(failure.reason, Reason::DigestMismatch | Reason::ArtifactNotFound | Reason::ArtifactDenied)
        || (failure.reason == Reason::CanaryImagePull && failure.message.contains("InvalidImageName"))
}

fn severity(reason: Reason) -> u8 {
    match reason {
        Reason::DigestMismatch => 0,
        Reason::ArtifactNotFound | Reason::ArtifactDenied => 1,
        Reason::OOMKilled => 2,
        Reason::CanaryCrashLoop => 3,
        Reason::OutOfDisk | Reason::FetchTimeout => 4,
        Reason::CanaryImagePull => 5,
        _ => 6,
    }
}

fn one(pod: &Pod) -> Option<PodFailure> {
    let found =
        |reason, message, exit_code| Some(PodFailure { reason, message, pod: pod.name.clone(), exit_code });
    if let Some(message) = &pod.unschedulable {
        return found(Reason::CanaryUnschedulable, format!("no node takes it: {}", short(message)), None);
    }
    pod.containers.iter().find_map(|container| {
        let ended = container.ended.as_ref().or(container.ended_before.as_ref()).filter(|e| e.exit_code != 0);
        if container.init
            && container.name == FETCHER
            && let Some(ended) = ended
            && let Some(reason) = fetch_reason(container)
        {
            return found(reason, fetch_sentence(reason).to_owned(), Some(ended.exit_code));
        }
        if let Some(word) = container.waiting.as_deref() {
            if matches!(word, "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull")
            {
                return found(Reason::CanaryImagePull, format!("container {}: {word}", container.name), None);
            }
            if matches!(word, "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError") {
                return found(Reason::CanaryCrashLoop, format!("container {}: {word}", container.name), None);
            }
        }
        let ended = ended?;
        if ended.reason == "OOMKilled" {
            let message =
                format!("container {} was killed for using more memory than its limit", container.name);
            return found(Reason::OOMKilled, message, Some(ended.exit_code));
        }
        let looping = container.waiting.as_deref() == Some("CrashLoopBackOff") || container.ended.is_some();
        let message = format!("container {} ended with exit code {}", container.name, ended.exit_code);
        looping.then(|| found(Reason::CanaryCrashLoop, message, Some(ended.exit_code)))?
    })
}

/// Our fetcher's own word. Nothing else of its message is passed on: it is the pod's text, not ours.
fn fetch_reason(container: &Container) -> Option<Reason> {
    let message =
        [&container.ended, &container.ended_before].into_iter().flatten().map(|e| e.message.as_str());
    let word = message
        .filter_map(|m| serde_json::from_str::<Fetched>(m).ok())
        .map(|f| f.reason)
        .find(|r| !r.is_empty())?;
    [
        Reason::DigestMismatch,
        Reason::ArtifactNotFound,
        Reason::ArtifactDenied,
        Reason::OutOfDisk,
        Reason::FetchTimeout,
    ]
    .into_iter()
    .find(|reason| reason.as_str() == word)
}

fn fetch_sentence(reason: Reason) -> &'static str {
    match reason {
        Reason::DigestMismatch => "the artifact is not the one of verification.digest; it is not served",
        Reason::ArtifactNotFound => "there is nothing at storageUri",
        Reason::ArtifactDenied => "the artifact may not be read; check storage.credentialsSecret",
        Reason::OutOfDisk => "the artifact does not fit; raise storage.size",
        _ => "the artifact could not be fetched in time",
    }
}

/// What a version's fetchers said of the artifact; the first pod that has it.
pub fn artifact<'a>(pods: impl Iterator<Item = &'a Pod>) -> Option<ArtifactStatus> {
    pods.flat_map(|pod| &pod.containers)
        .filter(|c| c.init && c.name == FETCHER)
        .filter_map(|c| c.ended.as_ref().filter(|e| e.exit_code == 0))
        .filter_map(|ended| serde_json::from_str::<Fetched>(&ended.message).ok())
        .find(|fetched| is_digest(&fetched.digest))
        .map(|fetched| ArtifactStatus {
            digest: fetched.digest,
            size_bytes: fetched.size_bytes.max(0),
            fetch_seconds: whole_seconds(fetched.fetch_seconds),
            verified: fetched.verified.unwrap_or(false),
        })
}

#[expect(clippy::cast_possible_truncation, reason = "clamped first")]
fn whole_seconds(seconds: f64) -> i64 {
    if seconds.is_finite() { seconds.clamp(0.0, 1e6).round() as i64 } else { 0 }
}

/// Whether a text is a digest and nothing else: it comes from a pod.
fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Brings the memory of a candidate's pods up to date. Pods that are gone keep their counts, for a crash that deletes
/// the pod is still a crash.
pub fn count<'a>(memory: &mut BTreeMap<String, PodCounts>, pods: impl Iterator<Item = &'a Pod>) {
    for pod in pods {
        let restarts: i32 = pod.containers.iter().filter(|c| !c.init).map(|c| c.restarts).sum();
        let oom = pod.containers.iter().filter(|c| !c.init).any(|c| {
            [&c.ended, &c.ended_before].into_iter().flatten().any(|ended| ended.reason == "OOMKilled")
        });
        if !memory.contains_key(&pod.uid) && (memory.len() >= REMEMBERED || restarts == 0 && !oom) {
            continue;
        }
        let known = memory.entry(pod.uid.clone()).or_default();
        let new = restarts.saturating_sub(known.restarts).max(i32::from(oom && known.oom_kills == 0));
        if oom {
            known.oom_kills = known.oom_kills.saturating_add(new);
        }
        known.restarts = known.restarts.max(restarts);
    }
}

/// Restarts and OOM kills in all.
pub fn totals(memory: &BTreeMap<String, PodCounts>) -> PodCounts {
    memory.values().fold(PodCounts::default(), |sum, pod| PodCounts {
        restarts: sum.restarts.saturating_add(pod.restarts),
        oom_kills: sum.oom_kills.saturating_add(pod.oom_kills),
    })
}

/// Kubernetes' own words, cut and without control characters.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::Ended;

    fn pod(container: Container) -> Pod {
        Pod { name: "p".into(), uid: "u".into(), containers: vec![container], ..Pod::default() }
    }

    fn ended(reason: &str, exit_code: i32, message: &str) -> Ended {
        Ended { reason: reason.into(), exit_code, message: message.into() }
    }

    #[test]
    fn what_keeps_pods_from_being_made_is_told_by_their_deployment() {
        let deployment = |kind: &str, status: &str| {
            let why =
                "pods \"f-5f3c-x2x\" is forbidden: exceeded quota: few, used: pods=20, limited: pods=20";
            serde_json::json!({"status": {"conditions": [
                {"type": "Available", "status": "False", "message": "no"},
                {"type": kind, "status": status, "message": why},
            ]}})
        };
        let found = unmade("f-5f3c", &deployment("ReplicaFailure", "True")).unwrap();
        assert_eq!((found.reason, found.pod.as_str()), (Reason::CanaryUnschedulable, "f-5f3c"));
        let why = "Kubernetes does not make it: exceeded quota: few, used: pods=20, limited: pods=20";
        assert_eq!(
            found.message, why,
            "without the name of a pod that never was, which changes with each try"
        );
        assert_eq!(unmade("f-5f3c", &deployment("ReplicaFailure", "False")), None);
        assert_eq!(unmade("f-5f3c", &deployment("Progressing", "True")), None);
        assert_eq!(unmade("f-5f3c", &serde_json::json!({})), None);
    }

    #[test]
    fn each_trouble_of_a_pod_has_its_word() {
        let server = |c: Container| pod(Container { name: "model".into(), ..c });
        let fetch = |word: &str| {
            let message = format!(r#"{{"reason":"{word}","message":"secret"}}"#);
            pod(Container {
                name: FETCHER.into(),
                init: true,
                ended: Some(ended("Error", 20, &message)),
                ..Container::default()
            })
        };
        let waits = |word: &str| server(Container { waiting: Some(word.into()), ..Container::default() });
        for (pod, want) in [
            (waits("ImagePullBackOff"), Some(Reason::CanaryImagePull)),
            (waits("ContainerCreating"), None),
            (
                server(Container { ended: Some(ended("OOMKilled", 137, "")), ..Container::default() }),
                Some(Reason::OOMKilled),
            ),
            (
                server(Container { ended: Some(ended("Error", 1, "")), ..Container::default() }),
                Some(Reason::CanaryCrashLoop),
            ),
            (fetch("DigestMismatch"), Some(Reason::DigestMismatch)),
            (fetch("ArtifactNotFound"), Some(Reason::ArtifactNotFound)),
            (
                Pod { unschedulable: Some("0/1 nodes".into()), ..Pod::default() },
                Some(Reason::CanaryUnschedulable),
            ),
        ] {
            let found = failure(std::iter::once(&pod));
            assert_eq!(found.as_ref().map(|f| f.reason), want, "{pod:?}");
            assert!(!format!("{found:?}").contains("secret"), "foreign text leaks: {found:?}");
        }
    }

    #[test]
    fn restarts_count_once_and_survive_their_pod() {
        let mut memory = BTreeMap::new();
        let crashed = |restarts| {
            pod(Container {
                restarts,
                ended_before: Some(ended("OOMKilled", 137, "")),
                ..Container::default()
            })
        };
        count(&mut memory, std::iter::once(&crashed(1)));
        count(&mut memory, std::iter::once(&crashed(1)));
        assert_eq!(totals(&memory), PodCounts { restarts: 1, oom_kills: 1 });
        count(&mut memory, std::iter::once(&crashed(3)));
        count(&mut memory, std::iter::empty());
        assert_eq!(totals(&memory), PodCounts { restarts: 3, oom_kills: 3 });
    }
}
