//! What the demo runs: static programs, trained models, and the images that hold them, each built once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::command::{cargo, output};
use crate::error::{Error, Result};
use crate::{Testbed, checkout, image};

/// Packages whose programs go into images.
const PACKAGES: [&str; 3] = ["model-release-operator", "model-release-fetcher", "model-server"];
/// How images are handed to a cluster whose containerd is not ours: a shell command, archive and name as `$1` and `$2`.
const LOAD_COMMAND: &str = "IMAGE_LOAD_COMMAND";

/// Full names of the images; the tag is the digest of what is inside.
#[derive(Debug, Clone, Default)]
pub struct Images {
    /// The operator.
    pub operator: String,
    /// The init container that fetches models.
    pub fetcher: String,
    /// The example's model server.
    pub server: String,
    /// The server of the trained models' files.
    pub artefacts: String,
}

/// A trained model.
#[derive(Debug, Clone)]
pub struct Model {
    /// Name of the version that it is released as.
    pub name: String,
    /// Name of its file on the artefact server.
    pub file: String,
    /// Hex SHA-256 of that file.
    pub sha256: String,
    /// Its accuracy on the held-out domains.
    pub accuracy: f64,
}

/// Everything that was made.
#[derive(Debug, Clone)]
pub struct Made {
    /// The images, known to the cluster.
    pub images: Images,
    /// Trained for 2 epochs.
    pub worse: Model,
    /// Trained for 5 epochs.
    pub better: Model,
    /// The domains that no model was trained on.
    pub held_out: PathBuf,
}

/// One line of `models.json`, as `examples/data/models.py` writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trained {
    file: String,
    sha256: String,
    epochs: u32,
    held_out_accuracy: f64,
}

/// Builds what is missing, trains, and hands the images to the cluster. `say` is told what begins.
///
/// # Errors
/// The last lines of the step that failed.
pub fn provide(testbed: &Testbed, say: &mut dyn FnMut(&str)) -> Result<Made> {
    let root = checkout::root()?;
    let triple = triple();
    let programs = programs(&root);
    say("static programs of operator, fetcher and example (release build; some minutes the first time)");
    let mut cargo = cargo();
    cargo.current_dir(&root).env("RUSTFLAGS", "-C target-feature=+crt-static");
    cargo.args(["build", "--locked", "--release", "--target", &triple]);
    cargo.args(PACKAGES.iter().flat_map(|package| ["-p", package]));
    // Its output is the progress that one sees.
    match cargo.status() {
        Ok(status) if status.success() => {}
        Ok(status) => {
            return Err(Error::other(format!("the static programs were not built ({status}); see above")));
        }
        Err(error) => return Err(Error::other(format!("cargo could not be started: {error}; install Rust"))),
    }

    say("example data and two models, trained for 2 and for 5 epochs");
    let cache = example_cache();
    output(Command::new(root.join("examples/data/make.py")).arg(&cache))?;
    let server = programs.join("model-server");
    output(Command::new(root.join("examples/data/models.py")).arg(&server).arg(&cache))?;
    let models = cache.join("models");
    let (worse, better) = (model(&models, 2)?, model(&models, 5)?);

    say("images");
    let operator = format!("target/{triple}/release/model-release-operator");
    let (worse_file, better_file) = (format!("models/{}", worse.file), format!("models/{}", better.file));
    let build = |name: &str, dockerfile: &str, files: &[(PathBuf, &str)]| {
        image(testbed, name, &root.join(dockerfile), files)
    };
    let images = Images {
        operator: build("operator", "Dockerfile", &[(root.join(&operator), &operator)])?,
        fetcher: build(
            "fetcher",
            "fetcher/Dockerfile",
            &[(programs.join("model-release-fetcher"), "model-release-fetcher")],
        )?,
        server: build(
            "example-server",
            "examples/model-server/Dockerfile",
            &[(server.clone(), "model-server")],
        )?,
        artefacts: build(
            "example-artifacts",
            "examples/artefacts/Dockerfile",
            &[
                (server, "model-server"),
                (models.join(&worse.file), &worse_file),
                (models.join(&better.file), &better_file),
            ],
        )?,
    };
    Ok(Made { images, worse, better, held_out: cache.join("held-out.tsv") })
}

/// The target that static programs are built for.
fn triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

fn programs(root: &Path) -> PathBuf {
    root.join("target").join(triple()).join("release")
}

/// The operator's program as [`provide`] built it; it runs on this machine, too.
///
/// # Errors
/// If this runs outside a checkout.
pub fn operator_program() -> Result<PathBuf> {
    Ok(programs(&checkout::root()?).join("model-release-operator"))
}

/// Where the example's data and models are kept between runs.
fn example_cache() -> PathBuf {
    checkout::cache().with_file_name("model-release-example")
}

/// What training reported of the model with so many epochs.
fn model(folder: &Path, epochs: u32) -> Result<Model> {
    let list = folder.join("models.json");
    let text = fs::read(&list).map_err(Error::io("read", &list))?;
    let all: Vec<Trained> = serde_json::from_slice(&text)
        .map_err(|error| Error::other(format!("{}: {error}; run `make example-models`", list.display())))?;
    let found = all.into_iter().find(|model| model.epochs == epochs).ok_or_else(|| {
        Error::other(format!("{} has no model of {epochs} epochs; run `make example-models`", list.display()))
    })?;
    Ok(Model {
        name: format!("epochs-{epochs}"),
        file: found.file,
        sha256: found.sha256,
        accuracy: found.held_out_accuracy,
    })
}

/// Builds an image and hands it to the cluster, each unless that was done before; gives back its name.
fn image(testbed: &Testbed, name: &str, dockerfile: &Path, files: &[(PathBuf, &str)]) -> Result<String> {
    let digest = digest(dockerfile, files)?;
    let reference = format!("localhost/model-release/{name}:{digest}");
    let folder = checkout::cache().join("images");
    fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let archive = folder.join(format!("{name}-{digest}.tar"));
    image::archive_once(&reference, dockerfile, files, &archive)?;
    forget_others(&folder, name, &archive);
    hand_over(testbed, &reference, &archive)?;
    Ok(reference)
}

fn hand_over(testbed: &Testbed, reference: &str, archive: &Path) -> Result<()> {
    let Some(containerd) = &testbed.containerd_address else {
        let Ok(line) = std::env::var(LOAD_COMMAND) else {
            return Err(Error::other(format!(
                "image {reference} cannot be handed to cluster {}: set CONTAINERD_ADDRESS to the socket of its \
                 containerd, or {LOAD_COMMAND} to a shell command that takes the archive as $1 and the name as $2, \
                 as in 'kind load image-archive \"$1\"'",
                testbed.name
            )));
        };
        let mut shell = testbed.program("sh");
        return output(shell.args(["-c", &line, "sh"]).arg(archive).arg(reference)).map(drop);
    };
    let mut list = Command::new("ctr");
    list.arg("--address").arg(containerd).args(["--namespace", "k8s.io", "images", "list", "--quiet"]);
    if output(&mut list)?.lines().any(|known| known == reference) {
        return Ok(());
    }
    image::import(containerd, archive)
}

/// Removes the archives of this image that hold something else: each is some megabytes.
fn forget_others(folder: &Path, name: &str, keep: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
        let digest = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".tar"));
        let same_image = digest.is_some_and(|digest| digest.chars().all(|c| c.is_ascii_hexdigit()));
        if same_image && path != keep {
            // Only room is lost if it stays.
            drop(fs::remove_file(path));
        }
    }
}

/// First 12 hex digits of the SHA-256 over everything that goes into an image.
fn digest(dockerfile: &Path, files: &[(PathBuf, &str)]) -> Result<String> {
    let mut hash = Sha256::new();
    for (from, to) in files.iter().map(|(from, to)| (from.as_path(), *to)).chain([(dockerfile, "Dockerfile")])
    {
        let content = fs::read(from).map_err(Error::io("read", from))?;
        hash.update(format!("{to} {}\n", content.len()));
        hash.update(content);
    }
    let number = hash.finalize().iter().take(6).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Ok(format!("{number:012x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_follows_content_and_place() {
        let folder = tempfile::tempdir().unwrap();
        let (dockerfile, one) = (folder.path().join("Dockerfile"), folder.path().join("one"));
        fs::write(&dockerfile, "FROM scratch\n").unwrap();
        fs::write(&one, "content").unwrap();
        let here = digest(&dockerfile, &[(one.clone(), "a")]).unwrap();
        assert_eq!(here, digest(&dockerfile, &[(one.clone(), "a")]).unwrap());
        assert_eq!(here.len(), 12);
        assert_ne!(here, digest(&dockerfile, &[(one.clone(), "b")]).unwrap());
        fs::write(&one, "other").unwrap();
        assert_ne!(here, digest(&dockerfile, &[(one, "a")]).unwrap());
    }

    #[test]
    fn only_older_archives_of_the_same_image_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["operator-ab12.tar", "operator-cd34.tar", "operator-extra-ab12.tar", "notes.txt"] {
            fs::write(path(name), "").unwrap();
        }
        forget_others(folder.path(), "operator", &path("operator-cd34.tar"));
        assert!(!path("operator-ab12.tar").exists());
        for kept in ["operator-cd34.tar", "operator-extra-ab12.tar", "notes.txt"] {
            assert!(path(kept).exists(), "{kept}");
        }
    }

    #[test]
    fn a_cluster_that_no_image_can_be_handed_to_says_what_to_set() {
        let variables = [("KUBECONFIG".to_owned(), "/k".to_owned())].into();
        let testbed = Testbed { containerd_address: None, ..sample(variables) };
        let text = hand_over(&testbed, "localhost/a:1", Path::new("/a.tar")).unwrap_err().to_string();
        assert!(text.contains("CONTAINERD_ADDRESS") && text.contains(LOAD_COMMAND), "{text}");
    }

    fn sample(variables: std::collections::BTreeMap<String, String>) -> Testbed {
        Testbed {
            name: "current".into(),
            kubeconfig: "/k".into(),
            gateway_url: None,
            prometheus_url: None,
            prometheus_cluster_url: None,
            istiod_url: None,
            envoy_admin_url: None,
            containerd_address: None,
            variables,
        }
    }
}
