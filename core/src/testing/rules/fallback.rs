//! S7: what one would go back to is untouched.

use serde_json::Value;

use super::{Found, Ground};
use crate::api::ANNOTATION_RENDERED;
use crate::api::status::{Phase, Track};
use crate::meta;
use crate::plan::{Key, Kind};

/// Hash of the version to which traffic would go: stable beside a candidate, else the previous one.
fn fallback(ground: &Ground) -> Option<(String, i32)> {
    let asked = ground.status.state.candidate.as_ref().map_or(1, |c| c.stable_replicas).max(1);
    if ground.role(Track::Canary).is_some() {
        return ground.role(Track::Stable).map(|v| (v.hash.clone(), asked));
    }
    if ground.phase() == Phase::RollingBack {
        return ground.role(Track::Stable).map(|v| (v.hash.clone(), 1));
    }
    let asked = if ground.phase() == Phase::Baking { asked } else { 1 };
    ground.role(Track::Previous).map(|v| (v.hash.clone(), asked))
}

/// The fallback keeps its template and its pods, its Service what it selects.
pub(super) fn kept(ground: &Ground, key: &Key, body: &Value, found: &mut Found) {
    let own = key.name.strip_suffix("-app").unwrap_or(&key.name);
    let Some((hash, asked)) = fallback(ground).filter(|(hash, _)| own == ground.named(hash)) else {
        return;
    };
    let Some(live) = ground.observed.children.get(key) else { return };
    let record = ground.child(Kind::ControllerRevision, &key.name);
    let recorded = |path: &str| record.and_then(|r| r.body.pointer(path));
    // Without a record of ours only the digest tells a repair from another version.
    let digest = |body: &Value| meta::at(body, &["metadata", "annotations", ANNOTATION_RENDERED]).cloned();
    let repaired = record.is_none() && digest(body).is_some() && digest(body) == digest(&live.body);
    match key.kind {
        Kind::Deployment => {
            let template = recorded("/data/deployment/spec/template").or(live.body.pointer("/spec/template"));
            let same = repaired || body.pointer("/spec/template") == template;
            found.unless(same, "S7", || format!("the fallback {hash} gets another template"));
            let replicas = |body: &Value| body.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
            // An autoscaler's Deployment is applied without them.
            let enough = body.pointer("/spec/replicas").is_none()
                || replicas(body) >= replicas(&live.body).min(i64::from(asked));
            found.unless(enough, "S7", || {
                format!("the fallback {hash} shrinks from {} to {}", replicas(&live.body), replicas(body))
            });
        }
        Kind::Service => {
            let selector = recorded("/data/service/spec/selector").or(live.body.pointer("/spec/selector"));
            let same = repaired || body.pointer("/spec/selector") == selector;
            found.unless(same, "S7", || format!("the Service of the fallback {hash} selects something else"));
        }
        _ => {}
    }
}
