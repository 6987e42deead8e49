//! What `make krew` packs, held against the rules by which Krew takes a manifest, and unpacked as Krew would.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something fails")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// What stands in the archive for the program: what is packed does not matter to how.
const PROGRAM: &[u8] = b"#!/bin/sh\necho a program\n";

struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("krew-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// Packs the stand-in for a machine.
    fn pack(&self, machine: &str, base: &str) -> Output {
        let program = self.0.join("program");
        std::fs::write(&program, PROGRAM).unwrap();
        let mut pack = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("krew.sh"));
        pack.arg(program).args([env!("CARGO_PKG_VERSION"), machine]).arg(self.0.join("out"));
        pack.args(Some(base).filter(|base| !base.is_empty())).output().unwrap()
    }

    /// The manifest that was written, and the archive.
    fn packed(&self, machine: &str, base: &str) -> (Value, PathBuf) {
        let output = self.pack(machine, base);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let told = String::from_utf8(output.stdout).unwrap();
        let [archive, manifest] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
        assert_eq!(Path::new(manifest).file_stem().unwrap(), "modelrelease", "Krew goes by the file's name");
        let manifest = std::fs::read_to_string(manifest).unwrap();
        assert!(!manifest.contains('@'), "{manifest}");
        (serde_saphyr::from_str(&manifest).unwrap(), archive.into())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{pointer} is no text in {value:#}"))
}

fn fits(pattern: &str, text: &str) -> bool {
    regex::Regex::new(pattern).unwrap().is_match(text)
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_manifest_is_one_that_krew_takes() {
    let folder = Folder::new("rules");
    for (machine, arch) in [("x86_64", "amd64"), ("aarch64", "arm64")] {
        let (manifest, archive) = folder.packed(machine, "https://downloads.example.com/modelrelease/");
        assert_eq!(text(&manifest, "/apiVersion"), "krew.googlecontainertools.github.com/v1alpha2");
        assert_eq!(text(&manifest, "/kind"), "Plugin");
        let name = text(&manifest, "/metadata/name");
        assert_eq!(name, "modelrelease");
        assert!(fits(r"^[\w-]+$", name), "a safe name");
        let version = text(&manifest, "/spec/version");
        assert!(fits(r"^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$", version), "{version}");
        let short = text(&manifest, "/spec/shortDescription");
        assert!(
            !short.is_empty() && short.len() <= 50 && !short.contains('\n') && !short.ends_with('.'),
            "{short}"
        );
        let widest = text(&manifest, "/spec/description").lines().map(str::len).max().unwrap();
        assert!(widest <= 80, "a description is wrapped at 80: {widest}");

        let platforms = manifest["spec"]["platforms"].as_array().unwrap();
        assert_eq!(platforms.len(), 1);
        let platform = &platforms[0];
        assert_eq!(platform["selector"], serde_json::json!({"matchLabels": {"os": "linux", "arch": arch}}));
        let file = archive.file_name().unwrap().to_str().unwrap();
        let uri = format!("https://downloads.example.com/modelrelease/{file}");
        assert_eq!(text(platform, "/uri"), uri, "one slash between folder and file");
        let digest = text(platform, "/sha256");
        assert!(fits("^[a-f0-9]{64}$", digest), "{digest}");
        assert!(run("sha256sum", &[archive.to_str().unwrap()]).starts_with(digest), "the archive's own");
        for file in platform["files"].as_array().unwrap() {
            assert!(!text(file, "/from").is_empty() && !text(file, "/to").is_empty());
        }
    }
}

#[test]
fn the_archive_holds_the_program_and_the_licence_and_is_the_same_each_time() {
    let folder = Folder::new("archive");
    let (manifest, archive) = folder.packed("x86_64", "");
    let digest = |manifest: &Value| text(manifest, "/spec/platforms/0/sha256").to_owned();
    let unpacked = folder.0.join("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    run("tar", &["-xzf", archive.to_str().unwrap(), "-C", unpacked.to_str().unwrap()]);
    for file in manifest["spec"]["platforms"][0]["files"].as_array().unwrap() {
        assert!(unpacked.join(text(file, "/from")).is_file(), "{file} is not in the archive");
    }
    let bin = unpacked.join(text(&manifest, "/spec/platforms/0/bin"));
    assert_eq!(std::fs::read(&bin).unwrap(), PROGRAM);
    assert_eq!(run(bin.to_str().unwrap(), &[]), "a program\n", "it can be run");
    let licence = std::fs::read_to_string(unpacked.join("LICENSE")).unwrap();
    assert!(licence.contains("Apache License"), "{licence}");
    // What it is packed from is written anew, so it is younger.
    assert_eq!(digest(&folder.packed("x86_64", "").0), digest(&manifest));
}

#[test]
fn without_an_address_the_manifest_names_the_archive_on_this_machine_and_no_host() {
    let folder = Folder::new("local");
    let (manifest, archive) = folder.packed("x86_64", "");
    assert_eq!(text(&manifest, "/spec/platforms/0/uri"), format!("file://{}", archive.display()));
    let refused = folder.pack("pdp11", "");
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no name is known that Krew has for pdp11"));
}
