//! Gets every program of the cluster: built from pinned Go modules, from a Python wheel, or as Debian packages.

mod debian;
mod envoy;
mod go;
mod pins;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use debian::Debian;
pub use go::GoPart;
pub use pins::digest;

use crate::error::{Error, Result};
use crate::image;
use crate::plan::{Plan, Times};
use crate::say::say;

/// Image of the sandbox process.
pub const PAUSE_IMAGE: &str = "testbed.modelrelease.dev/pause:1";

/// Image of the gateway's Envoy; its tag is the version of the wheel.
pub const ENVOY_IMAGE: &str = "testbed.modelrelease.dev/envoy:1.40.0";

/// Where the programs are once [`Programs::provide`] returned.
#[derive(Debug)]
pub struct Programs {
    /// The Kubernetes programs, the name server, Prometheus and promtool.
    pub kubernetes: GoPart,
    /// etcd.
    pub etcd: GoPart,
    /// pilot-discovery and the CRDs; helm, kustomize, kubeconform.
    pub istio: GoPart,
    /// The sandbox process.
    pub pause: GoPart,
    /// Folder of Envoy and its image.
    pub envoy: PathBuf,
    /// What comes from Debian.
    pub debian: Debian,
}

/// Waits until no other command builds into the cache.
fn lock(cache: &Path) -> Result<File> {
    let path = cache.join("lock");
    let file = File::create(&path).map_err(Error::io("write", &path))?;
    if file.try_lock().is_err() {
        say("Another command builds the cluster's programs; waiting for it to end");
        file.lock().map_err(Error::io("lock", &path))?;
    }
    Ok(file)
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
            pause: part("pause")?,
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

    /// The Go parts, in the order in which they are built.
    fn go_parts(&self) -> [&GoPart; 4] {
        [&self.etcd, &self.kubernetes, &self.pause, &self.istio]
    }

    /// Whether nothing has to be built or installed.
    pub fn complete(&self, api_only: bool) -> bool {
        let images = api_only || (self.pause_archive().is_file() && self.envoy_archive().is_file());
        images
            && self.go_parts().iter().all(|part| part.wanted(api_only).is_empty())
            && self.debian.missing(api_only).is_empty()
    }

    /// The programs that people and scripts call too, by name.
    pub fn tools(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        let parts = [&self.kubernetes, &self.istio].into_iter();
        let all = parts.flat_map(|part| part.programs().map(|name| (name, part.program(name))));
        all.filter(|(_, program)| program.is_file())
    }

    /// Links all tools into a folder, in place of older links.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn link_tools(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        for (name, program) in self.tools() {
            // Two commands may link at once: each has a name of its own until it renames.
            let (link, beside) = (folder.join(name), folder.join(format!(".{name}.{}", std::process::id())));
            if fs::read_link(&link).is_ok_and(|target| target == program) {
                continue;
            }
            drop(fs::remove_file(&beside));
            symlink(&program, &beside).map_err(Error::io("link", &beside))?;
            fs::rename(&beside, &link).map_err(Error::io("link", &link))?;
        }
        Ok(())
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
        let _lock = lock(cache)?;
        if self.complete(api_only) {
            return Ok(());
        }

        let mut plan = Plan::default();
        let mut last = "Debian packages".to_owned();
        plan.step(&last, &[], Duration::from_secs(40), || self.debian.install(api_only));
        let logs: Arc<Path> = cache.join("logs").into();
        for part in self.go_parts() {
            for (program, usual) in part.wanted(api_only) {
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
