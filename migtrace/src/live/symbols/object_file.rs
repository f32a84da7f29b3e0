//! A mapped file: its path now, if it is still the same file.

use std::{
    fs,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use blazesym::helper::read_elf_build_id;

/// A file as it was when it was mapped.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct MappedFile {
    /// Path in the root of its process.
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    BuildId(Box<[u8]>),
    /// No file: the code that the kernel maps into every process.
    Vdso,
    /// For a file without a build id.
    Inode {
        major: u32,
        minor: u32,
        number: u64,
    },
}

impl MappedFile {
    /// Whether it is memory without a place in a file system (memfd): .NET generates code there.
    pub(crate) fn is_memory(&self) -> bool {
        self.path.as_os_str().as_bytes().starts_with(b"/memfd:")
    }

    /// Its path, if the path names the same file for this process and the file was not replaced.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        // The process may have replaced it by a file that blocks on open, such as a FIFO.
        let metadata = fs::metadata(&self.path).ok().filter(fs::Metadata::is_file)?;
        let is_same = match &self.identity {
            Identity::Vdso => false,
            Identity::BuildId(id) => read_elf_build_id(&self.path).is_ok_and(|now| now.is_some_and(|now| *now == **id)),
            Identity::Inode { major, minor, number } => {
                let device = metadata.dev();
                (libc::major(device), libc::minor(device), metadata.ino()) == (*major, *minor, *number)
            }
        };
        is_same.then_some(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This test program, unchanged and changed since it was mapped.
    #[test]
    fn a_file_that_was_replaced_is_another() {
        let path = std::env::current_exe().unwrap();
        let metadata = fs::metadata(&path).unwrap();
        let (major, minor) = (libc::major(metadata.dev()), libc::minor(metadata.dev()));
        let inode = |number| MappedFile { path: path.clone(), identity: Identity::Inode { major, minor, number } };
        assert_eq!(inode(metadata.ino()).path(), Some(&*path));
        assert_eq!(inode(metadata.ino() + 1).path(), None);
        let built = |id: &[u8]| MappedFile { path: path.clone(), identity: Identity::BuildId(id.into()) };
        let id = read_elf_build_id(&path).unwrap().expect("a linker's build id");
        assert_eq!(built(&id).path(), Some(&*path));
        assert_eq!(built(&id[1..]).path(), None);
        assert_eq!(MappedFile { path: "/dev/zero".into(), ..built(&id) }.path(), None);
    }
}
