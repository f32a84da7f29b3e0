//! A Parquet file that may be a trace or a segment: its footer, and its row groups, checked before they are used.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use bytes::{Buf, Bytes, buf};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{
            ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
        },
    },
    errors::ParquetError,
    file::{
        metadata::{ParquetMetaDataReader, RowGroupMetaData},
        reader::{ChunkReader, Length},
    },
};

use super::{
    catch_panic::guarded,
    checksum::{self, TAIL},
    source::{Open, Source},
};
use crate::event::escape_control;
use crate::trace::{
    error::{Error, Result},
    schema::{self, COLUMNS, CREATED_BY_PREFIX},
};

/// Number of rows that are decoded at once.
const BATCH_ROWS: usize = 1 << 13;

/// A file whose footer was read.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    /// Its name for errors: the file, or the trace that a part in memory belongs to.
    path: PathBuf,
    source: Source,
    metadata: ArrowReaderMetadata,
    /// The same, with text read as dictionaries.
    dictionaries: ArrowReaderMetadata,
    /// The program that wrote it, as the file names it.
    created_by: Option<String>,
    /// Checksums of the row groups; `None` in a file that another program rewrote.
    checksums: Option<Vec<u32>>,
    /// What is wrong with a footer that could be read.
    flaw: Option<&'static str>,
}

impl Container {
    /// Reads the footer of `path`.
    ///
    /// # Errors
    /// The file is missing, not a Parquet file, or its footer is damaged.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::of(Source::on_disk(path), path)
    }

    /// Reads the footer of a file in memory, a part of the trace `path`.
    ///
    /// # Errors
    /// As [`Container::open`].
    pub(crate) fn in_memory(bytes: Bytes, path: &Path) -> Result<Self> {
        Self::of(Source::Memory(bytes), path)
    }

    fn of(source: Source, path: &Path) -> Result<Self> {
        let footer = read_footer(&source.open().map_err(Error::read(path))?, path)?;
        let metadata = guarded(|| ParquetMetaDataReader::decode_metadata(&footer).map(Arc::new))
            .map_err(|why| Error::damaged(path, "its footer", why))?;
        let created_by = metadata.file_metadata().created_by().map(escape_control);
        let (metadata, dictionaries) = guarded(|| {
            let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            let plain = ArrowReaderMetadata::try_new(metadata.clone(), options.clone())?;
            let with_dictionaries = options.with_schema(with_dictionaries(plain.schema()));
            let dictionaries = ArrowReaderMetadata::try_new(metadata, with_dictionaries)?;
            Ok::<_, ParquetError>((plain, dictionaries))
        })
        .map_err(|why| wrong(path, created_by.as_deref(), "its footer", why))?;
        let mut container =
            Self { path: path.to_owned(), source, metadata, dictionaries, created_by, checksums: None, flaw: None };
        if is_own(container.created_by.as_deref()) {
            let checksums = container.value(checksum::KEY).and_then(checksum::groups);
            container.checksums = checksums.filter(|c| c.len() == container.groups().len());
            container.flaw = match &container.checksums {
                _ if !checksum::is_sealed(&footer) => Some("its checksum differs"),
                None => Some("the row groups' checksums are missing"),
                Some(_) => None,
            };
        }
        Ok(container)
    }

    /// Checks the footer's checksum. Separate from [`Container::open`], so that a file of a newer format, which can have other
    /// checksums, is reported as newer and not as damaged.
    ///
    /// # Errors
    /// The footer is damaged.
    pub(crate) fn check_footer(&self) -> Result<()> {
        self.flaw.map_or(Ok(()), |flaw| Err(Error::damaged(&self.path, "its footer", flaw)))
    }

    /// The error for contents that are not a trace's: damage, unless another program wrote the file.
    pub(crate) fn wrong(&self, place: impl Into<String>, why: impl ToString) -> Error {
        wrong(&self.path, self.created_by.as_deref(), place, why)
    }

    /// Whether migtrace wrote the file with the columns of this version, so that row groups can be copied as they are.
    pub(crate) fn has_this_layout(&self) -> bool {
        let this = schema::parquet_schema();
        is_own(self.created_by.as_deref())
            && this.is_ok_and(|this| *self.metadata.parquet_schema().root_schema() == *this)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn metadata(&self) -> &ArrowReaderMetadata {
        &self.metadata
    }

    /// The text under `key` in the file's metadata.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        let pairs = self.metadata.metadata().file_metadata().key_value_metadata();
        pairs.into_iter().flatten().find(|p| p.key == key)?.value.as_deref()
    }

    pub(crate) fn groups(&self) -> &[RowGroupMetaData] {
        self.metadata.metadata().row_groups()
    }

    /// Reads the bytes of row group `number`.
    ///
    /// # Errors
    /// They cannot be read, are outside of the file, or do not match their checksum.
    pub(crate) fn group(&self, number: usize) -> Result<GroupBytes> {
        let damaged = |why: &str| self.wrong(format!("row group {number}"), why);
        let group = &self.groups()[number];
        let file = self.source.open().map_err(Error::read(&self.path))?;
        let file_bytes = file.size().map_err(Error::read(&self.path))?;
        let (start, end) =
            extent(group).filter(|e| e.1 <= file_bytes).ok_or_else(|| damaged("it is outside of the file"))?;
        let mut data = vec![0; usize::try_from(end - start).map_err(|_| damaged("it is too large"))?];
        file.read_exact_at(&mut data, start).map_err(Error::read(&self.path))?;
        if let Some(checksums) = &self.checksums
            && checksum::of_group(group, &data, start) != Some(checksums[number])
        {
            return Err(damaged("its checksum differs"));
        }
        Ok(GroupBytes { base: start, data: data.into() })
    }

    /// Reads row group `number`: the columns for which `wanted` is true, without those that are null throughout. Text is read
    /// as dictionaries.
    ///
    /// # Errors
    /// As [`Container::group`], or the bytes are invalid.
    pub(crate) fn reader(&self, number: usize, wanted: impl Fn(&str) -> bool) -> Result<ParquetRecordBatchReader> {
        let group = &self.groups()[number];
        let holds_values = |index: &usize| {
            let nulls = group.column(*index).statistics().and_then(|s| s.null_count_opt());
            nulls.is_none() || nulls != u64::try_from(group.num_rows()).ok()
        };
        let columns = self.metadata.parquet_schema();
        let is_wanted = |name: &str| wanted(name) && COLUMNS.iter().any(|c| c.name == name);
        // By path: a column of another program can have parts with the names of ours.
        let wanted = (0..columns.num_columns()).filter(|i| is_wanted(&columns.column(*i).path().string()));
        self.reader_of(number, &self.dictionaries, ProjectionMask::leaves(columns, wanted.filter(holds_values)))
    }

    /// Reads row group `number` with all columns of a trace, as written.
    ///
    /// # Errors
    /// As [`Container::reader`].
    pub(crate) fn full_reader(&self, number: usize) -> Result<ParquetRecordBatchReader> {
        let columns = ProjectionMask::columns(self.metadata.parquet_schema(), COLUMNS.iter().map(|c| c.name));
        self.reader_of(number, &self.metadata, columns)
    }

    fn reader_of(
        &self,
        number: usize,
        metadata: &ArrowReaderMetadata,
        columns: ProjectionMask,
    ) -> Result<ParquetRecordBatchReader> {
        let bytes = self.group(number)?;
        guarded(|| {
            ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata.clone())
                .with_row_groups(vec![number])
                .with_projection(columns)
                .with_batch_size(BATCH_ROWS)
                .build()
        })
        .map_err(|why| self.wrong(format!("row group {number}"), why))
    }
}

fn is_own(created_by: Option<&str>) -> bool {
    created_by.is_some_and(|program| program.starts_with(CREATED_BY_PREFIX))
}

fn wrong(path: &Path, created_by: Option<&str>, place: impl Into<String>, why: impl ToString) -> Error {
    if is_own(created_by) {
        return Error::damaged(path, place, why);
    }
    let program = created_by.unwrap_or("another program").to_owned();
    Error::Foreign { path: path.to_owned(), program, place: place.into(), why: why.to_string() }
}

/// The schema with a dictionary for each text column of a trace. Some programs do not mark text as such.
fn with_dictionaries(schema: &Schema) -> SchemaRef {
    let is_text = |f: &Field| {
        let holds_text = matches!(f.data_type(), DataType::Utf8 | DataType::Binary);
        holds_text && COLUMNS.iter().any(|c| c.name == f.name() && c.data_type == DataType::Utf8)
    };
    let dictionary = || DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
    let fields = schema.fields().iter().map(|f| match is_text(f) {
        true => Arc::new(f.as_ref().clone().with_data_type(dictionary())),
        false => f.clone(),
    });
    Arc::new(Schema::new(fields.collect::<Fields>()))
}

/// Number of rows in a row group; 0 if it is negative, which is damage.
pub(crate) fn rows_of(group: &RowGroupMetaData) -> usize {
    usize::try_from(group.num_rows()).unwrap_or(0)
}

/// Start and end of a row group's column chunks in the file; `None` if they are impossible.
fn extent(group: &RowGroupMetaData) -> Option<(u64, u64)> {
    let (mut start, mut end) = (u64::MAX, 0);
    for column in group.columns() {
        let first = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        let first = u64::try_from(first).ok()?;
        start = start.min(first);
        end = end.max(first.checked_add(u64::try_from(column.compressed_size()).ok()?)?);
    }
    (start <= end).then_some((start, end))
}

fn read_footer(file: &Open<'_>, path: &Path) -> Result<Vec<u8>> {
    let no_parquet = || Error::NotParquet { path: path.to_owned() };
    let mut magic = [0; 4];
    match file.read_exact_at(&mut magic, 0) {
        Ok(()) if &magic == b"PAR1" => {}
        Ok(()) if &magic == b"PARE" => return Err(Error::Encrypted { path: path.to_owned() }),
        Err(e) if e.kind() != io::ErrorKind::UnexpectedEof => return Err(Error::read(path)(e)),
        _ => return Err(no_parquet()),
    }
    let cut_off = || Error::damaged(path, "its end", "the file was cut off");
    let file_bytes = file.size().map_err(Error::read(path))?;
    let tail_at = file_bytes.checked_sub(TAIL as u64).ok_or_else(cut_off)?;
    let mut tail = [0; TAIL];
    file.read_exact_at(&mut tail, tail_at).map_err(Error::read(path))?;
    let footer_bytes = checksum::footer_bytes(tail).ok_or_else(cut_off)?;
    let footer_at = tail_at.checked_sub(footer_bytes).ok_or_else(cut_off)?;
    let mut footer = vec![0; usize::try_from(footer_bytes).map_err(|_| cut_off())?];
    file.read_exact_at(&mut footer, footer_at).map_err(Error::read(path))?;
    Ok(footer)
}

/// The bytes of a row group, addressed by their position in the file.
#[derive(Clone, Debug)]
pub(crate) struct GroupBytes {
    /// Where they start in the file.
    pub(crate) base: u64,
    pub(crate) data: Bytes,
}

impl GroupBytes {
    fn slice(&self, start: u64) -> std::result::Result<Bytes, ParquetError> {
        let at =
            start.checked_sub(self.base).and_then(|at| usize::try_from(at).ok()).filter(|at| *at <= self.data.len());
        at.map(|at| self.data.slice(at..))
            .ok_or_else(|| ParquetError::EOF(format!("byte {start} is outside of this row group")))
    }
}

impl Length for GroupBytes {
    fn len(&self) -> u64 {
        self.base + self.data.len() as u64
    }
}

impl ChunkReader for GroupBytes {
    type T = buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> std::result::Result<Self::T, ParquetError> {
        Ok(self.slice(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> std::result::Result<Bytes, ParquetError> {
        let mut rest = self.slice(start)?;
        if length > rest.len() {
            return Err(ParquetError::EOF(format!("{length} bytes from {start} on are outside of this row group")));
        }
        Ok(rest.split_to(length))
    }
}
