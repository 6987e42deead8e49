//! `lint`: manifests checked without a cluster, by the definition's schema and rules, by the core's sense, and for what
//! would surprise.

mod documents;
mod place;
mod schema;
mod surprises;

use std::io::Read;
use std::path::{Path, PathBuf};

use kube_cel::Validator;
use model_release_core::api::{ModelRelease, crd};
use model_release_core::explain::sense;
use serde::Serialize;
use serde_json::Value;

use crate::args::Format;
use crate::error::{CliError, DONE, REFUSED, plain};
use crate::output;
use crate::screen::{Style, Tone};
use crate::shell::Shell;

/// Bytes of a file beyond which it is no manifest.
const LARGEST: u64 = 4 << 20;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The API server or the operator would refuse it.
    Error,
    /// It is taken, and may not be what was meant.
    Warning,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file; `-` for standard input.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// Name of the release; empty where it has none.
    pub release: String,
    /// The field, as in `spec.canary.version`; empty where it is the whole.
    pub field: String,
    /// What is wrong, and what helps.
    pub message: String,
}

/// Checks files and folders. `rate`: labelled answers of the canary a minute.
///
/// # Errors
/// If a file cannot be read. What is found in it is no error, but tells by the exit code.
pub fn lint(files: &[PathBuf], rate: Option<f64>, shell: &mut Shell<'_>) -> Result<u8, CliError> {
    let mut findings = Vec::new();
    let mut releases = 0;
    for path in expanded(files)? {
        let text = read(&path)?;
        let (found, count) = check(&path.display().to_string(), &text, rate);
        findings.extend(found);
        releases += count;
    }
    match shell.format {
        Some(Format::Github) => {
            let lines: Vec<String> = findings.iter().map(github).collect();
            if !lines.is_empty() {
                shell.lines(&lines)?;
            }
        }
        Some(format @ (Format::Json | Format::Yaml)) => shell.write(&output::text(&findings, format)?)?,
        None => {
            let lines: Vec<String> = findings.iter().map(|finding| told(finding, shell.style)).collect();
            if !lines.is_empty() {
                shell.lines(&lines)?;
            }
        }
    }
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let warnings = findings.len() - errors;
    shell.note(&format!("{releases} releases, {errors} errors, {warnings} warnings"));
    if releases == 0 && findings.is_empty() {
        shell.note("note: nothing there is a ModelRelease");
    }
    Ok(if errors > 0 { REFUSED } else { DONE })
}

/// Checks a text of YAML documents: what was found, and how many releases there are.
pub fn check(file: &str, text: &str, rate: Option<f64>) -> (Vec<Finding>, usize) {
    let mut findings = Vec::new();
    let mut releases = 0;
    for document in documents::split(text) {
        let at = |severity, field: &str, message: String, release: &str| Finding {
            severity,
            file: file.to_owned(),
            line: document.line + place::line(document.text, field),
            release: release.to_owned(),
            field: field.to_owned(),
            message: plain(message),
        };
        let value: Value = match serde_saphyr::from_str(document.text) {
            Ok(value) => value,
            Err(error) => {
                findings.push(at(Severity::Error, "", format!("this is no YAML: {}", plain(error)), ""));
                continue;
            }
        };
        for release in documents::releases(&value) {
            releases += 1;
            let name = release.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            for (severity, field, message) in of_release(release, rate) {
                findings.push(at(severity, &field, message, name));
            }
        }
    }
    (findings, releases)
}

type Found = (Severity, String, String);

/// What is found in one release: what the schema says; if it fits, its rules; if they hold, whether it makes sense.
fn of_release(release: &Value, rate: Option<f64>) -> Vec<Found> {
    let error = |(field, message): (String, String)| (Severity::Error, field, message);
    let definition = serde_json::to_value(crd()).unwrap_or_default();
    let none = Value::Null;
    let whole = definition.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap_or(&none);
    let wrong = schema::check(whole, release);
    if !wrong.is_empty() {
        return wrong.into_iter().map(error).collect();
    }
    if let Err(broken) = Validator::new().validate(whole, release, None) {
        let broken = broken.as_slice().iter().map(|one| (one.field_path.clone(), one.message.clone()));
        return broken.map(error).collect();
    }
    let decoded: ModelRelease = match serde_json::from_value(release.clone()) {
        Ok(decoded) => decoded,
        Err(why) => return vec![error((String::new(), plain(why)))],
    };
    if let Some((reason, message)) = sense(&decoded) {
        // The core names the field first.
        let field = message.split(": ").next().filter(|field| field.starts_with("spec")).unwrap_or_default();
        return vec![error((field.to_owned(), format!("{}: {message}", reason.as_str())))];
    }
    let surprises = surprises::check(&decoded, rate);
    surprises.into_iter().map(|(field, message)| (Severity::Warning, field, message)).collect()
}

/// A finding for people.
fn told(finding: &Finding, style: Style) -> String {
    let (word, tone) = match finding.severity {
        Severity::Error => ("error", Tone::Bad),
        Severity::Warning => ("warning", Tone::Busy),
    };
    let field = if finding.field.is_empty() { String::new() } else { format!("{}: ", finding.field) };
    let release = if finding.release.is_empty() { String::new() } else { format!(" {}:", finding.release) };
    format!(
        "{}:{}: {}:{release} {field}{}",
        finding.file,
        finding.line,
        style.paint(tone, word),
        finding.message
    )
}

/// A finding as GitHub's workflows take it.
fn github(finding: &Finding) -> String {
    let word = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let escaped = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escaped(text).replace(':', "%3A").replace(',', "%2C");
    let field = if finding.field.is_empty() { String::new() } else { format!("{}: ", finding.field) };
    format!(
        "::{word} file={},line={},title=ModelRelease {}::{}",
        property(&finding.file),
        finding.line,
        property(&finding.release),
        escaped(&format!("{field}{}", finding.message))
    )
}

/// Files themselves, and the YAML files of folders, in their order.
fn expanded(files: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut all = Vec::new();
    for path in files {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let failed = |cause| CliError::File { path: path.display().to_string(), cause };
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            inside.push(entry.map_err(failed)?.path());
        }
        inside.sort();
        // Folders inside a folder are looked into; what links back to itself is not.
        let (folders, own): (Vec<PathBuf>, Vec<PathBuf>) =
            inside.into_iter().filter(|entry| !entry.is_symlink()).partition(|entry| entry.is_dir());
        all.extend(own.into_iter().filter(|entry| is_yaml(entry)));
        all.extend(expanded(&folders)?);
    }
    Ok(all)
}

/// The first release in a file.
///
/// # Errors
/// If it cannot be read, or holds none that can be decoded.
pub fn first(path: &Path) -> Result<ModelRelease, CliError> {
    let text = read(path)?;
    let place = path.display();
    let values =
        documents::split(&text).into_iter().filter_map(|document| serde_saphyr::from_str(document.text).ok());
    let found =
        values.into_iter().find_map(|value: Value| documents::releases(&value).into_iter().next().cloned());
    let release = found.ok_or_else(|| CliError::Usage(format!("{place} holds no ModelRelease")))?;
    serde_json::from_value(release).map_err(|error| {
        CliError::Usage(format!("{place}: {}; see `kubectl modelrelease lint`", plain(error)))
    })
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

fn read(path: &Path) -> Result<String, CliError> {
    let failed = |cause| CliError::File { path: path.display().to_string(), cause };
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(LARGEST + 1).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(LARGEST + 1).read_to_string(&mut text)
    };
    read.map_err(failed)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > LARGEST {
        return Err(failed(std::io::Error::other("it is larger than 4 MiB, which no manifest is")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
