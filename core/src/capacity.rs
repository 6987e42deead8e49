//! How many pods each of a version's Deployments is to have: by size alone, or at least so many under an autoscaler.

use crate::api::pods::PodFields;
use crate::api::status::{Track, VersionStatus};
use crate::children;
use crate::meta::{self, Component};
use crate::observed::Live;
use crate::plan::{Key, Kind};
use crate::situation::Situation;
use crate::version::{Hash, Version};
use crate::wanted;

/// What a user says of a Deployment's size, where an autoscaler is to find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Pods at the least.
    pub least: i32,
    /// Pods at the most.
    pub most: i32,
    /// Percent of the requested CPU that is aimed at.
    pub target: i32,
}

impl Scale {
    fn of(pod: &PodFields) -> Option<Self> {
        let least = pod.min_replicas.unwrap_or(1);
        let most = pod.max_replicas.filter(|most| *most > least)?;
        Some(Self { least, most, target: pod.scale_target.unwrap_or(80) })
    }
}

/// The scale of one of a version's Deployments; none without an autoscaler. By the spec; of a version that no block
/// names any more by its live autoscaler.
pub fn scale(s: &Situation, hash: &Hash, component: Component) -> Option<Scale> {
    match (s.release.version(hash), component) {
        (Some(version), Component::Model) => Scale::of(version.pod()),
        (Some(version), Component::App) => Scale::of(version.app()?),
        (None, _) => {
            let scaler = Kind::HorizontalPodAutoscaler;
            let live = ours(s, &children::part_key(s.release, hash, component, scaler))?;
            children::scale_read(&live.body)
        }
    }
}

/// The user's own least number of pods of a version's model; none if nobody says so any more.
pub fn least(s: &Situation, hash: &Hash) -> Option<i32> {
    let named = s.release.version(hash).map(Version::min_replicas);
    named.or_else(|| scale(s, hash, Component::Model).map(|scale| scale.least))
}

/// Pods of a version's app that go with so many of its model: as many in proportion as the two have at the least.
pub fn app_for(s: &Situation, hash: &Hash, model: i32) -> i32 {
    if let Some(version) = s.release.version(hash) {
        let least = version.app().and_then(|app| app.min_replicas).unwrap_or(1);
        return proportion(least, version.min_replicas(), model);
    }
    let known = s.status.versions.iter().find(|v| v.hash == hash.as_str());
    let (app, of) = known.map_or((1, 1), |v| (v.app_replicas, v.replicas));
    match scale(s, hash, Component::App) {
        Some(scale) => proportion(scale.least, least(s, hash).unwrap_or(of), model),
        None => proportion(app, of, model),
    }
}

/// ⌈least · model / of⌉, at least one if there is any of the model.
fn proportion(least: i32, of: i32, model: i32) -> i32 {
    let of = i64::from(of.max(1));
    let product = i64::from(least.max(1)).saturating_mul(i64::from(model.max(0)));
    i32::try_from(product.saturating_add(of).saturating_sub(1).div_euclid(of)).unwrap_or(i32::MAX)
}

/// The least number of pods that one of a version's Deployments is to have now.
pub fn floor(s: &Situation, version: &VersionStatus, component: Component) -> i32 {
    let hash = Hash::known(&version.hash);
    let model = wanted::size(s, version);
    match component {
        Component::Model => model,
        Component::App if model == 0 => 0,
        // What nobody names keeps what it has.
        Component::App if s.release.version(&hash).is_none() && scale(s, &hash, component).is_none() => {
            version.app_replicas.max(1)
        }
        Component::App => app_for(s, &hash, model),
    }
}

/// Pods to ask for in an apply of a Deployment; none if an autoscaler has taken the field over, which an apply without
/// it then leaves alone. Until then an apply repeats what is there: left out, the API server would make it 1.
pub fn asked(s: &Situation, deployment: &Key, floor: i32, scaled: bool) -> Option<i32> {
    let live = ours(s, deployment).filter(|_| scaled && floor > 0);
    let now = live.map_or(floor, replicas);
    match live {
        Some(live) if now >= floor && live.scaled_by_others => None,
        _ => Some(now.max(floor)),
    }
}

/// Pods of a version's model and app as they are asked for, by us or by an autoscaler.
pub fn asked_of(s: &Situation, version: &VersionStatus) -> (i32, i32) {
    let hash = Hash::known(&version.hash);
    let of = |component| {
        let key = children::part_key(s.release, &hash, component, Kind::Deployment);
        let floor = floor(s, version, component);
        // A version that serves nobody new stays as it was when it got its role.
        let grows = matches!(version.track, Track::Stable | Track::Canary) && floor > 0;
        let live = ours(s, &key).filter(|_| grows && scale(s, &hash, component).is_some());
        live.map_or(floor, |live| replicas(live).max(floor))
    };
    let model = of(Component::Model);
    let app = if s.has_app(&hash) { of(Component::App) } else { 0 };
    (model, app)
}

fn replicas(live: &Live) -> i32 {
    let number = meta::at(&live.body, &["spec", "replicas"]).and_then(serde_json::Value::as_i64);
    number.and_then(|n| i32::try_from(n).ok()).unwrap_or(1)
}

fn ours<'a>(s: &'a Situation, key: &Key) -> Option<&'a Live> {
    s.observed.children.get(key).filter(|live| live.owner.as_deref() == Some(s.release.uid.as_str()))
}
