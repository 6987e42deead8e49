//! What a request to the API server means: verb, resource, namespace, name, selector.

use std::collections::BTreeMap;

use serde_json::Value;

/// A request, taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meant {
    pub resource: String,
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub subresource: Option<String>,
    pub query: BTreeMap<String, String>,
}

impl Meant {
    /// Takes a path and a query apart. None for a path of no resource.
    pub fn of(path: &str, query: &str) -> Option<Self> {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        match parts.next()? {
            "api" => parts.next()?,
            "apis" => {
                parts.next()?;
                parts.next()?
            }
            _ => return None,
        };
        let mut rest: Vec<&str> = parts.collect();
        let mut meant = Self::default();
        if rest.first() == Some(&"namespaces") && rest.len() > 2 {
            meant.namespace = Some(rest[1].to_owned());
            rest.drain(..2);
        }
        (*rest.first()?).clone_into(&mut meant.resource);
        meant.name = rest.get(1).map(|name| (*name).to_owned());
        meant.subresource = rest.get(2).map(|name| (*name).to_owned());
        meant.query = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), decoded(value)))
            .collect();
        Some(meant)
    }

    /// Whether an object is among those that are meant.
    pub fn covers(&self, object: &Value) -> bool {
        let place = object["metadata"]["namespace"].as_str();
        self.namespace.as_deref().is_none_or(|wanted| place == Some(wanted))
            && self.query.get("labelSelector").is_none_or(|selector| selects(selector, object))
            && self.query.get("fieldSelector").is_none_or(|selector| is_named(selector, object))
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&hex, 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// The one form that the plugin uses.
fn is_named(selector: &str, object: &Value) -> bool {
    selector.strip_prefix("metadata.name=") == object["metadata"]["name"].as_str()
}

/// The forms that the operator and the plugin use: a label that must be there, its value, and one of a set of values.
fn selects(selector: &str, object: &Value) -> bool {
    let label = |name: &str| object["metadata"]["labels"][name].as_str();
    match selector.split_once(" in ") {
        None => match selector.split_once('=') {
            Some((name, value)) => label(name) == Some(value),
            None => label(selector).is_some(),
        },
        Some((name, values)) => label(name)
            .is_some_and(|value| values.trim_matches(['(', ')']).split(',').any(|wanted| wanted == value)),
    }
}
