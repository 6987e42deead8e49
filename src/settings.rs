//! Reads the administrator's settings from their file, and says what is wrong with them.

mod follow;

use std::path::{Path, PathBuf};

use model_release_core::analysis::template_fault;
use model_release_core::settings::Settings;

use crate::notify;

pub use follow::{Current, Put, follow};

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("could not read the settings file {file}; check --settings and the file's rights")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// It is no YAML, or holds a field that is unknown or of the wrong kind.
    #[error(
        "the settings file {file} is not valid: {problem}; correct it there, the fields are in docs/settings.md"
    )]
    Invalid {
        /// The file.
        file: PathBuf,
        /// What is wrong, with its place.
        problem: String,
    },
    /// A value that cannot be meant.
    #[error("the settings file {file} is not valid: {field}: {problem}")]
    Value {
        /// The file.
        file: PathBuf,
        /// The field.
        field: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}

/// What is wrong with a file's name that begins nowhere.
const WHOLE_PATH: &str = "must be the whole path of a file, from / on";

/// Reads settings; without a file, the built-in ones.
///
/// # Errors
/// [`SettingsError`], naming the file, the field and what to do.
pub fn load(file: Option<&Path>) -> Result<Settings, SettingsError> {
    let Some(file) = file else { return Ok(Settings::default()) };
    let text = std::fs::read_to_string(file)
        .map_err(|cause| SettingsError::Unreadable { file: file.to_owned(), cause })?;
    parse(file, &text)
}

fn parse(file: &Path, text: &str) -> Result<Settings, SettingsError> {
    if text.trim().is_empty() {
        return Ok(Settings::default());
    }
    let settings: Settings = serde_saphyr::from_str(text).map_err(|error| SettingsError::Invalid {
        file: file.to_owned(),
        problem: first_line(&error.to_string()),
    })?;
    match problem(&settings) {
        Some((field, problem)) => Err(SettingsError::Value { file: file.to_owned(), field, problem }),
        None => Ok(settings),
    }
}

/// The parser adds a picture of the place below its sentence.
fn first_line(text: &str) -> String {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it cannot be read");
    first.strip_prefix("error: ").unwrap_or(first).to_owned()
}

/// The first value that cannot be meant.
fn problem(settings: &Settings) -> Option<(String, String)> {
    of_sources(settings)
        .or_else(|| of_templates(settings))
        .or_else(|| of_istiod(settings))
        .or_else(|| of_gateways(settings))
        .or_else(|| of_sinks(settings))
        .or_else(|| of_routes(settings))
        .or_else(|| of_waits(settings))
}

fn of_sources(settings: &Settings) -> Option<(String, String)> {
    for (at, source) in settings.prometheus.sources.iter().enumerate() {
        let field = |name: &str| format!("prometheus.sources[{at}].{name}");
        if source.name.is_empty() {
            return Some((
                field("name"),
                "is empty; releases name the source by it, and use `default` otherwise".into(),
            ));
        }
        if settings.prometheus.sources.iter().take(at).any(|other| other.name == source.name) {
            return Some((
                field("name"),
                format!("{:?} is there twice; give each source its own name", source.name),
            ));
        }
        if let Err(problem) = crate::prometheus::endpoint(&source.url) {
            return Some((field("url"), problem));
        }
        if !(0..=3600).contains(&source.lag_seconds) {
            return Some((field("lagSeconds"), "must lie in 0..3600".into()));
        }
        if source.token_file.as_ref().is_some_and(|file| !file.starts_with('/')) {
            return Some((field("tokenFile"), WHOLE_PATH.into()));
        }
        if let Err(problem) = crate::prometheus::headers(source) {
            return Some((field("headers"), problem));
        }
    }
    None
}

fn of_templates(settings: &Settings) -> Option<(String, String)> {
    for (at, template) in settings.query_templates.iter().enumerate() {
        let field = |name: &str| format!("queryTemplates[{at}].{name}");
        if template.name.is_empty() {
            return Some((field("name"), "is missing; releases name the template by it".into()));
        }
        if settings.query_templates.iter().take(at).any(|other| other.name == template.name) {
            return Some((
                field("name"),
                format!("{:?} is there twice; give each its own name", template.name),
            ));
        }
        if !template.query.contains("$selector") && !template.query.contains("$namespace") {
            return Some((
                field("query"),
                "holds neither $selector nor $namespace, so it would ask about everybody; put one in".into(),
            ));
        }
        if let Some(fault) = template_fault(&template.query) {
            return Some((field("query"), format!("template {:?}: {fault}", template.name)));
        }
    }
    None
}

fn of_istiod(settings: &Settings) -> Option<(String, String)> {
    if let Some(url) = &settings.traffic.istiod
        && let Err(problem) = crate::istiod::endpoint(url)
    {
        return Some(("traffic.istiod".to_owned(), problem));
    }
    if settings.traffic.istiod_token_file.as_ref().is_some_and(|file| !file.starts_with('/')) {
        return Some(("traffic.istiodTokenFile".to_owned(), WHOLE_PATH.into()));
    }
    None
}

fn of_gateways(settings: &Settings) -> Option<(String, String)> {
    for (at, set) in settings.gateways.iter().enumerate() {
        let field = |name: &str| format!("gateways[{at}].{name}");
        if set.name.is_empty() || set.name.contains('.') {
            return Some((
                field("name"),
                format!("{:?} must be a name without dots; it becomes part of object names", set.name),
            ));
        }
        if settings.gateways.iter().take(at).any(|other| other.name == set.name) {
            return Some((
                field("name"),
                format!("{:?} is there twice; give each set its own name", set.name),
            ));
        }
        if set.namespace.is_empty() {
            return Some((field("namespace"), "is missing; give the namespace of the gateway's pods".into()));
        }
        if let Some(gateway) =
            set.gateways.iter().find(|g| g.split('/').filter(|part| !part.is_empty()).count() != 2)
        {
            return Some((field("gateways"), format!("{gateway:?} must be written as namespace/name")));
        }
        if set.envoy_filters && set.selector.is_empty() {
            return Some((
                field("selector"),
                "is empty, so the rate limit's EnvoyFilter would catch every pod; give the labels of the gateway's pods"
                    .into(),
            ));
        }
        if set.probe_port.is_some() && set.service.is_empty() {
            return Some((
                field("service"),
                "is missing; probePort needs the Service whose pods are asked".into(),
            ));
        }
        if set.probe_tls && set.probe_port.is_none() {
            return Some((
                field("probePort"),
                "is missing; probeTls needs the name of the Service's port that speaks TLS".into(),
            ));
        }
    }
    None
}

fn of_sinks(settings: &Settings) -> Option<(String, String)> {
    let mut names = std::collections::BTreeSet::new();
    for sink in notify::sinks(&settings.notifications) {
        let field = |name: &str| format!("notifications.{}[{}].{name}", sink.list, sink.at);
        if sink.name.is_empty() {
            return Some((field("name"), "is empty; routes, metrics and the log use it".into()));
        }
        if !names.insert(sink.name) {
            return Some((
                field("name"),
                format!("{:?} is there twice; give each sink its own name, whatever its kind", sink.name),
            ));
        }
        if !sink.url_file.starts_with('/') {
            return Some((field("urlFile"), WHOLE_PATH.into()));
        }
        if sink.secret_file.is_some_and(|file| !file.starts_with('/')) {
            return Some((field("secretFile"), WHOLE_PATH.into()));
        }
    }
    None
}

fn of_routes(settings: &Settings) -> Option<(String, String)> {
    for (at, route) in settings.notifications.routes.iter().enumerate() {
        let field = |name: &str| format!("notifications.routes[{at}].{name}");
        if route.sinks.is_empty() {
            return Some((field("sinks"), "is empty; name the sinks that this route leads to".into()));
        }
        let known = |name: &str| notify::sinks(&settings.notifications).any(|sink| sink.name == name);
        if let Some(name) = route.sinks.iter().find(|name| !known(name)) {
            return Some((field("sinks"), format!("{name:?} is no sink; name one of the lists above it")));
        }
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '*';
        if let Some(glob) = route.namespaces.iter().find(|glob| glob.is_empty() || !glob.chars().all(letter))
        {
            return Some((
                field("namespaces"),
                format!("{glob:?} is no name of a namespace; in it * stands for anything, as in ml-*"),
            ));
        }
    }
    None
}

fn of_waits(settings: &Settings) -> Option<(String, String)> {
    let waits = [
        ("propagationWaitSeconds", settings.propagation_wait_seconds),
        ("detectSeconds", settings.detect_seconds),
    ];
    waits
        .into_iter()
        .find(|(_, seconds)| !(0..=600).contains(seconds))
        .map(|(field, seconds)| (field.to_owned(), format!("{seconds} must lie in 0..600 (seconds)")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        parse(Path::new("settings.yaml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_is_read() {
        let settings = read(
            "gateways:\n- name: public\n  gateways: [infra/public]\n  namespace: infra\n  selector: {istio: ingress}\n  \
             hosts: ['*.example.com']\n  service: gateway\n  probePort: https\n  probeTls: true\n  replicas: 2\n  envoyFilters: true\n\
             prometheus:\n  sources:\n  - name: default\n    url: http://prometheus.monitoring:9090\n    entrance: envoy\n    lagSeconds: 2\n",
        )
        .unwrap();
        let asked = &settings.gateways[0];
        assert_eq!((asked.probe_port.as_deref(), asked.probe_tls), (Some("https"), true));
        assert_eq!(settings.prometheus.sources[0].lag_seconds, 2);
        assert_eq!(read(" \n").unwrap(), Settings::default());
    }

    #[test]
    fn every_fault_names_the_file_the_field_and_the_way_out() {
        for (text, wants) in [
            ("gatways: []", &["settings.yaml", "gatways"][..]),
            (
                "prometheus: {sources: [{name: default, url: 'prometheus:9090'}]}",
                &["prometheus.sources[0].url", "http://"],
            ),
            ("prometheus: {sources: [{name: '', url: 'http://a'}]}", &["prometheus.sources[0].name"]),
            (
                "prometheus: {sources: [{name: a, url: 'http://a'}, {name: a, url: 'http://a'}]}",
                &["prometheus.sources[1].name", "twice"],
            ),
            ("traffic: {istiod: 'istiod.istio-system:15014'}", &["traffic.istiod", "http://"]),
            ("traffic: {istiod: 'https://istiod.istio-system:15014'}", &["traffic.istiod", "http://"]),
            ("traffic: {istiod: 'http://istiod:15014/debug/syncz'}", &["traffic.istiod", "15014"]),
            (
                "prometheus: {sources: [{name: default, url: 'http://p:9090', tokenFile: token}]}",
                &["prometheus.sources[0].tokenFile", "path"],
            ),
            (
                "prometheus: {sources: [{name: default, url: 'http://p:9090', headers: {Authorization: x}}]}",
                &["prometheus.sources[0].headers", "tokenFile"],
            ),
            ("queryTemplates: [{name: drift, query: up}]", &["queryTemplates[0].query", "$selector"]),
            (
                "queryTemplates: [{name: a, query: 'x{$selector}'}, {name: a, query: 'x{$selector}'}]",
                &["queryTemplates[1].name", "twice"],
            ),
            (
                "queryTemplates: [{name: drift, query: 'sum(x{$selector}'}]",
                &["queryTemplates[0].query", "template \"drift\"", "line 1, character 4", "expected )"],
            ),
            ("queryTemplates: [{name: a, query: 'x{$selector}[$range]'}]", &["$range stands for nothing"]),
            ("queryTemplates: [{name: a, kind: Sums, query: 'x{$selector}'}]", &["Sums"]),
            (
                "prometheus: {sources: [{name: default, url: 'http://p:9090', headers: {'a b': x}}]}",
                &["prometheus.sources[0].headers", "a b"],
            ),
            (
                "traffic: {istiod: 'http://istiod:15014', istiodTokenFile: token}",
                &["traffic.istiodTokenFile", "path"],
            ),
            ("gateways: [{name: a.b, namespace: n}]", &["gateways[0].name", "dots"]),
            (
                "gateways: [{name: a, namespace: n, gateways: [public]}]",
                &["gateways[0].gateways", "namespace/name"],
            ),
            ("gateways: [{name: a, namespace: n, envoyFilters: true}]", &["gateways[0].selector"]),
            ("gateways: [{name: a, namespace: n, probePort: http}]", &["gateways[0].service"]),
            (
                "gateways: [{name: a, namespace: n, service: s, probeTls: true}]",
                &["gateways[0].probePort", "probeTls"],
            ),
            ("notifications: {slack: [{urlFile: /a}]}", &["notifications.slack[0].name", "empty"]),
            (
                "notifications: {slack: [{name: a, urlFile: /a}], cloudEvents: [{name: a, urlFile: /b}]}",
                &["notifications.cloudEvents[0].name", "twice"],
            ),
            (
                "notifications: {webhooks: [{name: a, urlFile: 'https://example.com/hook'}]}",
                &["notifications.webhooks[0].urlFile", "path"],
            ),
            (
                "notifications: {webhooks: [{name: a, urlFile: /a, secretFile: key}]}",
                &["notifications.webhooks[0].secretFile", "path"],
            ),
            ("notifications: {slack: [{name: a, urlFile: /a, secretFile: /k}]}", &["secretFile"]),
            ("notifications: {routes: [{events: [held]}]}", &["notifications.routes[0].sinks", "empty"]),
            ("notifications: {routes: [{sinks: [ops]}]}", &["notifications.routes[0].sinks", "ops"]),
            (
                "notifications: {slack: [{name: a, urlFile: /a}], routes: [{sinks: [a], events: [failed]}]}",
                &["failed"],
            ),
            (
                "notifications: {slack: [{name: a, urlFile: /a}], routes: [{sinks: [a], namespaces: [ML]}]}",
                &["notifications.routes[0].namespaces", "ml-*"],
            ),
            ("detectSeconds: -1", &["detectSeconds", "0..600"]),
            ("detectSeconds: soon", &["settings.yaml"]),
            ("a: [", &["settings.yaml"]),
        ] {
            let error = read(text).expect_err(text);
            for want in wants {
                assert!(error.contains(want), "{text}: {error}");
            }
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load(Some(Path::new("no-such-settings.yaml"))).unwrap_err().to_string();
        assert!(error.contains("no-such-settings.yaml") && error.contains("--settings"), "{error}");
        assert_eq!(load(None).unwrap(), Settings::default());
    }
}
