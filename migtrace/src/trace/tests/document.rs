use arrow::datatypes::DataType;

use crate::{
    recording::Meta,
    trace::{COLUMNS, parquet::checksum},
};

const DOCUMENT: &str = include_str!("../../../../docs/trace-format.md");

#[test]
fn the_document_lists_the_columns_in_their_order() {
    let (_, table) = DOCUMENT.split_once("## Columns").expect("a section");
    let (table, _) = table.split_once("| kind | meaning |").expect("the next table");
    let listed = table.lines().filter_map(|line| line.strip_prefix("| `")).map(|line| {
        let (name, rest) = line.split_once("` | ").expect("a name");
        (name, rest.split(" | ").next().expect("a type"))
    });
    let word = |data_type: &DataType| match data_type {
        DataType::Boolean => "bool",
        DataType::Int32 => "i32",
        DataType::Int64 => "i64",
        DataType::UInt32 => "u32",
        DataType::UInt64 => "u64",
        DataType::Utf8 => "text",
        other => panic!("{other}"),
    };
    let columns = COLUMNS.iter().map(|c| (c.name, word(&c.data_type)));
    assert_eq!(listed.collect::<Vec<_>>(), columns.collect::<Vec<_>>());
}

#[test]
fn the_document_lists_the_metadata() {
    let (_, section) = DOCUMENT.split_once("## Metadata").expect("a section");
    let serde_json::Value::Object(fields) = serde_json::to_value(Meta::default()).expect("JSON") else {
        panic!("an object")
    };
    for field in fields.keys() {
        assert!(section.contains(&format!("`{field}")), "{field}");
    }
    assert!(section.contains(&format!("`{}`", checksum::KEY)));
}
