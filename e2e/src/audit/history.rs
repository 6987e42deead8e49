//! The last changes of each release, in a line each: what led to a violation.

use std::collections::{BTreeMap, VecDeque};

use model_release_core::api::LABEL_NAME;

use super::object::{self, number};
use super::traffic::Traffic;
use super::world::{Change, Kind, Release};

/// Changes kept of each release.
const KEPT: usize = 14;

/// The last changes, by namespace and name of the release.
#[derive(Debug, Default)]
pub struct History(BTreeMap<String, VecDeque<String>>);

impl History {
    /// Notes a change.
    pub fn note(&mut self, change: &Change) {
        let lines = self.0.entry(release_of(change)).or_default();
        lines.push_back(line(change));
        if lines.len() > KEPT {
            lines.pop_front();
        }
    }

    /// The last changes of the release that a change is about, that one last.
    pub fn before(&self, change: &Change) -> Vec<String> {
        self.0.get(&release_of(change)).into_iter().flatten().cloned().collect()
    }
}

fn release_of(change: &Change) -> String {
    let body = change.body();
    if change.key.kind == Kind::ModelRelease {
        return format!("{}/{}", change.key.namespace, change.key.name);
    }
    let owner = object::owner(body).map(|owner| format!("{}/{}", owner.namespace, owner.name));
    let labelled = || object::label(body, LABEL_NAME).map(|name| format!("{}/{name}", change.key.namespace));
    owner.or_else(labelled).unwrap_or_default()
}

/// A change in a line: revision, time, object, and what of it matters here.
pub fn line(change: &Change) -> String {
    let verb = match (&change.old, &change.new) {
        (None, _) => "created",
        (Some(_), Some(_)) => "changed",
        (Some(_), None) => "deleted",
    };
    let at = change.at.strftime("%H:%M:%S%.3f");
    let said = words(change);
    format!("{} {at} {} {verb}{}{said}", change.revision, change.key, if said.is_empty() { "" } else { ": " })
}

fn words(change: &Change) -> String {
    let body = change.body();
    match change.key.kind {
        Kind::ModelRelease => change.new_release.as_deref().map(release_words).unwrap_or_default(),
        Kind::VirtualService | Kind::HttpRoute => {
            let traffic = Traffic::of(body);
            let seq = object::seq(body).map_or_else(String::new, |seq| format!("seq {seq}, "));
            if traffic.splits.is_empty() { String::new() } else { format!("{seq}{}", traffic.words()) }
        }
        Kind::Deployment => {
            let old = change.old.as_deref().and_then(|old| number(old, "/spec/replicas"));
            let new = number(body, "/spec/replicas");
            let available = number(body, "/status/availableReplicas").unwrap_or(0);
            let size = |size: Option<i64>| size.map_or_else(|| "-".to_owned(), |size| size.to_string());
            format!("replicas {} to {}, {available} available", size(old), size(new))
        }
        Kind::EndpointSlice => {
            let all = body.get("endpoints").and_then(serde_json::Value::as_array);
            let ready = |e: &&serde_json::Value| {
                e.pointer("/conditions/ready") != Some(&serde_json::Value::Bool(false))
            };
            format!("{} ready", all.map_or(0, |all| all.iter().filter(ready).count()))
        }
        Kind::Pod => object::text(body, "/status/phase").to_owned(),
        Kind::Service | Kind::ControllerRevision | Kind::EnvoyFilter | Kind::HorizontalPodAutoscaler => {
            String::new()
        }
    }
}

fn release_words(release: &Release) -> String {
    let Some(status) = &release.status else { return "status does not decode".to_owned() };
    let decision = status.decision.as_ref().map_or_else(String::new, |decision| {
        format!(", decision {} {} {}", decision.seq, decision.verdict.as_str(), decision.reason)
    });
    let versions: Vec<String> = status
        .versions
        .iter()
        .map(|version| format!("{} {}", version.track.as_str(), version.hash))
        .collect();
    let weight = status.step.as_ref().map_or(0, |step| step.weight);
    let annotations = release.body.pointer("/metadata/annotations").and_then(serde_json::Value::as_object);
    let ours: Vec<String> = annotations
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some(format!(", {}={value}", key.strip_prefix("modelrelease.dev/")?)))
        .collect();
    let deleting = if release.deleting() { ", being deleted" } else { "" };
    format!(
        "{}{decision}, weight {weight}, {}{}{deleting}",
        release.phase(),
        versions.join(", "),
        ours.concat()
    )
}
