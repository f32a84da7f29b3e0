use std::{fs, panic};

use super::{every_kind, write};
use crate::trace::Trace;

#[test]
fn explore() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    write(&path, &every_kind());
    let good = fs::read(&path).expect("read");
    let events = every_kind();
    eprintln!("{} bytes", good.len());
    let mut tally = std::collections::BTreeMap::new();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            fs::write(&path, &bytes).expect("written");
            let r = panic::catch_unwind(|| Trace::open(&path).and_then(|t| t.read_all()));
            let word = match r {
                Err(_) => format!("panic"),
                Ok(Err(e)) => {
                    let e = e.to_string();
                    e.split(':').nth(1).unwrap().to_string()
                }
                Ok(Ok(e)) if e == events => "same".into(),
                Ok(Ok(_)) => "differs".into(),
            };
            *tally.entry(word).or_insert(0) += 1;
        }
    }
    eprintln!("{tally:#?}");
}
