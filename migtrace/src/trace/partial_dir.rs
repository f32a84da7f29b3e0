//! The directory of a running recording: its name, its lock, and its segments.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::{
    output_file,
    trace::error::{Error, Result},
};

/// `run.parquet.partial` for `run.parquet`.
pub(crate) fn path_of(trace: &Path) -> PathBuf {
    with_suffix(trace, ".partial")
}

/// `path` with `suffix` appended to its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// `run.parquet` for `run.parquet.partial`; `None` for any other name.
pub(crate) fn trace_of(partial: &Path) -> Option<PathBuf> {
    (partial.extension()? == "partial").then(|| partial.with_extension(""))
}

/// The complete segments, oldest first; an empty list if there are none.
///
/// # Errors
/// The directory cannot be read.
pub(crate) fn segments(partial: &Path) -> Result<Vec<PathBuf>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(partial).map_err(Error::read(partial))? {
        let path = entry.map_err(Error::read(partial))?.path();
        let number = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|e| e == "parquet")) {
            segments.push((number, path));
        }
    }
    segments.sort_unstable();
    Ok(segments.into_iter().map(|(_, path)| path).collect())
}

/// A partial directory that this process writes to. The kernel releases the lock when the process ends.
#[derive(Debug)]
pub(crate) struct Partial {
    pub(crate) dir: PathBuf,
    /// The directory itself, open and locked.
    lock: File,
}

impl Partial {
    /// Creates the directory for `trace`, readable only by its owner.
    ///
    /// # Errors
    /// There is one already, of a recording that is running or was cut off; or it cannot be created.
    pub(crate) fn create(trace: &Path) -> Result<Self> {
        let dir = path_of(trace);
        match DirBuilder::new().mode(0o700).create(&dir) {
            Ok(()) => Self::lock(dir, trace).inspect(|made| output_file::give_to_sudo_user(&made.lock)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => match Self::lock(dir.clone(), trace) {
                Err(busy @ Error::Recording { .. }) => Err(busy),
                _ => Err(Error::Unfinished { path: trace.to_owned(), partial: dir }),
            },
            Err(e) => Err(Error::write(&dir)(e)),
        }
    }

    /// Takes over the directory of a recording to `trace` that was cut off.
    ///
    /// # Errors
    /// There is none, or its recording is running.
    pub(crate) fn take_over(trace: &Path) -> Result<Self> {
        let dir = path_of(trace);
        Self::lock(dir.clone(), trace).map_err(|e| match e {
            Error::Missing { .. } => Error::NothingToRecover { path: dir },
            other => other,
        })
    }

    fn lock(dir: PathBuf, trace: &Path) -> Result<Self> {
        let lock = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW)
            .open(&dir)
            .map_err(Error::read(&dir))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir, lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Recording { path: trace.to_owned() }),
            Err(TryLockError::Error(e)) => Err(Error::write(&dir)(e)),
        }
    }

    /// Writes one file: under a temporary name first, so that `name` is always complete.
    ///
    /// # Errors
    /// The disk is full, or another I/O error. Nothing is left behind.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let temporary = self.dir.join(format!("{name}.tmp"));
        let write = || {
            let mut file = output_file::create_new(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, self.dir.join(name))?;
            self.lock.sync_all()
        };
        write().map_err(|e| {
            // The first error is the one to report.
            let _ = fs::remove_file(&temporary);
            Error::write(&self.dir.join(name))(e)
        })
    }

    /// The path in the directory at which the joined file is made. Removes what an earlier attempt left there.
    pub(crate) fn temporary(&self) -> PathBuf {
        let path = self.dir.join("joined.tmp");
        // The file may be missing. Any other error returns when the file is created.
        let _ = fs::remove_file(&path);
        path
    }

    /// Removes the directory and everything in it.
    ///
    /// # Errors
    /// An I/O error.
    pub(crate) fn remove(&self) -> Result<()> {
        fs::remove_dir_all(&self.dir).map_err(Error::write(&self.dir))
    }
}

/// Checks that `path` is free or a regular file.
///
/// # Errors
/// It is something else.
pub(crate) fn check_target(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.is_file() => Err(Error::NotRegular { path: path.to_owned() }),
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::write(path)(e)),
        _ => Ok(()),
    }
}
