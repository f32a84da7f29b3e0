//! Directories and files.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// Creates a directory and those above it.
pub fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot create the directory {}", path.display()))
}

/// Replaces a file as a whole: a reader sees the old content or the new, never a part.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    let directory = path.parent().with_context(|| format!("{} is in no directory", path.display()))?;
    create_dir(directory)?;
    let attempt = || {
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        std::io::Write::write_all(&mut file, content)?;
        file.persist(path)?;
        Ok::<(), std::io::Error>(())
    };
    attempt().with_context(|| format!("cannot write {}", path.display()))
}
