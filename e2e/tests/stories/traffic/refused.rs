//! A filter that the gateway's Envoy refuses, be it somebody else's, keeps our limits from coming into force: the release
//! says so within ten seconds, and recovers by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testbed::Result;
use testbed::demo::manifest::Manifest;
use testbed::demo::releases::condition;
use testbed::demo::story::{Board, STEP, Stage, Story};

use super::ask::Line;

const NAME: &str = "refused";
/// Seconds in which the condition must tell.
const TOLD: f64 = 10.0;
/// Seconds in which it must have recovered: it is asked each minute, and needs some to be asked on a busy machine.
const RECOVERED: f64 = 75.0;

/// Puts a filter beside the gateway that no Envoy takes, edits the limit, and takes the filter away again.
pub async fn filters_are_told(stage: &Arc<Stage>) -> Result<Vec<Line>> {
    let manifest = Manifest::new(&stage.namespace, NAME, &stage.made.worse);
    let mut story = Story::begin(stage, &Board::default(), ('R', "a refused filter"), manifest).await?;
    let says = |is: &'static str, reason: &'static str| {
        move |seen: &testbed::demo::observe::Seen| {
            let told = condition(&seen.status, "TrafficApplied").map(|(is, reason, _)| (is, reason));
            (told == Some((is, reason))).then_some(())
        }
    };
    story.until("its limit is proven", STEP, says("True", "WeightsInForce")).await?;
    stage.testbed.apply(&bad(&stage.gateway.namespace, &stage.gateway.selector).to_string())?;
    let edited = Instant::now();
    story.manifest = story.manifest.clone().with("/spec/traffic/rateLimit/perClient/requests", json!(19));
    story.try_canary().await?;
    let told =
        story.until("it says that the limit is not kept", STEP, says("False", "RateLimitUnsupported")).await;
    let took = edited.elapsed().as_secs_f64();
    let named = ["delete", "envoyfilter", BAD, "-n", &stage.gateway.namespace];
    stage.testbed.kubectl_output(&named)?;
    told?;
    let healed = Instant::now();
    let within = Duration::from_secs(120);
    story.until("its limit is proven again", within, says("True", "WeightsInForce")).await?;
    let recovered = healed.elapsed().as_secs_f64();
    stage.releases.delete(NAME).await?;
    Ok(vec![
        Line::new(
            "condition of a limit that a proxy refuses",
            format!("told within {TOLD} s"),
            format!("{took:.1} s"),
            took <= TOLD,
        ),
        Line::new(
            "the same once the bad filter is gone",
            "recovers by itself, asked each minute",
            format!("{recovered:.1} s"),
            recovered <= RECOVERED,
        ),
    ])
}

const BAD: &str = "refused-by-envoy";

/// A filter whose configuration has a type that istiod can encode and Envoy refuses: a bucket that never fills.
fn bad(namespace: &str, selector: &Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": BAD, "namespace": namespace},
        "spec": {
            "workloadSelector": {"labels": selector},
            "configPatches": [{
                "applyTo": "HTTP_FILTER",
                "match": {"context": "GATEWAY", "listener": {"filterChain": {"filter": {
                    "name": "envoy.filters.network.http_connection_manager",
                    "subFilter": {"name": "envoy.filters.http.router"},
                }}}},
                "patch": {"operation": "INSERT_BEFORE", "value": {
                    "name": BAD,
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
                        "stat_prefix": "refused",
                        "token_bucket": {"max_tokens": 0, "tokens_per_fill": 0, "fill_interval": "0.001s"},
                    },
                }},
            }],
        },
    })
}
