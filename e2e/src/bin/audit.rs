//! The `audit` program: watches a cluster on which the operator runs, and ends with the first violation of its rules.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use jiff::SignedDuration;
use kube::config::{KubeConfigOptions, Kubeconfig};
use testbed::audit::feed::{self, Ended};
use testbed::audit::log::{self, Log};
use testbed::audit::witness::STARTED;
use testbed::audit::world::Kind;
use testbed::audit::{Auditor, Gateway, Options, Rule, object};
use testbed::error::{Error, Result};
use testbed::say::say;
use tokio::signal::unix::{SignalKind, signal};

/// Checks from outside what the operator must never do.
///
/// Watches releases, all kinds of objects that the operator makes, pods and endpoints, in all namespaces; puts every change
/// into the order of revisions, rebuilds the world at each of them, and checks the safety rules that can be seen there. Start
/// it before the operator; it needs only get, list and watch.
///
/// It ends at the first violation, and says which rule, which object, which revision, and the last changes before it. On
/// SIGTERM or SIGINT it first makes sure that it missed nothing, then says what it saw and how often it applied each rule.
#[derive(Parser)]
#[command(name = "audit", version, after_help = after())]
struct Cli {
    /// Kubeconfig file; default: KUBECONFIG, ~/.kube/config, or the pod's service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Where EnvoyFilters may lie and whom they must select, as in istio-system/istio=ingressgateway; repeat it for more
    #[arg(long = "gateway", value_name = "NAMESPACE/LABELS")]
    gateways: Vec<Gateway>,
    /// The operator's setting propagationWaitSeconds
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    propagation_wait: SignedDuration,
    /// Added to every limit of time: for a busy machine, or where the operator is killed
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    slack: SignedDuration,
    /// Keeps every change, a JSON line each
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Judges such a log instead of a cluster
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kubeconfig", "log"])]
    replay: Option<PathBuf>,
}

fn after() -> String {
    let rules: Vec<String> =
        Rule::ALL.iter().map(|rule| format!("  {:<6} {}", rule.to_string(), rule.sentence())).collect();
    format!(
        "Rules (numbers of the design; those that need more than what is stored are proven elsewhere):\n{}\n\n\
         Nobody can see in a watch who deleted an object. Who deletes one of the operator's by hand while this runs\n\
         announces it: kubectl annotate <object> {}=yes\n\n\
         Examples:\n  audit --gateway istio-system/istio=ingressgateway --log changes.jsonl\n  audit --replay changes.jsonl\n\n\
         Exit codes: 0 ended by a signal, and no rule was violated; 1 the first violation is on the output; 2 it is not\n\
         known, for a change was missed or something cannot be watched.",
        rules.join("\n"),
        object::BY_HAND
    )
}

fn duration(written: &str) -> std::result::Result<SignedDuration, String> {
    object::duration(written).ok_or_else(|| format!("{written:?} is no duration; write it as in 5s or 1m30s"))
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.replay {
        Some(file) => replay(file, &cli),
        None => watch(&cli).await,
    };
    match done {
        Ok(Ended::Well(summary)) => {
            say(format_args!("{summary}"));
            ExitCode::SUCCESS
        }
        Ok(Ended::Violated(violations)) => {
            for violation in violations {
                say(format_args!("{violation}"));
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            say(format_args!("error: {error}"));
            ExitCode::from(2)
        }
    }
}

fn options(cli: &Cli) -> Options {
    Options { gateways: cli.gateways.clone(), propagation_wait: cli.propagation_wait, slack: cli.slack }
}

async fn watch(cli: &Cli) -> Result<Ended> {
    let no_config = |error: &dyn std::fmt::Display| Error::other(format!("no access to a cluster: {error}"));
    let config = match &cli.kubeconfig {
        Some(file) => {
            let read = Kubeconfig::read_from(file).map_err(|error| no_config(&error))?;
            kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
                .await
                .map_err(|error| no_config(&error))?
        }
        None => kube::Config::infer().await.map_err(|error| no_config(&error))?,
    };
    let client = kube::Client::try_from(config).map_err(|error| no_config(&error))?;
    let log = cli.log.as_deref().map(Log::create).transpose()?;
    let heard = |kind| signal(kind).map_err(Error::io("listen to", "signals"));
    let (mut terminate, mut interrupt) = (heard(SignalKind::terminate())?, heard(SignalKind::interrupt())?);
    let end = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let started = |absent: &BTreeSet<Kind>| {
        let absent: Vec<&str> = absent.iter().map(|kind| kind.api().2).collect();
        let none = if absent.is_empty() {
            String::new()
        } else {
            format!("; not served yet: {}", absent.join(", "))
        };
        say(format_args!("{STARTED}{none}"));
    };
    feed::audit(client, &options(cli), log, started, end).await
}

fn replay(file: &Path, cli: &Cli) -> Result<Ended> {
    let mut auditor = Auditor::new(&options(cli));
    for event in log::read(file)? {
        let event = event?;
        let at = event.at;
        // Everything before it is known then.
        if let Err(violations) = auditor.take(event).and_then(|()| auditor.tick(at)) {
            return Ok(Ended::Violated(violations));
        }
    }
    Ok(Ended::Well(auditor.summary()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_gateway_is_written_with_its_labels() {
        let gateway: Gateway = "istio-system/istio=ingressgateway,app=x".parse().unwrap();
        assert_eq!((gateway.namespace.as_str(), gateway.selector.len()), ("istio-system", 2));
        for wrong in ["istio-system", "istio-system/", "/a=b", "a/b"] {
            assert!(wrong.parse::<Gateway>().is_err(), "{wrong}");
        }
    }
}
