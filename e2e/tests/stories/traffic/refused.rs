//! A filter that the gateway's Envoy refuses, be it somebody else's, keeps our limits from coming into force: the release
//! says so within ten seconds, and recovers by itself. One without limits, whose weights such a gateway still follows, says
//! that a push was refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testbed::Result;
use testbed::demo::manifest::Manifest;
use testbed::demo::observe::Seen;
use testbed::demo::releases::condition;
use testbed::demo::story::{Board, STEP, Stage, Story};

use super::ask::Line;

const NAME: &str = "refused";
/// One that limits nobody.
const UNLIMITED: &str = "refused-unlimited";
/// Seconds in which the condition must tell.
const TOLD: f64 = 10.0;
/// Seconds in which it must have recovered: it is asked each minute, and needs some to be asked on a busy machine.
const RECOVERED: f64 = 75.0;

/// Puts a filter beside the gateway that no Envoy takes, edits a release with a limit and one without, and takes the filter
/// away again.
pub async fn filters_are_told(stage: &Arc<Stage>) -> Result<Vec<Line>> {
    let board = Board::default();
    let limited = Manifest::new(&stage.namespace, NAME, &stage.made.worse);
    let unlimited = Manifest::new(&stage.namespace, UNLIMITED, &stage.made.worse)
        .with("/spec/traffic/rateLimit", Value::Null);
    let (mut limited, mut unlimited) = futures::try_join!(
        Story::begin(stage, &board, ('R', "a refused filter"), limited),
        Story::begin(stage, &board, ('S', "a refused push"), unlimited),
    )?;
    futures::try_join!(
        limited.until("its limit is proven", STEP, says("True", "WeightsInForce")),
        unlimited.until("its weights are in force", STEP, says("True", "WeightsInForce")),
    )?;
    stage.testbed.apply(&bad(&stage.gateway.namespace, &stage.gateway.selector).to_string())?;
    limited.manifest = limited.manifest.clone().with("/spec/traffic/rateLimit/perClient/requests", json!(19));
    unlimited.manifest = unlimited.manifest.clone().with("/spec/traffic/timeout", json!("7s"));
    let told = futures::try_join!(
        seconds_until(&mut limited, "RateLimitUnsupported"),
        seconds_until(&mut unlimited, "Refused"),
    );
    let named = ["delete", "envoyfilter", BAD, "-n", &stage.gateway.namespace];
    stage.testbed.kubectl_output(&named)?;
    let (limit, push) = told?;
    let healed = Instant::now();
    let (again, taken) =
        futures::try_join!(recovered(&mut limited, healed), recovered(&mut unlimited, healed))?;
    stage.releases.delete(NAME).await?;
    stage.releases.delete(UNLIMITED).await?;
    let within = |what: &str, took: f64, bound: f64, must: &str| {
        Line::new(what, format!("{must} within {bound} s"), format!("{took:.1} s"), took <= bound)
    };
    Ok(vec![
        within("condition of a limit that a proxy refuses", limit, TOLD, "told"),
        within(
            "condition of a release without limits when a proxy refuses a push",
            push,
            TOLD,
            "Refused, told",
        ),
        within("a limit's condition once the bad filter is gone", again, RECOVERED, "recovers by itself"),
        within(
            "a refused push's condition once the bad filter is gone",
            taken,
            RECOVERED,
            "recovers by itself",
        ),
    ])
}

/// A look at which this is said of the traffic.
fn says(is: &'static str, reason: &'static str) -> impl FnMut(&Seen) -> Option<()> {
    move |seen| {
        let told = condition(&seen.status, "TrafficApplied").map(|(is, reason, _)| (is, reason));
        (told == Some((is, reason))).then_some(())
    }
}

/// Seconds since then until nothing is wrong with its traffic.
async fn recovered(story: &mut Story, since: Instant) -> Result<f64> {
    story
        .until("nothing is refused any more", Duration::from_secs(120), says("True", "WeightsInForce"))
        .await?;
    Ok(since.elapsed().as_secs_f64())
}

/// Writes the release as it now is; gives the seconds until it says this of its traffic.
async fn seconds_until(story: &mut Story, reason: &'static str) -> Result<f64> {
    let edited = Instant::now();
    story.try_canary().await?;
    story.until(&format!("it says {reason}"), STEP, says("False", reason)).await?;
    Ok(edited.elapsed().as_secs_f64())
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
