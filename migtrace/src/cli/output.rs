//! The options for the files of a recording.

use std::{num::NonZeroUsize, time::Duration};

use migtrace::{
    event::Event,
    filter::Filter,
    trace::{Flight, Plan},
    units,
};

use super::dump_server::DumpArgs;

#[derive(clap::Args)]
#[command(next_help_heading = "Files")]
pub(crate) struct OutputArgs {
    /// Keep only the last SECONDS, in memory. Each SIGUSR1, and the end of the recording, writes them to a file: FILE, then
    /// FILE with a number
    #[arg(long, value_name = "SECONDS", value_parser = units::seconds, conflicts_with_all = ["rotate_size", "rotate_time"])]
    flight: Option<Duration>,
    /// Maximum size of the encoded events that --flight keeps; above it, the oldest are evicted early, and counted
    #[arg(long, value_name = "SIZE", default_value = "256m", value_parser = units::size_bytes, requires = "flight")]
    flight_size: u64,
    /// With --flight: also write the events when one matches this expression, as for --filter:
    /// 'kind == fault && latency_ns >= 10ms'. At most once every SECONDS
    #[arg(long, value_name = "EXPR", requires = "flight")]
    trigger: Option<Filter>,
    #[command(flatten)]
    pub(crate) dump: DumpArgs,
    /// Start a new file (run.1.parquet, run.2.parquet, ...) when this one reaches SIZE, such as 500m or 4g
    #[arg(long, value_name = "SIZE", value_parser = units::size_bytes)]
    rotate_size: Option<u64>,
    /// Start a new file when this one is DURATION old, such as 90s, 10m or 1h
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    rotate_time: Option<Duration>,
    /// Keep the newest N files of this recording, including the one being written; remove older ones
    #[arg(long, value_name = "N")]
    rotate_keep: Option<NonZeroUsize>,
}

impl OutputArgs {
    /// The trigger, if one is given.
    pub(crate) fn trigger(&self) -> Option<Trigger> {
        let (when, age) = (self.trigger.clone()?, self.flight?);
        Some(Trigger { when, rest_ns: u64::try_from(age.as_nanos()).unwrap_or(u64::MAX), next_ns: 0 })
    }

    /// How the recording becomes files.
    ///
    /// # Errors
    /// --rotate-keep without an option that starts new files.
    pub(crate) fn plan(&self) -> anyhow::Result<Plan> {
        if self.rotate_keep.is_some() && self.rotate_size.is_none() && self.rotate_time.is_none() {
            anyhow::bail!("--rotate-keep requires --rotate-size or --rotate-time");
        }
        Ok(Plan {
            rotate_bytes: self.rotate_size,
            rotate_age: self.rotate_time,
            keep_files: self.rotate_keep,
            flight: self.flight.map(|age| Flight { age, bytes: self.flight_size }),
        })
    }
}

/// Writes a flight recording when an event matches.
pub(crate) struct Trigger {
    when: Filter,
    /// Minimum time between two writes, ns.
    rest_ns: u64,
    /// From when on an event fires again, ns.
    next_ns: u64,
}

impl Trigger {
    /// Whether the recording is to be written because of this event. Events of kind `loss` count like any other.
    pub(crate) fn fires(&mut self, event: &Event) -> bool {
        let fires = event.ts_ns >= self.next_ns && self.when.predicate().holds(event);
        if fires {
            self.next_ns = event.ts_ns.saturating_add(self.rest_ns);
        }
        fires
    }
}

#[cfg(test)]
mod tests {
    use migtrace::event::{Body, Phase};

    use super::*;

    #[test]
    fn a_trigger_fires_once_in_the_time_that_is_kept() {
        let phase = |ts_ns, text: &str| Event::at(ts_ns, Body::Phase(Phase { text: text.into() }));
        let when = "text == \"stall\"".parse().expect("a filter");
        let mut trigger = Trigger { when, rest_ns: 100, next_ns: 0 };
        let fired = [(1, "x"), (2, "stall"), (3, "stall"), (101, "stall"), (102, "stall")];
        let fired = fired.map(|(ts_ns, text)| trigger.fires(&phase(ts_ns, text)));
        assert_eq!(fired, [false, true, false, false, true]);
    }
}
