//! Tests of the caches: what wakes whom, what a new list drops, and what waits.

use serde_json::json;

use super::*;

fn scope(watched: Watched) -> Scope {
    Scope { watched, namespace: None, labels: None }
}

fn object(namespace: &str, name: &str, version: u64, extra: &Value) -> Object {
    let mut body = json!({"metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{name}")}});
    for (key, value) in extra.as_object().unwrap() {
        if key == "labels" {
            body["metadata"]["labels"] = value.clone();
        } else {
            body[key] = value.clone();
        }
    }
    Object {
        namespace: namespace.into(),
        name: name.into(),
        uid: format!("uid-{name}"),
        resource_version: version.to_string(),
        scaled_by_others: false,
        body,
    }
}

fn release(namespace: &str, name: &str, host: &str) -> Object {
    let spec = json!({"stable": {"version": "v1", "image": "i"}, "traffic": {"hosts": [host], "gateways": ["infra/public"]}});
    object(
        namespace,
        name,
        1,
        &json!({"apiVersion": "modelrelease.dev/v1alpha1", "kind": "ModelRelease", "spec": spec}),
    )
}

fn key(namespace: &str, name: &str) -> ReleaseKey {
    ReleaseKey { namespace: namespace.into(), name: name.into() }
}

fn woken(receiver: &mut mpsc::UnboundedReceiver<ReleaseKey>) -> BTreeSet<String> {
    std::iter::from_fn(|| receiver.try_recv().ok()).map(|key| key.to_string()).collect()
}

#[test]
fn a_child_wakes_its_release_and_only_when_it_is_new() {
    let pods = scope(Watched::Pod);
    let (caches, mut receiver) = Caches::new(std::slice::from_ref(&pods));
    let pod = object("models", "a-0", 5, &json!({"labels": {LABEL_NAME: "a"}}));
    caches.take(&pods, Change::Set(pod.clone()));
    assert_eq!(woken(&mut receiver), BTreeSet::from(["models/a".to_owned()]));
    caches.take(&pods, Change::Set(pod.clone()));
    assert!(woken(&mut receiver).is_empty(), "the same revision is no news");
    caches.take(&pods, Change::Removed(pod));
    assert_eq!(woken(&mut receiver), BTreeSet::from(["models/a".to_owned()]));
    assert!(caches.of_release(&key("models", "a")).is_empty());
}

#[test]
fn an_object_of_a_gateways_namespace_wakes_the_release_that_its_labels_name() {
    let filters = scope(Watched::Child(Kind::EnvoyFilter));
    let (caches, mut receiver) = Caches::new(&[]);
    let labels = json!({"labels": {LABEL_NAME: "a", LABEL_NAMESPACE: "models"}});
    caches.take(&filters, Change::Set(object("infra", "models.a.limit", 1, &labels)));
    assert_eq!(woken(&mut receiver), BTreeSet::from(["models/a".to_owned()]));
}

#[test]
fn a_new_list_drops_what_it_does_not_name() {
    let services = scope(Watched::Child(Kind::Service));
    let (caches, mut receiver) = Caches::new(std::slice::from_ref(&services));
    let labels = json!({"labels": {LABEL_NAME: "a"}});
    for name in ["one", "two"] {
        caches.take(&services, Change::Set(object("models", name, 1, &labels)));
    }
    woken(&mut receiver);
    caches.take(&services, Change::Restart);
    caches.take(&services, Change::Listed(object("models", "two", 1, &labels)));
    assert_eq!(caches.all(services.watched).len(), 2, "until the list is complete nothing is dropped");
    caches.take(&services, Change::Synced);
    assert_eq!(caches.all(services.watched).len(), 1);
    assert_eq!(woken(&mut receiver), BTreeSet::from(["models/a".to_owned()]));
    assert!(caches.synced());
}

#[test]
fn a_route_wakes_every_release_whose_host_it_claims() {
    let (caches, mut receiver) = Caches::new(&[]);
    let releases = scope(Watched::Release);
    for (name, host) in [("a", "a.example.com"), ("b", "b.example.com"), ("c", "c.other.org")] {
        caches.take(&releases, Change::Set(release("models", name, host)));
    }
    woken(&mut receiver);
    let routes = scope(Watched::Child(Kind::VirtualService));
    let foreign = object("web", "x", 1, &json!({"spec": {"hosts": ["*.example.com"]}}));
    caches.take(&routes, Change::Set(foreign));
    assert_eq!(woken(&mut receiver), BTreeSet::from(["models/a".to_owned(), "models/b".to_owned()]));
    let homonym = object("models", "c", 2, &json!({"spec": {"hosts": ["x"]}}));
    caches.take(&routes, Change::Set(homonym));
    assert_eq!(woken(&mut receiver), BTreeSet::from(["models/c".to_owned()]));
}

#[test]
fn an_undecodable_release_is_kept_as_such_and_harms_no_other() {
    let (caches, _receiver) = Caches::new(&[]);
    let releases = scope(Watched::Release);
    caches.take(&releases, Change::Set(object("models", "bad", 1, &json!({"spec": {"stable": 7}}))));
    caches.take(&releases, Change::Set(release("models", "good", "h")));
    assert!(caches.release(&key("models", "bad")).unwrap().decoded.is_err());
    assert!(caches.release(&key("models", "good")).unwrap().decoded.is_ok());
}

#[test]
fn a_kind_that_is_lacking_counts_as_known_and_wakes_the_releases_once() {
    let routes = scope(Watched::Child(Kind::VirtualService));
    let (caches, mut receiver) = Caches::new(std::slice::from_ref(&routes));
    caches.take(&scope(Watched::Release), Change::Set(release("models", "a", "h")));
    woken(&mut receiver);
    assert!(!caches.synced());
    caches.absent(&routes);
    assert!(caches.synced());
    assert_eq!(woken(&mut receiver).len(), 1);
    caches.absent(&routes);
    assert!(woken(&mut receiver).is_empty());
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_news_or_with_the_limit() {
    let (caches, _receiver) = Caches::new(&[]);
    let pods = scope(Watched::Pod);
    let there = |caches: &Caches| caches.get(Watched::Pod, "models", "a-0").is_some();
    assert!(!caches.wait_until(Duration::from_secs(2), there).await);
    let writer = caches.clone();
    let waiting = caches.wait_until(Duration::from_secs(2), there);
    let telling = async move { writer.take(&pods, Change::Set(object("models", "a-0", 1, &json!({})))) };
    assert!(tokio::join!(waiting, telling).0);
}
