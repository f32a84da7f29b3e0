//! Runs other programs. Errors contain the command line in a form that can be pasted into a shell.

use std::{
    ffi::OsStr,
    io,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use crate::exit::Failure;

/// Runs a command, and waits for it. Its standard output goes to standard error, because a task's standard output is
/// for data.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdout(Stdio::from(io::stderr()))
        .stdin(Stdio::null())
        .status()
        .with_context(|| cannot_start(command))?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// Runs a command, and returns its standard output. Errors contain its standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| cannot_start(command))?;
    if !output.status.success() {
        let messages = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed: {}\n{}", shown(command), output.status, messages.trim_end());
    }
    String::from_utf8(output.stdout).with_context(|| format!("the output of `{}` is not UTF-8", shown(command)))
}

fn cannot_start(command: &Command) -> Failure {
    let program = command.get_program().display();
    Failure::Environment(format!(
        "cannot start {program}: is it installed? `cargo xtask setup` installs all requirements"
    ))
}

/// Returns the command line, quoted for a shell, without the environment.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

/// Returns a word for a shell, in quotes if the shell needs them.
pub fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Makes the kernel send the child a signal when this process ends, for any reason. Spawn the child in the main thread,
/// or in a thread that outlives it: the kernel sends the signal when the spawning thread ends.
pub fn ends_with_this_process(command: &mut Command, signal: Signal) {
    let parent = nix::unistd::getpid();
    // SAFETY: prctl, getppid and the error's construction are async-signal-safe and allocate nothing.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, signal as libc::c_int) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have ended before prctl: then the kernel sends no signal.
            if libc::getppid() != parent.as_raw() {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
}

/// Finds a program on the PATH.
pub fn find(program: &str) -> Option<std::path::PathBuf> {
    which::which(program).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_only_if_a_shell_needs_it() {
        for (word, expected) in [
            ("plain-word_1.0/x=y,z", "plain-word_1.0/x=y,z"),
            ("", "''"),
            ("two words", "'two words'"),
            ("it's", r"'it'\''s'"),
            ("$HOME;*", "'$HOME;*'"),
        ] {
            assert_eq!(quoted(OsStr::new(word)), expected);
        }
    }

    #[test]
    fn a_failure_shows_the_command_line_and_its_standard_error() {
        let error = output(Command::new("sh").args(["-c", "echo oh no >&2; exit 3"])).expect_err("exit status 3");
        let text = format!("{error:#}");
        assert!(text.contains("`sh -c 'echo oh no >&2; exit 3'` failed"), "{text}");
        assert!(text.ends_with("oh no"), "{text}");
    }

    #[test]
    fn a_missing_program_is_an_environment_failure() {
        let error = run(&mut Command::new("no-such-program-anywhere")).expect_err("there is none");
        assert_eq!(crate::exit::status(&error), crate::exit::ENVIRONMENT);
    }
}
