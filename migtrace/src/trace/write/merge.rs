//! Joins many segments into one file on the disk. [`Join`] makes its contents.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    os::unix::fs::FileExt,
    path::Path,
};

use super::join::Join;
use crate::{
    output_file,
    recording::Meta,
    trace::{
        error::{Error, Result},
        parquet::{
            checksum::{self, TAIL},
            container::Container,
        },
    },
};

/// Size and cost of a finished trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub events: u64,
    /// Size of the file.
    pub bytes: u64,
    /// CPU time for encoding and writing it, ns, without that of pushing events.
    pub cpu_ns: u64,
}

/// Writes `path` with the rows of `segments`, in their order, and the metadata `meta`. Returns the file's size in bytes.
///
/// The file is made as `temporary`, on the same file system, and then renamed. So `path` is the old file or the complete new
/// one.
///
/// # Errors
/// A segment cannot be read, or the file cannot be written.
pub(crate) fn join(
    segments: impl IntoIterator<Item = Result<Container>>,
    temporary: &Path,
    path: &Path,
    meta: &Meta,
) -> Result<u64> {
    let file = output_file::create_new(temporary).map_err(Error::write(temporary))?;
    let written = Join::new(BufWriter::new(file), path, 0).and_then(|mut join| {
        for segment in segments {
            join.add(&segment?)?;
        }
        let file = join.finish(meta)?.into_inner().map_err(|e| Error::write(path)(e.into_error()))?;
        seal(&file).map_err(Error::write(path))?;
        Ok(file)
    });
    let renamed = written.and_then(|file| {
        let bytes = file.sync_all().and_then(|()| file.metadata()).map_err(Error::write(path))?.len();
        fs::rename(temporary, path).map_err(Error::write(path))?;
        sync_parent(path).map_err(Error::write(path))?;
        Ok(bytes)
    });
    if renamed.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(temporary);
    }
    renamed
}

/// Makes a rename durable.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Fills in the footer's checksum in a new file.
fn seal(file: &File) -> io::Result<()> {
    let end = file.metadata()?.len() - TAIL as u64;
    let mut tail = [0; TAIL];
    file.read_exact_at(&mut tail, end)?;
    let bytes = checksum::footer_bytes(tail).ok_or(io::ErrorKind::InvalidData)?;
    let mut footer = vec![0; bytes as usize];
    file.read_exact_at(&mut footer, end - bytes)?;
    checksum::seal(&mut footer);
    file.write_all_at(&footer, end - bytes)
}
