//! Two operators, one lease: who leads, when the lead changes hands, and that nobody works without it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what is wrong by failing"
)]

mod support;

use std::time::Duration;

use support::{Fault, Operator, cluster, stable_only};
use tokio::time::{Instant, timeout};

const LONG: Duration = Duration::from_secs(3600);

async fn leads(operator: &Operator) {
    let mut lead = operator.lead.clone();
    timeout(LONG, lead.becomes(true)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_of_two_leads_and_the_other_follows_a_full_lease_after_it_died() {
    let server = cluster();
    let first = Operator::candidate(&server, "first");
    leads(&first).await;
    let second = Operator::candidate(&server, "second");
    timeout(LONG, async { second.lead.clone().becomes(true).await }).await.unwrap_err();
    assert!(first.lead.leads(), "an hour of renewals");
    drop(first);
    let died = Instant::now();
    leads(&second).await;
    let gap = died.elapsed();
    assert!(gap >= Duration::from_secs(12) && gap <= Duration::from_secs(20), "{gap:?}");
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_is_told_to_end_hands_over_at_once_and_after_its_last_write() {
    let server = cluster();
    let first = Operator::candidate(&server, "first");
    let second = Operator::candidate(&server, "second");
    leads(&first).await;
    server.create("modelreleases", stable_only("fraud"));
    first.stop().await;
    let freed = server.asked().len();
    let begun = Instant::now();
    leads(&second).await;
    assert!(begun.elapsed() <= Duration::from_secs(3), "{:?}", begun.elapsed());
    let asked = server.asked();
    let last = asked[..freed].iter().rposition(|a| a.writes() && a.resource != "events").unwrap();
    assert_eq!(asked[last].resource, "leases", "the lease goes last");
    server.until_phase("fraud", "Stable").await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_writes_nothing_more_until_it_can() {
    let server = cluster();
    let only = Operator::candidate(&server, "only");
    leads(&only).await;
    server.faults(|asked| if asked.resource == "leases" { Fault::Vanish } else { Fault::None });
    let cut = Instant::now();
    timeout(LONG, only.lead.clone().becomes(false)).await.unwrap();
    assert!(cut.elapsed() <= Duration::from_secs(10), "{:?}", cut.elapsed());
    let before = server.asked().iter().filter(|a| a.writes() && a.resource != "leases").count();
    server.create("modelreleases", stable_only("fraud"));
    timeout(LONG, std::future::pending::<()>()).await.unwrap_err();
    let after = server.asked().iter().filter(|a| a.writes() && a.resource != "leases").count();
    assert_eq!(before, after, "nothing is decided without the lead");
    server.faults(|_| Fault::None);
    server.until_phase("fraud", "Stable").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_when_the_lead_is_lost_goes_no_further() {
    let server = cluster();
    let only = Operator::candidate(&server, "only");
    leads(&only).await;
    server.faults(|asked| match asked.resource.as_str() {
        "leases" => Fault::Vanish,
        _ if asked.writes() => Fault::Late,
        _ => Fault::None,
    });
    server.create("modelreleases", stable_only("fraud"));
    let writes = || server.asked().iter().filter(|a| a.writes() && a.resource != "leases").count();
    timeout(LONG, only.lead.clone().becomes(false)).await.unwrap();
    let before = writes();
    assert!(before >= 2, "its writes had begun: {before}");
    timeout(LONG, std::future::pending::<()>()).await.unwrap_err();
    assert_eq!(writes(), before);
    assert!(
        server.store().objects.keys().all(|(resource, ..)| resource != "deployments"),
        "the plan was not at its end"
    );
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_never_reached_the_server_ends_when_it_is_told_to() {
    let server = cluster();
    server.faults(|_| Fault::Vanish);
    let lost = Operator::candidate(&server, "lost");
    timeout(Duration::from_secs(60), lost.lead.clone().becomes(true)).await.unwrap_err();
    timeout(Duration::from_secs(6), lost.stop()).await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn what_others_wrote_into_the_lease_stays() {
    let server = cluster();
    let lease = serde_json::json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "model-release-operator", "labels": {"app": "chart"}}, "spec": {}});
    server.act(|store| store.create("leases", "system", lease)).unwrap();
    let only = Operator::candidate(&server, "only");
    leads(&only).await;
    let stored = server.store().get("leases", "system", "model-release-operator").unwrap();
    assert_eq!(stored["metadata"]["labels"]["app"], "chart");
    assert_eq!(stored["spec"]["holderIdentity"], "only");
    assert_eq!(stored["spec"]["leaseDurationSeconds"], 15);
}
