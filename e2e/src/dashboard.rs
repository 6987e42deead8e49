//! A Grafana dashboard's queries, asked of a real Prometheus as Grafana would ask them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::http;

/// How long Prometheus may take for one panel.
const DEADLINE: Duration = Duration::from_secs(10);
/// Seconds that are looked back, and between points: what Grafana shows of the last half hour.
const SPAN: u64 = 1800;
const STEP: u64 = 5;

/// What `$__rate_interval` is where nothing else is said.
const RATE: &str = "30s";
/// The check that a release's dashboard shows at first.
const CHECK: &str = "model_accuracy";

/// One query of one panel, with Grafana's variables still in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PanelQuery {
    /// The panel's title.
    pub panel: String,
    /// PromQL with `$namespace`, `$name`, `${limit}`, `$check` and `$__rate_interval`.
    pub template: String,
}

impl PanelQuery {
    /// The query for one release.
    pub fn of(&self, namespace: &str, name: &str) -> String {
        // The dashboard's own hidden variable: names as they stand in the names of Envoy's metrics.
        let limit = format!("{namespace}_{name}").replace('-', "_");
        let values = [("namespace", namespace), ("name", name), ("limit", &limit), ("check", CHECK)];
        filled(&self.template, &values.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }
}

/// A text with the values of variables in it; rates are over half a minute if `__rate_interval` does not say otherwise.
pub fn filled(template: &str, values: &BTreeMap<String, String>) -> String {
    let rate = values.get("__rate_interval").map_or(RATE, String::as_str);
    let mut query = template.replace("$__rate_interval", rate);
    // From the end of the alphabet: `$namespace` before `$name`.
    for (name, value) in values.iter().rev() {
        query = query.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value);
    }
    query
}

/// All queries of a dashboard, in the order of its panels.
///
/// # Errors
/// If the file is no dashboard.
pub fn queries(file: &Path) -> Result<Vec<PanelQuery>> {
    let fail =
        |what: &str| Error::other(format!("dashboard {}: {what}; run `make generate`", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| fail(&error.to_string()))?;
    let dashboard: Value = serde_json::from_str(&text).map_err(|error| fail(&error.to_string()))?;
    let mut all = Vec::new();
    for panel in dashboard["panels"].as_array().ok_or_else(|| fail("it has no panels"))? {
        let title = panel["title"].as_str().ok_or_else(|| fail("a panel has no title"))?;
        for target in panel["targets"].as_array().into_iter().flatten() {
            let template = target["expr"].as_str().ok_or_else(|| fail("a target has no query"))?;
            all.push(PanelQuery { panel: title.to_owned(), template: template.to_owned() });
        }
    }
    Ok(all)
}

/// How many series Prometheus has for `query` in the half hour before `now` (Unix seconds).
///
/// # Errors
/// If Prometheus does not answer, or refuses the query: its own words.
pub fn series(prometheus: &str, query: &str, now: u64) -> Result<usize> {
    let (start, end, step) = (now.saturating_sub(SPAN).to_string(), now.to_string(), STEP.to_string());
    let parameters = [("start", &*start), ("end", &*end), ("step", &*step), ("query", query)];
    let data = data(prometheus, "query_range", &parameters, DEADLINE)?;
    Ok(data["result"].as_array().map_or(0, Vec::len))
}

/// What Prometheus answers to a question at a path below `/api/v1`.
///
/// # Errors
/// If Prometheus does not answer, or refuses the question: its own words.
pub fn data(prometheus: &str, path: &str, parameters: &[(&str, &str)], deadline: Duration) -> Result<Value> {
    let pairs: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    let url = format!("{prometheus}/api/v1/{path}?{}", pairs.join("&"));
    let (status, body) = http::get(&url, deadline)?;
    let mut answer: Value = serde_json::from_str(&body).unwrap_or_default();
    match answer.get_mut("data").map(Value::take) {
        Some(data) if answer["status"] == "success" => Ok(data),
        _ => {
            let why = answer["error"].as_str().unwrap_or(&body);
            let asked = parameters.last().map_or("", |(_, value)| value);
            Err(Error::other(format!("Prometheus refuses the query with status {status}: {why}\n  {asked}")))
        }
    }
}

/// A panel, and what its queries returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Its title.
    pub panel: String,
    /// Series of all its queries.
    pub series: usize,
}

/// What each panel of a dashboard would show for a release.
///
/// # Errors
/// As [`queries`] and [`series`].
pub fn answered(
    file: &Path,
    prometheus: &str,
    (namespace, name): (&str, &str),
    now: u64,
) -> Result<Vec<Answered>> {
    let mut all: Vec<Answered> = Vec::new();
    for query in queries(file)? {
        let series = series(prometheus, &query.of(namespace, name), now)?;
        match all.iter_mut().find(|known| known.panel == query.panel) {
            Some(known) => known.series += series,
            None => all.push(Answered { panel: query.panel, series }),
        }
    }
    Ok(all)
}

/// A query as a part of an address.
fn encoded(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut address, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            address.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(address, "%{byte:02X}");
        }
        address
    })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::*;

    fn file() -> std::path::PathBuf {
        crate::checkout::root().unwrap().join("helm/model-release-operator/dashboards/release.json")
    }

    #[test]
    fn no_variable_is_left_in_a_query_for_a_release() {
        let all = queries(&file()).unwrap();
        assert!(all.len() > 15, "{}", all.len());
        for query in all {
            let asked = query.of("my-team", "fraud");
            // What is left is the capture group of label_replace.
            assert!(!asked.replace("$1", "").contains('$'), "{}: {asked}", query.panel);
        }
    }

    #[test]
    fn names_in_metrics_have_no_dashes() {
        let query =
            PanelQuery { panel: "limit".into(), template: "envoy_mrel_${limit}_x{a=\"$name\"}".into() };
        assert_eq!(query.of("my-team", "my-model"), "envoy_mrel_my_team_my_model_x{a=\"my-model\"}");
    }

    /// Answers one request with `body` and returns its first line.
    fn one_answer(body: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let served = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(&stream).lines().map(|line| line.unwrap());
            let first = lines.next().unwrap();
            lines.find(String::is_empty);
            write!(&stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
            first
        });
        (address, served)
    }

    #[test]
    fn a_query_is_asked_whole_and_its_series_are_counted() {
        let (address, served) =
            one_answer(r#"{"status":"success","data":{"result":[{"metric":{}},{"metric":{}}]}}"#);
        assert_eq!(series(&address, "a{b=\"c\"} == 1", 2000).unwrap(), 2);
        let asked = served.join().unwrap();
        assert!(
            asked.contains("start=200&end=2000&step=5&query=a%7Bb%3D%22c%22%7D%20%3D%3D%201 "),
            "{asked}"
        );
    }

    #[test]
    fn a_refused_query_is_told_in_prometheus_own_words() {
        let (address, served) = one_answer(r#"{"status":"error","error":"parse error at char 1"}"#);
        let error = series(&address, "a{", 2000).unwrap_err().to_string();
        assert!(error.contains("parse error at char 1") && error.contains("a{"), "{error}");
        served.join().unwrap();
    }
}
