//! Entry point: reads the command, does it, and tells by the exit code what came of it.

use std::process::ExitCode;

use clap::Parser;
use kubectl_modelrelease::args::Cli;
use kubectl_modelrelease::ask::Human;
use kubectl_modelrelease::error::FAILED;
use kubectl_modelrelease::run::run;
use kubectl_modelrelease::screen::Style;
use kubectl_modelrelease::shell::Shell;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody may listen; the code tells all the same.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(FAILED));
        }
    };
    let (mut out, mut err, mut human) = (std::io::stdout(), std::io::stderr(), Human);
    let mut shell = Shell {
        style: Style::of_stdout(cli.common.no_color),
        format: cli.common.output,
        ..Shell::new(&mut out, &mut err, &mut human)
    };
    // Ctrl-C ends the process as it ends any: nothing is left to put right, and a question is never in its way.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            shell.note(&format!("error: could not start: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    match runtime.block_on(run(&cli, &mut shell)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            if let Some(told) = error.told() {
                shell.note(&told);
            }
            ExitCode::from(error.exit_code())
        }
    }
}
