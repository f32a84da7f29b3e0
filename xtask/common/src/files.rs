//! Creates directories and files.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// Creates a directory and its parents.
pub fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot create the directory {}", path.display()))
}

/// Replaces a file atomically: a reader gets the old content or the new content, never a part.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    let directory = path.parent().with_context(|| format!("{} has no parent directory", path.display()))?;
    create_dir(directory)?;
    let attempt = || {
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        std::io::Write::write_all(&mut file, content)?;
        file.persist(path)?;
        Ok::<(), std::io::Error>(())
    };
    attempt().with_context(|| format!("cannot write {}", path.display()))
}
