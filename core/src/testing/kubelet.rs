//! A kubelet that starts what it is told, gateways that follow at once, and what others have in the same cluster.

use serde_json::json;

use super::World;
use crate::api;
use crate::api::spec::Provider;
use crate::observed::{Answer, Claim, Container, GatewayAnswer, Pod, WarmupAnswer};
use crate::plan::{Asks, Key, Kind, Probe, Warmup};
use crate::traffic;

impl World {
    /// Pods, endpoints and Deployments' statuses as the replicas ask; none ready of a sick version.
    pub(super) fn kubelet(&mut self) {
        self.observed.pods.clear();
        self.observed.endpoints.clear();
        let deployments: Vec<Key> =
            self.observed.children.keys().filter(|key| key.kind == Kind::Deployment).cloned().collect();
        for key in deployments {
            let Some(live) = self.observed.children.get_mut(&key) else { continue };
            let replicas = live.body["spec"]["replicas"].as_i64().unwrap_or(1);
            let labels = live.body["spec"]["template"]["metadata"]["labels"].clone();
            let hash = labels[api::LABEL_VERSION].as_str().unwrap_or_default().to_owned();
            let image =
                live.body["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
            let version = image.rsplit_once(':').map(|(_, version)| version).unwrap_or_default();
            let room = self.room.get(version).map_or(replicas, |room| replicas.min(i64::from(*room)));
            let available = if self.sick.contains(version) { 0 } else { room };
            let cut = self.cut.contains(version);
            let well = Pod {
                containers: vec![Container { name: "model".into(), ..Container::default() }],
                ..Pod::default()
            };
            let looks = self.ailing.get(version).unwrap_or(&well).clone();
            let generation = live.body["metadata"]["generation"].clone();
            live.body["status"] = json!({"observedGeneration": generation, "availableReplicas": available});
            for n in 0..replicas {
                self.observed.pods.push(Pod {
                    name: format!("{}-{n}", key.name),
                    uid: format!("{}-{n}", key.name),
                    hash: hash.clone(),
                    ready: n < available,
                    ..looks.clone()
                });
            }
            let service =
                self.observed.children.keys().any(|k| k.kind == Kind::Service && k.name == key.name);
            if service {
                let reached = if cut { 0 } else { i32::try_from(available).unwrap_or(0) };
                self.observed.endpoints.insert(key.name.clone(), reached);
            }
        }
        if self.crowded {
            self.crowd();
        }
    }

    /// What of other releases may be among what is seen: of another name, another owner, another host.
    fn crowd(&mut self) {
        let theirs = |name: &str| format!("{name}-of-others");
        self.observed.endpoints.insert(theirs("fraud"), 7);
        self.observed.pods.push(Pod {
            name: theirs("pod"),
            uid: theirs("pod"),
            hash: "0123456789".into(),
            unschedulable: Some("no node has room".into()),
            ..Pod::default()
        });
        self.observed.claims = vec![Claim {
            object: "VirtualService ml/others".into(),
            provider: Provider::Istio,
            namespace: "ml".into(),
            path: String::new(),
            release: Some("another release".into()),
            created: None,
            hosts: vec!["others.example.com".into()],
            gateways: vec!["istio-system/public".into()],
        }];
    }

    /// What Prometheus, the gateways and the version on the way answer.
    pub(super) fn answered(&self, asks: &Asks) -> (Vec<Answer>, Vec<GatewayAnswer>, Option<WarmupAnswer>) {
        let answers = asks.queries.iter().map(|query| self.answer(query)).collect();
        let probes = asks.probes.iter().filter(|_| self.gateways);
        let gateways = probes.map(|probe| self.gateway(probe)).collect();
        (answers, gateways, asks.warmup.as_ref().and_then(|asked| self.warmed(asked)))
    }

    fn warmed(&self, asked: &Warmup) -> Option<WarmupAnswer> {
        let well = self.warms?;
        let (good, last_status) = if well { (asked.requests, None) } else { (0, Some(503)) };
        Some(WarmupAnswer { hash: asked.hash.clone(), good, last_status, unreachable: false })
    }

    fn gateway(&self, probe: &Probe) -> GatewayAnswer {
        let known = self.observed.children.values().find_map(|live| traffic::seq_read(&live.body));
        let seq = known.filter(|_| !self.mute.contains(&probe.set));
        // What is there is in force at once, as long as nobody says otherwise.
        let filters = self.observed.children.iter().filter(|(key, _)| key.kind == Kind::EnvoyFilter);
        let text: String = filters.map(|(_, live)| live.body.to_string()).collect();
        let limited = probe
            .limit
            .as_ref()
            .map(|limit| !self.refusing.contains(&probe.set) && text.contains(&limit.proof));
        let route = probe.direct.as_ref().map(|direct| {
            let name = self.object.metadata.name.as_deref().unwrap_or_default();
            let served =
                self.observed.endpoints.get(&format!("{name}-{}", direct.version)).is_some_and(|n| *n > 0);
            self.astray.get(&probe.set).copied().unwrap_or(if served { 200 } else { 503 })
        });
        GatewayAnswer { set: probe.set.clone(), pod: "gateway-0".into(), seq, limited, route }
    }
}
