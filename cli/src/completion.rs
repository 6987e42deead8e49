//! Completion of commands, flags and names of releases, in the form in which kubectl asks its plugins.

use std::time::Duration;

use clap::{Arg, CommandFactory};

use crate::args::{Cli, Common, Shell as Which};
use crate::cluster::{Cluster, Scope};
use crate::error::{CliError, DONE, plain};
use crate::shell::Shell;

/// Time in which names have to be there: nobody waits for them longer.
const LIMIT: Duration = Duration::from_secs(2);
/// kubectl's word for: these, and no names of files.
const THESE_ALONE: &str = ":4";
/// kubectl's word for: names of files.
const FILES: &str = ":0";

const KUBECTL: &str = "#!/bin/sh
# Completes `kubectl modelrelease`. Save it as kubectl_complete-modelrelease in a folder of PATH, and make it executable.
exec kubectl-modelrelease __complete -- \"$@\"
";
const BASH: &str = "# Completes kubectl-modelrelease in bash: source <(kubectl-modelrelease completion bash)
_kubectl_modelrelease() {
  local line
  COMPREPLY=()
  while IFS=$'\\t' read -r line _; do
    case \"$line\" in :*) ;; *) COMPREPLY+=(\"$line\") ;; esac
  done < <(kubectl-modelrelease __complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)
}
complete -o default -F _kubectl_modelrelease kubectl-modelrelease
";
const ZSH: &str = "#compdef kubectl-modelrelease
# Completes kubectl-modelrelease in zsh: source <(kubectl-modelrelease completion zsh)
_kubectl_modelrelease() {
  local -a found
  local line
  for line in \"${(@f)$(kubectl-modelrelease __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\"; do
    [[ $line == :* ]] || found+=(\"${${line//:/\\\\:}/$'\\t'/:}\")
  done
  _describe 'kubectl-modelrelease' found
}
compdef _kubectl_modelrelease kubectl-modelrelease
";
const FISH: &str = "# Completes kubectl-modelrelease in fish: kubectl-modelrelease completion fish | source
function __kubectl_modelrelease
    set -l words (commandline -opc) (commandline -ct)
    kubectl-modelrelease __complete -- $words[2..-1] 2>/dev/null | string match -v -r '^:'
end
complete -c kubectl-modelrelease -f -a '(__kubectl_modelrelease)'
";

/// Prints the script for a shell.
///
/// # Errors
/// If it cannot be written.
pub fn script(which: Which, shell: &mut Shell<'_>) -> Result<u8, CliError> {
    shell.write(match which {
        Which::Kubectl => KUBECTL,
        Which::Bash => BASH,
        Which::Zsh => ZSH,
        Which::Fish => FISH,
    })?;
    Ok(DONE)
}

/// What could be written next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    /// One of these: a word and what it means.
    These(Vec<(String, String)>),
    /// The name of a release.
    Release(Place),
    /// A file.
    File,
}

/// Where releases are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    namespace: Option<String>,
    context: Option<String>,
    kubeconfig: Option<String>,
}

/// Answers a completion script: a candidate a line, then what else may be offered.
///
/// # Errors
/// If it cannot be written.
pub async fn complete(words: &[String], shell: &mut Shell<'_>) -> Result<u8, CliError> {
    let begun = words.last().map(String::as_str).unwrap_or_default();
    let (found, end) = match next(words) {
        Next::These(all) => (all, THESE_ALONE),
        Next::File => (Vec::new(), FILES),
        Next::Release(place) => {
            let names = tokio::time::timeout(LIMIT, releases(place)).await.unwrap_or_default();
            (names.into_iter().map(|name| (name, String::new())).collect(), THESE_ALONE)
        }
    };
    let mut text = String::new();
    for (word, about) in found.into_iter().filter(|(word, _)| word.starts_with(begun)) {
        text.push_str(&word);
        if !about.is_empty() {
            text.push('\t');
            text.push_str(&about);
        }
        text.push('\n');
    }
    shell.write(&format!("{text}{end}\n"))?;
    Ok(DONE)
}

/// Names of releases; none if they cannot be listed, for a completion is no place for an error.
async fn releases(place: Place) -> Vec<String> {
    let common = Common {
        namespace: place.namespace,
        context: place.context,
        kubeconfig: place.kubeconfig.map(Into::into),
        ..Common::default()
    };
    let Ok(cluster) = Cluster::connect(&common).await else { return Vec::new() };
    let Ok((all, _)) = cluster.list(&Scope::Namespace).await else { return Vec::new() };
    let names = all.iter().filter_map(|one| one.pointer("/metadata/name")?.as_str());
    names.map(plain).collect()
}

/// What could be written next, by the words so far; the last one is begun, and may be empty.
fn next(words: &[String]) -> Next {
    let mut root = Cli::command();
    root.build();
    let (begun, before) = words.split_last().map_or(("", words), |(last, before)| (last.as_str(), before));
    let mut command: Option<&clap::Command> = None;
    let mut place = Place::default();
    let mut given = 0;
    let mut open: Option<&Arg> = None;
    for word in before {
        if let Some(flag) = open.take() {
            note(&mut place, flag, word);
        } else if word.starts_with('-') && word.len() > 1 {
            let (flag, value) = word.split_once('=').map_or((word.as_str(), None), |(f, v)| (f, Some(v)));
            match (find(command.unwrap_or(&root), flag), value) {
                (Some(flag), Some(value)) => note(&mut place, flag, value),
                (Some(flag), None) => open = Some(flag),
                (None, _) => {}
            }
        } else if command.is_none() {
            command = root.find_subcommand(word);
            if command.is_none() {
                return Next::These(Vec::new());
            }
        } else {
            given += 1;
        }
    }
    if let Some(flag) = open {
        return values(flag);
    }
    let Some(command) = command else {
        return if begun.starts_with('-') { flags(&root) } else { commands(&root) };
    };
    if begun.starts_with('-') {
        return flags(command);
    }
    match command.get_positionals().nth(given) {
        Some(positional) if positional.get_id().as_str() == "name" => Next::Release(place),
        Some(positional) => values(positional),
        None => Next::These(Vec::new()),
    }
}

/// Remembers where releases are to be looked for.
fn note(place: &mut Place, flag: &Arg, value: &str) {
    let value = Some(value.to_owned());
    match flag.get_id().as_str() {
        "namespace" => place.namespace = value,
        "context" => place.context = value,
        "kubeconfig" => place.kubeconfig = value,
        _ => {}
    }
}

/// A flag of a command that takes a value.
fn find<'a>(command: &'a clap::Command, written: &str) -> Option<&'a Arg> {
    let is = |arg: &&Arg| match written.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => arg.get_short().is_some_and(|short| {
            let mut letters = written.chars().skip(1);
            letters.next() == Some(short) && letters.next().is_none()
        }),
    };
    command.get_arguments().filter(|arg| arg.get_action().takes_values()).find(is)
}

fn values(arg: &Arg) -> Next {
    if matches!(arg.get_id().as_str(), "files" | "kubeconfig") {
        return Next::File;
    }
    let about =
        |value: &clap::builder::PossibleValue| value.get_help().map(ToString::to_string).unwrap_or_default();
    let values = arg.get_possible_values();
    Next::These(values.iter().map(|value| (value.get_name().to_owned(), about(value))).collect())
}

fn flags(command: &clap::Command) -> Next {
    let long = command.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(|arg| {
        let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
        Some((format!("--{}", arg.get_long()?), about))
    });
    Next::These(long.collect())
}

fn commands(root: &clap::Command) -> Next {
    let all = root.get_subcommands().filter(|command| !command.is_hide_set()).map(|command| {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        (command.get_name().to_owned(), about)
    });
    Next::These(all.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: &str) -> Next {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        next(&words)
    }

    fn words(next: &Next) -> Vec<&str> {
        let Next::These(all) = next else { return Vec::new() };
        all.iter().map(|(word, _)| word.as_str()).collect()
    }

    #[test]
    fn commands_come_first() {
        let next = at("");
        for command in ["get", "status", "history", "explain", "promote", "rollback", "pause", "lint"] {
            assert!(words(&next).contains(&command), "{command}: {next:?}");
        }
        assert!(!words(&next).contains(&"__complete"));
    }

    #[test]
    fn after_a_command_comes_a_release_of_the_place_that_was_given() {
        assert_eq!(at("get "), Next::Release(Place::default()));
        let place = Place { namespace: Some("ml".into()), context: Some("eu".into()), kubeconfig: None };
        assert_eq!(at("-n ml explain --context=eu fr"), Next::Release(place));
        assert_eq!(at("get fraud "), Next::These(Vec::new()), "one is enough");
        assert_eq!(at("nonsense "), Next::These(Vec::new()));
    }

    #[test]
    fn flags_and_their_values_are_known() {
        assert!(words(&at("status fraud --")).contains(&"--for-version"));
        assert!(words(&at("status fraud --")).contains(&"--namespace"));
        assert_eq!(words(&at("get -o ")), ["json", "yaml", "github"]);
        assert_eq!(words(&at("completion ")), ["kubectl", "bash", "zsh", "fish"]);
        assert_eq!(at("lint -f "), Next::File);
        assert_eq!(at("get --kubeconfig "), Next::File);
    }

    #[test]
    fn a_flag_without_a_value_does_not_eat_the_name() {
        assert_eq!(at("get -w "), Next::Release(Place::default()));
    }
}
