//! Where things are: the checkout, its `.testbed` folder, the cache of built binaries, the machine's cluster registry.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The name that a cluster has unless the user gives another.
pub const DEFAULT_NAME: &str = "main";

/// A file that only the checkout's root leads to.
const LANDMARK: &str = "e2e/cluster/kubernetes/go.mod";

/// The checkout's root: the nearest folder above the current one that holds the testbed's pins.
///
/// # Errors
/// If the program runs outside a checkout and was built from one that is gone.
pub fn root() -> Result<PathBuf> {
    let here = env::current_dir().map_err(Error::io("read", "."))?;
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = here.ancestors().chain(built_from.ancestors()).find(|dir| dir.join(LANDMARK).is_file());
    found.map(Path::to_path_buf).ok_or_else(|| {
        Error::other(format!("no checkout found above {}; run this inside the repository", here.display()))
    })
}

/// The git-ignored folder of a cluster inside the checkout: `.testbed`, or `.testbed/<name>` for other names.
pub fn folder(checkout: &Path, name: &str) -> PathBuf {
    let base = checkout.join(".testbed");
    if name == DEFAULT_NAME { base } else { base.join(name) }
}

/// Where built binaries, images and downloads are kept between runs and checkouts.
pub fn cache() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let home = || env::home_dir().unwrap_or_else(env::temp_dir).join(".cache");
    base.unwrap_or_else(home).join("model-release-testbed")
}

/// Where the machine's clusters are registered and keep their data. One place for all users and checkouts, because
/// addresses, interfaces and cgroups are the machine's.
pub fn registry() -> PathBuf {
    PathBuf::from("/var/lib/model-release-testbed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_is_found_from_a_folder_inside_it() {
        assert!(root().unwrap().join("e2e/Cargo.toml").is_file());
    }

    #[test]
    fn only_the_default_cluster_uses_the_top_folder() {
        let checkout = Path::new("/c");
        assert_eq!(folder(checkout, "main"), Path::new("/c/.testbed"));
        assert_eq!(folder(checkout, "two"), Path::new("/c/.testbed/two"));
    }
}
