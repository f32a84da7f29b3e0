//! KVM or software emulation: KVM only if a guest was seen to boot under it.
//!
//! A /dev/kvm proves little: inside some virtual machines it is there, starts a BIOS, and hangs in the kernel. So one
//! boot is tried with a time limit, and the answer is kept for as long as this host runs.

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

/// A kernel that has not started user space under KVM by then does not run; it takes one second.
const TRIAL: Duration = Duration::from_secs(12);

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accelerator {
    Kvm,
    Emulated,
    /// Emulated, with clocks that count instructions: what is done takes as long each time, whatever else the host does.
    Counted,
}

impl Accelerator {
    /// For QEMU's command line.
    ///
    /// One thread executes all emulated processors in turn. In threads of their own, QEMU 7.2 keeps translated breakpoints
    /// that another processor took back meanwhile: attaching and detaching probes, as tests do without end, then hangs the
    /// guest or crashes it. QEMU 10.0 lost a processor's timer at boot. The tests take no longer.
    pub(super) fn arguments(self) -> Vec<&'static str> {
        let emulated = ["-accel", "tcg,thread=single", "-cpu", "max,la57=off,-erms,-fsrm"];
        match self {
            Accelerator::Kvm => ["-accel", "kvm", "-cpu", "host"].into(),
            Accelerator::Emulated => emulated.into(),
            Accelerator::Counted => emulated.into_iter().chain(["-icount", "shift=0,sleep=off"]).collect(),
        }
    }
}

/// The better of the two that works on this host.
pub(super) fn choose(
    paths: &Paths,
    program: &Path,
    kernel: &Path,
    trial_initramfs: impl FnOnce() -> Result<PathBuf>,
) -> Result<Accelerator> {
    if fs::File::options().read(true).write(true).open("/dev/kvm").is_err() {
        return Ok(Accelerator::Emulated);
    }
    let answer_file = paths.cache.join("accelerator").join(host_key(program)?);
    match fs::read_to_string(&answer_file).as_deref() {
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
    write_atomically(&answer_file, word.as_bytes())?;
    Ok(accelerator)
}

/// What the answer depends on: the running host kernel, this boot of it, and QEMU.
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
    let machine = Machine { nodes: 1, cpus: 2, mem: 512 << 20, slow: None };
    let qemu = Qemu::start(&Boot {
        program,
        kernel,
        initramfs,
        console: console.path(),
        machine: &machine,
        accelerator: Accelerator::Kvm,
        shares: &[],
    })?;
    Ok(session::comes_up(&qemu.port, TRIAL))
}
