//! The `EnvoyFilters` that limit clients in the gateway's listener, before the split: a client that is limited is limited
//! on both versions.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::PROBE_HEADER;
use super::istio::seconds;
use crate::api::spec::LimitMode;
use crate::meta::{self, fields};
use crate::plan::{Key, Kind};
use crate::release::{Bucket, Release};
use crate::settings::{GatewaySet, Settings};
use crate::version::text_digest;

#[cfg(test)]
mod tests;

/// The `EnvoyFilters` that limit clients, one per set of gateways that takes them. None without a limit.
///
/// A set without a selector gets none: an empty one would reach every gateway of the namespace.
pub fn limits(release: &Release, settings: &Settings, seq: i64) -> Vec<(Key, Value)> {
    let traffic = &release.traffic;
    if traffic.hosts.is_empty() || (traffic.per_client.is_none() && traffic.total.is_none()) {
        return Vec::new();
    }
    let takes = |set: &&GatewaySet| set.envoy_filters && !set.selector.is_empty();
    traffic.sets.iter().filter(takes).map(|set| limit(release, settings, set, seq)).collect()
}

fn limit(release: &Release, settings: &Settings, set: &GatewaySet, seq: i64) -> (Key, Value) {
    let name = format!("mrel.{}.{}.{}.limit", release.namespace, release.name, set.name);
    let value = fields([
        // Filters of one name share what a route says of them, so every release has a name of its own.
        ("name", format!("mrel.{}.{}", release.namespace, release.name).into()),
        ("typed_config", filter(release, settings, set)),
    ]);
    let place = json!({"context": "GATEWAY", "listener": {"filterChain": {"filter": {
        "name": "envoy.filters.network.http_connection_manager",
        "subFilter": {"name": "envoy.filters.http.router"},
    }}}});
    // Right before the router, so after authentication: claims that were copied to headers count.
    let patch = fields([("operation", "INSERT_BEFORE".into()), ("value", value)]);
    let patch = fields([("applyTo", "HTTP_FILTER".into()), ("match", place), ("patch", patch)]);
    let spec = fields([
        ("priority", 10.into()),
        ("workloadSelector", json!({"labels": set.selector})),
        ("configPatches", vec![patch].into()),
    ]);
    let object = fields([
        ("apiVersion", "networking.istio.io/v1alpha3".into()),
        ("kind", "EnvoyFilter".into()),
        ("metadata", meta::beside_gateway(release, &set.namespace, &name)),
        ("spec", spec),
    ]);
    let key = Key { kind: Kind::EnvoyFilter, namespace: set.namespace.clone(), name };
    (key, meta::with_seq(object, seq))
}

fn filter(release: &Release, settings: &Settings, set: &GatewaySet) -> Value {
    let mut rules = Rules::default();
    rules.per_client(release);
    rules.total(release, set);
    rules.check(release);
    let enforced = match release.traffic.limit_mode {
        LimitMode::Enforce => 100,
        LimitMode::Observe => 0,
    };
    let told = vec![
        header("x-local-rate-limit", "gateway"),
        header("retry-after", &retry_after(release).to_string()),
    ];
    // Never binds: it counts requests for all hosts of the gateway.
    let shared = json!({"max_tokens": u32::MAX, "tokens_per_fill": u32::MAX, "fill_interval": "1s"});
    fields([
        (
            "@type",
            "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit".into(),
        ),
        ("stat_prefix", stat_prefix(release).into()),
        ("token_bucket", shared),
        ("always_consume_default_token_bucket", false.into()),
        ("max_dynamic_descriptors", settings.traffic.max_clients.into()),
        ("filter_enabled", share("mrel_enabled", 100)),
        ("filter_enforced", share("mrel_enforced", enforced)),
        ("response_headers_to_add", told.into()),
        ("rate_limits", rules.actions.into()),
        ("descriptors", rules.descriptors.into()),
    ])
}

/// What is counted, and how much of each is allowed.
#[derive(Default)]
struct Rules {
    actions: Vec<Value>,
    descriptors: Vec<Value>,
}

impl Rules {
    fn add(&mut self, actions: Vec<Value>, entries: Vec<Value>, bucket: Value) {
        self.actions.push(fields([("actions", actions.into())]));
        self.descriptors.push(fields([("entries", entries.into()), ("token_bucket", bucket)]));
    }

    /// Each client by its name, and by its address if it gives none.
    fn per_client(&mut self, release: &Release) {
        let Some(bucket) = release.traffic.per_client.map(|bucket| tokens(bucket, 1)) else { return };
        let own = own_request(release);
        let whose = json!({"key": "release", "value": full_name(release)});
        let Some(header) = &release.traffic.client_header else {
            let entries = vec![whose, json!({"key": "remote_address"})];
            self.add(vec![own, json!({"remote_address": {}})], entries, bucket);
            return;
        };
        let named = json!({"request_headers": {"header_name": header, "descriptor_key": "client"}});
        let entries = vec![whose.clone(), json!({"key": "client"})];
        self.add(vec![own.clone(), named], entries, bucket.clone());
        let anonymous = json!({"header_value_match": {
            "descriptor_key": "anonymous",
            "descriptor_value": "true",
            "expect_match": false,
            "headers": [{"name": header, "present_match": true}],
        }});
        let entries =
            vec![whose, json!({"key": "anonymous", "value": "true"}), json!({"key": "remote_address"})];
        self.add(vec![own, anonymous, json!({"remote_address": {}})], entries, bucket);
    }

    /// The release, both versions: each gateway pod has its share.
    fn total(&mut self, release: &Release, set: &GatewaySet) {
        let Some(bucket) = release.traffic.total else { return };
        let whose = json!({"key": "release", "value": full_name(release)});
        self.add(vec![own_request(release)], vec![whose], tokens(bucket, set.replicas));
    }

    /// The operator's own check that the filter is there: its second question in a second is refused.
    fn check(&mut self, release: &Release) {
        let asked = json!({"header_value_match": {
            "descriptor_key": "probe",
            "descriptor_value": full_name(release),
            "headers": [{
                "name": PROBE_HEADER,
                "string_match": {"exact": format!("{}-limit", release.probe_token())},
            }],
        }});
        let one = Bucket { requests: 1, window: SignedDuration::from_secs(1), burst: 1 };
        self.add(vec![asked], vec![json!({"key": "probe", "value": full_name(release)})], tokens(one, 1));
    }
}

/// Matches a request to the release's hosts, in any case and with any port, that is none of our own questions.
fn own_request(release: &Release) -> Value {
    let hosts: Vec<String> = release.traffic.hosts.iter().map(|host| escape(host)).collect();
    let token = release.probe_token();
    let is_not = |word: String| {
        json!({
            "name": PROBE_HEADER,
            // Whole: a prefix would let a forged one pass unlimited.
            "string_match": {"exact": word},
            "invert_match": true,
            "treat_missing_header_as_empty": true,
        })
    };
    json!({"header_value_match": {
        "descriptor_key": "release",
        "descriptor_value": full_name(release),
        "headers": [
            {
                "name": ":authority",
                "string_match": {"safe_regex": {"regex": format!("(?i)({})(:[0-9]+)?", hosts.join("|"))}},
            },
            is_not(token.clone()),
            is_not(format!("{token}-limit")),
        ],
    }})
}

fn full_name(release: &Release) -> String {
    format!("{}/{}", release.namespace, release.name)
}

/// A text that a regular expression takes literally.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() && c != '-' {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// A bucket's share for one of several pods, rounded up. Envoy takes no fill interval below 50 ms.
fn tokens(bucket: Bucket, pods: i32) -> Value {
    let pods = i64::from(pods.max(1));
    let part = |number: i32| {
        let number = i64::from(number.max(1));
        number.saturating_add(pods).saturating_sub(1).checked_div(pods).unwrap_or(number)
    };
    json!({
        "max_tokens": part(bucket.burst),
        "tokens_per_fill": part(bucket.requests),
        "fill_interval": seconds(bucket.window.max(SignedDuration::from_millis(50))),
    })
}

/// Seconds after which a refused client has one request again, at least 1; by the client's own limit, if there is one.
fn retry_after(release: &Release) -> i128 {
    let Some(bucket) = release.traffic.per_client.or(release.traffic.total) else { return 1 };
    let per_second = i128::from(bucket.requests.max(1)).saturating_mul(1_000_000_000);
    let nanos = bucket.window.as_nanos().max(0);
    nanos.saturating_add(per_second).saturating_sub(1).checked_div(per_second).unwrap_or(1).max(1)
}

fn share(key: &str, percent: i32) -> Value {
    json!({"runtime_key": key, "default_value": {"numerator": percent, "denominator": "HUNDRED"}})
}

fn header(key: &str, value: &str) -> Value {
    json!({
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        "header": {"key": key, "value": value},
    })
}

/// Unique, although Envoy's statistics know neither dots nor dashes in it.
fn stat_prefix(release: &Release) -> String {
    let unique: String = text_digest(&full_name(release)).chars().take(8).collect();
    format!("mrel_{}_{}_{unique}", release.namespace, release.name).replace('-', "_")
}
