//! `cargo xtask demo`: 8 pages, migrated directly and lazily, in the virtual machine with four nodes.

use std::{
    fs, io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Args;
use xtask_common::{
    command,
    exit::{FINE, Failure},
    files::create_dir,
    progress::{clock, elapsed, say, step},
};

use crate::{
    cargo, ebpf,
    kernel::{self, Image},
    paths::Paths,
    setup::{self, Purpose},
    vm::{self, Ended, Host, Request, machine::Machine},
};

/// Time limit for both recordings, which take seconds.
const GUEST_LIMIT: Duration = Duration::from_secs(300);
/// The memtoy scripts in xtask/demo, one for each way to migrate the pages.
const ARMS: [&str; 2] = ["direct", "lazy"];

/// Build everything, record a direct and a lazy migration, and compare them
///
/// Prints the annotated log and the comparison. Traces, texts and timelines are in target/demo.
#[derive(Args, Debug)]
pub(crate) struct Options {}

impl Options {
    /// Writes traces, log, comparison and plots to target/demo.
    pub(crate) fn run(&self, paths: &Paths) -> Result<u8> {
        setup::ensure(paths, &[Purpose::Kernel, Purpose::Machine, Purpose::Bpf])?;
        let image = kernel::image(paths, kernel::DEFAULT)?;
        ebpf::build(paths)?;
        let migtrace = cargo::build_collector(paths)?;
        let place = paths.target.join("demo");
        clear(&place)?;
        step("booting the four-node machine and recording both migrations", || {
            record(paths, &image, &migtrace, &place)
        })?;
        let log = show(&place.join("demo.log"), |log| {
            for arm in ARMS {
                log.push_str(&command::output(quiet(&migtrace).arg("log").arg(trace(&place, arm)))?);
                log.push('\n');
            }
            Ok(())
        });
        log.context("cannot write the annotated log")?;
        let comparison = show(&place.join("compare.txt"), |text| {
            text.push_str(&command::output(&mut compare(&migtrace, &place, "timeline.svg"))?);
            // Again as PNG, which every image viewer shows.
            command::output(&mut compare(&migtrace, &place, "timeline.png")).map(drop)
        });
        comparison.context("cannot compare the recordings")?;
        list(&place)?;
        say(format!("done after {}", clock(elapsed())));
        Ok(FINE)
    }
}

/// Removes an earlier demo's files, so that they cannot be mistaken for this demo's.
fn clear(place: &Path) -> Result<()> {
    match fs::remove_dir_all(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", place.display()))
        }
        _ => create_dir(place),
    }
}

fn trace(place: &Path, arm: &str) -> PathBuf {
    place.join(arm).with_extension("parquet")
}

/// Records both migrations in one boot. The guest's output goes to standard error.
fn record(paths: &Paths, image: &Image, migtrace: &Path, place: &Path) -> Result<()> {
    let scripts = paths.checkout.join("xtask/demo");
    let mut lines = vec!["set -e".to_owned()];
    for arm in ARMS {
        let script = scripts.join(arm).with_extension("memtoy");
        lines.push(format!(
            "echo '--- {arm}'\nmigtrace record -o {} -- migtrace memtoy {}",
            command::quoted(trace(place, arm).as_os_str()),
            command::quoted(script.as_os_str())
        ));
    }
    let outcome = vm::run(
        paths,
        Request {
            image,
            machine: &Machine::default(),
            argv: vec!["/bin/sh".into(), "-c".into(), lines.join("\n").into()],
            env: Vec::new(),
            collector: Some(migtrace.to_owned()),
            cwd: paths.checkout.clone(),
            interactive: false,
            stdout: io::stderr().as_fd(),
            stderr: io::stderr().as_fd(),
            timeout: Some(GUEST_LIMIT),
            counted: false,
            host: Host::default(),
        },
    )?;
    for splat in outcome.splats.iter().take(10) {
        say(format!("the guest's kernel reported an error: {splat}"));
    }
    match &outcome.ended {
        Ended::Job(FINE) => Ok(()),
        Ended::Job(status) => {
            Err(Failure::Finding(format!("recording in the guest failed with status {status}")).into())
        }
        Ended::Stopped(status) => Err(Failure::Finding(format!("stopped, status {status}")).into()),
        Ended::Broken(why) => Err(outcome.broken(paths, why)),
    }
}

/// Returns the collector's command without colours, for output to a file.
fn quiet(migtrace: &Path) -> Command {
    let mut command = Command::new(migtrace);
    command.env("NO_COLOR", "1");
    command
}

fn compare(migtrace: &Path, place: &Path, plot: &str) -> Command {
    let [direct, lazy] = ARMS.map(|arm| trace(place, arm));
    let mut command = quiet(migtrace);
    command.arg("compare").arg(direct).arg("--vs").arg(lazy).arg("--plot").arg(place.join(plot));
    command
}

/// Writes a text to a file and to standard output. If `make` fails, writes the incomplete text.
fn show(file: &Path, make: impl FnOnce(&mut String) -> Result<()>) -> Result<()> {
    let mut text = String::new();
    let made = make(&mut text);
    print!("{text}");
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    made
}

/// Lists what the demo wrote; fails if a part is missing.
fn list(place: &Path) -> Result<()> {
    let files = ["direct.parquet", "lazy.parquet", "demo.log", "compare.txt", "timeline.svg", "timeline.png"];
    say(format!("in {}:", place.display()));
    for file in files {
        let length = fs::metadata(place.join(file)).map(|metadata| metadata.len()).unwrap_or(0);
        if length == 0 {
            return Err(Failure::Finding(format!("the demo wrote no {file}")).into());
        }
        say(format!("  {file:<15} {length:>9} bytes"));
    }
    Ok(())
}
