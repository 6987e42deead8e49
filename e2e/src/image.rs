//! Container images: builds a `FROM scratch` Dockerfile with buildah and hands it to the cluster's containerd.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::checkout;
use crate::command::{command, output};
use crate::env::Testbed;
use crate::error::{Error, Result};

/// How long one of buildah's or containerd's commands may take, in seconds.
const LIMIT: &str = "300";

/// The full name of an image, as Kubernetes completes it: `app:1` means `docker.io/library/app:1`.
///
/// # Errors
/// If the name has no tag: without one Kubernetes would ask a registry each time.
pub fn full_name(reference: &str) -> Result<String> {
    let (first, rest) =
        reference.split_once('/').map_or((None, reference), |(first, rest)| (Some(first), rest));
    if !rest.rsplit('/').next().is_some_and(|last| last.contains(':')) {
        return Err(Error::other(format!("image {reference} has no tag; write it as {reference}:<version>")));
    }
    let registry = |part: &str| part.contains(['.', ':']) || part == "localhost";
    Ok(match first {
        None => format!("docker.io/library/{rest}"),
        Some(first) if registry(first) => reference.to_owned(),
        Some(_) => format!("docker.io/{reference}"),
    })
}

/// Builds the Dockerfile in `context` and writes the image as an OCI archive.
///
/// # Errors
/// What buildah wrote.
pub fn archive(reference: &str, context: &Path, archive: &Path) -> Result<()> {
    let name = full_name(reference)?;
    let dockerfile = context.join("Dockerfile");
    if !dockerfile.is_file() {
        return Err(Error::other(format!("{} has no Dockerfile; name the folder of one", context.display())));
    }
    let mut build = buildah(&["build", "--isolation", "chroot", "--quiet", "--tag", &name, "--file"]);
    output(build.arg(dockerfile).arg(context))?;
    let beside = archive.with_extension("new");
    drop(fs::remove_file(&beside));
    let pushed =
        output(buildah(&["push", "--quiet", &name]).arg(format!("oci-archive:{}:{name}", beside.display())));
    // The archive is what counts; buildah's own copy would only fill the disk.
    let removed = output(&mut buildah(&["rmi", &name]));
    pushed.and(removed)?;
    fs::rename(&beside, archive).map_err(Error::io("write", archive))
}

/// Builds an image from a Dockerfile and some files unless its archive is there already.
pub(crate) fn archive_once(
    reference: &str,
    dockerfile: &Path,
    files: &[(PathBuf, &str)],
    target: &Path,
) -> Result<String> {
    if target.is_file() {
        return Ok("cached".to_owned());
    }
    let context = target.with_extension("context");
    drop(fs::remove_dir_all(&context));
    let all = files.iter().map(|(from, to)| (from.as_path(), *to)).chain([(dockerfile, "Dockerfile")]);
    for (from, to) in all {
        let to = context.join(to);
        let parent = to.parent().unwrap_or(&context);
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        fs::copy(from, &to).map_err(Error::io("copy", from))?;
    }
    archive(reference, &context, target)?;
    fs::remove_dir_all(&context).map_err(Error::io("remove", &context))?;
    Ok(reference.to_owned())
}

/// Imports an OCI archive into a containerd, for the kubelet to use.
///
/// # Errors
/// What containerd wrote.
pub fn import(containerd: &Path, archive: &Path) -> Result<()> {
    let mut ctr = command(["timeout", LIMIT, "ctr", "--address"]);
    ctr.arg(containerd).args(["--namespace", "k8s.io", "images", "import"]);
    output(ctr.arg(archive)).map(drop)
}

impl Testbed {
    /// Builds the Dockerfile in `context` and makes the image known to the cluster under `reference`, which must have
    /// a tag. Pods then use it with `imagePullPolicy: IfNotPresent`.
    ///
    /// # Errors
    /// If the cluster's containerd is not known, or building or importing fails.
    pub fn load_image(&self, reference: &str, context: &Path) -> Result<()> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let containerd = Path::new(self.need("CONTAINERD_ADDRESS")?);
        let folder = checkout::cache().join("images");
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = folder.join(format!("{}-{number}.tar", std::process::id()));
        let done = archive(reference, context, &file).and_then(|()| import(containerd, &file));
        drop(fs::remove_file(&file));
        done
    }
}

/// buildah with a store of its own, apart from the user's.
fn buildah(arguments: &[&str]) -> Command {
    let store = checkout::cache().join("buildah");
    let mut buildah = command(["timeout", LIMIT, "buildah", "--storage-driver", "vfs", "--root"]);
    buildah.arg(store.join("root")).arg("--runroot").arg(store.join("run")).args(arguments);
    buildah
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_kubernetes_completes_them() {
        assert_eq!(full_name("app:1").unwrap(), "docker.io/library/app:1");
        assert_eq!(full_name("team/app:1").unwrap(), "docker.io/team/app:1");
        assert_eq!(full_name("example.com/app:1").unwrap(), "example.com/app:1");
        assert_eq!(full_name("localhost:5000/app:1").unwrap(), "localhost:5000/app:1");
    }

    #[test]
    fn a_name_without_a_tag_is_refused() {
        assert!(full_name("example.com:5000/app").unwrap_err().to_string().contains("no tag"));
    }

    #[test]
    fn a_folder_without_a_dockerfile_is_refused() {
        let error = archive("app:1", Path::new("/nowhere"), Path::new("/nowhere/x")).unwrap_err();
        assert!(error.to_string().contains("no Dockerfile"));
    }
}
