//! The question for all requests of two versions at their entrance, whoever fails.

use super::{Names, Rows, delta, fell, gateways, quoted, server, without};
use crate::settings::Entrance;

/// Asks for the requests of a block: a row `n` of each version that had any. `width` in milliseconds.
///
/// They are counted where they are split: at gateways, and at callers with a sidecar. There a pod of a version that
/// comes, goes or starts anew takes no part of that version's requests with it, as it would where they arrive.
pub(in crate::analysis) fn requests(names: &Names<'_>, entrance: Entrance, width: i64) -> String {
    let (key, all) = match entrance {
        Entrance::Envoy => (
            "cluster_name",
            format!(
                "envoy_cluster_upstream_rq{{cluster_name=~{},response_code_class!=\"\"}}",
                names.clusters()
            ),
        ),
        Entrance::Istio | Entrance::IstioGateway => {
            let from = if entrance == Entrance::IstioGateway { gateways(names) } else { String::new() };
            let of = format!(
                "reporter=\"source\",{from}destination_service_namespace={},destination_service_name=~{},response_flags!=\"RL\"",
                quoted(&names.release.namespace),
                quoted(&names.objects())
            );
            (
                "destination_service_namespace, destination_service_name",
                format!("istio_requests_total{{{of}}}"),
            )
        }
        Entrance::Server => return server::handled(names, names.preset(), width).unwrap_or_default(),
    };
    let mut rows = Rows::default();
    rows.add(key, "n", &without(&delta(&all, width), &fell(&[&all], width)));
    rows.0
}
