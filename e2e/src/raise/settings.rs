//! The parts' settings files: templates in which `@NAME@` stands for a value of the cluster.

use std::fs;
use std::path::Path;

use super::Cluster;
use crate::build::{ENVOY_IMAGE, PAUSE_IMAGE};
use crate::error::{Error, Result};
use crate::network::{BRIDGE, ENVOY_ADMIN_PORT, GATEWAY_PORT};

/// Files by their place in the cluster's folder.
const FILES: [(&str, &str); 7] = [
    ("cni/conf/testbed.conflist", include_str!("../../cluster/settings/cni.conflist")),
    ("settings/containerd.toml", include_str!("../../cluster/settings/containerd.toml")),
    ("settings/kubelet.yaml", include_str!("../../cluster/settings/kubelet.yaml")),
    ("settings/kube-proxy.yaml", include_str!("../../cluster/settings/kube-proxy.yaml")),
    ("settings/Corefile", include_str!("../../cluster/settings/Corefile")),
    ("settings/mesh.yaml", include_str!("../../cluster/settings/mesh.yaml")),
    ("settings/prometheus.yml", include_str!("../../cluster/settings/prometheus.yml")),
];

/// What is applied as soon as the API server answers.
pub(super) const BASE: &str = include_str!("../../cluster/settings/base.yaml");

/// The gateway's Deployment and Services.
pub(super) const GATEWAY: &str = include_str!("../../cluster/settings/gateway.yaml");

/// What needs the Istio CRDs.
pub(super) const ISTIO: &str = include_str!("../../cluster/settings/istio.yaml");

/// Writes all settings files.
pub(super) fn write(cluster: &Cluster) -> Result<()> {
    for (place, template) in FILES {
        let file = cluster.record.path(place);
        create_parent(&file)?;
        fs::write(&file, cluster.fill(template)?).map_err(Error::io("write", &file))?;
    }
    Ok(())
}

/// Makes the folder that a file is to be in.
pub(super) fn create_parent(file: &Path) -> Result<()> {
    let parent = file.parent().unwrap_or(file);
    fs::create_dir_all(parent).map_err(Error::io("create", parent))
}

impl Cluster {
    /// A template with this cluster's values.
    pub(super) fn fill(&self, template: &str) -> Result<String> {
        let network = self.record.network();
        fill(
            template,
            &[
                ("FOLDER", self.record.folder().display().to_string()),
                ("NODE", network.node().to_string()),
                ("PODS", network.pods().to_string()),
                ("CGROUP", network.cgroup()),
                ("BRIDGE", BRIDGE.to_owned()),
                ("PAUSE", PAUSE_IMAGE.to_owned()),
                ("ENVOY", ENVOY_IMAGE.to_owned()),
                ("GATEWAY_PORT", GATEWAY_PORT.to_string()),
                ("ENVOY_ADMIN_PORT", ENVOY_ADMIN_PORT.to_string()),
            ],
        )
    }
}

fn fill(template: &str, values: &[(&str, String)]) -> Result<String> {
    let filled = values
        .iter()
        .fold(template.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value));
    let name = |part: &&str| {
        part.len() > 2 && part.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_')
    };
    match filled.split('@').skip(1).find(name) {
        Some(left) => Err(Error::other(format!("a settings file has @{left}@, for which there is no value"))),
        None => Ok(filled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_filled() {
        let got = fill("a: @NODE@, b: @NODE@:@PORT@", &[("NODE", "1.2.3.4".into()), ("PORT", "9".into())]);
        assert_eq!(got.unwrap(), "a: 1.2.3.4, b: 1.2.3.4:9");
    }

    #[test]
    fn a_place_without_a_value_is_an_error() {
        assert!(fill("a: @OTHER@", &[]).unwrap_err().to_string().contains("@OTHER@"));
        assert!(fill("mail@example.com and \"@type\": x", &[]).is_ok());
    }
}
