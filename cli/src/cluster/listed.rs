//! Lists of releases, page by page: whole, or as the API server's own table, which has what a list shows and little else.
//! A cluster with ten thousand releases would not answer within a request's limit if all were asked for at once.

use futures::FutureExt;
use http::HeaderValue;
use http::header::ACCEPT;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::api::{DynamicObject, ListParams};
use kube::core::Request;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Cluster, RELEASES, Scope, value};
use crate::error::{CliError, chain};

/// Releases that are asked for at a time: as many as kubectl asks for.
const PAGE: u32 = 500;
/// Objects as they are stored.
const WHOLE: &str = "application/json";
/// The server's table of them. A server that makes none answers with the objects.
const TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1,application/json";

/// Columns of the definition, and the field of the status that each shows.
const COLUMNS: [(&str, &str); 6] = [
    ("STABLE", "stableVersion"),
    ("CANARY", "canaryVersion"),
    ("WEIGHT", "canaryPercent"),
    ("PHASE", "phase"),
    ("QUALITY(S/C)", "qualitySummary"),
    ("MESSAGE", "message"),
];
/// The column that shows whether the condition of that name is true.
const READY: &str = "READY";

/// An answer: a table's rows, or objects.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Page {
    metadata: ListMeta,
    column_definitions: Vec<Column>,
    rows: Vec<Row>,
    items: Vec<DynamicObject>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
}

#[derive(Deserialize)]
struct Row {
    cells: Vec<Value>,
    object: Partial,
}

#[derive(Deserialize)]
struct Partial {
    metadata: Metadata,
}

/// Of an object's metadata what a list shows; who wrote which field is most of the rest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: Option<String>,
    creation_timestamp: Option<String>,
}

impl Page {
    fn releases(self) -> impl Iterator<Item = Value> {
        let columns = self.column_definitions;
        self.rows.into_iter().map(move |row| row.release(&columns)).chain(self.items.into_iter().map(value))
    }
}

impl Row {
    /// The release, as far as the table shows it.
    fn release(self, columns: &[Column]) -> Value {
        let Metadata { name, namespace, creation_timestamp } = self.object.metadata;
        let mut status = Map::new();
        for (column, cell) in columns.iter().zip(self.cells).filter(|(_, cell)| !cell.is_null()) {
            if let Some((_, field)) = COLUMNS.iter().find(|(shown, _)| *shown == column.name) {
                status.insert((*field).to_owned(), cell);
            } else if column.name == READY {
                status.insert("conditions".to_owned(), json!([{"type": "Ready", "status": cell}]));
            }
        }
        let metadata = json!({"name": name, "namespace": namespace, "creationTimestamp": creation_timestamp});
        json!({"metadata": metadata, "status": status})
    }
}

impl Cluster {
    /// Lists releases, and the version of the list.
    ///
    /// # Errors
    /// [`CliError::NoKind`] if the cluster has no such kind.
    pub async fn list(&self, scope: &Scope) -> Result<(Vec<Value>, String), CliError> {
        self.pages(scope, WHOLE).await
    }

    /// Lists releases with what a table shows of them: name, namespace, age, and those fields of the status.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn table(&self, scope: &Scope) -> Result<Vec<Value>, CliError> {
        Ok(self.pages(scope, TABLE).await?.0)
    }

    async fn pages(&self, scope: &Scope, accept: &'static str) -> Result<(Vec<Value>, String), CliError> {
        let mut parameters = match scope {
            Scope::One(name) => ListParams::default().fields(&format!("metadata.name={name}")),
            Scope::All | Scope::Namespace => ListParams::default().limit(PAGE),
        };
        let asks = Request::new(self.releases(scope).resource_url());
        let mut all = Vec::new();
        loop {
            let mut request = asks.list(&parameters).map_err(|error| CliError::Usage(chain(&error)))?;
            request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
            let asked = self.client.request::<Page>(request).boxed();
            match self.call("list ModelReleases", ("list", RELEASES), scope, asked).await {
                Ok(mut page) => {
                    let version = page.metadata.resource_version.take().unwrap_or_default();
                    let next = page.metadata.continue_.take().filter(|token| !token.is_empty());
                    all.extend(page.releases());
                    if next.is_none() {
                        return Ok((all, version));
                    }
                    parameters.continue_token = next;
                }
                // The version that the pages are of is no longer kept: all at once, then.
                Err(CliError::Answered { code: 410, .. }) if parameters.continue_token.is_some() => {
                    all.clear();
                    (parameters.continue_token, parameters.limit) = (None, None);
                }
                Err(CliError::Answered { code: 404, .. }) => {
                    return Err(CliError::NoKind { server: self.server.clone() });
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model_release_core::api::crd;

    use super::*;

    #[test]
    fn columns_show_what_the_definition_says_that_they_show() {
        let columns = crd().spec.versions[0].additional_printer_columns.clone().unwrap();
        let path = |name: &str| {
            let found = columns.iter().find(|column| column.name == name);
            found.map_or_else(|| panic!("there is no column {name}"), |column| column.json_path.clone())
        };
        for (column, field) in COLUMNS {
            assert_eq!(path(column), format!(".status.{field}"));
        }
        assert_eq!(path(READY), ".status.conditions[?(@.type==\"Ready\")].status");
    }

    #[test]
    fn a_row_is_read_by_the_names_of_its_columns_whatever_else_there_is() {
        let page = json!({
            "kind": "Table", "metadata": {"resourceVersion": "7"},
            "columnDefinitions": [{"name": "Name"}, {"name": "PHASE"}, {"name": "COST"}, {"name": "READY"}, {"name": "WEIGHT"}],
            "rows": [{"cells": ["fraud", "Analyzing", "12 EUR", "Unknown", null], "object": {
                "metadata": {"name": "fraud", "namespace": "ml", "managedFields": [{"manager": "argocd"}]},
            }}],
        });
        let page: Page = serde_json::from_value(page).unwrap();
        let releases: Vec<Value> = page.releases().collect();
        assert_eq!(
            releases,
            [json!({
                "metadata": {"name": "fraud", "namespace": "ml", "creationTimestamp": null},
                "status": {"phase": "Analyzing", "conditions": [{"type": "Ready", "status": "Unknown"}]},
            })]
        );
    }
}
