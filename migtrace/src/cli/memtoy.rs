//! `migtrace memtoy`: runs a memtoy script, or commands typed at a prompt.

use std::{
    fs,
    io::{self, BufRead, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use ::memtoy::{Failure, Flow, Script, Session};
use anyhow::Context;

use super::{
    EXIT_USAGE,
    streams::{plain_stdout, stderr_line},
};

/// Exit status if a command failed.
const EXIT_FAILED: u8 = 1;

/// Run a script of the memtoy workload driver, or commands typed at a prompt
///
/// A script maps memory, touches it page by page, sets policies and queries where pages are. Type `help` at the prompt of
/// `migtrace memtoy` for a list of commands. Each command is a phase of the recording. The whole script is checked before
/// it runs. Exit status: 0 success, 1 a command failed, 2 the script has an error.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  migtrace memtoy lazy.memtoy
  printf 'anon seg 8p\\nmap seg\\ntouch seg write\\nwhere seg\\n' | migtrace memtoy")]
pub(crate) struct Args {
    /// Script file; `-` or none: standard input
    script: Option<PathBuf>,
}

/// Runs the script.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let file = args.script.as_deref().filter(|s| *s != Path::new("-"));
    let stdin = io::stdin();
    if file.is_none() && stdin.is_terminal() {
        return interactive();
    }
    let (name, text) = match file {
        Some(path) => {
            let text =
                fs::read_to_string(path).with_context(|| format!("cannot read the script {}", path.display()))?;
            (path.display().to_string(), text)
        }
        None => {
            let mut text = String::new();
            stdin.lock().read_to_string(&mut text).context("cannot read the script from standard input")?;
            ("stdin".to_owned(), text)
        }
    };
    script(&::memtoy::parse(&name, &text)?)
}

fn script(script: &Script) -> anyhow::Result<ExitCode> {
    let mut session = Session::new(plain_stdout()?);
    ::memtoy::prefault();
    for step in &script.steps {
        match session.run(step) {
            Ok(Flow::Continue) => {}
            Ok(Flow::Exit) => break,
            Err(Failure::Output(e)) => return Err(e.into()),
            Err(failure) => {
                stderr_line(&format!("{}:{}: {failure}", script.name, step.line));
                return Ok(ExitCode::from(status(&failure)));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads commands from the terminal. After an error it continues.
fn interactive() -> anyhow::Result<ExitCode> {
    let mut session = Session::new(io::stdout());
    let mut out = io::stdout();
    ::memtoy::prefault();
    let mut lines = io::stdin().lock().lines();
    for number in 1.. {
        write!(out, "memtoy> ")?;
        out.flush()?;
        let Some(line) = lines.next() else { break };
        let step = match ::memtoy::parse_line("stdin", number, &line?) {
            Ok(Some(step)) => step,
            Ok(None) => continue,
            Err(e) => {
                stderr_line(&e.message);
                continue;
            }
        };
        match session.run(&step) {
            Ok(Flow::Continue) => {}
            Ok(Flow::Exit) => return Ok(ExitCode::SUCCESS),
            Err(Failure::Output(e)) => return Err(e.into()),
            Err(failure) => stderr_line(&failure.to_string()),
        }
    }
    writeln!(out)?;
    Ok(ExitCode::SUCCESS)
}

fn status(failure: &Failure) -> u8 {
    match failure {
        Failure::Input(_) => EXIT_USAGE,
        _ => EXIT_FAILED,
    }
}
