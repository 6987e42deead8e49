//! Following releases: a list or an object first, then each change, begun anew wherever the connection ends.

use std::time::Duration;

use futures::StreamExt;
use kube::api::WatchEvent;
use serde_json::Value;

use crate::cluster::{Cluster, Events, Scope, value};
use crate::error::{CliError, chain};

/// Pause before a connection that broke is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// Failures in a row after which it is given up.
const PATIENCE: u32 = 5;

/// What has changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A release is new, or another than before.
    Now(Value),
    /// A release is gone.
    Gone(Value),
    /// Too much happened while nobody looked: all there are, once more.
    Again(Vec<Value>),
}

/// Releases that are followed.
pub struct Watch<'a> {
    cluster: &'a Cluster,
    scope: Scope,
    version: String,
    events: Option<Events>,
    stale: bool,
    failures: u32,
}

impl<'a> Watch<'a> {
    /// Follows releases from a version on: that of a list, or of the object itself.
    pub fn new(cluster: &'a Cluster, scope: Scope, version: &str) -> Self {
        Self { cluster, scope, version: version.to_owned(), events: None, stale: false, failures: 0 }
    }

    /// The next change. May be dropped and called again without losing one.
    ///
    /// # Errors
    /// If a right is missing, or the cluster has failed several times in a row.
    pub async fn next(&mut self) -> Result<Change, CliError> {
        loop {
            if self.stale {
                let (all, version) = self.cluster.list(&self.scope).await?;
                self.version = version;
                self.stale = false;
                return Ok(Change::Again(all));
            }
            let Some(events) = &mut self.events else {
                match self.cluster.watch(&self.scope, &self.version).await {
                    Ok(events) => self.events = Some(events),
                    Err(CliError::Answered { code: 410, .. }) => self.stale = true,
                    Err(error) => self.failed(error).await?,
                }
                continue;
            };
            let event = events.next().await;
            match event {
                Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                    self.seen(object.metadata.resource_version.as_deref());
                    return Ok(Change::Now(value(object)));
                }
                Some(Ok(WatchEvent::Deleted(object))) => {
                    self.seen(object.metadata.resource_version.as_deref());
                    return Ok(Change::Gone(value(object)));
                }
                Some(Ok(WatchEvent::Bookmark(mark))) => {
                    self.seen(Some(mark.metadata.resource_version.as_str()));
                }
                // What is asked for from there on is no longer kept; or the server says that it failed.
                Some(Ok(WatchEvent::Error(_))) => {
                    self.events = None;
                    self.stale = true;
                }
                Some(Err(error)) => {
                    self.events = None;
                    let what = "watch ModelReleases".to_owned();
                    self.failed(CliError::Answered { what, code: 0, why: chain(&error) }).await?;
                }
                // Its time was over.
                None => self.events = None,
            }
        }
    }

    fn seen(&mut self, version: Option<&str>) {
        self.failures = 0;
        if let Some(version) = version {
            version.clone_into(&mut self.version);
        }
    }

    /// Waits before the next try, or gives up.
    async fn failed(&mut self, error: CliError) -> Result<(), CliError> {
        self.failures += 1;
        let mends = matches!(
            error,
            CliError::Unreachable { .. } | CliError::TimedOut { .. } | CliError::Answered { .. }
        );
        if !mends || self.failures >= PATIENCE {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}
