//! Chooses KVM or software emulation: KVM only if a guest boots under it.
//!
//! /dev/kvm proves little: inside some virtual machines it exists and starts a BIOS, but then hangs in the kernel. So
//! one boot is tried with a time limit, and the result is kept until this host reboots.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Result;
use sha2::{Digest, Sha256};
use xtask_common::{
    files::write_atomically,
    progress::{clock, say},
};

use super::{
    machine::Machine,
    qemu::{self, Boot, Qemu},
    session,
};
use crate::paths::Paths;

/// Time limit for a kernel to start user space under KVM. A kernel that works needs one second.
const TRIAL: Duration = Duration::from_secs(12);

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accelerator {
    Kvm,
    Emulated,
    /// Emulated, with clocks that count instructions. The same work takes the same time, regardless of the host's load.
    Counted,
}

impl Accelerator {
    /// Returns the arguments for QEMU's command line.
    ///
    /// One thread executes all emulated processors in turn. With one thread per processor, QEMU 7.2 keeps translated
    /// breakpoints that another processor has removed meanwhile. Tests attach and detach probes all the time, which
    /// then hangs or crashes the guest. QEMU 10.0 lost a processor's timer at boot. With one thread the tests take no
    /// longer.
    pub(super) fn arguments(self) -> Vec<&'static str> {
        let emulated = ["-accel", "tcg,thread=single", "-cpu", "max,la57=off,-erms,-fsrm"];
        match self {
            Accelerator::Kvm => ["-accel", "kvm", "-cpu", "host"].into(),
            Accelerator::Emulated => emulated.into(),
            Accelerator::Counted => emulated.into_iter().chain(["-icount", "shift=0,sleep=off"]).collect(),
        }
    }
}

/// Returns KVM if it works on this host, else emulation.
pub(super) fn choose(
    paths: &Paths,
    program: &Path,
    kernel: &Path,
    trial_initramfs: impl FnOnce() -> Result<PathBuf>,
) -> Result<Accelerator> {
    if fs::File::options().read(true).write(true).open("/dev/kvm").is_err() {
        return Ok(Accelerator::Emulated);
    }
    let result_file = paths.cache.join("accelerator").join(host_key(program)?);
    match fs::read_to_string(&result_file).as_deref() {
        Ok("kvm\n") => return Ok(Accelerator::Kvm),
        Ok("tcg\n") => return Ok(Accelerator::Emulated),
        _ => {}
    }
    say(format!(
        "trying to boot a guest under KVM (at most {}; the result is kept until this host reboots)",
        clock(TRIAL)
    ));
    let began = Instant::now();
    let (accelerator, word) = if boots_under_kvm(program, kernel, &trial_initramfs()?)? {
        (Accelerator::Kvm, "kvm\n")
    } else {
        (Accelerator::Emulated, "tcg\n")
    };
    let found =
        if accelerator == Accelerator::Kvm { "KVM works" } else { "KVM does not work here, using software emulation" };
    say(format!("{found} ({})", clock(began.elapsed())));
    write_atomically(&result_file, word.as_bytes())?;
    Ok(accelerator)
}

/// Returns a hash of what the result depends on: the running host kernel, this boot of it, and QEMU.
fn host_key(program: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    for file in ["/proc/sys/kernel/random/boot_id", "/proc/sys/kernel/osrelease"] {
        hash.update(fs::read(file).unwrap_or_default());
    }
    hash.update(qemu::version(program)?);
    Ok(format!("{:x}", hash.finalize())[..16].to_owned())
}

fn boots_under_kvm(program: &Path, kernel: &Path, initramfs: &Path) -> Result<bool> {
    let console = tempfile::NamedTempFile::new()?;
    let machine = Machine { nodes: 1, cpus: 2, mem: 512 << 20, ..Machine::default() };
    let qemu = Qemu::start(&Boot {
        program,
        kernel,
        initramfs,
        console: console.path(),
        machine: &machine,
        append: "",
        accelerator: Accelerator::Kvm,
        shares: &[],
    })?;
    Ok(session::comes_up(&qemu.port, TRIAL))
}
