//! `migtrace completions`: writes completion scripts for shells.

use std::{io::Write, process::ExitCode};

use anyhow::Result;
use clap_complete::Shell;

use super::streams::plain_stdout;

/// Write a completion script for a shell
#[derive(clap::Args)]
#[command(after_help = "Examples:
  migtrace completions bash > ~/.local/share/bash-completion/completions/migtrace
  migtrace completions zsh > ~/.zfunc/_migtrace
  migtrace completions fish > ~/.config/fish/completions/migtrace.fish")]
pub(crate) struct Args {
    shell: Shell,
}

/// Writes the script for the whole command line, `command`.
pub(crate) fn run(args: &Args, mut command: clap::Command) -> Result<ExitCode> {
    // clap_complete panics when its output fails, so it gets a buffer.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "migtrace", &mut script);
    let mut out = plain_stdout()?;
    out.write_all(&script)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
