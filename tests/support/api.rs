//! The server in memory as a client sees it: requests in, responses and watch streams out, faults in between.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::Service;

use super::path::Meant;
use super::store::{Asked, Denied, Store};

type Reply = Response<BoxBody<Bytes, Infallible>>;
type Plan = Box<dyn FnMut(&Asked) -> Fault + Send>;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is served.
    None,
    /// It is refused with this code.
    Refuse(u16),
    /// It never reaches the server, and no answer comes.
    Vanish,
    /// It is served, and its answer never comes.
    Mute,
    /// It is served, and its answer comes after four seconds: just within every limit.
    Late,
}

/// The server.
pub struct ApiServer {
    store: Mutex<Store>,
    asked: Mutex<Vec<Asked>>,
    faults: Mutex<Plan>,
    changed: watch::Sender<u64>,
}

impl ApiServer {
    pub fn new() -> Self {
        Self {
            store: Mutex::new(Store { ready: true, ..Store::default() }),
            asked: Mutex::default(),
            faults: Mutex::new(Box::new(|_| Fault::None)),
            changed: watch::Sender::new(0),
        }
    }

    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }

    /// Requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Decides from now on what happens to requests.
    pub fn faults(&self, plan: impl FnMut(&Asked) -> Fault + Send + 'static) {
        *self.faults.lock().unwrap() = Box::new(plan);
    }

    /// An object, as a user sees it.
    pub fn get(&self, resource: &str, name: &str) -> Option<Value> {
        self.store().get(resource, super::NAMESPACE, name).ok()
    }

    /// Changes the objects as a user or a controller would.
    pub fn act<T>(&self, act: impl FnOnce(&mut Store) -> T) -> T {
        let result = act(&mut self.store());
        self.tell();
        result
    }

    /// Creates an object.
    pub fn create(&self, resource: &str, object: Value) {
        self.act(|store| store.create(resource, super::NAMESPACE, object)).unwrap();
    }

    /// Patches an object.
    pub fn patch(&self, resource: &str, name: &str, patch: &Value) {
        self.act(|store| store.patch(resource, super::NAMESPACE, name, patch)).unwrap();
    }

    fn tell(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    /// Waits, for an hour of virtual time, until something holds; says what did not.
    pub async fn until<T>(&self, what: &str, holds: impl Fn(&Self) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        let waiting = async {
            loop {
                if let Some(found) = holds(self) {
                    return found;
                }
                changed.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(Duration::from_secs(3600), waiting).await {
            Ok(found) => found,
            Err(elapsed) => panic!(
                "{what}: {elapsed} (an hour)\n{:#}",
                json!(self.store().objects.values().collect::<Vec<_>>())
            ),
        }
    }

    /// Waits until a release is in a phase.
    pub async fn until_phase(&self, name: &str, wanted: &str) -> Value {
        let what = format!("{name} in phase {wanted}");
        self.until(&what, |server| server.get("modelreleases", name).filter(|r| super::phase(r) == wanted))
            .await
    }

    async fn serve(self: Arc<Self>, request: Request<Body>) -> Reply {
        let (head, body) = request.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let Some(meant) = Meant::of(head.uri.path(), head.uri.query().unwrap_or_default()) else {
            return denied((404, "NotFound", "no such path".into()));
        };
        let apply = head
            .headers
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/apply"));
        let verb = match (&head.method, &meant.name) {
            (&Method::GET, Some(_)) => "get",
            (&Method::GET, None) if meant.query.contains_key("watch") => "watch",
            (&Method::GET, None) => "list",
            (&Method::POST, _) => "create",
            (&Method::PUT, _) => "update",
            (&Method::PATCH, _) if apply => "apply",
            (&Method::PATCH, _) => "patch",
            (&Method::DELETE, _) => "delete",
            other => panic!("{other:?}"),
        };
        let name = meant.name.clone().or_else(|| body["metadata"]["name"].as_str().map(str::to_owned));
        let seq = body.pointer("/metadata/annotations").and_then(|all| all["modelrelease.dev/seq"].as_str());
        let asked = Asked {
            verb,
            resource: meant.subresource.iter().fold(meant.resource.clone(), |r, s| format!("{r}/{s}")),
            name: name.unwrap_or_default(),
            seq: seq.and_then(|seq| seq.parse().ok()),
        };
        self.asked.lock().unwrap().push(asked.clone());
        let fault = (self.faults.lock().unwrap())(&asked);
        match fault {
            Fault::None => self.answer(verb, &meant, &body),
            Fault::Refuse(code) => denied((code, "Refused", "the test says no".into())),
            Fault::Vanish => std::future::pending().await,
            Fault::Late => {
                let answer = self.answer(verb, &meant, &body);
                tokio::time::sleep(Duration::from_secs(4)).await;
                answer
            }
            Fault::Mute => {
                self.answer(verb, &meant, &body);
                std::future::pending().await
            }
        }
    }

    fn answer(self: &Arc<Self>, verb: &str, meant: &Meant, body: &Value) -> Reply {
        if self.store().lacking.contains(&meant.resource) {
            return denied((404, "NotFound", "the server could not find the requested resource".into()));
        }
        let (resource, namespace) = (meant.resource.as_str(), meant.namespace.clone().unwrap_or_default());
        let name = meant.name.clone().unwrap_or_default();
        let result = match verb {
            "watch" => return self.stream(meant.clone()),
            "list" => Ok(self.list(meant)),
            "get" => self.store().get(resource, &namespace, &name),
            "create" => self.store().create(resource, &namespace, body.clone()),
            "update" => {
                let status = meant.subresource.as_deref() == Some("status");
                self.store().update(resource, &namespace, body, status)
            }
            "apply" | "patch" => self.store().patch(resource, &namespace, &name, body),
            _ => {
                let wanted = body["preconditions"].clone();
                self.store().delete(resource, &namespace, &name, &wanted)
            }
        };
        self.tell();
        match result {
            Ok(object) => reply(StatusCode::OK, &object),
            Err(why) => denied(why),
        }
    }

    fn list(&self, meant: &Meant) -> Value {
        let store = self.store();
        let of_kind = store.objects.iter().filter(|((resource, ..), _)| *resource == meant.resource);
        let items: Vec<&Value> =
            of_kind.map(|(_, object)| object).filter(|object| meant.covers(object)).collect();
        let number = |key: &str| meant.query.get(key).and_then(|count| count.parse::<usize>().ok());
        let (from, limit) = (number("continue").unwrap_or(0), number("limit").unwrap_or(items.len()));
        let mut metadata = json!({"resourceVersion": store.revision.to_string()});
        if from + limit < items.len() {
            metadata["continue"] = json!((from + limit).to_string());
        }
        let page: Vec<&Value> = items.into_iter().skip(from).take(limit).collect();
        json!({"apiVersion": "v1", "kind": "List", "metadata": metadata, "items": page})
    }

    /// Everything after a revision, and whatever comes.
    fn stream(self: &Arc<Self>, meant: Meant) -> Reply {
        let from: u64 = meant.query.get("resourceVersion").and_then(|v| v.parse().ok()).unwrap_or(0);
        let state = (self.clone(), self.changed.subscribe(), from, meant);
        let lines = futures::stream::unfold(state, |(server, mut changed, mut seen, meant)| async move {
            loop {
                let mut text = String::new();
                {
                    let store = server.store();
                    let new = store.past.partition_point(|past| past.revision <= seen);
                    for past in store.past.iter().skip(new) {
                        if past.resource == meant.resource && meant.covers(&past.object) {
                            text += &json!({"type": past.kind, "object": past.object}).to_string();
                            text.push('\n');
                        }
                    }
                    seen = store.revision;
                }
                if !text.is_empty() {
                    return Some((Ok(Frame::data(Bytes::from(text))), (server, changed, seen, meant)));
                }
                changed.changed().await.ok()?;
            }
        });
        let mut response = Response::new(StreamBody::new(lines.boxed()).boxed_unsync());
        *response.status_mut() = StatusCode::OK;
        response.map(|body| BoxBody::new(SyncBody(Mutex::new(body))))
    }
}

/// Watch streams are polled by one task only; the lock says so to the compiler.
struct SyncBody(Mutex<http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>>);

impl hyper::body::Body for SyncBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_frame(context)
    }
}

fn reply(code: StatusCode, body: &Value) -> Reply {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())).boxed());
    *response.status_mut() = code;
    response
}

fn denied((code, reason, message): Denied) -> Reply {
    let status = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message});
    reply(StatusCode::from_u16(code).unwrap(), &status)
}

/// One connection to the server.
#[derive(Clone)]
pub struct Connection(pub Arc<ApiServer>);

impl Service<Request<Body>> for Connection {
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let server = self.0.clone();
        Box::pin(async move { Ok(server.serve(request).await) })
    }
}
