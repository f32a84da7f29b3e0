//! `migtrace map FILE`: the censuses of a trace, shown as the map of a running process is.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, bail};
use migtrace::{
    event::escape_control,
    map::{
        census::{Mapped, Maps},
        change::Changes,
    },
    trace::Trace,
};

use super::{
    color::When,
    load,
    map_output::{Format, MapOutput},
};

/// Processes that a message lists.
const LISTED: usize = 10;

/// A process, or a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Process(u32),
    Trace(PathBuf),
}

/// A number is a PID: a file of that name is `./4711`.
pub(super) fn target(text: &str) -> Result<Target, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map(Target::Process).map_err(|error| error.to_string());
    }
    Ok(Target::Trace(text.into()))
}

/// Which census.
#[derive(clap::Args)]
pub(super) struct TraceArgs {
    /// With a trace: show the last census that was complete this long after the recording began, such as 90s, and not the last
    /// of all
    #[arg(long, value_name = "TIME", value_parser = migtrace::units::seconds)]
    pub(super) at: Option<Duration>,
    /// With a trace that has censuses of several processes: show this one
    #[arg(long, value_name = "PID")]
    pub(super) process: Option<u32>,
}

/// Shows the last census of a process, and what changed since its first.
pub(super) fn show(path: &Path, args: &TraceArgs, output: &MapOutput, color: When) -> Result<()> {
    let trace = Trace::open(path)?;
    load::warn(&trace, path);
    let after = args.at.map(|at| u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
    let mut maps = Maps::until(after.map(|ns| trace.meta().start_ns.saturating_add(ns)));
    for event in trace.events() {
        maps.take(&event?);
    }
    let mapped = select(&maps, path, args)?;
    let first = mapped.first().filter(|_| output.shows_changes());
    let goes_on = first.is_some() && output.format() == Format::Json;
    output.write(mapped.last(), color, goes_on)?;
    match first {
        Some(first) => output.write_changes(&Changes::between(first, mapped.last()), color),
        None => Ok(()),
    }
}

fn select<'a>(maps: &'a Maps, path: &Path, args: &TraceArgs) -> Result<&'a Mapped> {
    let name = path.display();
    let wanted = |mapped: &&Mapped| args.process.is_none_or(|pid| mapped.last().process.pid == pid);
    let found: Vec<&Mapped> = maps.processes().iter().filter(wanted).collect();
    match (&found[..], args.process) {
        ([], _) if maps.processes().is_empty() => {
            let until = if args.at.is_some() { " until then" } else { "" };
            bail!("{name} has no census{until}: `migtrace record --census` records one")
        }
        ([], Some(pid)) => bail!("{name} has no census of process {pid}; it has those of {}", list(maps)),
        // A PID that was used again: the later process.
        ([.., last], Some(_)) => Ok(last),
        ([only], None) => Ok(only),
        (_, None) => bail!("{name} has censuses of several processes: choose one by --process: {}", list(maps)),
    }
}

fn list(maps: &Maps) -> String {
    let all = maps.processes();
    let of = |mapped: &Mapped| format!("{} ({})", mapped.last().process.pid, escape_control(&mapped.last().comm));
    let listed: Vec<String> = all.iter().take(LISTED).map(of).collect();
    let more = if all.len() > LISTED { format!(", and {} more", all.len() - LISTED) } else { String::new() };
    format!("{}{more}", listed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_process_and_all_else_a_file() {
        assert_eq!(target("4711"), Ok(Target::Process(4711)));
        assert_eq!(target("./4711"), Ok(Target::Trace("./4711".into())));
        assert_eq!(target("run.parquet"), Ok(Target::Trace("run.parquet".into())));
        assert!(target("99999999999").is_err(), "no PID has so many digits");
    }
}
