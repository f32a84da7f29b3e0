//! The table's columns: name, type, encoding and kinds of each, in one place.
//!
//! From that one table, [`columns!`] generates the schema, the buffers that a writer fills, and the arrays that a
//! reader takes values from. It also generates the list that exporters and filters walk. `row/` maps fields of events
//! to columns.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{RecordBatch, new_null_array},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use parquet::{
    arrow::ArrowSchemaConverter,
    basic::{Compression, Encoding, ZstdLevel},
    errors::ParquetError,
    file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder},
    schema::types::{ColumnPath, TypePtr},
};
use strum::VariantArray;

use super::column::{
    buffer::Buffer,
    convert::{self, Unfit},
    types::{Cell, Cells, Value},
};
use crate::event::Kind;

/// The table's name in the file.
pub(crate) const TABLE: &str = "events";

/// Version of the format. Readers reject files of later versions.
pub const FORMAT_VERSION: u32 = 5;

/// The first version of the format that has the owners of pages.
pub(crate) const OWNERS_SINCE: u32 = 5;

const _: () = {
    let mut place = 0;
    while place < COLUMNS.len() {
        assert!(COLUMNS[place].since <= FORMAT_VERSION);
        place += 1;
    }
};

/// Maximum number of rows in a row group.
pub(crate) const MAX_GROUP_ROWS: usize = 1 << 18;

/// Prefix of `created_by` in files that migtrace wrote.
pub(crate) const CREATED_BY_PREFIX: &str = "migtrace ";

/// One column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    /// How it is stored. Numbers are signed.
    pub data_type: DataType,
    /// Whether its values are unsigned numbers, stored in two's complement.
    pub unsigned: bool,
    /// Whether it can be null.
    pub optional: bool,
    /// Encoded as DELTA_BINARY_PACKED; otherwise with a dictionary (booleans: run lengths).
    pub delta: bool,
    /// The kinds of events that can have a value in it.
    pub kinds: &'static [Kind],
    /// The first version of the format that has it. In older files it is missing and reads as null.
    pub since: u32,
}

/// A column as a type, so that the compiler checks the types of its values.
pub(crate) trait Named: Copy {
    type Cell: Cell;
    /// Its place in [`COLUMNS`].
    const INDEX: usize;

    fn buffer(buffers: &mut Buffers) -> &mut Buffer<Self::Cell>;
}

/// Takes the columns of [`Buffers`] one after the other.
pub(crate) trait ColumnSink {
    type Error;

    /// Takes the next column.
    ///
    /// # Errors
    /// Those of the sink.
    fn add<C: Cell>(&mut self, column: &Column, buffer: &mut Buffer<C>) -> Result<(), Self::Error>;
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

macro_rules! kinds {
    (all) => {
        Kind::VARIANTS
    };
    ([$($kind:ident),*]) => {
        &[$(Kind::$kind),*]
    };
}

macro_rules! columns {
    ($($name:ident: $cell:ty, $presence:ident, $encoding:ident, $kinds:tt, since $since:literal;)*) => {
        /// Every column, in the order of the file.
        pub const COLUMNS: &[Column] = &[$(Column {
            name: stringify!($name),
            data_type: <$cell as Cell>::TYPE,
            unsigned: <$cell as Cell>::IS_UNSIGNED,
            optional: is_optional!($presence),
            delta: is_delta!($encoding),
            kinds: kinds!($kinds),
            since: $since,
        }),*];

        /// The rows of a segment while it is filled.
        pub(crate) struct Buffers {
            rows: usize,
            $(pub(crate) $name: Buffer<$cell>,)*
        }

        impl Default for Buffers {
            fn default() -> Self {
                // The format has no dictionary of booleans.
                Self { rows: 0, $($name: Buffer::new(!is_delta!($encoding) && <$cell as Cell>::TYPE != DataType::Boolean),)* }
            }
        }

        impl Buffers {
            /// Passes every column to `to`, in the order of [`COLUMNS`].
            ///
            /// # Errors
            /// The first error of `to`.
            pub(crate) fn drain<T: ColumnSink>(&mut self, to: &mut T) -> Result<(), T::Error> {
                $(to.add(&COLUMNS[Place::$name as usize], &mut self.$name)?;)*
                Ok(())
            }

            /// Bytes of text in the columns' dictionaries.
            pub(crate) fn text_bytes(&self) -> usize {
                0 $(+ self.$name.text_bytes())*
            }
        }

        /// The place of each column.
        #[expect(non_camel_case_types, reason = "the columns' own names")]
        enum Place { $($name),* }

        /// The columns as types.
        pub(crate) mod column {
            use super::{Buffer, Buffers, Named, Place};

            $(
                #[expect(non_camel_case_types, reason = "the column's own name")]
                #[derive(Clone, Copy)]
                pub(in crate::trace) struct $name;

                impl Named for $name {
                    type Cell = $cell;
                    const INDEX: usize = Place::$name as usize;

                    fn buffer(buffers: &mut Buffers) -> &mut Buffer<$cell> {
                        &mut buffers.$name
                    }
                }
            )*
        }

        /// Some rows of a trace, column by column.
        pub struct RowBatch {
            rows: usize,
            $(pub(crate) $name: Cells<$cell>,)*
        }

        impl RowBatch {
            /// The columns of a batch. A column that is not in it reads as null.
            ///
            /// # Errors
            /// A column has values that are not its own.
            pub(crate) fn new(batch: &RecordBatch) -> Result<Self, Unfit> {
                Ok(Self { rows: batch.num_rows(), $($name: Cells::of(batch, stringify!($name))?,)* })
            }

            /// The value of row `row` in column number `column` of [`COLUMNS`].
            ///
            /// # Panics
            /// There is no such row or column.
            #[must_use]
            pub fn value(&self, row: usize, column: usize) -> Value<'_> {
                type Get = for<'a> fn(&'a RowBatch, usize) -> Value<'a>;
                const GET: [Get; COLUMNS.len()] = [$(|batch, row| batch.$name.value(row)),*];
                GET[column](self, row)
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
    ts_ns: u64, required, delta, all, since 1;
    cpu: u32, required, words, all, since 1;
    cpu_node: i32, optional, words, all, since 1;
    pid: u32, required, words, all, since 1;
    tid: u32, required, words, all, since 1;
    comm: String, required, words, all, since 1;
    cgroup_id: u64, required, words, all, since 1;
    kind: String, required, words, all, since 1;
    addr: u64, optional, delta, [Fault, Check, Mark, Migrate, Request, Region, Census, Place], since 1;
    ip: u64, optional, delta, [Fault], since 1;
    access: String, optional, words, [Fault], since 1;
    class: String, optional, words, [Fault, Region, Census], since 1;
    major: bool, optional, words, [Fault], since 1;
    nid: i32, optional, words, [Fault, Mark, Node, Census], since 1;
    latency_ns: u64, optional, delta, [Fault, Migrate, Batch, Request, Task, Census], since 1;
    result: String, optional, words, [Fault, Mark, Migrate], since 1;
    pfn: u64, optional, delta, [Check, Mark], since 1;
    order: u32, optional, words, [Fault, Check, Mark, Migrate], since 1;
    src_nid: i32, optional, words, [Check, Migrate, Place], since 1;
    dst_nid: i32, optional, words, [Check, Migrate, Place], since 1;
    policy: String, optional, words, [Check, Request, Region, Census], since 1;
    interleaved: bool, optional, words, [Check], since 1;
    lazy: bool, optional, words, [Check], since 1;
    verdict: String, optional, words, [Check], since 1;
    reason: String, optional, words, [Check, Mark, Migrate], since 1;
    old_pfn: u64, optional, delta, [Migrate], since 1;
    new_pfn: u64, optional, delta, [Migrate], since 1;
    pages: u64, optional, words, [Migrate, Task, Census], since 1;
    cause: String, optional, words, [Migrate, Batch, Loss], since 1;
    unmap_ns: u64, optional, delta, [Migrate], since 1;
    copy_ns: u64, optional, delta, [Migrate], since 1;
    remap_ns: u64, optional, delta, [Migrate], since 1;
    asked: u64, optional, words, [Batch], since 1;
    succeeded: u64, optional, words, [Batch], since 1;
    failed: u64, optional, words, [Batch], since 1;
    mode: String, optional, words, [Batch], since 1;
    name: String, optional, words, [Request, Region, Census], since 1;
    len: u64, optional, words, [Request, Region, Census, Place], since 1;
    flags: String, optional, words, [Request], since 1;
    nodemask: String, optional, words, [Request, Census], since 1;
    target_pid: u32, optional, words, [Request, Task], since 1;
    ret: i64, optional, words, [Request], since 1;
    what: String, optional, words, [Task, Place], since 1;
    from_node: i32, optional, words, [Task], since 1;
    to_node: i32, optional, words, [Task], since 1;
    text: String, optional, words, [Phase], since 1;
    probe: String, optional, words, [Loss], since 1;
    count: u64, optional, words, [Loss], since 1;
    process_start_ns: u64, optional, words, all, since 2;
    weight: u64, optional, words, all, since 2;
    kernel_stack: String, optional, words, all, since 2;
    user_stack: String, optional, words, all, since 2;
    unmoved: u64, optional, words, [Batch], since 3;
    thp_split: u64, optional, words, [Batch], since 4;
    owner_pid: u32, optional, words, [Fault, Check, Mark, Migrate, Census, Place], since 5;
    owner_start_ns: u64, optional, words, [Fault, Check, Mark, Migrate, Census, Place], since 5;
    owner_comm: String, optional, words, [Fault, Check, Mark, Migrate, Census, Place], since 5;
    owner_cgroup_id: u64, optional, words, [Fault, Check, Mark, Migrate, Census, Place], since 5;
    mappings: u64, optional, words, [Migrate], since 5;
    wait_cause: String, optional, words, [Fault], since 5;
    wait_pid: u32, optional, words, [Fault], since 5;
    wait_tid: u32, optional, words, [Fault], since 5;
    wait_comm: String, optional, words, [Fault], since 5;
    inaccessible_ns: u64, optional, words, [Fault], since 5;
    from_addr: u64, optional, words, [Place], since 5;
    change: String, optional, words, [Node], since 5;
    cpus: String, optional, words, [Node], since 5;
    mem_bytes: u64, optional, words, [Node], since 5;
    free_bytes: u64, optional, words, [Node], since 5;
    tier: u32, optional, words, [Node], since 5;
    numa_hit: u64, optional, words, [Node], since 5;
    numa_miss: u64, optional, words, [Node], since 5;
    numa_foreign: u64, optional, words, [Node], since 5;
    interleave_hit: u64, optional, words, [Node], since 5;
    local_node: u64, optional, words, [Node], since 5;
    other_node: u64, optional, words, [Node], since 5;
    place: String, optional, words, [Census], since 5;
    permissions: String, optional, words, [Census], since 5;
}

impl Buffers {
    /// Rows so far.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Begins the next row and returns its index.
    pub(crate) fn next_row(&mut self) -> usize {
        self.rows += 1;
        self.rows - 1
    }
}

impl RowBatch {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// The table's schema.
pub(crate) fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let fields = COLUMNS.iter().map(|c| Field::new(c.name, c.data_type.clone(), c.optional));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    });
    SCHEMA.clone()
}

/// The table's schema as a Parquet type.
///
/// # Errors
/// The library fails.
pub(crate) fn parquet_schema() -> Result<TypePtr, ParquetError> {
    Ok(ArrowSchemaConverter::new().schema_root(TABLE).convert(&schema())?.root_schema_ptr())
}

/// The rows of a file of another version or program, with all columns of this version. The columns that it lacks are null.
///
/// # Errors
/// A column has values that are not its own, or a required one lacks values.
pub(crate) fn conform(batch: &RecordBatch) -> Result<RecordBatch, String> {
    let rows = batch.num_rows();
    let column = |c: &Column| match batch.column_by_name(c.name) {
        Some(found) => {
            convert::to_stored(found, &c.data_type, c.unsigned).map_err(|unfit| unfit.in_column(c.name).to_string())
        }
        None => Ok(new_null_array(&c.data_type, rows)),
    };
    let columns = COLUMNS.iter().map(column).collect::<Result<_, _>>()?;
    RecordBatch::try_new(schema(), columns).map_err(|error| error.to_string())
}

/// How files are written: encodings from [`COLUMNS`], zstd, statistics per row group, no page index. With the statistics, a
/// reader skips columns that are null throughout, and a query skips row groups by time.
pub(crate) fn properties() -> WriterPropertiesBuilder {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(Some(MAX_GROUP_ROWS))
        .set_created_by(format!("{CREATED_BY_PREFIX}{}", env!("CARGO_PKG_VERSION")));
    for column in COLUMNS.iter().filter(|c| c.delta) {
        builder = builder
            .set_column_dictionary_enabled(ColumnPath::from(column.name), false)
            .set_column_encoding(ColumnPath::from(column.name), Encoding::DELTA_BINARY_PACKED);
    }
    builder
}
