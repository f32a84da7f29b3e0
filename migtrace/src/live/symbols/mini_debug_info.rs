//! Symbols of files that have them only compressed (`.gnu_debugdata`, MiniDebugInfo: all programs and libraries of Fedora
//! and RHEL), and their dynamic symbols, which the compressed ones leave out.
//!
//! blazesym 0.2.7 decompresses them without a limit, and a file of 1 MiB can have 7 GiB of zeroes in it. Without its feature
//! `xz` it names nothing in such a file, also if a dynamic symbol does.
//!
//! lzma-rust2 decompresses: it is written in safe Rust, has a limit of memory, and is what the crate `zip` uses.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Read as _},
    ops::Range,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use lzma_rust2::XzReader;
use object::{
    Endianness, FileKind, ReadCache,
    elf::{FileHeader32, FileHeader64, SHT_DYNSYM, SHT_SYMTAB},
    read::{ReadRef, elf::FileHeader},
};

use super::{
    elf_symbols::{ElfSymbols, Image, Table},
    object_file::MappedFile,
};

/// Name of the section.
const SECTION: &str = ".gnu_debugdata";
/// Limit of one part of a file, bytes. A file can pretend to be larger than the memory.
const PART_BYTES: u64 = 64 << 20;
/// Limit of decompressed symbols, bytes. Those of a browser have 10 MiB.
const DECOMPRESSED_BYTES: u64 = 64 << 20;
/// Limit of a decompressor's memory, KiB. The highest level of xz needs 64 MiB.
const DECOMPRESSOR_KIB: u32 = 80 << 10;
/// Limit of the symbols of all files, bytes; a file without room has only what blazesym finds.
const ALL_BYTES: usize = 512 << 20;
/// Limit of files; beyond it all are evicted and read again.
const FILES: usize = 1 << 16;

/// Such files, and those known to be none.
#[derive(Default)]
pub(super) struct MiniDebugInfo {
    files: HashMap<Arc<MappedFile>, Option<ElfSymbols>>,
    bytes: usize,
}

impl MiniDebugInfo {
    /// The functions of a file at a path, `None` if blazesym reads its symbols.
    pub(super) fn of(&mut self, file: &Arc<MappedFile>, path: &Path) -> Option<&ElfSymbols> {
        if !self.files.contains_key(file) {
            if self.files.len() == FILES {
                (self.files, self.bytes) = (HashMap::new(), 0);
            }
            let symbols = read(path).unwrap_or_else(|error| {
                log::debug!("no symbols of {}: {error:#}", path.display());
                None
            });
            let symbols = symbols.filter(|symbols| self.bytes + symbols.bytes() <= ALL_BYTES);
            self.bytes += symbols.as_ref().map_or(0, ElfSymbols::bytes);
            self.files.insert(Arc::clone(file), symbols);
        }
        self.files.get(file)?.as_ref()
    }
}

/// A file whose parts are read when they are needed, each up to a limit. It is not mapped: the process can truncate it, which
/// would end this process by SIGBUS.
#[derive(Clone, Copy)]
struct Parts<'a>(&'a ReadCache<File>);

impl<'a> ReadRef<'a> for Parts<'a> {
    fn len(self) -> Result<u64, ()> {
        self.0.len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        if size > PART_BYTES { Err(()) } else { self.0.read_bytes_at(offset, size) }
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        self.0.read_bytes_at_until(range, delimiter)
    }
}

fn open(path: &Path) -> Result<ReadCache<File>> {
    // Opening a FIFO blocks.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path)?;
    ensure!(file.metadata()?.is_file(), "not a regular file");
    Ok(ReadCache::new(file))
}

/// The mapped parts of a file: their offsets, and their address.
pub(super) fn segments(path: &Path) -> Result<Vec<(Range<u64>, u64)>> {
    let cache = open(path)?;
    let segments = match FileKind::parse(&cache)? {
        FileKind::Elf32 => Image::<FileHeader32<Endianness>, _>::parse(Parts(&cache))?.segments(),
        _ => Image::<FileHeader64<Endianness>, _>::parse(Parts(&cache))?.segments(),
    };
    Ok(segments?)
}

/// The functions of a file that has compressed symbols only.
fn read(path: &Path) -> Result<Option<ElfSymbols>> {
    let cache = open(path)?;
    match FileKind::parse(&cache)? {
        FileKind::Elf32 => of_class::<FileHeader32<Endianness>>(Parts(&cache)),
        FileKind::Elf64 => of_class::<FileHeader64<Endianness>>(Parts(&cache)),
        kind => Err(anyhow!("not an ELF file: {kind:?}")),
    }
}

fn of_class<Elf: FileHeader<Endian = Endianness>>(data: Parts<'_>) -> Result<Option<ElfSymbols>> {
    let image = Image::<Elf, _>::parse(data)?;
    let Some(compressed) = image.section(SECTION).filter(|_| !image.has(SHT_SYMTAB)) else { return Ok(None) };
    let table = compressed.map_err(anyhow::Error::from).and_then(decompressed::<Elf>);
    let table = table.inspect_err(|error| log::debug!("no compressed symbols: {error:#}")).ok();
    let tables = table.into_iter().chain([image.table(SHT_DYNSYM)?]);
    Ok(Some(ElfSymbols::new(image.segments()?, tables)))
}

fn decompressed<Elf: FileHeader<Endian = Endianness>>(compressed: &[u8]) -> Result<Table> {
    let mut bytes = Vec::new();
    let reader = XzReader::new_mem_limit(compressed, true, DECOMPRESSOR_KIB);
    io::copy(&mut reader.take(DECOMPRESSED_BYTES + 1), &mut bytes).context("cannot decompress")?;
    ensure!(bytes.len() as u64 <= DECOMPRESSED_BYTES, "more than {} MiB", DECOMPRESSED_BYTES >> 20);
    Ok(Image::<Elf, _>::parse(&*bytes)?.table(SHT_SYMTAB)?)
}

#[cfg(test)]
mod tests;
