//! Answers as data.

use serde::Serialize;

use crate::args::Format;
use crate::error::CliError;

/// A value as text in a format, with a line end.
///
/// # Errors
/// [`CliError::Usage`] for a format that only `lint` has, [`CliError::Format`] if the value cannot be written in it.
pub fn text<T: Serialize>(value: &T, format: Format) -> Result<String, CliError> {
    let failed = |format: &'static str, why: String| CliError::Format { format, why };
    match format {
        Format::Json => serde_json::to_string_pretty(value)
            .map(|text| text + "\n")
            .map_err(|error| failed("JSON", error.to_string())),
        Format::Yaml => serde_saphyr::to_string(value).map_err(|error| failed("YAML", error.to_string())),
        Format::Github => Err(CliError::Usage("-o github is for lint alone".to_owned())),
    }
}

/// A value as one entry of a stream: a line of JSON, or a document of YAML.
///
/// # Errors
/// As [`text`].
pub fn entry<T: Serialize>(value: &T, format: Format) -> Result<String, CliError> {
    match format {
        Format::Json => serde_json::to_string(value)
            .map(|text| text + "\n")
            .map_err(|error| CliError::Format { format: "JSON", why: error.to_string() }),
        Format::Yaml | Format::Github => Ok(format!("---\n{}", text(value, format)?)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn data_comes_in_the_format_that_was_asked_for() {
        let value = json!({"a": 1});
        assert_eq!(text(&value, Format::Json).unwrap(), "{\n  \"a\": 1\n}\n");
        assert_eq!(text(&value, Format::Yaml).unwrap().trim_end(), "a: 1");
        assert_eq!(entry(&value, Format::Json).unwrap(), "{\"a\":1}\n");
        assert!(entry(&value, Format::Yaml).unwrap().starts_with("---\na: 1"));
        assert!(matches!(text(&value, Format::Github), Err(CliError::Usage(_))));
    }
}
