//! The one list of what a spec may ask for and this version of the operator cannot do yet: refused, never ignored.

use super::read::{Refusal, counted};
use crate::api::reasons::Reason;
use crate::api::spec::{Guardrail, ModelReleaseSpec, VersionSpec};

/// Refuses the first field of the spec that nothing here acts on.
pub(super) fn refuse(spec: &ModelReleaseSpec, refused: &mut Refusal) {
    let guardrails = spec.analysis.iter().filter_map(|analysis| analysis.guardrails.as_ref()).flatten();
    let versions = [("stable", Some(&spec.stable)), ("canary", spec.canary.as_ref())];
    let first = guardrails
        .filter_map(guardrail)
        .chain(versions.into_iter().filter_map(|(block, version)| storage(block, version?)))
        .next();
    if let Some((field, reason)) = first {
        refused.add(reason, format!("{field}: not supported by this version of the operator; remove it"));
    }
}

type Found = (String, Reason);

fn found(given: bool, field: &str) -> Option<Found> {
    given.then(|| (format!("spec.{field}"), Reason::InvalidSpec))
}

fn guardrail(spec: &Guardrail) -> Option<Found> {
    let metric = spec.metric.filter(|_| counted(spec).is_none())?;
    found(true, &format!("analysis.guardrails[{}].metric: {metric:?}", spec.name))
}

fn storage(block: &str, version: &VersionSpec) -> Option<Found> {
    let scheme = version.storage_uri.as_ref()?.split_once("://")?.0;
    let known = matches!(scheme, "http" | "https" | "pvc");
    // Nothing fetches it, so nothing could check it.
    let unchecked = scheme == "pvc" && version.verification.is_some();
    found(!known, &format!("{block}.storageUri: {scheme}://"))
        .or_else(|| found(unchecked, &format!("{block}.verification of pvc://")))
}
