//! What is generated stands in the repository as the code would write it today; `make generate` rewrites it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something fails"
)]

#[path = "generated/dashboard.rs"]
mod dashboard;
#[path = "generated/definition.rs"]
mod definition;
#[path = "generated/documented.rs"]
mod documented;
#[path = "generated/fleet.rs"]
mod fleet;
#[path = "generated/linted.rs"]
mod linted;
#[path = "generated/metrics.rs"]
mod metrics;
#[path = "generated/notifications.rs"]
mod notifications;
#[path = "generated/page.rs"]
mod page;
#[path = "generated/panels.rs"]
mod panels;
#[path = "generated/rights.rs"]
mod rights;
#[path = "support/told.rs"]
#[allow(dead_code, reason = "others tell less than the whole story")]
mod told;

use std::path::{Path, PathBuf};

/// A file that is written by code.
struct Generated {
    /// Its place, from the root of the repository.
    path: &'static str,
    /// What stands in it.
    text: String,
}

/// Every generated file.
fn all() -> Vec<Generated> {
    [
        dashboard::files(),
        definition::files(),
        metrics::files(),
        notifications::files(),
        page::files(),
        rights::files(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// `BLESS=1` writes instead of comparing: that is `make generate`.
#[test]
fn generated_files_are_as_the_code_would_write_them() {
    let bless = std::env::var_os("BLESS").is_some_and(|value| value == "1");
    let mut stale = Vec::new();
    for file in all() {
        let path = root().join(file.path);
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        if there == file.text {
            continue;
        }
        if bless {
            std::fs::create_dir_all(path.parent().expect("a file has a folder")).unwrap();
            std::fs::write(&path, &file.text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        } else {
            stale.push(format!("{}{}", file.path, first_difference(&there, &file.text)));
        }
    }
    assert!(stale.is_empty(), "run `make generate` and commit what it writes:\n{}", stale.join("\n"));
}

/// The first line at which two texts differ, for a reader of the failure.
fn first_difference(there: &str, wanted: &str) -> String {
    let mut lines = there.lines().zip(wanted.lines()).enumerate();
    lines.find(|(_, (old, new))| old != new).map_or_else(
        || " is shorter or longer than it should be".into(),
        |(number, (old, new))| format!(":{}: has {old:?}, should have {new:?}", number + 1),
    )
}

#[test]
fn each_place_is_generated_once() {
    let mut paths: Vec<&str> = all().iter().map(|file| file.path).collect();
    let many = paths.len();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), many);
    assert!(many >= 8, "only {many} files are generated");
}
