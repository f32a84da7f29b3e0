//! The code that the kernel maps into every process (vDSO): it is in no file, and the same in all 64-bit processes. So the
//! image of this process has the names of all, also of those that have exited.

use std::{
    io::{Read as _, Seek as _, SeekFrom},
    sync::LazyLock,
};

use anyhow::{Context as _, Result};
use object::{
    Endianness,
    elf::{FileHeader64, SHT_DYNSYM},
};
use procfs::process::{MMapPath, Process};

use super::elf_symbols::{ElfSymbols, Image};

/// Name of the mapping, in /proc/PID/maps and in the kernel's mapping events.
pub(super) const NAME: &str = "[vdso]";

/// Functions of this process's image.
static FUNCTIONS: LazyLock<ElfSymbols> = LazyLock::new(|| {
    read().unwrap_or_else(|error| {
        log::debug!("functions of the vDSO have no names: {error:#}");
        ElfSymbols::default()
    })
});

/// Whether the mapping at this address has the image of 64-bit processes. Those of 32-bit and x32 processes are below
/// 4 GiB, which a 64-bit process only has with the personality `ADDR_LIMIT_32BIT`.
pub(super) fn is_known(mapped_at: u64) -> bool {
    u32::try_from(mapped_at).is_err()
}

/// The function at an offset of the image.
pub(super) fn function(offset: u64) -> Option<String> {
    FUNCTIONS.at_offset(offset)
}

fn read() -> Result<ElfSymbols> {
    let own = Process::myself()?;
    let maps = own.maps()?;
    let (start, end) = maps.into_iter().find(|map| map.pathname == MMapPath::Vdso).context("not mapped")?.address;
    let mut bytes = vec![0; usize::try_from(end - start)?];
    let mut memory = own.mem()?;
    memory.seek(SeekFrom::Start(start))?;
    memory.read_exact(&mut bytes)?;
    let image = Image::<FileHeader64<Endianness>, _>::parse(&*bytes)?;
    Ok(ElfSymbols::new(image.segments()?, [image.table(SHT_DYNSYM)?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of all functions that libc can call, by the addresses that the dynamic linker has for them.
    #[test]
    fn an_address_in_the_vdso_is_named() {
        let maps = Process::myself().unwrap().maps().unwrap();
        let (start, end) = maps.into_iter().find(|map| map.pathname == MMapPath::Vdso).expect("a vDSO").address;
        // SAFETY: a null handle is that of the whole program, and the name ends with a zero.
        let called = unsafe { libc::dlvsym(vdso_handle(), c"__vdso_clock_gettime".as_ptr(), c"LINUX_2.6".as_ptr()) };
        let offset = (called as u64).checked_sub(start).expect("in the vDSO");
        assert!(called as u64 + 1 < end);
        for within in [0, 1] {
            assert_eq!(function(offset + within).as_deref(), Some("__vdso_clock_gettime"));
        }
        assert_eq!(function(0), None, "the ELF header");
        assert_eq!(function(end - start), None, "behind the image");
        assert!(is_known(start) && !is_known(0xf7ff_c000));
    }

    /// The vDSO as the dynamic linker has it.
    fn vdso_handle() -> *mut libc::c_void {
        // SAFETY: it is mapped already, so nothing is loaded.
        let handle = unsafe { libc::dlopen(c"linux-vdso.so.1".as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD) };
        assert!(!handle.is_null());
        handle
    }
}
