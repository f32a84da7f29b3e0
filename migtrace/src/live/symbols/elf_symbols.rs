//! Functions by address, from the symbols of an ELF image that blazesym cannot read: the vDSO, which is in no file, and
//! compressed symbols ([`super::mini_debug_info`]).
//!
//! Any user can have a program traced. So symbols are stored as the file has them, and a name is copied only if it is
//! looked up: otherwise a small file whose symbols all have the same long name would fill the memory.

use std::ops::Range;

use object::{
    Endianness,
    elf::{PT_LOAD, STB_GLOBAL, STB_WEAK, STT_FUNC, STT_GNU_IFUNC},
    read::{
        Error, ReadRef,
        elf::{FileHeader, ProgramHeader as _, SectionHeader as _, SectionTable, Sym as _},
    },
};

/// Limit of a name, bytes. The rest is cut off.
const NAME_BYTES: usize = 1 << 14;

/// Functions of one image.
#[derive(Debug, Default)]
pub(super) struct ElfSymbols {
    /// Parts of the image that are mapped: their offsets, and their address.
    segments: Vec<(Range<u64>, u64)>,
    tables: Vec<Table>,
}

/// The functions of one table of symbols.
#[derive(Debug)]
pub(super) struct Table {
    /// By address, one for each.
    functions: Vec<Function>,
    names: Box<[u8]>,
}

#[derive(Debug)]
struct Function {
    addresses: Range<u64>,
    /// Offset of its name.
    name: u32,
}

/// An image whose headers were read.
pub(super) struct Image<'data, Elf: FileHeader<Endian = Endianness>, R: ReadRef<'data>> {
    data: R,
    header: &'data Elf,
    endian: Endianness,
    sections: SectionTable<'data, Elf, R>,
}

impl ElfSymbols {
    /// Functions of several tables; the first that has one for an address wins.
    pub(super) fn new(segments: Vec<(Range<u64>, u64)>, tables: impl IntoIterator<Item = Table>) -> Self {
        Self { segments, tables: tables.into_iter().collect() }
    }

    /// The function at an offset of the image, demangled.
    pub(super) fn at_offset(&self, offset: u64) -> Option<String> {
        let (range, address) = self.segments.iter().find(|(range, _)| range.contains(&offset))?;
        let address = address.checked_add(offset - range.start)?;
        self.tables.iter().find_map(|table| table.find(address))
    }

    /// Bytes of memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.tables.iter().map(|table| table.names.len() + size_of_val(&*table.functions)).sum()
    }
}

impl Table {
    fn find(&self, address: u64) -> Option<String> {
        let after = self.functions.partition_point(|function| function.addresses.start <= address);
        let function = self.functions.get(after.checked_sub(1)?)?;
        // Without a size it is only known where it starts.
        let is_in = function.addresses.contains(&address) || function.addresses.start == address;
        let name = self.names.get(usize::try_from(function.name).ok()?..)?;
        let len = name.iter().take(NAME_BYTES).position(|&byte| byte == 0).unwrap_or(name.len().min(NAME_BYTES));
        (is_in && len > 0).then(|| demangled(&String::from_utf8_lossy(&name[..len])))
    }
}

impl<'data, Elf: FileHeader<Endian = Endianness>, R: ReadRef<'data>> Image<'data, Elf, R> {
    /// Reads the headers.
    ///
    /// # Errors
    /// If they are damaged.
    pub(super) fn parse(data: R) -> Result<Self, Error> {
        let header = Elf::parse(data)?;
        let endian = header.endian()?;
        Ok(Self { data, header, endian, sections: header.sections(endian, data)? })
    }

    /// Whether it has a section of this type.
    pub(super) fn has(&self, sh_type: u32) -> bool {
        self.sections.iter().any(|section| section.sh_type(self.endian) == sh_type)
    }

    /// A section's contents.
    pub(super) fn section(&self, name: &str) -> Option<Result<&'data [u8], Error>> {
        let (_, section) = self.sections.section_by_name(self.endian, name.as_bytes())?;
        Some(section.data(self.endian, self.data))
    }

    /// The mapped parts: their offsets, and their address.
    ///
    /// # Errors
    /// If they are damaged.
    pub(super) fn segments(&self) -> Result<Vec<(Range<u64>, u64)>, Error> {
        let segments = self.header.program_headers(self.endian, self.data)?.iter();
        let loaded = segments.filter(|segment| segment.p_type(self.endian) == PT_LOAD);
        let part = |segment: &Elf::ProgramHeader| {
            let start = segment.p_offset(self.endian).into();
            let end = start.saturating_add(segment.p_filesz(self.endian).into());
            (start..end, segment.p_vaddr(self.endian).into())
        };
        Ok(loaded.map(part).collect())
    }

    /// The functions of the table of this type (`SHT_SYMTAB`, `SHT_DYNSYM`).
    ///
    /// # Errors
    /// If it is damaged.
    pub(super) fn table(&self, sh_type: u32) -> Result<Table, Error> {
        let symbols = self.sections.symbols(self.endian, self.data, sh_type)?;
        let names = self
            .sections
            .section(symbols.string_section())
            .map_or(Ok(&[][..]), |section| section.data(self.endian, self.data))?;
        let is_function = |symbol: &&Elf::Sym| {
            [STT_FUNC, STT_GNU_IFUNC].contains(&symbol.st_type()) && !symbol.is_undefined(self.endian)
        };
        let mut symbols: Vec<_> = symbols.iter().filter(is_function).collect();
        // Of several names of an address: one with a size, and not an alias (`__vdso_time`, not `time`).
        let alias = |symbol: &Elf::Sym| match symbol.st_bind() {
            STB_GLOBAL => 0,
            STB_WEAK => 1,
            _ => 2,
        };
        symbols.sort_by_key(|symbol| {
            let size: u64 = symbol.st_size(self.endian).into();
            (symbol.st_value(self.endian).into(), size == 0, alias(symbol))
        });
        symbols.dedup_by_key(|symbol| symbol.st_value(self.endian).into());
        let function = |symbol: &Elf::Sym| {
            let start: u64 = symbol.st_value(self.endian).into();
            let addresses = start..start.saturating_add(symbol.st_size(self.endian).into());
            Function { addresses, name: symbol.st_name(self.endian) }
        };
        Ok(Table { functions: symbols.into_iter().map(function).collect(), names: names.into() })
    }
}

/// As blazesym does it, so that names of a function are the same from all sources.
fn demangled(name: &str) -> String {
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return format!("{rust:#}");
    }
    let cpp = cpp_demangle::Symbol::new(name).ok().and_then(|symbol| symbol.demangle().ok());
    cpp.unwrap_or_else(|| name.to_owned())
}
