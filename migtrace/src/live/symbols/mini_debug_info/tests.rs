//! A program as Fedora builds it, and with compressed symbols that are damaged or too large.

use std::{fs, io::Write as _, path::PathBuf, process::Command};

use lzma_rust2::{XzOptions, XzWriter};
use object::{Object as _, ObjectSegment as _, ObjectSymbol as _};
use tempfile::TempDir;

use super::*;
use crate::live::symbols::{
    object_file::Identity,
    symbolizing::{Place, Symbolizing},
};

const SOURCE: &str = r#"
__attribute__((noinline)) static int hidden(int x) __asm__("_ZN6hidden8functionEi");
static int hidden(int x) { __asm__ volatile(""); return x + 1; }
__attribute__((noinline)) int exported(int x) { __asm__ volatile(""); return hidden(x) + 1; }
int main(int argc, char **argv) { (void)argv; return exported(argc); }
"#;

/// A program, and the offsets of its local and its exported function.
struct Program {
    directory: TempDir,
    offsets: [u64; 2],
}

impl Program {
    fn build() -> Self {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("program.c"), SOURCE).unwrap();
        let program = Self { directory, offsets: [0; 2] };
        program.run("cc -O1 -g0 -rdynamic -o whole program.c");
        program.run("objcopy --only-keep-debug whole symbols");
        program.run("strip --strip-all -o stripped whole");
        let bytes = fs::read(program.path("whole")).unwrap();
        let elf = object::File::parse(&*bytes).unwrap();
        let offset = |name: &str| {
            let address = elf.symbols().find(|symbol| symbol.name() == Ok(name)).unwrap().address();
            let segment = elf.segments().find(|s| (s.address()..s.address() + s.size()).contains(&address)).unwrap();
            address - segment.address() + segment.file_range().0
        };
        let offsets = ["_ZN6hidden8functionEi", "exported"].map(offset);
        Self { offsets, ..program }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, command: &str) {
        let mut words = command.split(' ');
        let status = Command::new(words.next().unwrap()).args(words).current_dir(&self.directory).status();
        assert!(status.expect("a compiler's tools, which building this test needs, too").success(), "{command}");
    }

    /// Names of both functions in the stripped program with such a section.
    fn names(&self, section: &[u8]) -> [Option<String>; 2] {
        fs::write(self.path("section"), section).unwrap();
        self.run("objcopy --add-section .gnu_debugdata=section stripped mini");
        self.names_in("mini")
    }

    fn names_in(&self, name: &str) -> [Option<String>; 2] {
        let identity = Identity::BuildId(name.as_bytes().into());
        let file = Arc::new(MappedFile { path: self.path(name), identity });
        let mut symbolizing = Symbolizing::start().unwrap();
        let names = symbolizing.names(Place::File(file, self.path(name)), &self.offsets.map(|at| at + 1), || {});
        let names = names.expect("a file that can be parsed");
        [0, 1].map(|number| names[number].as_ref().map(|frames| frames.join(";")))
    }
}

fn compress(bytes: &[u8], dict_size: Option<u32>) -> Vec<u8> {
    let mut options = XzOptions::with_preset(0);
    options.lzma_options.dict_size = dict_size.unwrap_or(options.lzma_options.dict_size);
    let mut writer = XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn both() -> [Option<String>; 2] {
    [Some("hidden::function(int)".to_owned()), exported()]
}

fn exported() -> Option<String> {
    Some("exported".to_owned())
}

#[test]
fn functions_in_compressed_symbols_and_dynamic_ones_are_named() {
    let program = Program::build();
    assert_eq!(program.names_in("whole"), both());
    assert_eq!(program.names_in("stripped"), [None, exported()]);
    let symbols = fs::read(program.path("symbols")).unwrap();
    assert_eq!(program.names(&compress(&symbols, None)), both());
}

/// What no compressor writes by mistake.
#[test]
fn compressed_symbols_that_are_damaged_or_too_large_leave_the_dynamic_ones() {
    let program = Program::build();
    let whole = compress(&fs::read(program.path("symbols")).unwrap(), None);
    let [cut, mut changed] = [whole[..whole.len() / 2].to_vec(), whole.clone()];
    changed[whole.len() / 2] ^= 0xff;
    let zeroes = vec![0; usize::try_from(DECOMPRESSED_BYTES).unwrap() + 1];
    let large = compress(&zeroes, None);
    assert!(large.len() < 1 << 20);
    let kinds =
        [("cut", cut), ("changed", changed), ("large", large), ("empty", Vec::new()), ("other", b"ELF".to_vec())];
    for (kind, section) in kinds {
        assert_eq!(program.names(&section), [None, exported()], "{kind}");
    }
}

#[test]
fn a_decompressor_with_a_huge_dictionary_is_refused() {
    let section = compress(&[0; 100], Some(1 << 28));
    let error = decompressed::<FileHeader64<Endianness>>(&section).map(|_| ()).unwrap_err();
    assert!(format!("{error:#}").contains("mem"), "{error:#}");
}
