//! What no status has word for word: the operator's own families, those that follow from more than one object, and those that
//! are absent in this story.

use model_release_core::api::status::Verdict;

use super::{Moment, Page, near};

/// What is wrong with a family; none if it is as it has to be.
pub fn problem(family: &str, moment: &Moment) -> Option<String> {
    let page = &moment.page;
    let fine =
        |is: bool, what: &str| (!is).then(|| format!("{what}; Prometheus has {:?}", page.of(family, &[])));
    let sum = |labels: &[(&str, &str)]| page.sum(family, labels).unwrap_or(f64::NAN);
    match family {
        "build_info" => {
            fine(near(sum(&[("version", env!("CARGO_PKG_VERSION"))]), 1.0), "one operator of this version")
        }
        "leader" => fine(near(sum(&[]), 1.0), "one leads"),
        "queue_depth" => {
            fine((0.0..=count(moment.releases)).contains(&sum(&[])), "no more wait than there are")
        }
        "kube_requests_total" => {
            let commits = [("verb", "update"), ("resource", "modelreleases/status"), ("code", "200")];
            fine(sum(&commits) >= sum_of(page, "decisions_total"), "each decision was committed")
        }
        "istiod_questions_total" => fine(sum(&[("outcome", "ok")]) > 0.0, "istiod was asked, and answered"),
        "gateway_rejected_pushes" => {
            gateways(moment).or_else(|| fine(near(sum(&[]), 0.0), "none refused a push"))
        }
        "gateway_unacknowledged_pushes" => {
            let rejected = page.of("gateway_rejected_pushes", &[]);
            let same = page.of(family, &[]).keys().eq(rejected.keys());
            fine(
                same && page.of(family, &[]).values().all(|flag| near(*flag, 0.0) || near(*flag, 1.0)),
                "a flag of each",
            )
        }
        "prometheus_queries_total" => {
            fine(sum(&[("source", "default"), ("outcome", "ok")]) > 0.0, "it answered")
        }
        "prometheus_query_duration_seconds" => {
            let asked = page.sum("prometheus_queries_total", &[("source", "default")]).unwrap_or(f64::NAN);
            histogram(page, family, &[("source", "default")]).err().or_else(|| {
                let counted =
                    page.sum(&format!("{family}_count"), &[("source", "default")]).unwrap_or(f64::NAN);
                fine(counted > 0.0 && counted <= asked, "each question takes its time once")
            })
        }
        "prometheus_last_success_timestamp_seconds" => {
            let age = moment.now - sum(&[("source", "default")]);
            fine(
                (-1.0..30.0).contains(&age) && near(sum(&[("source", "nowhere")]), 0.0),
                "one answers, one never did",
            )
        }
        "prometheus_sources_in_use" => {
            let use_of = |source| sum(&[("source", source)]);
            fine(
                near(use_of("default"), 1.0) && near(use_of("nowhere"), 0.0),
                "this release is judged by the default",
            )
        }
        "reconcile_total" => {
            fine(sum(&[("result", "ok")]) > 0.0 && near(sum(&[("result", "panicked")]), 0.0), "it looks")
        }
        "reconcile_duration_seconds" => histogram(page, family, &[]).err().or_else(|| {
            let looks = page.sum("reconcile_total", &[]).unwrap_or(f64::NAN);
            let counted = page.sum(&format!("{family}_count"), &[]).unwrap_or(f64::NAN);
            fine(near(counted, looks), &format!("{counted} times for {looks} looks"))
        }),
        "rollback_exposed_requests" => histogram(page, family, &[]).err().or_else(|| {
            let counted = page.sum(&format!("{family}_count"), &[]).unwrap_or(f64::NAN);
            let made = page.sum("decisions_total", &[("decision", "rollback")]).unwrap_or(f64::NAN);
            fine(counted >= made, &format!("{counted} of {made} rollbacks"))
        }),
        "rollback_duration_seconds" => histogram(page, family, &[]).err().or_else(|| {
            let counted = page.sum(&format!("{family}_count"), &[]).unwrap_or(f64::NAN);
            let made = page.sum("rollback_exposed_requests_count", &[]).unwrap_or(f64::NAN);
            fine(counted <= made, &format!("{counted} rollbacks were carried out, {made} decided"))
        }),
        "time_to_decision_seconds" => ["promote", "rollback"].into_iter().find_map(|decision| {
            let labels = [("decision", decision)];
            histogram(page, family, &labels).err().or_else(|| {
                let counted = page.sum(&format!("{family}_count"), &labels).unwrap_or(f64::NAN);
                let made = page.sum("decisions_total", &labels).unwrap_or(f64::NAN);
                fine(counted >= made, &format!("{counted} of {made} trials that ended with {decision}"))
            })
        }),
        "drift_corrections_total" => {
            let own = own(moment);
            let told = page.sum(family, &[own[0], own[1]]).unwrap_or(f64::NAN);
            let total = moment.release.status.as_ref().map_or(0, |status| status.state.drift.total);
            fine(
                near(told, count(usize::try_from(total).unwrap())),
                &format!("{total} in the release's life"),
            )
        }
        "decision_eta_seconds" => eta(moment),
        // Absent here.
        "check_bound_seconds" => {
            let late = serde_json::to_value(&moment.release.spec).unwrap().to_string().contains("Latency");
            fine(!late && page.of(family, &[]).is_empty(), "no check of the stories counts late answers")
        }
        "notifications_total" => fine(page.of(family, &[]).is_empty(), "the stories' operator has no sinks"),
        _ => Some("is in docs/metrics.md, and this test does not know what it has to tell".to_owned()),
    }
}

fn own(moment: &Moment) -> [(&'static str, &str); 2] {
    let meta = &moment.release.metadata;
    [("namespace", meta.namespace.as_deref().unwrap()), ("name", meta.name.as_deref().unwrap())]
}

/// Pods that are wanted and ready are those of the Deployments.
pub fn replicas(moment: &Moment) -> Option<String> {
    let name = moment.release.metadata.name.as_deref().unwrap();
    for version in &moment.release.status.as_ref()?.versions {
        let workload = format!("{name}-{}", version.hash);
        let found = moment.deployments.iter().find(|deployment| deployment["metadata"]["name"] == *workload);
        for (state, path) in [("desired", "/spec/replicas"), ("ready", "/status/readyReplicas")] {
            let there = found.and_then(|deployment| deployment.pointer(path)?.as_f64()).unwrap_or(0.0);
            let [namespace, name] = own(moment);
            let labels = [namespace, name, ("track", version.track.as_str()), ("state", state)];
            let told = moment.page.sum("replicas", &labels).unwrap_or(f64::NAN);
            if !near(told, there) {
                return Some(format!("replicas: {workload} has {there} {state}, Prometheus says {told}"));
            }
        }
    }
    None
}

/// Told of checks that are open, once there is a pace.
fn eta(moment: &Moment) -> Option<String> {
    let told = moment.page.of("decision_eta_seconds", &own(moment));
    let status = moment.release.status.as_ref()?;
    let analysis = status.analysis.as_ref()?;
    let open = |name: &str| {
        let mut checks = analysis.quality.iter().chain(&analysis.guardrails);
        checks.any(|check| check.name == name && check.verdict == Verdict::Inconclusive)
    };
    let of_open = told.iter().all(|(labels, left)| open(&labels["check"]) && *left >= 0.0);
    // The status says in words how many answers are missing, and how long that takes at the pace so far.
    let said = status.message.contains(" a minute");
    let quality = told.keys().any(|labels| labels["check"] == "model_accuracy");
    (!of_open || said && !quality).then(|| format!("{:?}; Prometheus has {told:?}", status.message))
}

/// The gateway's pods are told of, and no others.
fn gateways(moment: &Moment) -> Option<String> {
    let told: Vec<String> =
        moment.page.of("gateway_rejected_pushes", &[]).keys().map(|labels| labels["pod"].clone()).collect();
    let strangers: Vec<&String> = told.iter().filter(|pod| !moment.gateways.contains(*pod)).collect();
    let silent: Vec<&String> = moment.gateways.iter().filter(|pod| !told.contains(pod)).collect();
    (!strangers.is_empty() || !silent.is_empty())
        .then(|| format!("strangers {strangers:?}, silent {silent:?}"))
}

/// A histogram counts in its last bucket what it counts at all, and sums no less than nothing.
fn histogram(page: &Page, family: &str, labels: &[(&str, &str)]) -> Result<(), String> {
    let of = |part: &str, labels: &[(&str, &str)]| {
        page.sum(&format!("{family}_{part}"), labels).unwrap_or(f64::NAN)
    };
    let last: Vec<(&str, &str)> = labels.iter().copied().chain([("le", "+Inf")]).collect();
    let (bucket, counted, sum) = (of("bucket", &last), of("count", labels), of("sum", labels));
    let fits = near(bucket, counted) && sum >= 0.0;
    if fits { Ok(()) } else { Err(format!("last bucket {bucket}, count {counted}, sum {sum}")) }
}

fn sum_of(page: &Page, name: &str) -> f64 {
    page.sum(name, &[]).unwrap_or(f64::NAN)
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn count(of: usize) -> f64 {
    of as f64
}
