//! What no rule of the schema can see, because it shows only in the effective version.

use super::read::Refusal;
use crate::api::pods::PodFields;
use crate::api::reasons::Reason;
use crate::version::Version;

/// Refuses a version that cannot be meant. `block` is `stable` or `canary`.
pub(super) fn version(block: &str, version: &Version, refused: &mut Refusal) {
    let mut refuse = |message: String| refused.add(Reason::InvalidSpec, message);
    if version.pod().image.is_none() {
        refuse("no image: give spec.runtime.image, or an image in each version".to_owned());
    }
    if version.app().is_some_and(|app| app.image.is_none()) {
        refuse("app has no image: give spec.runtime.app.image, or app.image in each version".to_owned());
    }
    for (part, pod) in [("", Some(version.pod())), (".app", version.app())] {
        if let Some(pod) = pod {
            let place = format!("spec.{block}{part}");
            sizes(&place, pod).into_iter().for_each(&mut refuse);
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
