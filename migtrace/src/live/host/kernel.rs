//! Facts of the running kernel: release, BTF lookups, and addresses of its symbols.

use std::{collections::HashMap, fs};

use btf_rs::{Btf, BtfType, Type};
use memchr::{memmem, memrchr};

use super::requirements::{BTF_PATH, Unsupported};

/// Facts of the running kernel that tracing needs.
pub struct Kernel {
    pub release: String,
    btf: Btf,
    symbols: HashMap<&'static str, u64>,
}

/// Symbols whose addresses programs need, and one to test whether addresses are visible.
const SYMBOLS: [&str; 6] =
    ["vmemmap_base", "page_offset_base", "shmem_vm_ops", "shmem_anon_vm_ops", "shm_vm_ops", "handle_mm_fault"];

impl Kernel {
    /// Reads the facts of the running kernel.
    ///
    /// # Errors
    /// [`Unsupported::NoBtf`] or [`Unsupported::Btf`].
    pub fn running() -> Result<Self, Unsupported> {
        // Reads the bytes, since older kernels cannot map the file.
        let bytes = fs::read(BTF_PATH).map_err(|source| Unsupported::NoBtf { path: BTF_PATH, source })?;
        let btf = Btf::from_bytes(&bytes).map_err(|error| Unsupported::Btf(error.to_string()))?;
        let kallsyms = fs::read("/proc/kallsyms").unwrap_or_default();
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned();
        Ok(Self { release, btf, symbols: parse_kallsyms(&kallsyms) })
    }

    /// Whether it has migrate-on-fault.
    #[must_use]
    pub fn is_patched(&self) -> bool {
        self.btf.resolve_ids_by_name("trace_event_raw_mof_check").is_ok_and(|ids| !ids.is_empty())
    }

    /// Address of one of a fixed set of symbols; `None` if the kernel has no such symbol or hides addresses.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<u64> {
        self.symbols.get(name).copied()
    }

    /// Whether addresses are visible (kptr_restrict, CAP_SYSLOG).
    #[must_use]
    pub fn shows_addresses(&self) -> bool {
        self.symbol("handle_mm_fault").is_some()
    }

    /// sizeof(struct `name`), bytes.
    #[must_use]
    pub fn struct_size(&self, name: &str) -> Option<u32> {
        self.structs(name).map(|s| s.size() as u32).next()
    }

    /// Byte offset of `field` in struct `name`, including fields of anonymous structs and unions in it.
    #[must_use]
    pub fn offset(&self, name: &str, field: &str) -> Option<u32> {
        self.structs(name).find_map(|s| self.member_bits(&s, field)).map(|bits| bits / 8)
    }

    /// Byte offset of a field in a field of a structure, and so on: `[("file", "f_path"), ("path", "dentry")]`.
    #[must_use]
    pub fn nested_offset(&self, path: &[(&str, &str)]) -> Option<u32> {
        path.iter().map(|(of, field)| self.offset(of, field)).sum()
    }

    /// Elements of the array `field` in struct `name`.
    #[must_use]
    pub fn array_len(&self, name: &str, field: &str) -> Option<usize> {
        self.structs(name).find_map(|s| {
            let member = s.members.iter().find(|m| self.btf.resolve_name(*m).is_ok_and(|n| n == field))?;
            match self.btf.resolve_chained_type(member) {
                Ok(Type::Array(array)) => Some(array.len()),
                _ => None,
            }
        })
    }

    /// Whether BTF has a function with this name, so that it is not inlined everywhere.
    #[must_use]
    pub fn has_function(&self, name: &str) -> bool {
        self.function_id(name).is_some()
    }

    /// Whether the function `name` returns a value; `None` if BTF does not have it.
    #[must_use]
    pub fn returns_value(&self, name: &str) -> Option<bool> {
        let Ok(Type::Func(function)) = self.btf.resolve_type_by_id(self.function_id(name)?) else { return None };
        match self.btf.resolve_chained_type(&function) {
            Ok(Type::FuncProto(signature)) => Some(signature.return_type_id() != 0),
            _ => None,
        }
    }

    /// Whether it compiles BPF programs (JIT). Without that they cannot call kernel functions.
    #[must_use]
    pub fn compiles_programs(&self) -> bool {
        // A kernel without JIT does not have the file.
        fs::read_to_string("/proc/sys/net/core/bpf_jit_enable").is_ok_and(|enabled| enabled.trim() != "0")
    }

    /// Whether a program on a system call's trace event finds the fields where BTF says.
    ///
    /// It reads a copy that the kernel makes for it (struct syscall_tp_t), which BTF does not describe. The copy has the
    /// layout of the event while the common part of trace events has 8 bytes. RHEL 9.3 has 12, and `args` in the copy at 24
    /// instead of 16 (before "bpf: Change syscall_nr type to int in struct syscall_tp_t").
    #[must_use]
    pub fn describes_syscall_events(&self) -> bool {
        self.struct_size("trace_entry") == Some(8)
    }

    /// BTF id of the function `name`.
    #[must_use]
    pub fn function_id(&self, name: &str) -> Option<u32> {
        let ids = self.btf.resolve_ids_by_name(name).unwrap_or_default();
        ids.into_iter().find(|id| matches!(self.btf.resolve_type_by_id(*id), Ok(Type::Func(_))))
    }

    /// BTF id of the struct that `name` is a typedef of.
    #[must_use]
    pub fn struct_id_of_typedef(&self, name: &str) -> Option<u32> {
        let types = self.btf.resolve_types_by_name(name).unwrap_or_default();
        let id = types.iter().find_map(|t| if let Type::Typedef(of) = t { of.get_type_id() } else { None })?;
        matches!(self.btf.resolve_type_by_id(id), Ok(Type::Struct(_))).then_some(id)
    }

    /// Enumerators of enum `name` with their values; empty if this kernel has no such enum.
    #[must_use]
    pub fn enumerators(&self, name: &str) -> Vec<(String, i64)> {
        let types = self.btf.resolve_types_by_name(name).unwrap_or_default();
        let members = types.into_iter().find_map(|t| match t {
            Type::Enum(e) => Some(e.members),
            _ => None,
        });
        let named = |m: &btf_rs::EnumMember| Some((self.btf.resolve_name(m).ok()?, i64::from(m.val() as i32)));
        members.unwrap_or_default().iter().filter_map(named).collect()
    }

    fn structs(&self, name: &str) -> impl Iterator<Item = btf_rs::Struct> {
        let types = self.btf.resolve_types_by_name(name).unwrap_or_default();
        types.into_iter().filter_map(|t| match t {
            Type::Struct(s) | Type::Union(s) => Some(s),
            _ => None,
        })
    }

    fn member_bits(&self, of: &btf_rs::Struct, field: &str) -> Option<u32> {
        of.members.iter().find_map(|member| {
            let name = self.btf.resolve_name(member).unwrap_or_default();
            if name == field {
                return Some(member.bit_offset());
            }
            if !name.is_empty() {
                return None;
            }
            // struct vm_fault has a const one.
            let inner = match self.btf.resolve_chained_type(member) {
                Ok(Type::Const(constant)) => self.btf.resolve_chained_type(&constant),
                inner => inner,
            };
            match inner {
                Ok(Type::Struct(inner) | Type::Union(inner)) => {
                    Some(member.bit_offset() + self.member_bits(&inner, field)?)
                }
                _ => None,
            }
        })
    }
}

/// The wanted symbols of /proc/kallsyms. Addresses shown as zero are hidden, so unknown.
///
/// The file has more than 100,000 lines, of which six are needed: they are searched for instead of parsing every line.
fn parse_kallsyms(text: &[u8]) -> HashMap<&'static str, u64> {
    let address = |name: &'static str| {
        // A symbol of a module is followed by the module's name.
        let line_end = memmem::find(text, format!(" {name}\n").as_bytes())?;
        let line = memrchr(b'\n', &text[..line_end]).map_or(0, |before| before + 1);
        let digits = text[line..line_end].split(|&b| b == b' ').next()?;
        let address = u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok().filter(|&a| a != 0)?;
        Some((name, address))
    };
    SYMBOLS.into_iter().filter_map(address).collect()
}

#[cfg(test)]
mod tests;
