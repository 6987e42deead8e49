//! CEL rules of more than one type: flattened types lose their own, so each type that needs one names it.

use serde_json::{Value, json};

/// V11: of every block that has the two fields.
fn sizes() -> Value {
    json!({
        "rule": "!has(self.maxReplicas) || !has(self.minReplicas) || self.maxReplicas >= self.minReplicas",
        "message": "maxReplicas must not be below minReplicas",
    })
}

/// Rules of `runtime`.
pub(super) fn pods() -> Value {
    json!([sizes()])
}

/// Rules of an `app`: V11, V14.
pub(super) fn app() -> Value {
    json!([sizes(), {
        "rule": "!has(self.env) || self.env.all(e, e.name != 'MODEL_URL')",
        "message": "MODEL_URL is set by the operator; use $(MODEL_URL) in other variables",
    }])
}

/// Rules of `stable` and `canary`: V8 to V11.
pub(super) fn version() -> Value {
    json!([
        {
            "rule": "!has(self.verification) || has(self.storageUri)",
            "message": "verification needs storageUri",
        },
        {
            "rule": "!has(self.storageUri) || !self.storageUri.startsWith('http://') || has(self.verification)",
            "message": "http:// is not protected on its way: use https://, or give verification.digest",
        },
        {
            "rule": "!has(self.storageUri) || !self.storageUri.matches('^https?://[^/]*@')",
            "message": "no credentials in storageUri: use storage.credentialsSecret",
        },
        sizes(),
    ])
}

/// Rules of `spec`: V2 to V5.
pub(super) fn spec() -> Value {
    // Whether a version's app, its own or the shared one, has no image of its own.
    let lacks = |version: &str| {
        format!(
            "(has(self.{version}.app) ? !has(self.{version}.app.image) : has(self.runtime) && has(self.runtime.app))"
        )
    };
    json!([
        {
            "rule": "(has(self.runtime) && has(self.runtime.image)) || (has(self.stable.image) && (!has(self.canary) || has(self.canary.image)))",
            "message": "no image: give runtime.image, or an image in each version",
        },
        {
            "rule": "!has(self.canary) || self.canary.version != self.stable.version",
            "message": "must differ from stable.version; after moving the canary's lines to stable, remove the canary block",
            "fieldPath": ".canary.version",
        },
        {
            "rule": format!(
                "(has(self.runtime) && has(self.runtime.app) && has(self.runtime.app.image)) || !({} || has(self.canary) && {})",
                lacks("stable"),
                lacks("canary"),
            ),
            "message": "app has no image: give runtime.app.image, or app.image in each version",
        },
        {
            "rule": "!has(self.analysis) \
                || !has(self.analysis.quality) || !has(self.analysis.quality.mode) || self.analysis.quality.mode == 'Enforce' \
                || !has(self.analysis.guardrails) || self.analysis.guardrails.exists(g, !has(g.mode) || g.mode == 'Enforce') \
                || has(self.rollout) && has(self.rollout.promotion) && self.rollout.promotion == 'Manual'",
            "message": "nothing is enforced: enforce quality or a guardrail, or set rollout.promotion to Manual",
        },
    ])
}
