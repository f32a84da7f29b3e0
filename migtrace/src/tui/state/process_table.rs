//! What processes are beside their names: command line, executable and parent, ready to be shown and searched.

use std::collections::HashMap;

use crate::{
    event::{ProcessId, escape_control},
    recording::{ProcessDetails, describe},
};

/// The details of processes, made safe to print. The source bounds them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProcessTable {
    by_id: HashMap<ProcessId, Known>,
    /// Processes that the source evicted.
    pub(crate) evicted: u64,
}

/// What is known of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// The command line, or else the executable.
    pub(crate) command: Option<String>,
    pub(crate) command_line: Option<String>,
    pub(crate) executable: Option<String>,
    pub(crate) parent_pid: Option<u32>,
}

impl ProcessTable {
    pub(crate) fn of(processes: &[ProcessDetails], evicted: u64) -> Self {
        let by_id = processes.iter().map(|details| (details.process(), Known::of(details))).collect();
        Self { by_id, evicted }
    }

    pub(crate) fn get(&self, process: ProcessId) -> Option<&Known> {
        self.by_id.get(&process)
    }
}

impl Known {
    fn of(details: &ProcessDetails) -> Self {
        let shown = |text: String| Some(escape_control(&text)).filter(|text| !text.trim().is_empty());
        Self {
            command: describe::command_of(details),
            command_line: details.command_line.as_ref().and_then(|words| shown(words.join(" "))),
            executable: details.executable.clone().and_then(shown),
            parent_pid: details.parent_pid,
        }
    }
}
