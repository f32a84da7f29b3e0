//! Where the trace events are: tracefs, mounted by itself or below debugfs.
//!
//! Only programs on trace events need it. BTF tracepoints, fentry and kprobes are attached without.

use std::{fs, io, path::Path};

use thiserror::Error;

/// Directories of the trace events, in the order in which aya looks for them.
const EVENTS: [&str; 2] = ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"];

/// Why no program can be attached to a trace event.
#[derive(Debug, Error)]
pub enum NoTraceEvents {
    #[error("tracefs is not mounted")]
    NotMounted,
    #[error("tracefs cannot be read: {0}")]
    Unreadable(io::Error),
}

impl NoTraceEvents {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotMounted => "as root: mount -t tracefs tracefs /sys/kernel/tracing",
            Self::Unreadable(_) => {
                "run migtrace with sudo, or as root: mount -o remount,gid=GROUP,mode=750 /sys/kernel/tracing"
            }
        }
    }
}

/// The directory of the trace events.
///
/// # Errors
/// It does not exist, or this process cannot read it.
pub fn events() -> Result<&'static Path, NoTraceEvents> {
    first_readable(&EVENTS.map(Path::new))
}

fn first_readable<'a>(dirs: &[&'a Path]) -> Result<&'a Path, NoTraceEvents> {
    let mut found = NoTraceEvents::NotMounted;
    for dir in dirs {
        match fs::read_dir(dir) {
            Ok(_) => return Ok(dir),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // The second directory is often below one that only root can read: the first one's error is the cause.
            Err(error) if matches!(found, NoTraceEvents::NotMounted) => found = NoTraceEvents::Unreadable(error),
            Err(_) => {}
        }
    }
    Err(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_events_are_found_below_debugfs_too() {
        let dir = tempfile::tempdir().expect("a directory");
        let (absent, present) = (dir.path().join("tracing/events"), dir.path().join("debug/events"));
        fs::create_dir_all(&present).expect("made");
        assert_eq!(first_readable(&[&absent, &present]).expect("the second"), present);
        assert!(matches!(first_readable(&[&absent]), Err(NoTraceEvents::NotMounted)));
        // Reading a file as a directory fails with another error than its absence.
        let file = dir.path().join("file");
        fs::write(&file, "").expect("written");
        let error = first_readable(&[&file, &absent]).expect_err("unreadable");
        assert!(matches!(error, NoTraceEvents::Unreadable(_)), "{error}");
        assert!(error.remedy().contains("mode=750"));
    }
}
