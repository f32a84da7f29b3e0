//! Errors of traces, with the file's name.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use nix::unistd::Uid;
use parquet::errors::ParquetError;

use super::schema::FORMAT_VERSION;

/// Result of reading or writing a trace.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a trace cannot be read or written. The message is complete: there is no source below it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: no such trace", path.display())]
    Missing { path: PathBuf },

    #[error("cannot read {}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },

    #[error(
        "cannot read {}: it belongs to another user: use sudo, or `sudo chown $USER {}`",
        path.display(),
        path.display()
    )]
    Forbidden { path: PathBuf },

    #[error("cannot write {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },

    #[error("{}: not a trace, because it is not a Parquet file", path.display())]
    NotParquet { path: PathBuf },

    #[error("{}: a Parquet file, but not a migtrace trace ({why})", path.display())]
    NotTrace { path: PathBuf, why: String },

    #[error(
        "{}: trace format {found} is newer than this migtrace, which reads up to {FORMAT_VERSION}: use a newer migtrace",
        path.display()
    )]
    Newer { path: PathBuf, found: u32 },

    /// `place`: the footer, the metadata, or a row group and row.
    #[error("{}: damaged at {place}: {why}", path.display())]
    Damaged { path: PathBuf, place: String, why: String },

    /// `program`: what the file names as its writer. `place` as in [`Error::Damaged`].
    #[error("{}: {program} wrote this file, and {place} is not as in a trace: {why}", path.display())]
    Foreign { path: PathBuf, program: String, place: String, why: String },

    #[error("{}: encrypted, which migtrace does not read: write it without encryption", path.display())]
    Encrypted { path: PathBuf },

    #[error("{} and {} are the same file: use another name", path.display(), other.display())]
    SameFile { path: PathBuf, other: PathBuf },

    #[error(
        "{} has a recording that was cut off: make a trace from it with `migtrace recover {}`, or remove it",
        partial.display(),
        path.display()
    )]
    Unfinished { path: PathBuf, partial: PathBuf },

    #[error("{}: another migtrace is recording to it", path.display())]
    Recording { path: PathBuf },

    #[error("{} is not a regular file: use another name", path.display())]
    NotRegular { path: PathBuf },

    #[error("{} exists already: remove it, or use another name", path.display())]
    Exists { path: PathBuf },

    #[error("{}: nothing to recover: there is no complete segment of a recording", path.display())]
    NothingToRecover { path: PathBuf },
}

impl Error {
    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| match error.kind() {
            io::ErrorKind::NotFound => Self::Missing { path: path.to_owned() },
            io::ErrorKind::PermissionDenied if is_of_another_user(path) => Self::Forbidden { path: path.to_owned() },
            _ => Self::Read { path: path.to_owned(), error },
        }
    }

    pub(super) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| Self::Write { path: path.to_owned(), error }
    }

    /// From an error of the Parquet library while it writes: an I/O error, or a bug in this program.
    pub(super) fn encode(path: &Path) -> impl FnOnce(ParquetError) -> Self + '_ {
        move |e| {
            let error = match e {
                ParquetError::External(e) => e.downcast::<io::Error>().map_or_else(io::Error::other, |e| *e),
                other => io::Error::other(other),
            };
            Self::Write { path: path.to_owned(), error }
        }
    }

    pub(super) fn damaged(path: &Path, place: impl Into<String>, why: impl ToString) -> Self {
        Self::Damaged { path: path.to_owned(), place: place.into(), why: why.to_string() }
    }
}

/// Whether a file can be seen, and belongs to another user.
fn is_of_another_user(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.uid() != Uid::effective().as_raw())
}
