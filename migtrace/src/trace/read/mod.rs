//! Reads a trace: a finished file, or the segments of a recording that is running or was cut off.

pub(crate) mod rows;

use std::path::Path;

use parquet::basic::Compression;
use serde::Deserialize;

use self::rows::{Events, GroupRows, Rows};
use crate::{
    recording::{META_KEY, Meta},
    trace::{
        column::convert::refuses,
        error::{Error, Result},
        parquet::container::{Container, rows_of},
        partial_dir,
        schema::{COLUMNS, FORMAT_VERSION},
    },
};

/// An open trace: its metadata was read, its events were not.
#[derive(Debug)]
pub struct Trace {
    meta: Meta,
    truncated: bool,
    /// The Parquet files of the trace: one, or its segments.
    parts: Vec<Container>,
    left_out: Vec<Error>,
}

impl Trace {
    /// Opens a finished trace, a `.partial` directory, or the trace of such a directory that does not exist yet.
    ///
    /// # Errors
    /// There is no such file; it is not a Parquet file, or not a trace; its format is newer; it is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Self::open_partial(path);
        }
        match Self::open_file(path) {
            Err(Error::Missing { .. }) if partial_dir::path_of(path).is_dir() => {
                Self::open_partial(&partial_dir::path_of(path))
            }
            opened => opened,
        }
    }

    /// Opens a finished trace.
    ///
    /// # Errors
    /// As [`Trace::open`].
    pub(crate) fn open_file(path: &Path) -> Result<Self> {
        let (part, meta) = open_part(path)?;
        Ok(Self { truncated: meta.end_ns.is_none(), meta, parts: vec![part], left_out: Vec::new() })
    }

    fn open_partial(dir: &Path) -> Result<Self> {
        let mut meta = None;
        let mut parts = Vec::new();
        let mut left_out = Vec::new();
        for segment in partial_dir::segments(dir)? {
            match open_part(&segment) {
                Ok((part, its_meta)) => {
                    meta = Some(later(meta, its_meta));
                    parts.push(part);
                }
                Err(e) => left_out.push(e),
            }
        }
        match (meta, left_out.is_empty()) {
            (Some(meta), _) => Ok(Self { meta, truncated: true, parts, left_out }),
            (None, false) => Err(left_out.swap_remove(0)),
            (None, true) => Err(Error::NothingToRecover { path: dir.to_owned() }),
        }
    }

    /// The Parquet files of the trace.
    pub(crate) fn parts(&self) -> &[Container] {
        &self.parts
    }

    /// The metadata; of a recording that was cut off, that of its last segment.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Whether the recording was cut off: events after the last segment, and the final account, are missing.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// Errors of the segments that were skipped, in a recording that was cut off.
    #[must_use]
    pub fn left_out(&self) -> &[Error] {
        &self.left_out
    }

    /// Number of events, from the footer.
    #[must_use]
    pub fn event_count(&self) -> u64 {
        self.parts.iter().flat_map(Container::groups).map(|g| rows_of(g) as u64).sum()
    }

    #[cfg(test)]
    pub(crate) fn row_group_sizes(&self) -> Vec<usize> {
        self.parts.iter().flat_map(Container::groups).map(rows_of).collect()
    }

    /// The rows in batches, for callers that need values and not events.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        Rows::new(&self.parts)
    }

    /// Number of row groups: threads can read different ones at the same time.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.parts.iter().map(|part| part.groups().len()).sum()
    }

    /// The rows of row group `number`, less than [`Trace::group_count`], with these columns. The others read as null.
    ///
    /// # Errors
    /// There is no such row group, it is damaged, or it cannot be read.
    pub fn group_rows(&self, number: usize, columns: &[&str]) -> Result<GroupRows<'_>> {
        let mut before = 0;
        for part in &self.parts {
            let groups = part.groups().len();
            if number < before + groups {
                return GroupRows::new(part, number - before, columns);
            }
            before += groups;
        }
        Err(Error::damaged(Path::new(""), format!("row group {number}"), "no such row group"))
    }

    /// The events, one by one, with memory for one row group. An error is the last item.
    #[must_use]
    pub fn events(&self) -> Events<'_> {
        Events::new(self.rows(), self.meta.recorded_version())
    }

    /// All events.
    ///
    /// # Errors
    /// The trace is damaged, or cannot be read.
    #[cfg(any(test, feature = "testkit"))]
    pub fn read_all(&self) -> Result<Vec<crate::event::Event>> {
        self.events().collect()
    }
}

/// The metadata up to a segment that has `meta`. The segment without rows alone has the table of processes, and the nodes that
/// came online.
pub(crate) fn later(earlier: Option<Meta>, mut meta: Meta) -> Meta {
    let Some(earlier) = earlier else { return meta };
    if meta.processes.is_empty() {
        (meta.processes, meta.evicted_processes) = (earlier.processes, earlier.evicted_processes);
    }
    let its = std::mem::replace(&mut meta.topology, earlier.topology);
    meta.topology.add(&its);
    meta
}

/// Opens a file and checks that it holds a trace.
fn open_part(path: &Path) -> Result<(Container, Meta)> {
    let container = Container::open(path)?;
    let meta = read_meta(&container)?;
    container.check_footer()?;
    check_schema(&container, meta.format_version)?;
    Ok((container, meta))
}

fn read_meta(container: &Container) -> Result<Meta> {
    /// What every version of the format has.
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    let path = container.path();
    let Some(text) = container.value(META_KEY) else {
        let why = format!("its metadata has no key {META_KEY}: a program that rewrites a trace must keep it");
        return Err(Error::NotTrace { path: path.to_owned(), why });
    };
    let wrong = |e| container.wrong("its metadata", e);
    let Version { format_version } = serde_json::from_str(text).map_err(wrong)?;
    if format_version > FORMAT_VERSION {
        return Err(Error::Newer { path: path.to_owned(), found: format_version });
    }
    serde_json::from_str(text).map_err(wrong)
}

/// Checks that a file of format `version` has the columns of that version, that their types can be read, and their codecs.
fn check_schema(container: &Container, version: u32) -> Result<()> {
    let fields = container.metadata().schema().fields();
    for column in COLUMNS {
        let mut found = fields.iter().filter(|field| field.name() == column.name);
        let why = match (found.next(), found.next()) {
            (Some(_), Some(_)) => format!("there are two columns {}", column.name),
            (Some(field), None) => match refuses(&column.data_type, field.data_type()) {
                Some(takes) => format!("column {} holds {}, not {takes}", column.name, field.data_type()),
                None => continue,
            },
            (None, _) if column.since > version => continue,
            (None, _) => format!("column {} is missing", column.name),
        };
        return Err(container.wrong("its schema", why));
    }
    check_codecs(container)
}

/// Checks that the library can decompress the columns.
fn check_codecs(container: &Container) -> Result<()> {
    for (number, group) in container.groups().iter().enumerate() {
        for chunk in group.columns().iter().filter(|chunk| chunk.column_path().parts().len() == 1) {
            let (name, codec) = (chunk.column_path().string(), chunk.compression());
            if matches!(codec, Compression::BROTLI(_) | Compression::LZO) && COLUMNS.iter().any(|c| c.name == name) {
                let codec = codec.to_string();
                let codec = codec.split('(').next().unwrap_or_default();
                let why = format!("column {name} is compressed with {codec}: use zstd, snappy, gzip or LZ4");
                return Err(container.wrong(format!("row group {number}"), why));
            }
        }
    }
    Ok(())
}
