//! When the kernel measures the programs, and whether it still calls them.

use std::{
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use aya::sys::{Stats, enable_stats};

use super::{
    host::{hypervisor, requirements},
    privilege,
};

/// What [`hypervisor::hypervisor`] calls QEMU's emulation.
const EMULATOR: &str = "tcg";

/// Of so many ticks the kernel measures the programs in the first. Measuring all the time would add two clock reads to every
/// run of a program.
const TICKS_PER_MEASURE: u64 = 40;

/// Switches the kernel's measurement of programs on and off.
pub struct Measure {
    /// While it is held the kernel measures the programs.
    measuring: Option<OwnedFd>,
    always: bool,
    /// Time in which the kernel has measured them, up to the last tick, and when that was.
    measured: Duration,
    ticked: Instant,
    ticks: u64,
    interrupted: bool,
}

impl Measure {
    /// Call it before the programs are attached.
    ///
    /// Switching measurement patches code that every program runs through. QEMU's emulated CPUs, each on a thread of its own,
    /// can then execute the breakpoint that covers the patch for ever. With more than one of them measurement is therefore on
    /// from here to the end.
    #[must_use]
    pub fn start() -> Self {
        let is_emulated = hypervisor::hypervisor().as_deref() == Some(EMULATOR);
        let always = is_emulated && std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1);
        Self {
            measuring: if always { enable_stats(Stats::RunTime).ok() } else { None },
            always,
            measured: Duration::ZERO,
            ticked: Instant::now(),
            ticks: 0,
            interrupted: false,
        }
    }

    /// Call it when the programs are attached: measured time starts here.
    pub fn attached(&mut self) {
        self.ticked = Instant::now();
    }

    /// Call it about four times a second.
    pub fn tick(&mut self) {
        if !self.interrupted
            && let Some(silenced) = requirements::functions_silenced()
        {
            log::warn!("{silenced}: events are missing until it is 1");
            self.interrupted = true;
        }
        let now = Instant::now();
        if self.measuring.is_some() {
            self.measured += now - self.ticked;
        }
        self.ticked = now;
        if self.always {
            return;
        }
        self.measuring = match self.ticks % TICKS_PER_MEASURE {
            // If the kernel does not measure, the cost stays unknown.
            0 => privilege::measuring(|| enable_stats(Stats::RunTime)).ok(),
            _ => None,
        };
        self.ticks += 1;
    }

    /// Time in which the kernel has measured the programs, up to the last tick.
    #[must_use]
    pub fn measured(&self) -> Duration {
        self.measured
    }

    /// Whether, at some tick, the kernel called no program on a function.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }
}
