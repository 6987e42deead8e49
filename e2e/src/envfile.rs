//! The env file: `export NAME='value'` lines that a shell sources and that the library reads back.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// The folder with the testbed's programs; the file puts it in front of `PATH`.
pub const BIN: &str = "TESTBED_BIN";

/// The program that raised the cluster.
pub const CLUSTER_PROGRAM: &str = "TESTBED_PROGRAM";

/// The checkout that the cluster was raised from.
pub const CHECKOUT: &str = "TESTBED_CHECKOUT";

/// Every variable that describes a cluster; the same names describe a cluster that was there before.
pub const NAMES: [&str; 15] = [
    "KUBECONFIG",
    "GATEWAY_URL",
    "PROMETHEUS_URL",
    "PROMETHEUS_CLUSTER_URL",
    "PROMETHEUS_STOP_COMMAND",
    "PROMETHEUS_START_COMMAND",
    "ISTIOD_URL",
    "ISTIOD_XDS",
    "ENVOY_ADMIN_URL",
    "CONTAINERD_ADDRESS",
    "TESTBED_NAME",
    "TESTBED_STATE",
    BIN,
    CLUSTER_PROGRAM,
    CHECKOUT,
];

/// The file's text; `PATH` is put together by the shell that sources it.
pub fn render(variables: &BTreeMap<String, String>) -> String {
    let head = "# Addresses of the testbed. Source this file; `make down` removes it.".to_owned();
    let line =
        |(name, value): (&String, &String)| format!("export {name}='{}'", value.replace('\'', r"'\''"));
    // Beside the cluster's own program a demo puts kubectl's plugin.
    let path = variables
        .contains_key(BIN)
        .then(|| format!("export PATH=\"${BIN}:${{{CLUSTER_PROGRAM}%/*}}:$PATH\""));
    let lines: Vec<String> =
        std::iter::once(head).chain(variables.iter().map(line)).chain(path).chain([String::new()]).collect();
    lines.join("\n")
}

/// Reads what [`render`] wrote. `PATH` is left out: who needs it takes [`BIN`].
///
/// # Errors
/// On a line that is neither a comment nor of the form `export NAME='value'`.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let pair = line.strip_prefix("export ").and_then(|rest| rest.split_once('='));
        let Some((name, value)) = pair else {
            return Err(Error::other(format!(
                "the testbed's env file has the line {line:?}, which is no export; run `make up` again"
            )));
        };
        if name != "PATH" {
            let inner = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
            variables.insert(name.to_owned(), inner.unwrap_or(value).replace(r"'\''", "'"));
        }
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{command, output};

    fn sample() -> BTreeMap<String, String> {
        let pairs = [("KUBECONFIG", "/a b/it's"), ("GATEWAY_URL", "http://1.2.3.4:30080"), (BIN, "/bin dir")];
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(parse(&render(&sample())).unwrap(), sample());
    }

    #[test]
    fn a_shell_reads_the_same_values() {
        let script = format!("{}printf '%s|%s' \"$KUBECONFIG\" \"${{PATH%%:*}}\"", render(&sample()));
        assert_eq!(output(&mut command(["sh", "-c", &script])).unwrap(), "/a b/it's|/bin dir");
    }

    #[test]
    fn a_damaged_file_is_refused() {
        assert!(parse("KUBECONFIG=/x").unwrap_err().to_string().contains("make up"));
    }
}
