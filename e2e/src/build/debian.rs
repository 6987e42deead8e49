//! Programs from Debian packages: installs the packages whose programs are missing, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::command::{command, output};
use crate::error::{Error, Result};

/// Packages that an API-only cluster needs.
const API_ONLY: [&str; 2] = ["iproute2", "util-linux"];

/// Tells Debian's maintainer scripts not to start services.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// A package, by its name in [`Debian::packages`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Package {
    /// The version's pattern, as apt takes it: security updates of the same release are welcome.
    version: String,
    /// The programs it is wanted for. If they are there, whoever put them there, the package is not touched.
    provides: Vec<PathBuf>,
}

/// The packages of the cluster.
#[derive(Debug)]
pub struct Debian {
    packages: BTreeMap<String, Package>,
}

impl Debian {
    /// Reads the list.
    pub(super) fn load(file: &Path) -> Result<Self> {
        let text = fs::read(file).map_err(Error::io("read", file))?;
        let packages = serde_json::from_slice(&text)
            .map_err(|error| Error::other(format!("{}: {error}", file.display())))?;
        Ok(Self { packages })
    }

    /// The packages whose programs are missing, with their versions, as apt takes them.
    pub(super) fn missing(&self, api_only: bool) -> Vec<String> {
        let wanted = |name: &&String| !api_only || API_ONLY.contains(&name.as_str());
        let lacks = |package: &Package| !package.provides.iter().all(|file| file.exists());
        let missing = self.packages.iter().filter(|(name, package)| wanted(name) && lacks(package));
        missing.map(|(name, package)| format!("{name}={}", package.version)).collect()
    }

    /// The installed version of a package; "?" for a program that came another way.
    pub fn version(&self, package: &str) -> String {
        let query = ["dpkg-query", "-W", "-f", "${Version}", package];
        output(&mut command(query)).unwrap_or_else(|_| "?".to_owned())
    }

    /// Installs what is missing, without starting any service.
    pub(super) fn install(&self, api_only: bool) -> Result<String> {
        let missing = self.missing(api_only);
        if missing.is_empty() {
            return Ok("nothing to install".to_owned());
        }
        let help = |error: Error| {
            Error::other(format!(
                "{error}\n  install these packages (Debian 12) and run the command again: {}",
                missing.join(" ")
            ))
        };
        output(&mut apt(&["update"])).map_err(help)?;
        // An administrator's own policy stays; ours is there only while apt runs.
        let ours = !Path::new(POLICY).exists();
        if ours {
            let script = format!("printf '#!/bin/sh\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}");
            output(&mut command(["sh", "-c", &script])).map_err(help)?;
        }
        let mut install = apt(&["install", "--yes", "--no-install-recommends"]);
        let done = output(install.args(&missing)).map_err(help);
        if ours {
            fs::remove_file(POLICY).map_err(Error::io("remove", POLICY))?;
        }
        done?;
        let still = self.missing(api_only);
        if still.is_empty() {
            return Ok(format!("installed {}", missing.join(" ")));
        }
        Err(help(Error::other(format!(
            "after installing, the programs of {} are still not there",
            still.join(" ")
        ))))
    }
}

fn apt(arguments: &[&str]) -> Command {
    let mut apt = command(["timeout", "900", "apt-get", "-q"]);
    apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_packages_with_missing_programs_are_installed_each_pinned() {
        let text = r#"{"there": {"version": "1*", "provides": ["/bin/sh"]},
                       "iproute2": {"version": "2.0*", "provides": ["/nowhere/b", "/bin/sh"]},
                       "gone": {"version": "3*", "provides": ["/nowhere/c"]}}"#;
        let debian = Debian { packages: serde_json::from_str(text).unwrap() };
        assert_eq!(debian.missing(false), ["gone=3*", "iproute2=2.0*"]);
        assert_eq!(debian.missing(true), ["iproute2=2.0*"]);
    }

    #[test]
    fn the_list_pins_every_package_and_names_its_programs() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/debian.json");
        let debian = Debian::load(&file).unwrap();
        assert!(debian.packages.values().all(|package| {
            package.version.ends_with('*') && package.version.len() > 2 && !package.provides.is_empty()
        }));
        assert!(API_ONLY.iter().all(|name| debian.packages.contains_key(*name)));
    }
}
