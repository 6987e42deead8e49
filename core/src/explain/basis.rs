//! A release as a reader can know it: the stored object, and what was seen of its pods. What only the operator knows is
//! taken from what it wrote.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::analysis::outlook::{Outlook, kept_by, outlook};
use crate::analysis::{self, Look};
use crate::api::conditions::Type;
use crate::api::reasons::Reason;
use crate::api::spec::ModelRelease;
use crate::api::status::{ModelReleaseStatus, Track, VersionStatus};
use crate::api::{ANNOTATION_SEQ, LABEL_COMPONENT};
use crate::children;
use crate::facts;
use crate::meta::{self, Component};
use crate::observed::{Live, Observed};
use crate::plan::{Key, Kind};
use crate::release::Release;
use crate::settings::{GatewaySet, Prometheus, Settings, Source};
use crate::situation::Situation;
use crate::step::not_before;
use crate::version::Hash;

/// Label of an `EndpointSlice`: its Service.
const LABEL_SERVICE: &str = "kubernetes.io/service-name";

/// What a reader saw of a release's pods. What could not be read is taken as the operator saw it last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Its Deployments as stored; none if they could not be read.
    pub deployments: Option<Vec<Value>>,
    /// The `EndpointSlices` of its Services as stored; none if they could not be read.
    pub slices: Option<Vec<Value>>,
}

/// All that the rules ask of a release, put together for a reader.
pub(super) struct Basis {
    release: Release,
    status: ModelReleaseStatus,
    observed: Observed,
    weights: Option<Vec<(Hash, i32)>>,
    settings: Settings,
    now: Timestamp,
    look: Option<Look>,
    /// Every check as it stands, while a version is judged.
    pub outlook: Vec<Outlook>,
}

impl Basis {
    /// What is known of a release at a time.
    pub fn of(object: &ModelRelease, seen: &Seen, now: Timestamp) -> Self {
        let status = object.status.clone().unwrap_or_default();
        let settings = assumed(object, &status);
        let mut release = Release::parse(object, &settings);
        release.refused = refusal(&release, &status);
        let mut basis = Self {
            observed: observed(&release, &status, seen),
            weights: read_back(&status),
            now: not_before(&status, now),
            release,
            status,
            settings,
            look: None,
            outlook: Vec::new(),
        };
        basis.judge();
        basis
    }

    /// The words of the lifecycle about it.
    pub fn situation(&self) -> Situation<'_> {
        Situation {
            release: &self.release,
            status: &self.status,
            observed: &self.observed,
            weights: self.weights.as_deref(),
            settings: &self.settings,
            now: self.now,
            look: self.look.as_ref(),
        }
    }

    /// Judges what is counted already, by the rules that count it. Nothing is judged where the operator keeps its hands
    /// off.
    fn judge(&mut self) {
        let s = self.situation();
        if s.suspended() || s.expired() {
            return;
        }
        let (stable, canary) = (s.hash(Track::Stable), s.hash(Track::Canary));
        let Some(subject) = facts::subject(&s, stable.as_ref(), canary.as_ref()) else { return };
        let checks = &self.status.state.checks;
        let mut release = self.release.clone();
        release.analysis.source = kept_by(&release, &subject, checks);
        let look = analysis::look(&release, &subject, checks, &[], self.now);
        let outlook = outlook(&release, &subject, checks, self.now);
        self.release = release;
        self.look = Some(look);
        self.outlook = outlook;
    }
}

/// What any operator would refuse about a spec, whatever its administrator allows; none if nothing.
pub fn sense(object: &ModelRelease) -> Option<(Reason, String)> {
    Release::parse(object, &assumed(object, &ModelReleaseStatus::default())).refused
}

/// Settings under which nothing is refused that the administrator may have allowed: whether it is, the operator wrote
/// into the condition `Accepted`.
fn assumed(object: &ModelRelease, status: &ModelReleaseStatus) -> Settings {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let named = object.spec.traffic.iter().filter_map(|traffic| traffic.gateways.as_ref()).flatten();
    let gateways = named
        .filter(|gateway| *gateway != "mesh")
        .map(|gateway| if gateway.contains('/') { gateway.clone() } else { format!("{namespace}/{gateway}") })
        .collect();
    // Whether a gateway's pod can be asked is seen by its having been asked.
    let astray = status.state.candidate.as_ref().is_some_and(|memory| !memory.unrouted.is_empty());
    let provider = object.spec.analysis.as_ref().and_then(|analysis| analysis.provider.clone());
    Settings {
        gateways: vec![GatewaySet {
            name: "gateways".to_owned(),
            gateways,
            hosts: vec!["*".to_owned()],
            probe_port: astray.then(|| "http".to_owned()),
            ..GatewaySet::default()
        }],
        prometheus: Prometheus {
            sources: vec![Source {
                name: provider.unwrap_or_else(|| "default".to_owned()),
                ..Source::default()
            }],
        },
        service_accounts: vec!["*".to_owned()],
        ..Settings::default()
    }
}

/// What the operator refuses about the spec as it is now; before it has looked at it, what any operator would.
fn refusal(release: &Release, status: &ModelReleaseStatus) -> Option<(Reason, String)> {
    let told = status.conditions.iter().find(|c| c.type_ == Type::Accepted.as_str());
    match told {
        Some(condition) if status.observed_generation == release.generation => {
            let reason = serde_json::from_value(Value::from(condition.reason.as_str())).ok();
            (condition.status == "False")
                .then(|| (reason.unwrap_or(Reason::InvalidSpec), condition.message.clone()))
        }
        _ => release.refused.clone(),
    }
}

/// Weights as the operator read them back.
fn read_back(status: &ModelReleaseStatus) -> Option<Vec<(Hash, i32)>> {
    let weights = status.traffic.iter().map(|entry| (Hash::known(&entry.hash), entry.percent));
    (!status.traffic.is_empty()).then(|| weights.collect())
}

fn observed(release: &Release, status: &ModelReleaseStatus, seen: &Seen) -> Observed {
    let mut observed = Observed { istio: true, gateway_api: true, ..Observed::default() };
    let ready = |version: &VersionStatus| (Hash::known(&version.hash), version.ready_replicas);
    let told: Vec<(Hash, i32)> = status.versions.iter().map(ready).collect();
    match &seen.deployments {
        Some(all) => observed.children.extend(all.iter().filter_map(|body| deployment(release, body))),
        None => {
            for (hash, ready) in &told {
                let body = json!({"status": {"availableReplicas": ready}});
                observed.children.insert(children::deployment_key(release, hash), ours(release, body));
                let app = children::part_key(release, hash, Component::App, Kind::Deployment);
                let body = json!({"status": {"availableReplicas": i32::MAX}});
                observed.children.insert(app, ours(release, body));
            }
        }
    }
    observed.endpoints = if let Some(all) = &seen.slices {
        endpoints(all)
    } else {
        let both = |(hash, ready): &(Hash, i32)| {
            [(release.object_name(hash), *ready), (release.app_name(hash), *ready)]
        };
        told.iter().flat_map(both).collect()
    };
    // What has endpoints is there; which decision it follows was seen by the operator before it counted them.
    let namespace = &release.namespace;
    let services = observed.endpoints.keys().map(|name| {
        let key = Key { kind: Kind::Service, namespace: namespace.clone(), name: name.clone() };
        (key, ours(release, Value::Null))
    });
    observed.children.extend(services.collect::<Vec<_>>());
    observed
}

/// An object that the operator counts as the release's own.
fn ours(release: &Release, body: Value) -> Live {
    Live { owner: Some(release.uid.clone()), seq: Some(i64::MAX), body, ..Live::default() }
}

/// A Deployment as stored; none without a name.
fn deployment(release: &Release, body: &Value) -> Option<(Key, Live)> {
    let text = |path: &[&str]| meta::at(body, path).and_then(Value::as_str).map(str::to_owned);
    let name = text(&["metadata", "name"])?;
    text(&["metadata", "labels", LABEL_COMPONENT])?;
    let owners = meta::at(body, &["metadata", "ownerReferences"]).and_then(Value::as_array);
    let controls = |owner: &&Value| owner.get("controller") == Some(&Value::Bool(true));
    let owner = owners.and_then(|all| all.iter().find(controls)?.get("uid")?.as_str());
    let live = Live {
        owner: owner.map(str::to_owned),
        seq: text(&["metadata", "annotations", ANNOTATION_SEQ]).and_then(|seq| seq.parse().ok()),
        body: body.clone(),
        ..Live::default()
    };
    Some((Key { kind: Kind::Deployment, namespace: release.namespace.clone(), name }, live))
}

/// Ready endpoints by name of Service, each pod once.
fn endpoints(slices: &[Value]) -> BTreeMap<String, i32> {
    let mut pods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for slice in slices {
        let service = meta::at(slice, &["metadata", "labels", LABEL_SERVICE]).and_then(Value::as_str);
        let Some(service) = service else { continue };
        let all = slice.get("endpoints").and_then(Value::as_array).into_iter().flatten();
        // Kubernetes leaves readiness out where it is not known to be otherwise.
        let ready =
            all.filter(|e| meta::at(e, &["conditions", "ready"]).and_then(Value::as_bool).unwrap_or(true));
        let named = ready.filter_map(|endpoint| {
            let pod = meta::at(endpoint, &["targetRef", "uid"]).and_then(Value::as_str);
            let address = || endpoint.get("addresses")?.as_array()?.first()?.as_str();
            pod.or_else(address).map(str::to_owned)
        });
        pods.entry(service.to_owned()).or_default().extend(named);
    }
    let count = |(service, pods): (String, BTreeSet<String>)| {
        (service, i32::try_from(pods.len()).unwrap_or(i32::MAX))
    };
    pods.into_iter().map(count).collect()
}
