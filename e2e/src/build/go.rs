//! Programs built from Go modules: a part is a folder with `go.mod`, `go.sum` and `build.json`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::pins;
use crate::command::{command, logged, output};
use crate::error::{Error, Result};

/// What `build.json` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    /// In the order in which they are built: what most others share comes first.
    programs: Vec<Program>,
    /// Flags for the linker.
    ldflags: String,
    /// Build tags.
    tags: Vec<String>,
    /// Files of modules that are needed beside the programs.
    #[serde(default)]
    files: Vec<ModuleFile>,
}

/// A program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Program {
    name: String,
    /// For people.
    version: String,
    /// Its main package.
    package: String,
    /// How long its build takes on two processors, in its place in the order, with nothing built before.
    seconds: u64,
    /// Whether a cluster without pods needs it.
    #[serde(default)]
    api_only: bool,
}

/// A file or folder inside a module; it is copied into the part's folder under its last name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModuleFile {
    module: String,
    path: String,
}

impl ModuleFile {
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// Programs that are built from one set of pins.
#[derive(Debug)]
pub struct GoPart {
    /// Its folder in the cache, named by the digest of its pins.
    pub folder: PathBuf,
    pins: PathBuf,
    recipe: Recipe,
}

impl GoPart {
    /// Reads the recipe and derives the folder; builds nothing.
    pub(super) fn locate(pins: &Path, cache: &Path) -> Result<Self> {
        let file = pins.join("build.json");
        let text = fs::read(&file).map_err(Error::io("read", &file))?;
        let recipe = serde_json::from_slice(&text).map_err(|error| {
            Error::other(format!("{}: {error}; see the other parts' files", file.display()))
        })?;
        let name = pins.file_name().unwrap_or_default().to_string_lossy();
        let folder = cache.join(format!("{name}-{}", pins::digest(pins)?));
        Ok(Self { folder, pins: pins.to_path_buf(), recipe })
    }

    /// The path of one of its programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// The path of one of its module files, by its last name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join("share").join(name)
    }

    /// The names of all its programs.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.recipe.programs.iter().map(|program| program.name.as_str())
    }

    /// The version of a program, for people.
    pub fn version(&self, name: &str) -> &str {
        self.find(name).map_or("?", |program| &program.version)
    }

    fn find(&self, name: &str) -> Option<&Program> {
        self.recipe.programs.iter().find(|program| program.name == name)
    }

    /// The programs that have to be built (the first, if a module file is missing), and how long each takes.
    pub(super) fn wanted(&self, api_only: bool) -> Vec<(&str, Duration)> {
        let files = self.recipe.files.iter().all(|file| self.file(file.name()).exists());
        let needed =
            self.recipe.programs.iter().enumerate().filter(|(_, program)| !api_only || program.api_only);
        let missing = needed
            .filter(|(place, program)| !self.program(&program.name).is_file() || (*place == 0 && !files));
        missing.map(|(_, program)| (program.name.as_str(), Duration::from_secs(program.seconds))).collect()
    }

    /// Builds one program, and copies the part's files if they are missing.
    pub(super) fn build(&self, program: &str, logs: &Path) -> Result<String> {
        let recipe = self.find(program).ok_or_else(|| {
            Error::other(format!("{program} is not in {}", self.pins.join("build.json").display()))
        })?;
        for dir in [self.folder.join("bin"), self.folder.join("share"), logs.to_path_buf()] {
            fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
        }
        // Built beside and renamed: a killed build never leaves a program that looks complete.
        let beside = self.folder.join("bin").join(format!(".{program}.new"));
        let tags = self.recipe.tags.join(",");
        let mut go = self.go(&["build", "-trimpath", "-buildvcs=false", "-tags", &tags]);
        go.args(["-ldflags", &self.recipe.ldflags]).arg("-o").arg(&beside).arg(&recipe.package);
        let log = logs.join(format!("{program}.log"));
        logged(&mut go, &log).map_err(|error| {
            Error::other(format!(
                "{error}\n  the whole of it is in {}; check that the module proxy can be reached (`go env GOPROXY`) and \
                 run the command again, what is built stays built",
                log.display()
            ))
        })?;
        for file in &self.recipe.files {
            self.copy(file)?;
        }
        let target = self.program(program);
        fs::rename(&beside, &target).map_err(Error::io("write", &target))?;
        Ok(recipe.version.clone())
    }

    fn copy(&self, file: &ModuleFile) -> Result<()> {
        let dir = output(&mut self.go(&["list", "-m", "-f", "{{.Dir}}", &file.module]))?;
        let source = Path::new(dir.trim()).join(&file.path);
        let (target, beside) = (self.file(file.name()), self.file(&format!(".{}.new", file.name())));
        let text = |path: &Path| path.to_string_lossy().into_owned();
        // The module cache is read-only; the copy must not be, or it could not be removed.
        let script = "rm -rf \"$1\" \"$2\" && cp -r --no-preserve=mode \"$0\" \"$1\" && mv \"$1\" \"$2\"";
        output(&mut command(["sh", "-c", script, &text(&source), &text(&beside), &text(&target)])).map(drop)
    }

    /// `go` with everything set that the result depends on, whatever the user's own settings.
    fn go(&self, arguments: &[&str]) -> std::process::Command {
        // A build that hangs on the network ends after an hour.
        let mut go = command(["timeout", "3600", "nice", "-n", "5", "go"]);
        go.args(arguments).current_dir(&self.pins);
        go.env("GOFLAGS", "-mod=readonly")
            .env("GOTOOLCHAIN", "local")
            .env("CGO_ENABLED", "0")
            .env("GOWORK", "off");
        go
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str) -> GoPart {
        let pins = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster").join(name);
        GoPart::locate(&pins, Path::new("/nowhere")).unwrap()
    }

    #[test]
    fn every_part_has_a_recipe_that_makes_sense() {
        for name in ["etcd", "istio", "kubernetes", "pause"] {
            let part = part(name);
            assert!(
                part.recipe.programs.iter().all(|program| !program.version.is_empty() && program.seconds > 0)
            );
            assert!(
                part.programs().count() > 0 && part.wanted(false).len() == part.programs().count(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_cluster_without_pods_needs_three_programs() {
        let all = ["etcd", "istio", "kubernetes", "pause"].map(part);
        let needed: Vec<&str> = all.iter().flat_map(|part| part.wanted(true)).map(|(name, _)| name).collect();
        assert_eq!(needed, ["etcd", "kube-apiserver", "kubectl"]);
    }

    #[test]
    fn the_folder_is_named_by_part_and_pins() {
        let folder = part("etcd").folder;
        let name = folder.file_name().unwrap().to_string_lossy();
        assert_eq!(name.strip_prefix("etcd-").map(str::len), Some(12));
    }

    #[test]
    fn module_files_are_known_by_their_last_name() {
        assert!(part("istio").file("crd-all.gen.yaml").ends_with("share/crd-all.gen.yaml"));
        assert_eq!(part("istio").recipe.files[1].name(), "standard");
    }
}
