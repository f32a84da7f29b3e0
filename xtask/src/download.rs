//! Downloads with pinned checksums.

use std::{fs, io::Read, path::Path, process::Command};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use xtask_common::{command, exit::Failure, files::create_dir, progress::say};

/// Downloads `url` to the file `to`. Creates the file only if the download is complete and has the expected SHA-256.
pub(crate) fn fetch(url: &str, to: &Path, expected: Option<&str>) -> Result<()> {
    if let Some(directory) = to.parent() {
        create_dir(directory)?;
    }
    let partial = to.with_extension("partial");
    let mut curl = Command::new("curl");
    curl.args(["--fail", "--location", "--silent", "--show-error", "--retry", "3", "--output"]);
    command::run(curl.arg(&partial).arg(url))
        .with_context(|| Failure::Environment(format!("cannot download {url}")))?;
    let hash = sha256(&partial)?;
    match expected {
        Some(expected) if *expected != hash => {
            return Err(Failure::Environment(format!("{url} has SHA-256 {hash}, expected {expected}: rejected")).into());
        }
        Some(_) => {}
        None => say(format!("SHA-256 {hash} (no pinned checksum to compare with)")),
    }
    fs::rename(&partial, to).with_context(|| format!("cannot keep {}", to.display()))
}

fn sha256(file: &Path) -> Result<String> {
    let what = || format!("cannot read {}", file.display());
    let mut file = fs::File::open(file).with_context(what)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    while let length @ 1.. = file.read(&mut buffer).with_context(what)? {
        hash.update(&buffer[..length]);
    }
    Ok(format!("{:x}", hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_a_wrong_checksum_is_not_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let (from, to) = (dir.path().join("from"), dir.path().join("into/to"));
        fs::write(&from, "abc").expect("written");
        let url = format!("file://{}", from.display());
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let error = fetch(&url, &to, Some(&abc.replace('b', "c"))).expect_err("another checksum");
        assert!(error.to_string().contains("rejected") && !to.exists(), "{error}");
        fetch(&url, &to, Some(abc)).expect("fetched");
        assert_eq!(fs::read(&to).expect("there"), b"abc");
    }
}
