//! Schemas that a Rust type alone cannot say: bounded durations and decimals, open maps, points in time.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::pods::PodFields;
use super::rules;

/// A duration in Go's syntax, whole numbers of `ms s m h`, between two bounds (V21).
fn duration(least: &str, most: &str) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 32,
        "pattern": "^([0-9]{1,7}(ms|s|m|h))+$",
        "x-kubernetes-validations": [{
            "rule": format!("duration(self) >= duration('{least}') && duration(self) <= duration('{most}')"),
            "message": format!("must be from {least} to {most}"),
        }],
    })
}

/// A quoted decimal with at most four places, between two bounds.
fn decimal(least: &str, most: &str) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 12,
        "pattern": "^[0-9]{1,5}([.][0-9]{1,4})?$",
        "x-kubernetes-validations": [{
            "rule": format!("double(self) >= {least} && double(self) <= {most}"),
            "message": format!("must be from {least} to {most}"),
        }],
    })
}

macro_rules! bounded {
    ($($name:ident = $kind:ident($least:literal, $most:literal);)*) => {
        $(pub(super) fn $name(_: &mut SchemaGenerator) -> Schema { $kind($least, $most) })*
    };
}

bounded! {
    timeout = duration("100ms", "24h");
    window = duration("1s", "1h");
    max_duration = duration("1m", "2160h");
    min_duration = duration("10s", "168h");
    warmup = duration("0s", "1h");
    bake = duration("0s", "168h");
    long = duration("0s", "720h");
    drain = duration("5s", "24h");
    ttl = duration("1m", "8760h");
    shadow = duration("1m", "168h");
    bound = duration("1ms", "1h");
    interval = duration("5s", "1h");
    initial_delay = duration("0s", "24h");
    quality_window = duration("10s", "24h");
    confidence = decimal("0.8", "0.9999");
    max_drop = decimal("0.0", "0.5");
    min_share = decimal("0.0001", "0.9999");
    max_share = decimal("0.0", "1.0");
    max_ratio = decimal("1.0", "99.99");
}

/// A point in time, RFC 3339, to the millisecond.
pub(super) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

/// An `app`: as the fields of a pod, with rules of its own.
pub(super) fn app(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<PodFields>();
    schema.insert("x-kubernetes-validations".into(), rules::app());
    schema
}

/// Labels and their values: up to sixteen.
pub(super) fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 63},
    })
}

/// Compute resources: up to twelve names, each a quantity.
pub(super) fn quantities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 12,
        "additionalProperties": quantity_schema(),
    })
}

/// One quantity, as in Kubernetes: `2`, `"500m"`, `8Gi`.
pub(super) fn quantity(_: &mut SchemaGenerator) -> Schema {
    quantity_schema()
}

fn quantity_schema() -> Schema {
    json_schema!({
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "x-kubernetes-int-or-string": true,
        "maxLength": 24,
        "pattern": "^[+-]?([0-9]+|[0-9]+[.][0-9]*|[.][0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?[0-9]+))?$",
    })
}

/// Conditions, keyed by type.
pub(super) fn conditions(generator: &mut SchemaGenerator) -> Schema {
    let item = generator.subschema_for::<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition>();
    json_schema!({
        "type": "array",
        "items": item,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    })
}
