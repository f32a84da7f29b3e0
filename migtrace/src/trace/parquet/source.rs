//! Where the bytes of a container are: in a file, or in memory.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;

/// A complete Parquet file. A file on the disk is opened for each read, so that many can be known at once.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Disk(PathBuf),
    Memory(Bytes),
}

/// The same, open.
pub(super) enum Open<'a> {
    Disk(File),
    Memory(&'a Bytes),
}

impl Source {
    pub(super) fn open(&self) -> io::Result<Open<'_>> {
        match self {
            Self::Disk(path) => File::open(path).map(Open::Disk),
            Self::Memory(bytes) => Ok(Open::Memory(bytes)),
        }
    }

    pub(super) fn on_disk(path: &Path) -> Self {
        Self::Disk(path.to_owned())
    }
}

impl Open<'_> {
    /// Size in bytes.
    pub(super) fn size(&self) -> io::Result<u64> {
        match self {
            Self::Disk(file) => Ok(file.metadata()?.len()),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Fills `to` with the bytes from `start` on.
    pub(super) fn read_exact_at(&self, to: &mut [u8], start: u64) -> io::Result<()> {
        match self {
            Self::Disk(file) => file.read_exact_at(to, start),
            Self::Memory(bytes) => {
                let from = usize::try_from(start).ok().and_then(|start| bytes.get(start..start.checked_add(to.len())?));
                to.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}
