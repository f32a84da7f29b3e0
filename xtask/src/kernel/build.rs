//! Configures and compiles a kernel, with a progress line.

use std::{
    collections::VecDeque,
    fs,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use xtask_common::{
    command::{self, ends_with_this_process},
    files::create_dir,
    progress::Live,
};

use super::{
    config::{self, Fragment},
    manifest::Kernel,
};

/// Number of last output lines shown for a failed build.
const TAIL_LINES: usize = 40;

/// Writes the kernel's configuration to `objects`. Fails if it lacks a wanted option.
pub(super) fn configure(source: &Path, objects: &Path, fragments: &[Fragment]) -> Result<()> {
    create_dir(objects)?;
    let wanted = objects.join("all.config");
    fs::write(&wanted, config::merged(fragments)).with_context(|| format!("cannot write {}", wanted.display()))?;
    let mut assignment = std::ffi::OsString::from("KCONFIG_ALLCONFIG=");
    assignment.push(&wanted);
    command::output(make(source, objects).arg("--silent").arg(assignment).arg("allnoconfig"))?;
    let resolved = objects.join(".config");
    let resolved = fs::read_to_string(&resolved).with_context(|| format!("make wrote no {}", resolved.display()))?;
    config::check(fragments, &resolved)
}

/// Compiles bzImage on all processors.
pub(super) fn compile(source: &Path, objects: &Path, kernel: &Kernel, name: &str) -> Result<()> {
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    let log = objects.join("build.log");
    let mut log = fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let (reader, writer) = io::pipe().context("cannot open a pipe")?;
    let mut command = make(source, objects);
    command.arg(format!("-j{jobs}")).arg("bzImage").stdin(Stdio::null());
    command.stdout(writer.try_clone().context("cannot open a pipe")?).stderr(writer);
    ends_with_this_process(&mut command, Signal::SIGTERM);
    let mut child = command.spawn().with_context(|| format!("cannot start `{}`", command::shown(&command)))?;
    // The command keeps the pipe's writing end open: the loop below would not end.
    let shown = command::shown(&command);
    drop(command);

    let mut live = Live::new(&format!("compiling the {name} kernel"));
    let mut progress = Progress { done: 0, total: kernel.steps, last: String::new() };
    let mut tail = VecDeque::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.context("cannot read make's output")?;
        let _ = log.write_all(&line).and_then(|()| log.write_all(b"\n"));
        let line = String::from_utf8_lossy(&line).into_owned();
        progress.take(&line);
        live.update(|| progress.shown());
        tail.push_back(line);
        if tail.len() > TAIL_LINES {
            tail.pop_front();
        }
    }
    drop(live);
    let status = child.wait().context("cannot wait for make")?;
    if !status.success() {
        bail!("`{shown}` failed: {status}\n{}", Vec::from(tail).join("\n"));
    }
    Ok(())
}

fn make(source: &Path, objects: &Path) -> Command {
    let mut command = Command::new("make");
    let mut output = std::ffi::OsString::from("O=");
    output.push(objects);
    command.arg("-C").arg(source).arg(output).arg("LOCALVERSION=");
    for variable in ["MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS", "KBUILD_OUTPUT", "ARCH", "CROSS_COMPILE"] {
        command.env_remove(variable);
    }
    // Every user and host builds the same image from the same input.
    command.env("KBUILD_BUILD_USER", "migtrace").env("KBUILD_BUILD_HOST", "xtask");
    command.env("KBUILD_BUILD_TIMESTAMP", "1970-01-01").env("LC_ALL", "C");
    command
}

/// Progress of a build, counted by the lines that make prints.
struct Progress {
    done: u32,
    /// Steps of a build from scratch. A build that reuses objects has fewer.
    total: u32,
    last: String,
}

impl Progress {
    fn take(&mut self, line: &str) {
        if let Some(step) = line.strip_prefix("  ") {
            self.done += 1;
            self.last = step.split_whitespace().collect::<Vec<_>>().join(" ");
        }
    }

    fn shown(&self) -> String {
        let percent = (self.done * 100 / self.total.max(1)).min(99);
        format!("about {percent} % (estimated), {} steps, {}", self.done, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_counts_steps_and_stops_at_99_percent() {
        let mut progress = Progress { done: 0, total: 4, last: String::new() };
        progress.take("make[1]: Entering directory '/x'");
        progress.take("  CC      mm/migrate.o");
        assert_eq!(progress.shown(), "about 25 % (estimated), 1 steps, CC mm/migrate.o");
        for _ in 0..9 {
            progress.take("  AR      built-in.a");
        }
        assert_eq!(progress.shown(), "about 99 % (estimated), 10 steps, AR built-in.a");
    }
}
