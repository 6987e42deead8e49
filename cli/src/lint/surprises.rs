//! What is taken as it is written, and may not be what was meant.

use jiff::SignedDuration;
use model_release_core::analysis::kernel::{QualityBounds, answers_expected};
use model_release_core::api::spec::{CheckMode, ModelRelease, ModelReleaseSpec, VersionSpec};
use model_release_core::explain::span;

/// Share of right answers that a model is taken to have, to tell how many of them a proof needs.
const SHARE: f64 = 0.9;

/// Fields, and what to say of each. `rate`: labelled answers of the canary a minute.
pub fn check(release: &ModelRelease, rate: Option<f64>) -> Vec<(String, String)> {
    let spec = &release.spec;
    let versions = [("stable", Some(&spec.stable)), ("canary", spec.canary.as_ref())];
    let mut found = Vec::new();
    for (block, version) in versions {
        let Some(version) = version else { continue };
        found.extend(digest(block, version));
        found.extend(image(block, version));
    }
    found.extend(shared_image(spec));
    found.extend(times(spec));
    found.extend(gauge(spec));
    found.extend(rate.and_then(|rate| samples(spec, rate)));
    found
}

fn digest(block: &str, version: &VersionSpec) -> Option<(String, String)> {
    let uri = version.storage_uri.as_deref()?;
    let open = uri.starts_with("https://") && version.verification.is_none();
    open.then(|| {
        let message = "without verification.digest nothing tells whether what is fetched is what was meant; give its sha256";
        (format!("spec.{block}.storageUri"), message.to_owned())
    })
}

fn image(block: &str, version: &VersionSpec) -> Option<(String, String)> {
    moving(version.model.pod.image.as_deref()?).map(|why| (format!("spec.{block}.image"), why))
}

fn shared_image(spec: &ModelReleaseSpec) -> Option<(String, String)> {
    let image = spec.runtime.as_ref()?.pod.image.as_deref()?;
    moving(image).map(|why| ("spec.runtime.image".to_owned(), why))
}

/// Why an image's name may come to mean another image, if it may.
fn moving(image: &str) -> Option<String> {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains('@') {
        return None;
    }
    match name.split_once(':') {
        None => Some(format!("{image} has no tag, so it means another image each time one is pushed; name a digest")),
        Some((_, "latest")) => {
            Some("latest means another image each time one is pushed, and the version keeps its hash; name a digest".to_owned())
        }
        Some(_) => None,
    }
}

/// A length of time as written, or its default in seconds.
fn length(text: Option<&String>, default: i64) -> SignedDuration {
    let parsed = text.and_then(|text| text.parse::<kube::core::Duration>().ok());
    let parsed = parsed.and_then(|length| SignedDuration::try_from(std::time::Duration::from(length)).ok());
    parsed.unwrap_or(SignedDuration::from_secs(default))
}

fn longest(spec: &ModelReleaseSpec) -> SignedDuration {
    length(spec.rollout.as_ref().and_then(|rollout| rollout.max_duration.as_ref()), 86_400)
}

/// Steps that take longer than the whole may.
fn times(spec: &ModelReleaseSpec) -> Option<(String, String)> {
    let steps = spec.rollout.as_ref()?.steps.as_ref()?;
    let each = steps.iter().map(|step| length(step.min_duration.as_ref(), 300));
    let all = each.fold(SignedDuration::ZERO, SignedDuration::saturating_add);
    let most = longest(spec);
    (all >= most).then(|| {
        let message = format!(
            "the steps take {} at least, and after {} the release is Stalled or rolled back; make it longer",
            span(all),
            span(most)
        );
        ("spec.rollout.maxDuration".to_owned(), message)
    })
}

/// A gauge alone does not tell how many answers it rests on.
fn gauge(spec: &ModelReleaseSpec) -> Option<(String, String)> {
    let quality = spec.analysis.as_ref()?.quality.as_ref()?;
    let bare = quality.metric.is_some() && quality.total_metric.is_none();
    bare.then(|| {
        let message = "a gauge alone counts as one reading each window; export counters of right and of all answers beside it";
        ("spec.analysis.quality.metric".to_owned(), message.to_owned())
    })
}

/// More answers than come in the time that there is.
fn samples(spec: &ModelReleaseSpec, rate: f64) -> Option<(String, String)> {
    let analysis = spec.analysis.clone().unwrap_or_default();
    let quality = analysis.quality.unwrap_or_default();
    if quality.mode.is_some_and(|mode| mode != CheckMode::Enforce) {
        return None;
    }
    let decimal =
        |text: Option<String>, default: f64| text.and_then(|text| text.parse().ok()).unwrap_or(default);
    let least = f64::from(quality.min_samples.unwrap_or(100));
    let bounds = QualityBounds {
        max_drop: Some(decimal(quality.max_drop, 0.02)),
        min: None,
        alpha: 1.0 - decimal(analysis.confidence, 0.95),
        min_samples: least,
        dispersion: None,
    };
    let rollout = spec.rollout.as_ref();
    let last_step =
        rollout.and_then(|rollout| rollout.steps.as_ref()?.last()).map(|step| step.traffic_percent);
    let share = last_step.or(rollout.and_then(|rollout| rollout.traffic_percent)).unwrap_or(10);
    let needed =
        answers_expected(SHARE, f64::from(share), &bounds).map_or(least, |answers| answers.max(least));
    let minutes = needed / rate;
    let most = longest(spec).as_secs_f64() / 60.0;
    (minutes > most).then(|| {
        let message = format!(
            "a proof takes about {needed:.0} labelled answers of the canary, {:.0} h at {rate} a minute, and after {} it is \
             Stalled or rolled back; give the canary more traffic, allow a larger maxDrop, or make it longer",
            minutes / 60.0,
            span(longest(spec))
        );
        ("spec.rollout.maxDuration".to_owned(), message)
    })
}
