//! Requirements of the tasks, and how to detect each.

use std::{path::Path, process::Command};

use xtask_common::command;

/// The purpose of a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Building kernels.
    Kernel,
    /// Running the virtual machine.
    Machine,
    /// Building the BPF programs. `super::bpf` installs the toolchain.
    Bpf,
    /// Running the tracers that benches compare migtrace with.
    Bench,
    /// Shipping the binary.
    Release,
}

/// How to detect a requirement.
#[derive(Clone, Copy, Debug)]
enum Sign {
    Program(&'static str),
    /// One of these files exists.
    File(&'static [&'static str]),
    /// This python3 program succeeds.
    Python(&'static str),
}

/// One requirement.
#[derive(Debug)]
pub(super) struct Need {
    pub(super) what: &'static str,
    pub(super) why: &'static str,
    /// Debian's package.
    pub(super) package: &'static str,
    purpose: Purpose,
    sign: Sign,
}

const fn program(name: &'static str, why: &'static str, package: &'static str, purpose: Purpose) -> Need {
    Need { what: name, why, package, purpose, sign: Sign::Program(name) }
}

const NEEDS: &[Need] = &[
    program("gcc", "compiles kernels", "gcc", Purpose::Kernel),
    program("make", "builds kernels", "make", Purpose::Kernel),
    program("flex", "generates the kernel's configuration reader", "flex", Purpose::Kernel),
    program("bison", "generates the kernel's configuration reader", "bison", Purpose::Kernel),
    program("bc", "computes the kernel's time constants", "bc", Purpose::Kernel),
    program("pahole", "writes the kernel's BTF", "dwarves", Purpose::Kernel),
    program("cpio", "packs the kernel's headers", "cpio", Purpose::Kernel),
    program("depmod", "finds the dependencies of kernel modules", "kmod", Purpose::Kernel),
    program("perl", "runs scripts of the kernel's build", "perl", Purpose::Kernel),
    program("xz", "unpacks kernel source", "xz-utils", Purpose::Kernel),
    program("patch", "applies the patch series", "patch", Purpose::Kernel),
    program("curl", "downloads kernels", "curl", Purpose::Kernel),
    program("zstd", "unpacks kernel modules", "zstd", Purpose::Kernel),
    Need {
        what: "libelf's headers",
        why: "for the kernel's objtool",
        package: "libelf-dev",
        purpose: Purpose::Kernel,
        sign: Sign::File(&["/usr/include/gelf.h", "/usr/include/libelf/gelf.h"]),
    },
    Need {
        what: "OpenSSL's headers",
        why: "for the kernel's certificates",
        package: "libssl-dev",
        purpose: Purpose::Kernel,
        sign: Sign::File(&["/usr/include/openssl/ssl.h"]),
    },
    program("qemu-system-x86_64", "runs the virtual machine", "qemu-system-x86", Purpose::Machine),
    Need {
        what: "python3 with venv",
        why: "runs pyarrow, DuckDB and tools of the checks",
        package: "python3-venv",
        purpose: Purpose::Machine,
        // Debian's python3 has the module venv, which fails without ensurepip.
        sign: Sign::Python("import ensurepip, venv"),
    },
    Need {
        what: "libc.a",
        why: "links the virtual machine's first process",
        package: "libc6-dev",
        purpose: Purpose::Machine,
        sign: Sign::File(&["/usr/lib/x86_64-linux-gnu/libc.a", "/usr/lib64/libc.a", "/usr/lib/libc.a"]),
    },
    program("objcopy", "splits off debug information", "binutils", Purpose::Release),
    program("perf", "a tracer that benches compare migtrace with", "linux-perf", Purpose::Bench),
    program("bpftrace", "a tracer that benches compare migtrace with", "bpftrace", Purpose::Bench),
];

/// Directories of system programs, which are not on every user's PATH.
const SYSTEM_PROGRAMS: &[&str] = &["/usr/sbin", "/sbin", "/usr/local/sbin"];

impl Need {
    /// Returns whether the machine has it.
    pub(super) fn is_met(&self) -> bool {
        match self.sign {
            Sign::Program(name) => {
                command::find(name).is_some()
                    || SYSTEM_PROGRAMS.iter().any(|directory| Path::new(directory).join(name).exists())
            }
            Sign::File(files) => files.iter().any(|file| Path::new(file).exists()),
            Sign::Python(text) => command::output(Command::new("python3").args(["-c", text])).is_ok(),
        }
    }
}

/// Returns the requirements for these purposes that the machine lacks.
pub(super) fn missing(purposes: &[Purpose]) -> impl Iterator<Item = &'static Need> {
    NEEDS.iter().filter(|need| purposes.contains(&need.purpose) && !need.is_met())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_is_met_if_its_program_or_file_exists() {
        assert!(program("sh", "", "", Purpose::Kernel).is_met());
        assert!(!program("no-such-program-anywhere", "", "", Purpose::Kernel).is_met());
        let file = |files| Need { what: "", why: "", package: "", purpose: Purpose::Bpf, sign: Sign::File(files) };
        assert!(file(&["/no/such/file", "/proc/self/status"]).is_met());
        assert!(!file(&["/no/such/file"]).is_met());
        let python = |text| Need { sign: Sign::Python(text), ..file(&[]) };
        assert!(!python("import no_such_module_anywhere").is_met());
    }
}
