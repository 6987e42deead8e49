//! `version`: the plugin's, and which versions of the API the cluster serves.

use model_release_core::api::GROUP;
use model_release_core::step::STATE;
use serde::Serialize;

use crate::cluster::Cluster;
use crate::error::{CliError, DONE};
use crate::output;
use crate::shell::Shell;

/// Version of the API that this plugin reads and writes.
const API: &str = "v1alpha1";

/// The answer as data.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    client: &'static str,
    api: String,
    memory: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    served: Option<Vec<String>>,
}

/// Tells the versions; those of a cluster if one is given.
///
/// # Errors
/// If the cluster does not answer.
pub async fn version(cluster: Option<&Cluster>, shell: &mut Shell<'_>) -> Result<u8, CliError> {
    let served = match cluster {
        Some(cluster) => Some(cluster.served().await?),
        None => None,
    };
    let told =
        Told { client: env!("CARGO_PKG_VERSION"), api: format!("{GROUP}/{API}"), memory: STATE, served };
    if let Some(format) = shell.format {
        shell.write(&output::text(&told, format)?)?;
        return Ok(DONE);
    }
    let mut lines = vec![format!("kubectl-modelrelease {}, for {}", told.client, told.api)];
    lines.extend(told.served.as_deref().map(|served| match served {
        [] => format!("The cluster serves no version of {GROUP}: install the operator's definition."),
        all if all.iter().any(|one| one == API) => format!("The cluster serves {}.", all.join(", ")),
        all => format!(
            "The cluster serves {}, and not {API}: take another version of this plugin.",
            all.join(", ")
        ),
    }));
    shell.lines(&lines)?;
    Ok(DONE)
}
