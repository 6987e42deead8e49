//! The question for all requests of two versions at their entrance, whoever fails.

use super::question::{Counts, Scope};
use super::{Rows, delta, fell, server, without};
use crate::settings::Entrance;

/// Asks for the requests of a block: a row `n` of each version that had any. `width` in milliseconds.
///
/// They are counted where they are split: at gateways, and at callers with a sidecar. There a pod of a version that
/// comes, goes or starts anew takes no part of that version's requests with it, as it would where they arrive.
pub(super) fn requests(scope: &Scope<'_>, counts: Counts, width: i64) -> String {
    let (key, all) = match counts.entrance {
        Entrance::Envoy => (
            "cluster_name",
            format!(
                "envoy_cluster_upstream_rq{{cluster_name=~{},response_code_class!=\"\"}}",
                scope.clusters()
            ),
        ),
        Entrance::Istio | Entrance::IstioGateway => {
            let from =
                if counts.entrance == Entrance::IstioGateway { scope.gateways() } else { String::new() };
            let of = format!(
                "reporter=\"source\",{from}destination_service_namespace={},destination_service_name=~{},response_flags!=\"RL\"",
                scope.namespace(),
                scope.objects()
            );
            (
                "destination_service_namespace, destination_service_name",
                format!("istio_requests_total{{{of}}}"),
            )
        }
        Entrance::Server => return server::handled(scope, counts.preset, width).unwrap_or_default(),
    };
    let mut rows = Rows::default();
    rows.add(key, "n", &without(&delta(&all, width), &fell(&[&all], width)));
    rows.0
}
