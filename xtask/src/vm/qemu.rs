//! Starts and stops the QEMU process, which never outlives this process.

use std::{
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use xtask_common::{command, exit::Failure};
use xtask_guest::{
    frame::PORT,
    job::{ROOT_TAG, Share},
};

use super::{accel::Accelerator, machine::Machine, plug::Plugs};
use crate::{paths::Paths, setup::emulator};

/// Returns the path of QEMU: the installed one, or the private one that setup unpacked.
pub(super) fn program(paths: &Paths) -> PathBuf {
    command::find(emulator::PROGRAM).unwrap_or_else(|| emulator::private(paths))
}

/// Parameters of one boot.
pub(super) struct Boot<'a> {
    pub(super) program: &'a Path,
    pub(super) kernel: &'a Path,
    pub(super) initramfs: &'a Path,
    pub(super) console: &'a Path,
    pub(super) machine: &'a Machine,
    /// Additional words for the kernel's command line.
    pub(super) append: &'a str,
    pub(super) accelerator: Accelerator,
    pub(super) shares: &'a [Share],
}

/// A running machine. Dropping it ends QEMU.
pub(super) struct Qemu {
    child: Child,
    /// The host's end of the guest's port.
    pub(super) port: UnixStream,
}

impl Qemu {
    /// Starts the machine.
    pub(super) fn start(boot: &Boot<'_>) -> Result<Qemu> {
        let (port, guest_end) = UnixStream::pair().context("cannot open a pair of sockets")?;
        let guest_end = OwnedFd::from(guest_end);
        let mut command = Command::new(boot.program);
        command.args(arguments(boot, guest_end.as_raw_fd())?);
        let plugs = boot.machine.hot_node().map(Plugs::new).transpose()?;
        if let Some(plugs) = &plugs {
            plugs.add_to(&mut command);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // In a separate process group, so that Ctrl-C does not end QEMU: the session passes it to the job in the guest.
        command.process_group(0);
        command::ends_with_this_process(&mut command, Signal::SIGKILL);
        inherit(&mut command, guest_end.as_raw_fd());
        let child = command.spawn().map_err(|error| {
            let what = format!("cannot start {}: {error}; `cargo xtask setup` installs it", emulator::PROGRAM);
            Failure::Environment(what)
        })?;
        plugs.into_iter().for_each(Plugs::serve);
        Ok(Qemu { child, port })
    }

    /// Ends the machine. Returns QEMU's messages on standard error.
    pub(super) fn stop(mut self) -> String {
        let _ = self.child.kill();
        let mut messages = Vec::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = io::Read::read_to_end(&mut stderr, &mut messages);
        }
        let _ = self.child.wait();
        String::from_utf8_lossy(&messages).trim_end().to_owned()
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps one descriptor open in the child.
pub(super) fn inherit(command: &mut Command, fd: i32) {
    // SAFETY: fcntl is async-signal-safe; the descriptor is open until after the spawn.
    unsafe {
        command.pre_exec(move || match libc::fcntl(fd, libc::F_SETFD, 0) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
}

/// Kernel messages go to the serial console; a panic ends the machine at once; NUMA balancing is off at boot.
const KERNEL_ARGUMENTS: &str =
    "console=ttyS0 panic=-1 oops=panic numa_balancing=disable mitigations=off random.trust_cpu=on rdinit=/init";

fn arguments(boot: &Boot<'_>, port_fd: i32) -> Result<Vec<String>> {
    let mut arguments: Vec<String> = Vec::new();
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(|&word| word.to_owned()));
    add(&["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-name", "migtrace-vm"]);
    add(&["-machine", "q35,usb=off,vmport=off"]);
    add(&boot.accelerator.arguments());
    let words = format!("{KERNEL_ARGUMENTS}{} {}", boot.machine.kernel_arguments()?, boot.append);
    add(&["-kernel", &path(boot.kernel)?, "-initrd", &path(boot.initramfs)?, "-append", words.trim_end()]);
    add(&["-chardev", &format!("file,id=console,path={}", option(&path(boot.console)?)), "-serial", "chardev:console"]);
    add(&["-device", "virtio-serial-pci", "-chardev", &format!("socket,id=job,fd={port_fd}")]);
    add(&["-device", &format!("virtserialport,chardev=job,name={PORT}")]);
    add(&["-device", "virtio-rng-pci"]);
    let shared = |tag: &str, directory: &str, readonly| {
        let readonly = if readonly { ",readonly=on" } else { "" };
        [
            "-fsdev".to_owned(),
            format!("local,id={tag},path={},security_model=none,multidevs=remap{readonly}", option(directory)),
            "-device".to_owned(),
            format!("virtio-9p-pci,fsdev={tag},mount_tag={tag}"),
        ]
    };
    arguments.extend(shared(ROOT_TAG, "/", true));
    for share in boot.shares {
        arguments.extend(shared(&share.tag, &path(Path::new(&share.path))?, !share.writable));
    }
    arguments.extend(boot.machine.arguments()?);
    Ok(arguments)
}

fn path(path: &Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| Failure::Environment(format!("{} is not UTF-8", path.display())))?;
    Ok(text.to_owned())
}

/// Escapes a value for a comma-separated option.
fn option(value: &str) -> String {
    value.replace(',', ",,")
}

/// Returns the first line of QEMU's version message.
pub(super) fn version(program: &Path) -> Result<String> {
    let text = command::output(Command::new(program).arg("--version"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_and_shares_are_read_only_unless_marked_writable() {
        let share = |tag: &str, path: &str, writable| Share { tag: tag.into(), path: path.into(), writable };
        let boot = Boot {
            program: Path::new(emulator::PROGRAM),
            kernel: Path::new("/c/bzImage"),
            initramfs: Path::new("/c/initramfs"),
            console: Path::new("/c/a,b.log"),
            machine: &Machine { nodes: 1, cpus: 1, mem: 1 << 30, ..Machine::default() },
            append: "maxcpus=1",
            accelerator: Accelerator::Emulated,
            shares: &[share("share0", "/tmp/m", false), share("share1", "/tmp/m/target", true)],
        };
        let all = arguments(&boot, 7).expect("arguments");
        let devices: Vec<_> = all.iter().filter(|word| word.starts_with("local,")).collect();
        assert_eq!(
            devices,
            [
                "local,id=root,path=/,security_model=none,multidevs=remap,readonly=on",
                "local,id=share0,path=/tmp/m,security_model=none,multidevs=remap,readonly=on",
                "local,id=share1,path=/tmp/m/target,security_model=none,multidevs=remap",
            ]
        );
        assert!(all.contains(&"file,id=console,path=/c/a,,b.log".to_owned()));
        assert!(all.contains(&"socket,id=job,fd=7".to_owned()));
        assert!(all.contains(&format!("{KERNEL_ARGUMENTS} maxcpus=1")));
    }
}
