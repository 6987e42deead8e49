//! How each thing that may happen happens to a world.

use super::*;

impl Play {
    /// Lets it happen. A release that is gone has no more history.
    pub fn happen(&mut self, event: &Happens) {
        if self.gone() {
            return;
        }
        match event {
            Happens::Canary(version) => self.canary(*version),
            Happens::Stable(version) => self.stable(*version),
            Happens::ThereAndBack(version, looks) => {
                let before = self.world.object.spec.canary.clone();
                self.canary(Some(*version));
                self.when_due(*looks, SignedDuration::ZERO);
                self.world.edit(|spec| match before {
                    Some(before) => spec["canary"] = serde_json::to_value(before).unwrap(),
                    None => drop(spec.as_object_mut().unwrap().remove("canary")),
                });
            }
            Happens::Moved => {
                if self.world.object.spec.canary.is_some() {
                    self.world.edit(|spec| {
                        spec["stable"] = spec.as_object_mut().unwrap().remove("canary").unwrap();
                    });
                }
            }
            Happens::Say(key, value) => {
                let key = match *key {
                    "rollback" => ROLLBACK,
                    "pause" => PAUSE,
                    "promote" => PROMOTE,
                    _ => RETRY,
                };
                let named = value.map(|value| match value.strip_prefix('v').and_then(|n| n.parse().ok()) {
                    Some(version) => self.name(version),
                    None => value.to_owned(),
                });
                self.world.say(key, named.as_deref());
            }
            Happens::Retry => {
                self.tokens += 1;
                let token = format!("token-{}", self.tokens);
                self.world.say(RETRY, Some(&token));
            }
            Happens::Suspend(on) => drop(self.world.edit(|spec| spec["suspend"] = json!(on))),
            Happens::Ttl(seconds) => {
                let created = self.world.object.metadata.creation_timestamp.as_ref().unwrap().0;
                let age = self.world.now.duration_since(created).as_secs();
                self.world.edit(|spec| match seconds {
                    Some(seconds) => spec["ttl"] = json!(format!("{}s", (age + i64::from(*seconds)).max(60))),
                    None => drop(spec.as_object_mut().unwrap().remove("ttl")),
                });
            }
            Happens::Scene(at) => {
                for event in super::super::events::scene(*at) {
                    self.happen(&event);
                }
            }
            Happens::Policy(at) => {
                self.world.edit(policy::EDITS[usize::from(*at) % policy::EDITS.len()]);
            }
            Happens::Delete(orphan) => {
                if *orphan {
                    let finalizers = self.world.object.metadata.finalizers.get_or_insert_default();
                    finalizers.push("orphan".to_owned());
                }
                self.world.delete();
            }
            _ => self.befall(event),
        }
    }

    /// What becomes of pods, and what is measured of them.
    fn befall(&mut self, event: &Happens) {
        match event {
            Happens::Sick(version, true) => drop(self.world.sick.insert(self.name(*version))),
            Happens::Sick(version, false) => drop(self.world.sick.remove(&self.name(*version))),
            Happens::Ails(version, ails) => self.ail(*version, *ails),
            Happens::Cut(version, true) => drop(self.world.cut.insert(self.name(*version))),
            Happens::Cut(version, false) => drop(self.world.cut.remove(&self.name(*version))),
            Happens::Flaps(version, times) => {
                for _ in 0..*times {
                    self.world.cut.insert(self.name(*version));
                    self.until(self.world.now + SignedDuration::from_secs(6));
                    self.world.cut.remove(&self.name(*version));
                    self.when_due(2, SignedDuration::ZERO);
                }
            }
            Happens::Room(version, most) => {
                self.world.room.insert(self.name(*version), i32::from(*most));
            }
            Happens::Prometheus(up) => self.world.prometheus = *up,
            Happens::Says(at) => self.world.says = Says::ALL[usize::from(*at) % Says::ALL.len()],
            Happens::Accuracy(version, good) => {
                self.world.accuracy.insert(self.name(*version), if *good { 0.95 } else { 0.7 });
            }
            Happens::Errors(version, bad) => {
                self.world.errors.insert(self.name(*version), if *bad { 0.5 } else { 0.0 });
            }
            Happens::Warms(well) => self.world.warms = Some(*well),
            Happens::Rate(rate) => self.world.rate = f64::from(*rate),
            Happens::Gateways(up) => self.world.gateways = *up,
            Happens::Leads(true) => self.world.astray.clear(),
            Happens::Leads(false) => drop(self.world.astray.insert("public".into(), 503)),
            Happens::Istio(served) => self.world.observed.istio = *served,
            Happens::Tamper(at) => self.tamper(usize::from(*at)),
            Happens::Remove(at) => {
                if let Some(key) = self.child(usize::from(*at)) {
                    self.world.remove(&key);
                }
            }
            Happens::Foreign(at, theirs) => {
                if let Some(key) = self.child(usize::from(*at)) {
                    self.world.give(&key, theirs.then_some("somebody"));
                }
            }
            _ => self.fail(event),
        }
    }

    /// What becomes of the operator, and time.
    fn fail(&mut self, event: &Happens) {
        match event {
            Happens::Crash(commit, sent) => {
                self.looks += 1;
                let plan = self.world.decide();
                if *commit {
                    self.world.commit(&plan);
                    self.world.apply(&plan, usize::from(*sent));
                }
            }
            Happens::Refused(sent) => {
                self.looks += 1;
                self.refused(usize::from(*sent));
            }
            Happens::Lag => self.lagging = Some(self.world.basis()),
            Happens::Stale(commit, sent) => {
                let Some(then) = self.lagging.clone() else { return };
                self.looks += 1;
                let mut basis = self.world.lagging(&then);
                let plan = self.world.decide_on(&mut basis);
                if *commit && self.world.commit_on(&mut basis, &plan) {
                    self.world.follow(&basis, &plan, usize::from(*sent));
                }
            }
            Happens::HeldUp(commit) => {
                self.looks += 1;
                let mut basis = self.world.basis();
                let plan = self.world.decide_on(&mut basis);
                if *commit {
                    self.world.commit_on(&mut basis, &plan);
                    // What is left of it are its writes.
                    self.held_up = Some((basis, Plan { status: None, decision: None, ..plan }));
                } else {
                    self.held_up = Some((basis, plan));
                }
            }
            Happens::Arrives(sent) => {
                let Some((mut basis, plan)) = self.held_up.take() else { return };
                if plan.status.is_none() || self.world.commit_on(&mut basis, &plan) {
                    self.world.follow(&basis, &plan, usize::from(*sent));
                }
            }
            Happens::Back(seconds) => self.world.now -= SignedDuration::from_secs(i64::from(*seconds)),
            Happens::Due(looks, late) => self.when_due(*looks, SignedDuration::from_millis(i64::from(*late))),
            Happens::Seconds(seconds) => {
                self.until(self.world.now + SignedDuration::from_secs(i64::from(*seconds)));
            }
            Happens::Away(seconds) => self.world.now += SignedDuration::from_secs(i64::from(*seconds)),
            _ => unreachable!("{event:?} happens elsewhere"),
        }
    }

    /// What a user writes for a version: the third brings its model with it, the fourth is to be warmed up.
    fn block(&self, version: u8) -> Value {
        let name = self.name(version);
        let mut block = json!({"version": name, "image": format!("registry.example.com/fraud:{name}")});
        if version == 3 {
            block["storageUri"] = json!("https://models.example.com/fraud");
        }
        if version == 4 {
            block["warmup"] = json!({"path": "/predict", "requests": 3, "timeoutSeconds": 30});
        }
        block
    }

    /// The two blocks never name the same version: admission would refuse it.
    fn canary(&mut self, version: Option<u8>) {
        let named = version.filter(|v| self.name(*v) != self.world.object.spec.stable.version);
        let block = named.map(|version| self.block(version));
        self.world.edit(|spec| match block {
            Some(block) => spec["canary"] = block,
            None => drop(spec.as_object_mut().unwrap().remove("canary")),
        });
    }

    fn stable(&mut self, version: u8) {
        let canary = self.world.object.spec.canary.as_ref().map(|block| block.version.clone());
        if canary != Some(self.name(version)) {
            let block = self.block(version);
            self.world.edit(|spec| spec["stable"] = block);
        }
    }

    fn ail(&mut self, version: u8, ails: Ails) {
        let name = self.name(version);
        let container = |name: &str| Container { name: name.into(), ..Container::default() };
        let ended = |reason: &str, message: &str| {
            Some(Ended { reason: reason.into(), exit_code: 1, message: message.into() })
        };
        let waits = |word: &str| Container { waiting: Some(word.into()), ..container("model") };
        let restarted = |reason: &str| Container {
            restarts: 4,
            ended_before: ended(reason, ""),
            ..waits("CrashLoopBackOff")
        };
        let one = match ails {
            Ails::Well => {
                self.world.ailing.remove(&name);
                self.world.sick.remove(&name);
                return;
            }
            Ails::NoNode => container("model"),
            Ails::Looping => restarted("Error"),
            Ails::OutOfMemory => restarted("OOMKilled"),
            Ails::NoImage => waits("ImagePullBackOff"),
            Ails::BadName => waits("InvalidImageName"),
            Ails::WrongDigest => Container {
                init: true,
                ended: ended("Error", r#"{"reason":"DigestMismatch"}"#),
                ..container(model_release_core::pods::FETCHER)
            },
        };
        let unschedulable = (ails == Ails::NoNode).then(|| "0/3 nodes are available".to_owned());
        let pod = Pod { unschedulable, containers: vec![one], ..Pod::default() };
        self.world.sick.insert(name.clone());
        self.world.ailing.insert(name, pod);
    }

    /// A child, in an order that names do not change: by kind, then by version.
    fn child(&self, at: usize) -> Option<Key> {
        let meta = &self.world.object.metadata;
        let (own, space) =
            (meta.name.clone().unwrap_or_default(), meta.namespace.clone().unwrap_or_default());
        let place = |key: &Key, body: &Value| {
            let version =
                body["metadata"]["labels"]["app.kubernetes.io/version"].as_str().unwrap_or_default();
            let name = if version.is_empty() {
                key.name.replace(&own, "").replace(&space, "")
            } else {
                format!("{} {}", version.replace(self.prefix, ""), key.name.ends_with("-app"))
            };
            (key.kind, key.namespace != space, name)
        };
        let mut all: Vec<_> = self.world.observed.children.iter().collect();
        all.sort_by_cached_key(|(key, live)| place(key, &live.body));
        all.get(at % all.len().max(1)).map(|(key, _)| (*key).clone())
    }

    /// An edit of a child: of everything that somebody might want to be otherwise.
    fn tamper(&mut self, at: usize) {
        let Some(key) = self.child(at) else { return };
        let which = at % 3;
        self.world.tamper(key.kind, &key.name, |body| {
            let spec = &mut body["spec"];
            match (key.kind, which) {
                // Nobody can: its content is not to be changed.
                (Kind::ControllerRevision, _) => {}
                (Kind::Deployment, 0) => spec["replicas"] = json!(0),
                (Kind::Deployment, 1) => {
                    spec["template"]["spec"]["containers"][0]["image"] = json!("theirs:1");
                }
                (Kind::Deployment, _) => spec["replicas"] = json!(7),
                (Kind::HorizontalPodAutoscaler, _) => spec["minReplicas"] = json!(1),
                (Kind::Service, 0) => spec["selector"] = json!({"app": "theirs"}),
                (Kind::Service, _) => spec["type"] = json!("NodePort"),
                (Kind::VirtualService, 0) => spec["http"] = json!([]),
                (Kind::HttpRoute, 0) => spec["rules"] = json!([]),
                (Kind::VirtualService | Kind::HttpRoute, 1) => {
                    let (list, entries) =
                        if spec["rules"].is_array() { ("rules", "backendRefs") } else { ("http", "route") };
                    let routes = spec[list].as_array_mut().and_then(|routes| routes.last_mut());
                    let entries = routes.and_then(|split| split[entries].as_array_mut());
                    for entry in entries.into_iter().flatten() {
                        entry["weight"] = json!(50);
                    }
                }
                (Kind::HttpRoute, _) => spec["hostnames"] = json!(["theirs.example.com"]),
                (Kind::VirtualService, _) => spec["exportTo"] = json!(["*"]),
                (Kind::EnvoyFilter, _) => spec["workloadSelector"] = json!({"labels": {"app": "theirs"}}),
            }
        });
    }
}
