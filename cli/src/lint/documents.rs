//! YAML documents of a file, each with the line at which it begins, and the releases in them.

use serde_json::Value;

/// One document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document<'a> {
    /// Its text.
    pub text: &'a str,
    /// The line of the file at which it begins, from 1.
    pub line: usize,
}

/// The documents of a text; those without content are left out.
pub fn split(text: &str) -> Vec<Document<'_>> {
    let mut all = Vec::new();
    let (mut begin, mut first, mut at) = (0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let bare = line.trim_end();
        if bare == "---" || bare.starts_with("--- ") {
            all.push((begin, at, first));
            begin = at + line.len();
            first = index + 2;
        }
        at += line.len();
    }
    all.push((begin, text.len(), first));
    let documents = all.into_iter().filter_map(|(begin, end, line)| Some((text.get(begin..end)?, line)));
    let holds =
        |text: &str| text.lines().any(|line| !line.trim().is_empty() && !line.trim().starts_with('#'));
    documents.filter(|(text, _)| holds(text)).map(|(text, line)| Document { text, line }).collect()
}

/// The releases of a document: itself, or the items of a list.
pub fn releases(document: &Value) -> Vec<&Value> {
    let kind = |value: &Value| value.get("kind").and_then(Value::as_str).map(str::to_owned);
    let ours = |value: &Value| {
        let group = value.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        kind(value).as_deref() == Some("ModelRelease") && group.starts_with("modelrelease.dev/")
    };
    match document.get("items").and_then(Value::as_array) {
        Some(items) if kind(document).is_some_and(|kind| kind.ends_with("List")) => {
            items.iter().filter(|item| ours(item)).collect()
        }
        _ if ours(document) => vec![document],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_document_knows_its_line() {
        let text = "# head\n---\na: 1\n--- # more\nb: 2\n---\n\n";
        let found: Vec<(usize, &str)> = split(text).iter().map(|one| (one.line, one.text)).collect();
        assert_eq!(found, [(3, "a: 1\n"), (5, "b: 2\n")]);
        assert_eq!(split("a: 1").len(), 1);
        assert!(split("").is_empty());
    }

    #[test]
    fn only_releases_are_looked_at_also_in_lists() {
        let release = json!({"apiVersion": "modelrelease.dev/v1alpha1", "kind": "ModelRelease"});
        let other = json!({"apiVersion": "v1", "kind": "Service"});
        assert_eq!(releases(&release).len(), 1);
        assert!(releases(&other).is_empty());
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [release, other]});
        assert_eq!(releases(&list).len(), 1);
        assert!(releases(&json!("text")).is_empty());
    }
}
