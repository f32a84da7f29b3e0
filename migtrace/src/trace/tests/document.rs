use arrow::datatypes::DataType;
use strum::VariantArray;

use crate::{
    event::Kind,
    recording::Meta,
    trace::{COLUMNS, parquet::checksum},
};

const DOCUMENT: &str = include_str!("../../../../docs/trace-format.md");

#[test]
fn the_document_lists_the_columns_with_type_and_kinds() {
    let (_, table) = DOCUMENT.split_once("## Columns").expect("a section");
    let (table, _) = table.split_once("| kind | meaning |").expect("the next table");
    let listed = table.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[2].to_owned(), cells[4].to_owned())
    });
    let word = |data_type: &DataType| match data_type {
        DataType::Boolean => "bool",
        DataType::Int32 => "i32",
        DataType::Int64 => "i64",
        DataType::Utf8 => "text",
        other => panic!("{other}"),
    };
    let kinds = |kinds: &[Kind]| match kinds {
        all if all == Kind::VARIANTS => "all".to_owned(),
        some => some.iter().map(Kind::to_string).collect::<Vec<_>>().join(", "),
    };
    let columns = COLUMNS.iter().map(|c| (c.name.to_owned(), word(&c.data_type).to_owned(), kinds(c.kinds)));
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
