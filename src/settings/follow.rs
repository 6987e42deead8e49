//! Settings that are edited while the operator runs.
//!
//! What is bound at the start stays as it was until the next one: the sets of gateways, whose pods are watched, and
//! istiod. All else is taken as soon as the file says it: where evidence comes from, templates, accounts, waits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model_release_core::settings::{Mesh, Settings};
use tokio::sync::watch;
use tracing::{info, warn};

use super::{SettingsError, parse};
use crate::prometheus::Prometheus;
use crate::watch::Caches;

/// How often the file is read. A mounted `ConfigMap` or Secret follows its object within a minute or so.
const EVERY: Duration = Duration::from_secs(2);

/// The settings of now. Clones see the same.
#[derive(Clone, Debug)]
pub struct Current(watch::Receiver<Arc<Settings>>);

/// Where new settings are put.
#[derive(Debug)]
pub struct Put(watch::Sender<Arc<Settings>>);

impl Current {
    /// Settings that may change.
    pub fn new(settings: Settings) -> (Put, Self) {
        let (put, current) = watch::channel(Arc::new(settings));
        (Put(put), Self(current))
    }

    /// As they are now. A look takes them once.
    pub fn now(&self) -> Arc<Settings> {
        self.0.borrow().clone()
    }

    /// Waits until they are others than at the last call.
    pub async fn changed(&mut self) {
        // Where nobody puts any they never change.
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
impl Put {
    /// Puts others, as an edited file does.
    pub fn put(&self, settings: Settings) {
        self.0.send_replace(Arc::new(settings));
    }
}

impl From<Settings> for Current {
    /// Settings that never change.
    fn from(settings: Settings) -> Self {
        Self::new(settings).1
    }
}

/// Reads the file again and again. What is wrong with it is said once, and the settings stay as they were.
pub async fn follow(file: PathBuf, put: Put, prometheus: Prometheus, caches: Caches) {
    // Not what the file says now: an edit since the settings were loaded is one too. What is in force already is told by its
    // value, so that the first reading of it changes nothing.
    let mut seen = None;
    loop {
        tokio::time::sleep(EVERY).await;
        let read = tokio::fs::read_to_string(&file).await;
        let text = read.as_ref().ok().cloned();
        if text == seen {
            continue;
        }
        seen = text;
        let read = read.map_err(|cause| SettingsError::Unreadable { file: file.clone(), cause });
        let taken = read.and_then(|text| take(&file, &text, &put, &prometheus));
        match taken {
            Ok(None) => {}
            Ok(Some(waiting)) => {
                info!(file = %file.display(), "the settings were read anew");
                if !waiting.is_empty() {
                    warn!(
                        file = %file.display(), fields = waiting.join(", "),
                        remedy = "start the operator anew, as by `kubectl rollout restart`",
                        "some settings take effect only at the next start",
                    );
                }
                caches.wake(caches.releases().into_iter().map(|(key, _)| key));
            }
            Err(error) => warn!(
                file = %file.display(), problem = %Told(&error),
                "the edited settings are not taken; those from before go on",
            ),
        }
    }
}

/// Takes new settings, as far as that can be done now. None if they say what is in force; else the fields that wait for
/// the next start.
fn take(
    file: &Path,
    text: &str,
    put: &Put,
    prometheus: &Prometheus,
) -> Result<Option<Vec<&'static str>>, SettingsError> {
    let read = parse(file, text)?;
    let before = put.0.borrow().clone();
    let mut waiting = Vec::new();
    if read.gateways != before.gateways {
        waiting.push("gateways");
    }
    if read.traffic.istiod != before.traffic.istiod {
        waiting.push("traffic.istiod");
    }
    if read.traffic.istiod_token_file != before.traffic.istiod_token_file {
        waiting.push("traffic.istiodTokenFile");
    }
    let bound = before.as_ref().clone();
    let Mesh { istiod, istiod_token_file, .. } = bound.traffic;
    let traffic = Mesh { istiod, istiod_token_file, ..read.traffic };
    let next = Settings { traffic, gateways: bound.gateways, ..read };
    if next == *before && waiting.is_empty() {
        return Ok(None);
    }
    prometheus.renew(&next.prometheus.sources).map_err(|error| SettingsError::Value {
        file: file.to_owned(),
        field: "prometheus.sources".to_owned(),
        problem: error.to_string(),
    })?;
    put.0.send_replace(Arc::new(next));
    Ok(Some(waiting))
}

/// An error with its cause.
struct Told<'a>(&'a SettingsError);

impl std::fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        std::error::Error::source(self.0).map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::metrics::Metrics;

    const BEFORE: &str = "prometheus: {sources: [{name: default, url: 'http://one:9090'}]}";

    fn begun() -> (Put, Current, Prometheus) {
        let settings = parse(Path::new("s.yaml"), BEFORE).unwrap();
        let prometheus =
            Prometheus::new(&settings.prometheus.sources, &Metrics::default(), &Clock::system()).unwrap();
        let (put, current) = Current::new(settings);
        (put, current, prometheus)
    }

    fn taken(text: &str) -> (Result<Option<Vec<&'static str>>, String>, Arc<Settings>) {
        let (put, current, prometheus) = begun();
        let taken = take(Path::new("s.yaml"), text, &put, &prometheus).map_err(|error| error.to_string());
        (taken, current.now())
    }

    #[test]
    fn a_source_and_a_template_are_taken_without_a_restart() {
        let (taken, now) = taken(
            "prometheus: {sources: [{name: default, url: 'http://two:9090'}, {name: late, url: 'http://three:9090'}]}\n\
             queryTemplates: [{name: drift, kind: Gauge, query: 'sum(drift{$selector})'}]",
        );
        assert_eq!(taken, Ok(Some(vec![])));
        assert_eq!(now.prometheus.sources.len(), 2);
        assert_eq!(now.query_templates.len(), 1);
    }

    #[test]
    fn what_says_the_same_in_other_words_changes_nothing() {
        let (taken, _) = taken(&format!("# a note\n{BEFORE}\n"));
        assert_eq!(taken, Ok(None));
    }

    #[test]
    fn gateways_wait_for_the_next_start_and_hold_nothing_else_up() {
        let (taken, now) = taken(
            "detectSeconds: 9\ngateways: [{name: public, namespace: istio-system, gateways: [a/b]}]\n\
             traffic: {istiod: 'http://istiod.istio-system:15014'}",
        );
        assert_eq!(taken, Ok(Some(vec!["gateways", "traffic.istiod"])));
        assert_eq!((now.detect_seconds, now.gateways.len(), now.traffic.istiod.clone()), (9, 0, None));
        assert!(now.prometheus.sources.is_empty(), "what the file no longer names is gone");
    }

    #[test]
    fn what_is_wrong_is_said_and_nothing_is_lost() {
        for (text, word) in [
            ("prometheus: {sources: [{name: default, url: 'nowhere'}]}", "prometheus.sources[0].url"),
            ("detectSeconds: 9000", "detectSeconds"),
            ("colour: blue", "colour"),
            ("queryTemplates: [{name: drift, query: 'sum(x{$selector}'}]", "expected )"),
            ("{", "s.yaml"),
        ] {
            let (taken, now) = taken(text);
            let said = taken.unwrap_err();
            assert!(said.contains(word), "{said}");
            assert_eq!(now.prometheus.sources[0].url, "http://one:9090");
        }
    }

    /// A file that is followed, and the settings that were in force before.
    struct Followed {
        file: PathBuf,
        current: Current,
        _task: tokio::task::JoinSet<()>,
    }

    impl Followed {
        fn with(name: &str, text: &str) -> Self {
            let (put, current, prometheus) = begun();
            let file = std::env::temp_dir().join(format!("{name}-{}.yaml", std::process::id()));
            std::fs::write(&file, text).unwrap();
            let (caches, _woken) = Caches::new(&[]);
            let mut task = tokio::task::JoinSet::new();
            task.spawn(follow(file.clone(), put, prometheus, caches));
            Self { file, current, _task: task }
        }

        fn write(&self, text: &str) {
            std::fs::write(&self.file, text).unwrap();
        }

        async fn until_detects_after(&self, seconds: i64) {
            while self.current.now().detect_seconds != seconds {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    impl Drop for Followed {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.file);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_edited_file_is_followed_and_a_broken_edit_is_not() {
        let followed = Followed::with("edited", BEFORE);
        followed.write("detectSeconds: 7");
        followed.until_detects_after(7).await;
        followed.write("detectSeconds: no");
        tokio::time::sleep(3 * EVERY).await;
        assert_eq!(followed.current.now().detect_seconds, 7, "what was wrong is not taken");
        followed.write("detectSeconds: 8");
        followed.until_detects_after(8).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_edit_between_loading_and_following_is_not_lost() {
        let edited = Followed::with("edited-before", "detectSeconds: 7");
        let taken = tokio::time::timeout(10 * EVERY, edited.until_detects_after(7)).await;
        assert_eq!(taken, Ok(()), "the file said so before it was followed");
    }
}
