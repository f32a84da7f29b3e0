//! `migtrace completions`: writes completion scripts for shells.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Result;
use clap_complete::Shell;

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
    io::stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
