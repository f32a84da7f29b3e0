//! What can go wrong with a trace, in words for the person who named the file.

use std::{
    io,
    path::{Path, PathBuf},
};

use parquet::errors::ParquetError;

use super::schema::FORMAT_VERSION;

/// Result of reading or writing a trace.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a trace cannot be read or written. Its message says all: there is no source below it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: no such trace", path.display())]
    Missing { path: PathBuf },

    #[error("cannot read {}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },

    #[error("cannot write {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },

    #[error("{}: not a Parquet file, so not a trace", path.display())]
    NotParquet { path: PathBuf },

    #[error("{}: a Parquet file, but not a migtrace trace ({why})", path.display())]
    NotTrace { path: PathBuf, why: String },

    #[error(
        "{}: trace format {found} is newer than this migtrace, which reads up to {FORMAT_VERSION}: use a newer migtrace",
        path.display()
    )]
    Newer { path: PathBuf, found: u32 },

    /// `place` says where: the footer, the metadata, or a row group and row.
    #[error("{}: damaged at {place}: {why}", path.display())]
    Damaged { path: PathBuf, place: String, why: String },

    #[error(
        "{} holds a recording that did not end: `migtrace recover {}` makes a trace of it, or remove it",
        partial.display(),
        path.display()
    )]
    Unfinished { path: PathBuf, partial: PathBuf },

    #[error("{} is being recorded into by another migtrace", path.display())]
    Recording { path: PathBuf },

    #[error("{} is not a regular file: a trace needs one, or a name that is free", path.display())]
    NotRegular { path: PathBuf },

    #[error("{} is there already", path.display())]
    Exists { path: PathBuf },

    #[error("{}: nothing to recover: no recording has left a complete segment there", path.display())]
    NothingToRecover { path: PathBuf },
}

impl Error {
    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| match error.kind() {
            io::ErrorKind::NotFound => Self::Missing { path: path.to_owned() },
            _ => Self::Read { path: path.to_owned(), error },
        }
    }

    pub(super) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| Self::Write { path: path.to_owned(), error }
    }

    /// Of the Parquet library while it writes: its complaints are the disk's, or else a defect of this program.
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
