//! Every reason that the operator may give is explained to users, and none that it cannot give.

use std::collections::BTreeSet;

use model_release_core::settings::Settings;

use super::root;

#[test]
fn every_reason_is_explained_and_no_other() {
    let code = std::fs::read_to_string(root().join("core/src/api/reasons.rs")).unwrap();
    let given: BTreeSet<&str> =
        code.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split(" => ").next()).collect();
    assert!(given.len() > 80, "only {} reasons were found in the code", given.len());

    let page = std::fs::read_to_string(root().join("docs/conditions.md")).unwrap();
    let mut explained = BTreeSet::new();
    // Rows of the tables of reasons begin with the word; those of conditions come before the first of these.
    let (_, reasons) = page.split_once("## What a user asked for").expect("the page has that heading");
    for row in reasons.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (word, _) = row.split_once('`').expect("a word ends with a backtick");
        let cells = row.split(" | ").map(str::trim).filter(|cell| cell.len() > 3).count();
        assert!(cells >= 3, "{word}: what it means and what to do are both needed");
        assert!(explained.insert(word), "{word} is explained twice");
    }
    let missing: Vec<_> = given.difference(&explained).collect();
    let unknown: Vec<_> = explained.difference(&given).collect();
    assert!(missing.is_empty(), "docs/conditions.md does not explain {missing:?}");
    assert!(unknown.is_empty(), "docs/conditions.md explains what is never said: {unknown:?}");
}

#[test]
fn the_settings_in_the_docs_are_settings_and_every_field_is_told() {
    let page = std::fs::read_to_string(root().join("docs/settings.md")).unwrap();
    let block =
        page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block of YAML");
    let settings: Settings = serde_saphyr::from_str(block).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(settings.gateways.len(), 1);
    let written = serde_json::to_value(settings).unwrap();
    let mut fields = Vec::new();
    names(&written, &mut fields);
    assert!(fields.len() > 15, "{fields:?}");
    for field in fields {
        // The selector's label is the administrator's own.
        let told =
            page.contains(&format!(".{field}")) || page.contains(&format!("`{field}")) || field == "istio";
        assert!(told, "docs/settings.md does not tell of {field}");
    }
}

/// Names of all fields of a value.
fn names(value: &serde_json::Value, into: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, inner) in fields {
                into.push(name.clone());
                names(inner, into);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| names(item, into)),
        _ => {}
    }
}
