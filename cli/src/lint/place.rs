//! The line of a field in a document of YAML, as near as can be told without its parser's help.

/// Lines between the beginning of a document and a field such as `spec.canary.version`; those of the last part of the
/// path that is found.
pub fn line(document: &str, field: &str) -> usize {
    let lines: Vec<&str> = document.lines().collect();
    let mut found = lines.iter().position(|line| !is_empty(line)).unwrap_or(0);
    let mut from = 0;
    for part in field.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        // An index, or a key that is not there at all, leaves the place of its parent.
        if let Some((index, _)) = lines.iter().enumerate().skip(from).find(|(_, line)| names(line, part)) {
            found = index;
            // A block in one line holds its parts there.
            from = index;
        }
    }
    found
}

fn is_empty(line: &str) -> bool {
    line.trim().is_empty() || line.trim().starts_with('#')
}

/// Whether a line has a key of this name, at its beginning or in a block of one line.
fn names(line: &str, key: &str) -> bool {
    if is_empty(line) {
        return false;
    }
    line.match_indices(key).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + key.len()..).unwrap_or_default();
        let begins = before.is_none_or(|c| matches!(c, ' ' | '{' | ',' | '"' | '\'' | '-'));
        begins && after.trim_start_matches(['"', '\'']).starts_with(':')
    })
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_field_is_found_in_blocks_and_in_one_line() {
        let text =
            "# a release\nkind: ModelRelease\nspec:\n  stable: {version: v1}\n  canary:\n    version: v2\n";
        for (field, want) in [
            ("", 1),
            ("spec", 2),
            ("spec.stable.version", 3),
            ("spec.canary", 4),
            ("spec.canary.version", 5),
            ("spec.canary.image", 4),
            ("spec.rollout.steps[0].trafficPercent", 2),
        ] {
            assert_eq!(line(text, field), want, "{field}");
        }
        assert_eq!(line("", "spec"), 0);
    }
}
