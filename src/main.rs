//! Entry point: reads the flags, then runs the operator or prints the resource's definition.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use model_release_operator::args::{Args, Command};
use model_release_operator::{args, run, telemetry};

fn main() -> ExitCode {
    let args = Args::parse();
    match args.command {
        Some(Command::Crd) => print_crd(),
        None => operate(args),
    }
}

fn print_crd() -> ExitCode {
    match args::crd_yaml() {
        // A reader that has seen enough, as `head` has, is no fault.
        Ok(yaml) => match std::io::stdout().lock().write_all(yaml.as_bytes()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                eprintln!("error: could not write to standard output: {error}");
                ExitCode::FAILURE
            }
            _ => ExitCode::SUCCESS,
        },
        Err(error) => {
            eprintln!("error: could not print the definition of ModelRelease: {error}");
            ExitCode::FAILURE
        }
    }
}

fn operate(args: Args) -> ExitCode {
    if let Err(error) = telemetry::start(args.log_format, &args.log_level) {
        eprintln!("error: {error}");
        return ExitCode::from(2);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: could not start threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run::run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut said = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(inner) = cause {
                // Some errors repeat their cause in their own words.
                let text = inner.to_string();
                if !said.contains(&text) {
                    eprintln!("  because: {text}");
                    said = text;
                }
                cause = inner.source();
            }
            error.exit_code()
        }
    }
}
