//! Sets up the guest's kernel: modules, settings, swap, loopback.

use std::{
    ffi::CString,
    fs::{self, File},
    io, mem,
    net::UdpSocket,
    os::{fd::AsRawFd, unix::fs::FileExt},
    path::Path,
};

use anyhow::{Context, Result, bail};
use nix::{
    errno::Errno,
    kmod::{ModuleInitFlags, finit_module},
    sys::resource::{Resource, setrlimit},
    unistd::sethostname,
};

const PAGE: u64 = 4096;

/// Loads modules from the initramfs, in order.
pub(crate) fn load_modules(modules: &[String]) -> Result<()> {
    for path in modules {
        let file = File::open(path).with_context(|| format!("cannot open module {path}"))?;
        match finit_module(&file, c"", ModuleInitFlags::empty()) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(error).with_context(|| format!("cannot load module {path}")),
        }
    }
    Ok(())
}

/// Changes settings so that runs are alike. Failures are ignored: a kernel without a setting needs no change.
pub(crate) fn tune() {
    let _ = fs::write("/proc/sys/kernel/numa_balancing", "0");
    let _ = sethostname("migtrace-vm");
    let _ = setrlimit(Resource::RLIMIT_NOFILE, 65536, 65536);
}

/// Makes /dev/zram0 a swap device of `bytes` and uses it.
pub(crate) fn swap_on_zram(bytes: u64) -> Result<()> {
    let size_file = Path::new("/sys/block/zram0/disksize");
    if !size_file.exists() {
        bail!("this kernel has no zram device");
    }
    fs::write(size_file, bytes.to_string()).context("cannot set the size of zram0")?;
    let device = "/dev/zram0";
    let file = File::options().write(true).open(device).with_context(|| format!("cannot open {device}"))?;
    for (offset, field) in swap_header(bytes) {
        file.write_all_at(&field, offset).context("cannot write the swap header")?;
    }
    file.sync_all().context("cannot write the swap header")?;
    drop(file);
    let path = CString::new(device).context("the device path contains a NUL byte")?;
    // SAFETY: `path` is a NUL-terminated string that outlives the call.
    if unsafe { libc::swapon(path.as_ptr(), 0) } != 0 {
        return Err(io::Error::last_os_error()).context("swapon failed");
    }
    Ok(())
}

/// Returns the non-zero fields of a version 1 swap header with their offsets: `union swap_header` in
/// include/linux/swap.h.
fn swap_header(bytes: u64) -> [(u64, Vec<u8>); 3] {
    let last_page = (bytes / PAGE - 1) as u32;
    [(1024, 1u32.to_ne_bytes().to_vec()), (1028, last_page.to_ne_bytes().to_vec()), (PAGE - 10, b"SWAPSPACE2".to_vec())]
}

/// Sets IFF_UP on the loopback interface. The kernel assigns 127.0.0.1 to it.
pub(crate) fn loopback_up() -> Result<()> {
    // The ioctl needs a socket of the address family.
    let socket = UdpSocket::bind("0.0.0.0:0").context("cannot open a socket")?;
    // SAFETY: an ifreq of zeroes is a valid value of all of its variants.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: `request` is a whole ifreq with a terminated name and lives through the call.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) } != 0 {
        return Err(io::Error::last_os_error()).context("SIOCSIFFLAGS failed");
    }
    Ok(())
}
