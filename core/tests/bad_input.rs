//! Every field of the spec with every kind of bad input: refused by admission, or told by a condition, and harmless.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something fails"
)]

#[path = "schema/mutations.rs"]
mod mutations;
#[allow(dead_code, reason = "who refuses a sample is another test's concern")]
#[path = "schema/samples.rs"]
mod samples;
#[path = "schema/structure.rs"]
mod structure;

use std::collections::BTreeSet;
use std::path::Path;

use model_release_core::api::ModelRelease;
use model_release_core::testing::World;
use mutations::Mutation;
use structure::{SCHEMA, refusal, stored};

fn all() -> Vec<Mutation> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema/samples");
    mutations::all(&SCHEMA, &samples::all(&folder))
}

#[test]
fn bad_input_is_refused_or_decodes_and_is_never_misread() {
    let (mut refused, mut good) = (0, 0);
    for Mutation { name, release } in all() {
        if refusal(&release).is_some() {
            refused += 1;
            continue;
        }
        good += 1;
        let spec = stored(&release);
        let mut kept = release.clone();
        kept["spec"] = spec.clone();
        let decoded: ModelRelease = serde_json::from_value(kept)
            .unwrap_or_else(|error| panic!("{name} is stored and unreadable: {error}"));
        assert_eq!(serde_json::to_value(decoded.spec).unwrap(), spec, "{name} is read as something else");
    }
    println!("{refused} refused, {good} stored");
    assert!(refused > 1_000 && good > 1_000, "only {refused} refused and {good} stored");
}

#[test]
fn what_is_stored_leads_to_a_condition_and_breaks_no_bound() {
    // Absent, null and back to what it was are one spec.
    let mut seen = BTreeSet::new();
    for Mutation { name, release } in all() {
        if refusal(&release).is_some() || !seen.insert(stored(&release).to_string()) {
            continue;
        }
        let mut world = World::new("v1", None);
        world.edit(|spec| *spec = stored(&release));
        let world = world.during(10);
        let status = world.status();
        let size = serde_json::to_string(&status).unwrap().len();
        assert!(size <= 32 * 1024, "{name}: {size} bytes of status");
        let accepted = status.conditions.iter().find(|c| c.type_ == "Accepted");
        let accepted = accepted.unwrap_or_else(|| panic!("{name}: nothing is said of the spec"));
        match accepted.status.as_str() {
            "True" => assert_ne!(world.condition("StableReady"), "", "{name}"),
            _ => assert!(
                accepted.message.len() > 20 && accepted.message.len() < 1024,
                "{name}: {:?}",
                accepted.message
            ),
        }
        assert!(!world.condition("Ready").contains("InternalError"), "{name}");
    }
    println!("{} tried", seen.len());
    assert!(seen.len() > 500, "only {}", seen.len());
}
