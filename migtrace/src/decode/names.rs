//! Names of kernel enum values, from the running kernel's own enums.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use crate::event::{Cause, Reason};

/// Names by value.
#[derive(Clone, Debug, Default)]
pub struct Names {
    mof_reason: Words,
    migrate_reason: Words,
    migrate_mode: Words,
    fault: FaultBits,
}

/// Bits of a fault, looked up once: a lookup per fault was half of the decoding cost.
#[derive(Clone, Debug, Default)]
struct FaultBits {
    write: u32,
    instruction: u32,
    major: u32,
    poisoned: u32,
    /// Bits of errors, worst first.
    errors: Vec<(u32, Reason)>,
}

impl FaultBits {
    fn new(vm_fault: &Words, fault_flag: &Words) -> Self {
        let bit = |words: &Words, word: &str| words.number(word).map_or(0, |bit| bit as u32);
        let errors = ["oom", "sigbus", "sigsegv", "hwpoison", "hwpoison_large", "retry"];
        Self {
            write: bit(fault_flag, "write"),
            instruction: bit(fault_flag, "instruction"),
            major: bit(vm_fault, "major"),
            poisoned: bit(vm_fault, "hwpoison") | bit(vm_fault, "hwpoison_large"),
            errors: errors.into_iter().map(|word| (bit(vm_fault, word), word.into())).collect(),
        }
    }
}

impl Names {
    /// Names from a kernel's enums: `enumerators` returns those of one enum with their values, empty if the kernel has no
    /// such enum.
    #[must_use]
    pub fn from_enums(enumerators: impl Fn(&str) -> Vec<(String, i64)>) -> Self {
        let words = |name: &str, prefix| Words::new(enumerators(name), prefix);
        Self {
            mof_reason: words("mof_reason", "MOF_"),
            migrate_reason: words("migrate_reason", "MR_"),
            migrate_mode: words("migrate_mode", "MIGRATE_"),
            fault: FaultBits::new(&words("vm_fault_reason", "VM_FAULT_"), &words("fault_flag", "FAULT_FLAG_")),
        }
    }

    /// The result without an error: `ok`.
    #[must_use]
    pub fn ok(&self) -> Reason {
        static OK: LazyLock<Reason> = LazyLock::new(|| "ok".into());
        OK.clone()
    }

    /// Reason reported by migrate-on-fault: `misplaced`, `migrated`, `refs`, ...
    #[must_use]
    pub fn mof_reason(&self, number: i32) -> Reason {
        self.mof_reason.word(number.into())
    }

    /// Mode of the kernel's migrate_pages(): `async`, `sync_light`, `sync`.
    #[must_use]
    pub fn migrate_mode(&self, number: i32) -> Reason {
        self.migrate_mode.word(number.into())
    }

    /// Cause of a direct migration by the kernel's enum migrate_reason. Syscalls share a reason: `syscall` is their
    /// cause.
    #[must_use]
    pub fn cause(&self, migrate_reason: i32, syscall: Cause) -> Cause {
        match &*self.migrate_reason.word(migrate_reason.into()) {
            "mempolicy_mbind" => Cause::Mbind,
            "syscall" => syscall,
            "numa_misplaced" => Cause::HintingFault,
            "demotion" => Cause::Demotion,
            "compaction" => Cause::Compaction,
            "memory_hotplug" => Cause::Hotplug,
            "contig_range" => Cause::ContigRange,
            "longterm_pin" => Cause::LongtermPin,
            "damon" => Cause::Damon,
            "memory_failure" => Cause::MemoryFailure,
            _ => Cause::Other,
        }
    }

    /// Result of a fault: the worst of its VM_FAULT_* bits, or `ok`.
    #[must_use]
    pub fn fault_result(&self, bits: u32) -> Reason {
        let error = self.fault.errors.iter().find(|(bit, _)| bits & bit != 0);
        error.map_or_else(|| self.ok(), |(_, word)| word.clone())
    }

    /// Whether the VM_FAULT_* bits show that the kernel read from a device or swap.
    #[must_use]
    pub fn is_major(&self, bits: u32) -> bool {
        bits & self.fault.major != 0
    }

    /// Whether the VM_FAULT_* bits show that the page's memory is broken.
    #[must_use]
    pub fn is_poisoned(&self, bits: u32) -> bool {
        bits & self.fault.poisoned != 0
    }

    /// Whether the FAULT_FLAG_* bits show a write, and an instruction fetch.
    #[must_use]
    pub fn access(&self, bits: u32) -> (bool, bool) {
        (bits & self.fault.write != 0, bits & self.fault.instruction != 0)
    }
}

/// Maps values to names and names to values.
#[derive(Clone, Debug, Default)]
struct Words {
    words: HashMap<i64, Reason>,
    numbers: HashMap<Reason, i64>,
}

impl Words {
    fn new(enumerators: Vec<(String, i64)>, prefix: &str) -> Self {
        let word = |name: &str| Arc::<str>::from(name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase());
        let words: HashMap<_, _> = enumerators.iter().map(|(name, number)| (*number, word(name))).collect();
        let numbers = enumerators.iter().map(|(name, number)| (word(name), *number)).collect();
        Self { words, numbers }
    }

    fn word(&self, number: i64) -> Reason {
        self.words.get(&number).cloned().unwrap_or_else(|| format!("reason#{number}").into())
    }

    fn number(&self, word: &str) -> Option<i64> {
        self.numbers.get(word).copied()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn words(prefix: &str, names: &[(&str, i64)]) -> Words {
        Words::new(names.iter().map(|(n, v)| (format!("{prefix}{n}"), *v)).collect(), prefix)
    }

    /// Names as Linux 6.12 has them, for tests without a kernel.
    pub(crate) fn linux_6_12() -> Names {
        Names {
            mof_reason: words(
                "MOF_",
                &[("PLACED", 0), ("MISPLACED", 1), ("MIGRATED", 2), ("UNMAPPED", 3), ("REFS", 4)],
            ),
            migrate_reason: words("MR_", &[("COMPACTION", 0), ("SYSCALL", 3), ("MEMPOLICY_MBIND", 4)]),
            migrate_mode: words("MIGRATE_", &[("ASYNC", 0), ("SYNC_LIGHT", 1), ("SYNC", 2)]),
            fault: FaultBits::new(
                &words("VM_FAULT_", &[("OOM", 1), ("SIGBUS", 2), ("MAJOR", 4), ("SIGSEGV", 64), ("RETRY", 1024)]),
                &words("FAULT_FLAG_", &[("WRITE", 1), ("INSTRUCTION", 256)]),
            ),
        }
    }

    #[test]
    fn numbers_without_a_name_are_shown_as_numbers() {
        let names = linux_6_12();
        assert_eq!(&*names.mof_reason(4), "refs");
        assert_eq!(&*names.mof_reason(99), "reason#99");
        assert_eq!(names.cause(4, Cause::Other), Cause::Mbind);
        assert_eq!(names.cause(3, Cause::MovePages), Cause::MovePages);
        assert!(names.is_major(4) && !names.is_major(1024));
        let results = [0, 4, 1024, 2 | 1024].map(|bits| names.fault_result(bits).to_string());
        assert_eq!(results, ["ok", "ok", "retry", "sigbus"]);
        assert_eq!((names.access(1), names.access(256)), ((true, false), (false, true)));
    }
}
