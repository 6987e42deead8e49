//! The `EnvoyFilters` that limit clients in the gateway's listener, before the split: a client that is limited is limited
//! on both versions.

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::filter::{of_gateways, of_pods, takers};
use super::istio::seconds;
use super::{AT_GATEWAY, LIMIT_HEADER, PROBE_HEADER, PROOF_HEADER};
use crate::api::spec::LimitMode;
use crate::meta::{self, fields, put};
use crate::plan::Key;
use crate::release::{Bucket, Release};
use crate::settings::{GatewaySet, Settings};
use crate::version::text_digest;

#[cfg(test)]
mod tests;

/// The `EnvoyFilters` that limit clients, one per set of gateways that takes them. None without a limit.
pub fn limits(release: &Release, settings: &Settings, seq: i64) -> Vec<(Key, Value)> {
    if !has_limits(release) {
        return Vec::new();
    }
    let of = |set: &GatewaySet| {
        let patch = before_the_router(release, "", "GATEWAY", of_clients(release, settings, set));
        let (key, filter) = of_gateways(release, set, "limit", vec![patch]);
        (key, meta::with_seq(filter, seq))
    };
    takers(release).map(of).collect()
}

/// What a refusal by the limits of now bears: a digest of them. A gateway's pod that refuses with another one has older
/// limits; one that refuses nothing has none. None if nothing is to be refused at any gateway.
pub fn limit_proof(release: &Release, settings: &Settings) -> Option<String> {
    let traffic = &release.traffic;
    let bucket = |bucket: Bucket| json!([bucket.requests, seconds(bucket.window), bucket.burst]);
    (traffic.limit_mode == LimitMode::Enforce && has_limits(release)).then(|| {
        let sets: Vec<Value> = takers(release).map(|set| json!([set.name, set.replicas])).collect();
        let all = json!([
            [traffic.hosts, traffic.path, traffic.client_header, settings.traffic.max_clients, sets],
            traffic.per_client.map(bucket),
            traffic.total.map(bucket),
        ]);
        text_digest(&all.to_string()).chars().take(8).collect()
    })
}

/// Value of the probe header to which each gateway's pod refuses the second request in a second.
pub(super) fn limit_token(release: &Release) -> String {
    format!("{}-limit", release.probe_token())
}

/// Whether clients are to be limited at gateways.
pub fn has_limits(release: &Release) -> bool {
    let traffic = &release.traffic;
    !traffic.hosts.is_empty() && (traffic.per_client.is_some() || traffic.total.is_some())
}

/// The `EnvoyFilter` that shields each pod, behind the split, in its own sidecar. None unless asked for.
///
/// As a product's limit it would be wrong: it would refuse a client on one version and not on the other.
pub fn pod_limit(release: &Release, seq: i64) -> Option<(Key, Value)> {
    let bucket = release.traffic.per_pod?;
    let patch = before_the_router(release, ".pod", "SIDECAR_INBOUND", of_pod(release, bucket));
    let (key, filter) = of_pods(release, "pod-limit", vec![patch]);
    Some((key, meta::with_seq(filter, seq)))
}

/// The patch that puts a filter right before the router, so after authentication: claims that were copied to headers
/// count.
fn before_the_router(release: &Release, word: &str, context: &str, config: Value) -> Value {
    let value = fields([
        // Filters of one name share what a route says of them, so every release has a name of its own.
        ("name", format!("mrel.{}.{}{word}", release.namespace, release.name).into()),
        ("typed_config", config),
    ]);
    let place = json!({"context": context, "listener": {"filterChain": {"filter": {
        "name": "envoy.filters.network.http_connection_manager",
        "subFilter": {"name": "envoy.filters.http.router"},
    }}}});
    let patch = fields([("operation", "INSERT_BEFORE".into()), ("value", value)]);
    fields([("applyTo", "HTTP_FILTER".into()), ("match", place), ("patch", patch)])
}

/// The filter of a gateway: buckets of each client and of the whole, and none for what it does not know.
fn of_clients(release: &Release, settings: &Settings, set: &GatewaySet) -> Value {
    let mut rules = Rules::default();
    rules.per_client(release);
    rules.total(release, set);
    rules.check(release);
    // Never binds: it counts requests for all hosts of the gateway.
    let shared = json!({"max_tokens": u32::MAX, "tokens_per_fill": u32::MAX, "fill_interval": "1s"});
    let wait = release.traffic.per_client.or(release.traffic.total).map_or(1, retry_after);
    let mut config = filter(release, shared, AT_GATEWAY, wait);
    let told = config.get_mut("response_headers_to_add").and_then(Value::as_array_mut);
    if let (Some(told), Some(proof)) = (told, limit_proof(release, settings)) {
        told.push(header(PROOF_HEADER, &proof));
    }
    put(&mut config, "always_consume_default_token_bucket", Some(false));
    put(&mut config, "max_dynamic_descriptors", Some(settings.traffic.max_clients));
    put(&mut config, "rate_limits", Some(rules.actions));
    put(&mut config, "descriptors", Some(rules.descriptors));
    Value::Object(config)
}

/// The filter of a pod: one bucket for all requests.
fn of_pod(release: &Release, bucket: Bucket) -> Value {
    Value::Object(filter(release, tokens(bucket, 1), "pod", retry_after(bucket)))
}

/// What both have. `place` is told in refusals, `wait` are seconds after which to come again.
fn filter(release: &Release, bucket: Value, place: &str, wait: i128) -> Map<String, Value> {
    let enforced = match release.traffic.limit_mode {
        LimitMode::Enforce => 100,
        LimitMode::Observe => 0,
    };
    let told = vec![header(LIMIT_HEADER, place), header("retry-after", &wait.to_string())];
    let mut config = Map::new();
    let kind = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit";
    put(&mut config, "@type", Some(kind));
    put(&mut config, "stat_prefix", Some(stat_prefix(release)));
    put(&mut config, "token_bucket", Some(bucket));
    put(&mut config, "filter_enabled", Some(share("mrel_enabled", 100)));
    put(&mut config, "filter_enforced", Some(share("mrel_enforced", enforced)));
    put(&mut config, "response_headers_to_add", Some(told));
    config
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
                "string_match": {"exact": limit_token(release)},
            }],
        }});
        let one = Bucket { requests: 1, window: SignedDuration::from_secs(1), burst: 1 };
        self.add(vec![asked], vec![json!({"key": "probe", "value": full_name(release)})], tokens(one, 1));
    }
}

/// Matches a request to the release's hosts, in any case and with any port, and to its path, that is none of our own
/// questions.
fn own_request(release: &Release) -> Value {
    let hosts: Vec<String> = release.traffic.hosts.iter().map(|host| escape(host)).collect();
    let is_not = |word: &str| {
        json!({
            "name": PROBE_HEADER,
            // Whole: a prefix would let a forged one pass unlimited.
            "string_match": {"exact": word},
            "invert_match": true,
            "treat_missing_header_as_empty": true,
        })
    };
    let regex =
        |name: &str, regex: String| json!({"name": name, "string_match": {"safe_regex": {"regex": regex}}});
    let path = &release.traffic.path;
    let below = (!path.is_empty()).then(|| regex(":path", format!("{}([/?].*)?", escape(path))));
    let host = regex(":authority", format!("(?i)({})(:[0-9]+)?", hosts.join("|")));
    let questions = [is_not(&release.probe_token()), is_not(&limit_token(release))];
    let headers: Vec<Value> = std::iter::once(host).chain(below).chain(questions).collect();
    json!({"header_value_match": {
        "descriptor_key": "release",
        "descriptor_value": full_name(release),
        "headers": headers,
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

/// Seconds after which a bucket that is empty has one request again, at least 1.
fn retry_after(bucket: Bucket) -> i128 {
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
