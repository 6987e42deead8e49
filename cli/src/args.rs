//! Every command and flag.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use model_release_core::settings::Entrance;

/// Shows releases of models and says why they wait.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kubectl-modelrelease",
    bin_name = "kubectl modelrelease",
    version,
    about = "Shows releases of machine-learning models, says why they wait, and writes the annotations by which people decide.",
    after_help = "Exit codes: 0 done, or the release is promoted or healthy; 1 refused by the release's own rules, rolled back, \
                  or stalled; 2 bad usage, or the cluster refused or did not answer; 3 not in time; 4 superseded.\n\n\
                  Examples:\n  \
                  kubectl modelrelease get -A\n  \
                  kubectl modelrelease get fraud -w\n  \
                  kubectl modelrelease explain fraud\n  \
                  kubectl modelrelease status fraud --for-version 2026.08 --timeout 2h\n  \
                  kubectl modelrelease rollback fraud"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Flags of every command.
    #[command(flatten)]
    pub common: Common,
}

/// Flags of every command.
#[derive(Clone, Debug, Default, Args)]
pub struct Common {
    /// Namespace of the release. Default: the context's.
    #[arg(short = 'n', long, global = true, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Context of the kubeconfig. Default: its current one.
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Kubeconfig file. Default: KUBECONFIG, else `~/.kube/config`.
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Answer as data. `github` is for lint alone: annotations of a workflow.
    #[arg(short = 'o', long, global = true, value_enum, value_name = "FORMAT")]
    pub output: Option<Format>,
    /// No colours; also by the environment variable `NO_COLOR`.
    #[arg(long, global = true)]
    pub no_color: bool,
}

/// How to answer as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Annotations of a GitHub workflow.
    Github,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Show all releases, or one with everything that belongs to it.
    Get {
        /// Name of the release. Default: all.
        name: Option<String>,
        /// Show every change until interrupted.
        #[arg(short = 'w', long)]
        watch: bool,
        /// Releases of all namespaces.
        #[arg(short = 'A', long, conflicts_with_all = ["name", "namespace"])]
        all_namespaces: bool,
    },
    /// Wait until it is decided: exit code 0 promoted or healthy, 1 rolled back or stalled, 3 not in time, 4 superseded.
    Status {
        /// Name of the release.
        name: String,
        /// Version to wait for, by its name or hash. Default: the canary of the spec, else the release itself.
        #[arg(long, value_name = "VERSION")]
        for_version: Option<String>,
        /// How long to wait at most, as in 90s or 2h; 0s looks once. Default: for ever.
        #[arg(long, value_name = "DURATION", value_parser = length)]
        timeout: Option<Duration>,
    },
    /// Show what was decided, and on which numbers.
    History {
        /// Name of the release.
        name: String,
        /// Show so many decisions, the newest. Default: all that are kept, at most 20.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        limit: Option<u16>,
    },
    /// Say why a release waits, or why something was decided.
    Explain {
        /// Name of the release.
        name: String,
        /// Number of a decision, as in history. Default: why it waits now.
        #[arg(long, value_name = "N")]
        decision: Option<i64>,
    },
    /// Promote the version on trial now, without the evidence that is missing. Nothing that failed is passed over.
    Promote {
        /// Whom, and whether to ask.
        #[command(flatten)]
        word: Word,
    },
    /// Roll back the version on trial; without one, the live version, if there is one to go back to.
    Rollback {
        /// Name of the release.
        name: String,
        /// Let nothing new start either, until `resume`.
        #[arg(long)]
        hold: bool,
    },
    /// Let nothing new happen. Guardrails still act, and a rollback is never paused.
    Pause {
        /// Name of the release.
        name: String,
    },
    /// Take back `pause`, and `rollback` too if that is confirmed.
    Resume {
        /// Whom, and whether to ask.
        #[command(flatten)]
        word: Word,
    },
    /// Try a version again that was rolled back.
    Retry {
        /// Name of the release.
        name: String,
    },
    /// Check manifests without a cluster: schema, rules, and what would surprise. Exit code 1 on errors.
    Lint {
        /// File or folder, `-` for standard input; repeat it for more.
        #[arg(short = 'f', long = "filename", value_name = "PATH", required = true)]
        files: Vec<PathBuf>,
        /// Labelled answers of the canary a minute: whether `maxDuration` is long enough is judged by it.
        #[arg(long, value_name = "PER_MINUTE", value_parser = rate)]
        rate: Option<f64>,
    },
    /// Try out a release's fields: the chance of each verdict, and when, in many trials at this traffic.
    Simulate {
        /// Name of a release; what it has seen is taken for what is not given.
        #[arg(required_unless_present = "file")]
        name: Option<String>,
        /// A manifest, `-` for standard input, in place of a release in the cluster.
        #[arg(short = 'f', long = "filename", value_name = "FILE", conflicts_with = "name")]
        file: Option<PathBuf>,
        /// Stable's share of right answers, as in 0.9. Default: what was seen.
        #[arg(long, value_name = "SHARE", value_parser = share)]
        accuracy: Option<f64>,
        /// Labelled answers a minute, of both versions together. Default: what was seen.
        #[arg(long, value_name = "ANSWERS", value_parser = rate)]
        per_minute: Option<f64>,
        /// The canary's part of them in percent. Default: the first step's.
        #[arg(long, value_name = "PERCENT", value_parser = rate)]
        weight: Option<f64>,
        /// Trials of each canary.
        #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        trials: u32,
    },
    /// Judge a past range of a real Prometheus: what would have been decided, when, and on which evidence.
    Backtest {
        /// Name of a release.
        #[arg(required_unless_present = "file")]
        name: Option<String>,
        /// A manifest, `-` for standard input, in place of a release in the cluster.
        #[arg(short = 'f', long = "filename", value_name = "FILE", conflicts_with = "name")]
        file: Option<PathBuf>,
        /// Address of the Prometheus, as in `http://localhost:9090`.
        #[arg(long, value_name = "URL")]
        prometheus: String,
        /// Where requests are counted, as in the operator's settings: istio, istio-gateway, envoy or server.
        #[arg(long, value_name = "WHERE", default_value = "istio", value_parser = entrance)]
        entrance: Entrance,
        /// Where the range begins, as in 2026-08-01T13:00:00Z. Default: when the canary got its first weight.
        #[arg(long, value_name = "TIME", conflicts_with = "since")]
        from: Option<Timestamp>,
        /// How long the range is, as in 2h.
        #[arg(long, value_name = "DURATION", value_parser = length)]
        since: Option<Duration>,
        /// Where it ends. Default: now.
        #[arg(long, value_name = "TIME")]
        to: Option<Timestamp>,
        /// The version that was live, by name or hash. Default: stable of the spec.
        #[arg(long, value_name = "VERSION")]
        stable: Option<String>,
        /// The version on trial, by name or hash. Default: canary of the spec.
        #[arg(long, value_name = "VERSION")]
        canary: Option<String>,
    },
    /// Print a script that completes commands and names.
    Completion {
        /// For what.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the versions of the plugin and of the API that the cluster serves.
    Version {
        /// The plugin's alone; no cluster is asked.
        #[arg(long)]
        client: bool,
    },
    /// Asked by completion scripts.
    #[command(name = "__complete", hide = true)]
    Complete {
        /// The words so far; the last one is to be completed.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

/// Whom a word is about, and whether it has to be confirmed.
#[derive(Clone, Debug, Args)]
pub struct Word {
    /// Name of the release.
    pub name: String,
    /// Do not ask.
    #[arg(short = 'y', long)]
    pub yes: bool,
}

/// What completes commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// `kubectl modelrelease`: to be saved as `kubectl_complete-modelrelease` in PATH.
    Kubectl,
    /// `kubectl-modelrelease` in bash.
    Bash,
    /// `kubectl-modelrelease` in zsh.
    Zsh,
    /// `kubectl-modelrelease` in fish.
    Fish,
}

/// A length of time in Go's syntax, as Kubernetes writes it.
fn length(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<kube::core::Duration>().ok().filter(|length| !length.is_negative());
    parsed.map(Duration::from).ok_or_else(|| "write it as in 90s or 1h30m".to_owned())
}

/// A share from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let parsed = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    parsed.ok_or_else(|| "it has to be a number from 0 to 1".to_owned())
}

/// A word of the operator's settings.
fn entrance(text: &str) -> Result<Entrance, String> {
    serde_json::from_value(text.into())
        .map_err(|_| "it has to be istio, istio-gateway, envoy or server".to_owned())
}

/// A positive number.
fn rate(text: &str) -> Result<f64, String> {
    let parsed = text.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0);
    parsed.ok_or_else(|| "it has to be a number above 0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("kubectl-modelrelease").chain(line.split_whitespace()))
    }

    #[test]
    fn the_flags_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn common_flags_stand_before_and_after_the_command() {
        for line in ["-n ml -o json get fraud", "get fraud -n ml -o json", "get -n ml fraud --output json"] {
            let cli = parse(line).unwrap();
            assert_eq!(cli.common.namespace.as_deref(), Some("ml"), "{line}");
            assert_eq!(cli.common.output, Some(Format::Json), "{line}");
            assert!(
                matches!(cli.command, Command::Get { name: Some(name), .. } if name == "fraud"),
                "{line}"
            );
        }
    }

    #[test]
    fn a_name_and_all_namespaces_exclude_each_other() {
        assert!(parse("get -A").is_ok());
        assert!(parse("get fraud -A").is_err());
        assert!(parse("get -A -n ml").is_err());
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_code_2() {
        for line in [
            "",
            "promote",
            "status fraud --timeout soon",
            "status fraud --timeout -5s",
            "history fraud --limit 0",
            "explain fraud --decision x",
            "lint",
            "lint -f a --rate 0",
            "simulate",
            "simulate fraud -f a",
            "simulate fraud --accuracy 90",
            "simulate fraud --per-minute 0",
            "backtest fraud",
            "backtest --prometheus http://p:9090",
            "backtest fraud --prometheus http://p:9090 --entrance door",
            "backtest fraud --prometheus http://p:9090 --from noon",
            "backtest fraud --prometheus http://p:9090 --from 2026-08-01T13:00:00Z --since 2h",
            "get -o xml",
            "abort fraud",
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn lengths_of_time_are_written_as_kubernetes_does() {
        let Command::Status { timeout, .. } = parse("status fraud --timeout 1h30m").unwrap().command else {
            panic!("another command")
        };
        assert_eq!(timeout, Some(Duration::from_secs(5400)));
    }

    #[test]
    fn words_to_complete_may_look_like_flags() {
        let Command::Complete { words } = parse("__complete get -n m").unwrap().command else {
            panic!("another command")
        };
        assert_eq!(words, ["get", "-n", "m"]);
    }
}
