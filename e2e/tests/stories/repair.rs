//! Somebody edits or deletes what the operator made: it is put right, and no client notices.

use model_release_core::api::status::Track;
use model_release_core::plan::Kind::{Deployment, EnvoyFilter, Service, VirtualService};
use serde_json::json;
use testbed::demo::releases::version;
use testbed::demo::story::Stage;

use super::common::judged;
use super::hand::{Hand, WITHIN};

pub async fn what_a_hand_changed_is_put_right(stage: &Stage) {
    let release = "better";
    let client = stage.testbed.client().await.unwrap();
    let status = stage.releases.get(release).await.unwrap().status.unwrap();
    let hash = version(&status, Track::Stable).expect("it serves").hash.clone();
    let versioned = format!("{release}-{hash}");
    let on = |kind, name: &str| Hand::on(&client, kind, &stage.namespace, name);
    let limit = format!("mrel.{}.{release}.public.limit", stage.namespace);
    let limit = Hand::on(&client, EnvoyFilter, &stage.gateway.namespace, &limit);
    let model = on(Deployment, &versioned);
    // The whole list, for a merge patch replaces lists; a container more would not be ours to take away.
    let mut containers = model.look().await.unwrap()["spec"]["template"]["spec"]["containers"].take();
    containers[0]["image"] = json!("example.com/mine:1");
    let image = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    let root = format!("{release}-gateway");
    let took = [
        ("deployment's image replaced", model.edits(image).await),
        (
            "service's selector widened",
            on(Service, &versioned).edits(json!({"spec": {"selector": {"mine": "yes"}}})).await,
        ),
        (
            "virtualservice shown to all",
            on(VirtualService, release).edits(json!({"spec": {"exportTo": ["*"]}})).await,
        ),
        ("virtualservice of the gateway deleted", on(VirtualService, &root).deletes().await),
        ("envoyfilter deleted", limit.deletes().await),
    ];
    for (what, took) in took {
        let took = took.unwrap_or_else(|error| panic!("{what}: {error}"));
        println!("{what} by hand: put right after {took:.2} s");
        assert!(took <= judged(WITHIN), "{what} by hand: put right after {took:.2} s");
    }
}
