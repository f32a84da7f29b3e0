//! Separate debug information by build id, as distributions install it (`/usr/lib/debug/.build-id`). Only root can write there.
//!
//! blazesym 0.2.7 follows `.gnu_debuglink` only, which a stripped file need not have.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use blazesym::helper::read_elf_build_id;

use super::{
    mini_debug_info,
    object_file::{Identity, MappedFile},
};

const ROOT: &str = "/usr/lib/debug/.build-id";
/// Limit of files; beyond it all are evicted and looked up again.
const FILES: usize = 1 << 16;

/// Such files, and those that have none.
pub(super) struct DebugFiles {
    root: PathBuf,
    files: HashMap<Arc<MappedFile>, Option<DebugFile>>,
}

/// A file with only debug information: its offsets are not those of the mapped file, its addresses are.
#[derive(Debug)]
pub(super) struct DebugFile {
    pub(super) path: PathBuf,
    /// Parts of the mapped file, with their addresses.
    segments: Vec<(Range<u64>, u64)>,
}

impl Default for DebugFiles {
    fn default() -> Self {
        Self::below(ROOT)
    }
}

impl DebugFiles {
    pub(super) fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), files: HashMap::new() }
    }

    /// The debug information of a file at a path, if it is installed.
    pub(super) fn of(&mut self, file: &Arc<MappedFile>, path: &Path) -> Option<&DebugFile> {
        if !self.files.contains_key(file) {
            if self.files.len() == FILES {
                self.files.clear();
            }
            self.files.insert(Arc::clone(file), self.find(file, path));
        }
        self.files.get(file)?.as_ref()
    }

    fn find(&self, file: &MappedFile, path: &Path) -> Option<DebugFile> {
        let id = match &file.identity {
            Identity::BuildId(id) => id.to_vec(),
            Identity::Inode { .. } => read_elf_build_id(path).ok()??.to_vec(),
            Identity::Vdso => return None,
        };
        let (first, rest) = id.split_first()?;
        let mut name = format!("{first:02x}/");
        for byte in rest {
            write!(name, "{byte:02x}").ok()?;
        }
        let debug = self.root.join(name + ".debug");
        fs::metadata(&debug).ok().filter(fs::Metadata::is_file)?;
        let segments = mini_debug_info::segments(path);
        let segments =
            segments.inspect_err(|error| log::debug!("no segments of {}: {error:#}", path.display())).ok()?;
        Some(DebugFile { path: debug, segments })
    }
}

impl DebugFile {
    /// The address of an offset in the mapped file.
    pub(super) fn address(&self, offset: u64) -> Option<u64> {
        let (range, address) = self.segments.iter().find(|(range, _)| range.contains(&offset))?;
        address.checked_add(offset - range.start)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use object::{Object as _, ObjectSegment as _, ObjectSymbol as _};

    use super::*;
    use crate::live::symbols::symbolizing::Symbols;

    /// Stripped, without a `.gnu_debuglink`, as Debian's packages of debug information expect it.
    #[test]
    fn a_stripped_program_is_named_by_the_debug_information_of_its_build_id() {
        const SOURCE: &str = "__attribute__((noinline)) static int hidden(int x) { __asm__ volatile(\"\"); return x; }\n\
                              int main(int argc, char **argv) { (void)argv; return hidden(argc); }\n";
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let run = |command: &str| {
            let mut words = command.split(' ');
            let status = Command::new(words.next().unwrap()).args(words).current_dir(&directory).status();
            assert!(status.expect("a compiler's tools").success(), "{command}");
        };
        fs::write(path("program.c"), SOURCE).unwrap();
        run("cc -O1 -g -Wl,--build-id=0xab0123 -o whole program.c");
        run("strip --strip-all -o stripped whole");
        let bytes = fs::read(path("whole")).unwrap();
        let elf = object::File::parse(&*bytes).unwrap();
        let address = elf.symbols().find(|symbol| symbol.name() == Ok("hidden")).unwrap().address();
        let segment = elf.segments().find(|s| (s.address()..s.address() + s.size()).contains(&address)).unwrap();
        let offset = address - segment.address() + segment.file_range().0 + 1;
        let name = |identity| {
            let file = Arc::new(MappedFile { path: path("stripped"), identity });
            let names =
                Symbols::with_debug_files(DebugFiles::below(directory.path())).in_file(&file, &file.path, offset);
            names.unwrap().map(|frames| frames.join(";"))
        };
        let (built, other) =
            (|| Identity::BuildId([0xab, 1, 0x23].into()), || Identity::BuildId([0xab, 1, 0x24].into()));
        assert_eq!(name(built()), None);
        fs::create_dir(path("ab")).unwrap();
        run("objcopy --only-keep-debug whole ab/0123.debug");
        let earlier = Identity::Inode { major: 0, minor: 0, number: 0 };
        assert_eq!([built(), earlier, other()].map(name), [Some("hidden".to_owned()), Some("hidden".to_owned()), None]);
    }
}
