//! A question of the administrator's own, with the names of the versions put in.

use super::question::Scope;
use super::{POD_KEY, duration};
use crate::settings::{QueryTemplate, TemplateKind};

/// Asks it for these releases. Rows of a gauge get the stat `ga`; those of counts bear theirs.
pub(super) fn by_template(scope: &Scope<'_>, template: &QueryTemplate, width: i64) -> String {
    let query = template
        .query
        .replace("$selector", &scope.pod_matchers())
        .replace("$namespace", &scope.namespace())
        .replace("$window", &duration(width));
    match template.kind {
        TemplateKind::Counts => query,
        TemplateKind::Gauge => {
            format!("label_replace(avg by ({POD_KEY}) ({query}), \"stat\", \"ga\", \"\", \"\")")
        }
    }
}
