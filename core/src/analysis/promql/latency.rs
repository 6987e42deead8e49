//! The question for requests that were answered in time, at the entrance.

use super::question::{Counts, Scope};
use super::{Rows, delta, fell, server, without};
use crate::api::pods::Preset;
use crate::settings::Entrance;

/// Asks for all requests of a block and for those answered within `bound`, both in milliseconds of a histogram's buckets:
/// rows `n` and `w`. A bound that ends no bucket has no row `w`. `width` in milliseconds.
pub(super) fn latency(scope: &Scope<'_>, counts: Counts, bound: i64, width: i64) -> String {
    let namespace = scope.namespace();
    let (key, histogram, of) = match counts.entrance {
        Entrance::Envoy => (
            "cluster_name",
            "envoy_cluster_upstream_rq_time_bucket",
            format!("cluster_name=~{}", scope.clusters()),
        ),
        Entrance::Istio => (
            "destination_workload_namespace, destination_workload",
            "istio_request_duration_milliseconds_bucket",
            format!(
                "reporter=\"destination\",destination_workload_namespace={namespace},destination_workload=~{},response_flags!=\"RL\"",
                scope.objects()
            ),
        ),
        Entrance::IstioGateway => (
            "destination_service_namespace, destination_service_name",
            "istio_request_duration_milliseconds_bucket",
            format!(
                "reporter=\"source\",{}destination_service_namespace={namespace},destination_service_name=~{},response_flags!=\"RL\"",
                scope.gateways(),
                scope.objects()
            ),
        ),
        Entrance::Server => {
            return server::in_time(scope, counts.preset, (false, bound), width).unwrap_or_default();
        }
    };
    // Prometheus 3 writes `500.0` where earlier ones wrote `500`.
    let within = format!("{histogram}{{{of},le=~\"{bound}([.]0+)?\"}}");
    let all = format!("{histogram}{{{of},le=\"+Inf\"}}");
    let fell = fell(&[&all], width);
    let mut rows = Rows::default();
    rows.add(key, "w", &without(&delta(&within, width), &fell));
    rows.add(key, "n", &without(&delta(&all, width), &fell));
    rows.0
}

/// The same of the first token of an answer, which only model servers know.
pub(super) fn first_token(scope: &Scope<'_>, preset: Preset, bound: i64, width: i64) -> String {
    server::in_time(scope, preset, (true, bound), width).unwrap_or_default()
}
