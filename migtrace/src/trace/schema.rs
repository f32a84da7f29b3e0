//! The table's columns: name, type and encoding of each, said once.
//!
//! [`columns!`] makes of that one table the schema, the buffers that a writer fills, the arrays that a reader takes values
//! from, and the list that exporters walk. Which kind of event uses which column is encode.rs's and decode.rs's business.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};
use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder},
    schema::types::ColumnPath,
};

use super::cells::{Buffer, Cell, Cells, Value};

/// The table's name in the file.
pub(super) const TABLE: &str = "events";

/// What files say of their writer begins so.
pub(super) const CREATED_BY_PREFIX: &str = "migtrace ";

/// One column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub data_type: DataType,
    /// Whether a row may lack it.
    pub optional: bool,
    /// DELTA_BINARY_PACKED; otherwise a dictionary (booleans: run lengths).
    pub delta: bool,
}

macro_rules! is_optional {
    (required) => {
        false
    };
    (optional) => {
        true
    };
}

macro_rules! is_delta {
    (delta) => {
        true
    };
    (words) => {
        false
    };
}

macro_rules! columns {
    ($($name:ident: $cell:ty, $presence:ident, $encoding:ident;)*) => {
        /// Every column, in the order of the file.
        pub const COLUMNS: &[Column] = &[$(Column {
            name: stringify!($name),
            data_type: <$cell as Cell>::TYPE,
            optional: is_optional!($presence),
            delta: is_delta!($encoding),
        }),*];

        /// A batch of rows that is being filled.
        #[derive(Default)]
        pub(super) struct Buffers {
            rows: usize,
            $(pub(super) $name: Buffer<$cell>,)*
        }

        impl Buffers {
            /// The rows so far as one batch; none are left.
            ///
            /// # Errors
            /// A required column lacks a value: the caller has put an incomplete row.
            pub(super) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
                let rows = std::mem::take(&mut self.rows);
                let arrays = vec![$(self.$name.take(rows)),*];
                RecordBatch::try_new(schema(), arrays)
            }
        }

        /// Some rows of a trace, column by column.
        pub struct RowBatch {
            rows: usize,
            $(pub(super) $name: Cells<$cell>,)*
        }

        impl RowBatch {
            /// The columns of a batch whose schema was checked; a column that is not in it reads as null.
            pub(super) fn new(batch: &RecordBatch) -> Self {
                Self { rows: batch.num_rows(), $($name: Cells::of(batch, stringify!($name)),)* }
            }

            /// The values of row `row`, in the order of [`COLUMNS`].
            ///
            /// # Panics
            /// There is no such row.
            #[must_use]
            pub fn values(&self, row: usize) -> [Value<'_>; COLUMNS.len()] {
                [$(self.$name.value(row)),*]
            }
        }
    };
}

columns! {
    ts_ns: u64, required, delta;
    cpu: u32, required, words;
    cpu_node: i32, optional, words;
    pid: u32, required, words;
    tid: u32, required, words;
    comm: String, required, words;
    cgroup_id: u64, required, words;
    kind: String, required, words;
    addr: u64, optional, delta;
    ip: u64, optional, delta;
    access: String, optional, words;
    class: String, optional, words;
    major: bool, optional, words;
    nid: i32, optional, words;
    latency_ns: u64, optional, delta;
    result: String, optional, words;
    pfn: u64, optional, delta;
    order: u32, optional, words;
    src_nid: i32, optional, words;
    dst_nid: i32, optional, words;
    policy: String, optional, words;
    interleaved: bool, optional, words;
    lazy: bool, optional, words;
    verdict: String, optional, words;
    reason: String, optional, words;
    old_pfn: u64, optional, delta;
    new_pfn: u64, optional, delta;
    pages: u64, optional, words;
    cause: String, optional, words;
    unmap_ns: u64, optional, delta;
    copy_ns: u64, optional, delta;
    remap_ns: u64, optional, delta;
    asked: u64, optional, words;
    succeeded: u64, optional, words;
    failed: u64, optional, words;
    mode: String, optional, words;
    name: String, optional, words;
    len: u64, optional, words;
    flags: String, optional, words;
    nodemask: String, optional, words;
    target_pid: u32, optional, words;
    ret: i64, optional, words;
    what: String, optional, words;
    from_node: i32, optional, words;
    to_node: i32, optional, words;
    text: String, optional, words;
    probe: String, optional, words;
    count: u64, optional, words;
}

impl Buffers {
    /// Rows so far.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Begins the next row and returns its index.
    pub(super) fn next_row(&mut self) -> usize {
        self.rows += 1;
        self.rows - 1
    }
}

impl RowBatch {
    /// Rows in all.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// The table's schema.
pub(super) fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let fields = COLUMNS.iter().map(|c| Field::new(c.name, c.data_type.clone(), c.optional));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    });
    SCHEMA.clone()
}

/// How files are written: encodings as [`COLUMNS`] says, zstd, statistics by row group (a reader skips columns that are
/// null throughout, a query skips row groups by time), no page index.
pub(super) fn properties() -> WriterPropertiesBuilder {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_created_by(format!("{CREATED_BY_PREFIX}{}", env!("CARGO_PKG_VERSION")));
    for column in COLUMNS.iter().filter(|c| c.delta) {
        builder = builder
            .set_column_dictionary_enabled(ColumnPath::from(column.name), false)
            .set_column_encoding(ColumnPath::from(column.name), Encoding::DELTA_BINARY_PACKED);
    }
    builder
}
