//! Traces that other programs rewrote: read, or refused with the reason, and not called damaged.

use std::{collections::HashMap, fs, sync::Arc};

use arrow::{
    array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StructArray},
    compute::cast,
    datatypes::{DataType, Field, Schema},
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, Encoding},
    file::{
        metadata::KeyValue,
        properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion},
    },
    schema::types::ColumnPath,
};

use super::{final_meta, older::FORMATS, with_later_columns, write};
use crate::{
    event::Event,
    recording::{META_KEY, Meta},
    trace::{COLUMNS, Error, FORMAT_VERSION, Result, Trace, convert, parquet::container::Container},
};

/// The columns of a good trace, by name.
fn columns() -> Vec<(String, ArrayRef)> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    write(&path, &with_later_columns(FORMAT_VERSION));
    let batch = Container::open(&path).and_then(|c| c.full_reader(0)).expect("a reader").next().expect("a batch");
    let batch = batch.expect("read");
    COLUMNS.iter().map(|c| (c.name.to_owned(), batch.column_by_name(c.name).expect("it").clone())).collect()
}

fn plain() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_created_by("other \u{1b} 1.0".into())
}

fn encode(columns: Vec<(String, ArrayRef)>, properties: WriterPropertiesBuilder) -> Vec<u8> {
    encode_in(FORMAT_VERSION, columns, properties)
}

fn encode_in(version: u32, columns: Vec<(String, ArrayRef)>, properties: WriterPropertiesBuilder) -> Vec<u8> {
    let fields = columns.iter().map(|(name, array)| Field::new(name, array.data_type().clone(), true));
    let schema = Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), HashMap::new()));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(schema.clone(), arrays).expect("a batch");
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties.build())).expect("a writer");
    writer.write(&batch).expect("written");
    let meta = serde_json::to_string(&Meta { format_version: version, ..final_meta() }).expect("JSON");
    writer.append_key_value_metadata(KeyValue::new(META_KEY.to_owned(), meta));
    writer.into_inner().expect("a file")
}

fn read(bytes: &[u8]) -> Result<Vec<Event>> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    fs::write(&path, bytes).expect("written");
    let events = Trace::open(&path)?.read_all()?;
    let out = dir.path().join("new.parquet");
    convert(&path, &out)?;
    let converted = Trace::open(&out)?;
    assert_eq!(converted.read_all()?, events, "what is read can be converted");
    Ok(events)
}

/// The message without the file's name.
fn refused(bytes: &[u8]) -> String {
    let error = read(bytes).expect_err("refused");
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    error.to_string().split_once("run.parquet: ").expect("a message").1.to_owned()
}

fn with(name: &str, change: impl Fn(&ArrayRef) -> ArrayRef) -> Vec<(String, ArrayRef)> {
    let change =
        |(column, array): (String, ArrayRef)| (column.clone(), if column == name { change(&array) } else { array });
    columns().into_iter().map(change).collect()
}

#[test]
fn other_types_of_integers_and_text_are_read() {
    type To = fn(&ArrayRef, bool) -> DataType;
    let of: [To; 4] = [
        |array, _| if array.data_type().is_integer() { DataType::Int64 } else { array.data_type().clone() },
        |array, _| if *array.data_type() == DataType::Utf8 { DataType::Binary } else { array.data_type().clone() },
        |array, _| match array.data_type() {
            DataType::Utf8 => DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()),
            other => other.clone(),
        },
        |array, unsigned| match array.data_type() {
            DataType::Int64 if !unsigned => DataType::Decimal128(20, 0),
            other => other.clone(),
        },
    ];
    for to in of {
        let change = |(column, (name, array)): (&crate::trace::Column, (String, ArrayRef))| {
            (name, cast(&array, &to(&array, column.unsigned)).expect("cast"))
        };
        let columns = COLUMNS.iter().zip(columns()).map(change).collect();
        assert_eq!(read(&encode(columns, plain())).expect("read"), with_later_columns(FORMAT_VERSION));
    }
}

#[test]
fn other_codecs_encodings_and_page_formats_are_read() {
    let fast = [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::LZ4, Compression::LZ4_RAW];
    for codec in fast.into_iter().chain([Compression::GZIP(Default::default())]) {
        let properties = plain().set_compression(codec).set_writer_version(WriterVersion::PARQUET_2_0);
        assert_eq!(
            read(&encode(columns(), properties)).expect("read"),
            with_later_columns(FORMAT_VERSION),
            "{codec:?}"
        );
    }
    for (integers, text) in [
        (Encoding::PLAIN, Encoding::PLAIN),
        (Encoding::DELTA_BINARY_PACKED, Encoding::DELTA_BYTE_ARRAY),
        (Encoding::BYTE_STREAM_SPLIT, Encoding::DELTA_LENGTH_BYTE_ARRAY),
    ] {
        let mut properties = plain().set_dictionary_enabled(false);
        for column in COLUMNS.iter().filter(|c| c.data_type != DataType::Boolean) {
            let encoding = if column.data_type == DataType::Utf8 { text } else { integers };
            properties = properties.set_column_encoding(ColumnPath::from(column.name), encoding);
        }
        assert_eq!(read(&encode(columns(), properties)).expect("read"), with_later_columns(FORMAT_VERSION), "{text}");
    }
}

#[test]
fn other_orders_and_more_columns_are_read() {
    let mut columns = columns();
    columns.reverse();
    let rows = columns[0].1.len();
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![-7; rows]));
    let parts = vec![(Arc::new(Field::new("pid", DataType::Int64, true)), numbers.clone())];
    columns.insert(3, ("host".to_owned(), numbers));
    columns.insert(0, ("more".to_owned(), Arc::new(StructArray::from(parts))));
    assert_eq!(read(&encode(columns, plain())).expect("read"), with_later_columns(FORMAT_VERSION));
}

#[test]
fn an_older_format_with_signed_columns_is_read() {
    // What another program makes of a trace of format 4 to have it in a table format.
    let (dir, bytes) = (tempfile::tempdir().expect("a directory"), FORMATS[3].1);
    let path = dir.path().join("run.parquet");
    fs::write(&path, bytes).expect("written");
    let batch = Container::open(&path).and_then(|c| c.full_reader(0)).expect("a reader").next().expect("a batch");
    let batch = batch.expect("read");
    let signed = |name: &str, array: &ArrayRef| match array.data_type() {
        // Values above i64::MAX are what such programs refuse.
        DataType::UInt64 if ["addr", "latency_ns", "process_start_ns"].contains(&name) => {
            cast(array, &DataType::Decimal128(20, 0)).expect("cast")
        }
        other if other.is_unsigned_integer() => cast(array, &DataType::Int64).expect("cast"),
        _ => array.clone(),
    };
    let fields = batch.schema();
    let columns = fields.fields().iter().zip(batch.columns());
    let columns = columns.map(|(field, array)| (field.name().clone(), signed(field.name(), array)));
    assert_eq!(read(&encode_in(4, columns.collect(), plain())).expect("read"), with_later_columns(4));
}

#[test]
fn what_is_not_read_is_refused_with_its_reason() {
    let floats = refused(&encode(with("addr", |a| Arc::new(Float64Array::from(vec![1.0; a.len()]))), plain()));
    assert_eq!(
        floats,
        "other \\u{1b} 1.0 wrote this file, and its schema is not as in a trace: column addr holds Float64, not integers"
    );
    let large = refused(&encode(with("pid", |a| Arc::new(Int64Array::from(vec![1 << 40; a.len()]))), plain()));
    assert!(
        large.ends_with(
            "row group 0, row 0 is not as in a trace: column pid holds 1099511627776, which is out of range"
        ),
        "{large}"
    );
    let null = refused(&encode(with("kind", |a| arrow::array::new_null_array(a.data_type(), a.len())), plain()));
    assert!(null.ends_with("row group 0, row 0 is not as in a trace: column kind is null"), "{null}");
    let mut twice = columns();
    twice.push(twice[3].clone());
    assert!(refused(&encode(twice, plain())).ends_with("its schema is not as in a trace: there are two columns pid"));
    let fewer = columns().into_iter().filter(|(name, _)| name != "user_stack").collect();
    assert!(
        refused(&encode(fewer, plain())).ends_with("its schema is not as in a trace: column user_stack is missing")
    );
    let mut encrypted = encode(columns(), plain());
    encrypted[3] = b'E';
    let error = read(&encrypted).expect_err("refused").to_string();
    assert!(error.ends_with("encrypted, which migtrace does not read: write it without encryption"), "{error}");
}

#[test]
fn brotli_is_refused_by_name() {
    // migtrace cannot write it either: the codec's number in the column's metadata is changed.
    let mut bytes = encode(columns(), plain().set_compression(Compression::UNCOMPRESSED));
    let footer = bytes.len() - 8 - u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().expect("four")) as usize;
    let path = b"\x18\x02ip\x15\x00";
    let at = bytes.windows(path.len()).rposition(|window| window == path).expect("the column's metadata");
    assert!(at > footer);
    bytes[at + path.len() - 1] = 8;
    assert!(refused(&bytes).ends_with(
        "row group 0 is not as in a trace: column ip is compressed with BROTLI: use zstd, snappy, gzip or LZ4"
    ));
}
