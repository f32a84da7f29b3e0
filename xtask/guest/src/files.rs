//! Mounts the guest's file systems: the host's directories over 9p, scratch space, and the kernel's file systems.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use nix::{
    mount::{MsFlags, mount},
    unistd::{chdir, chroot},
};
use xtask_guest::job::{Cgroups, Job, ROOT_TAG, SCRATCH, Share};

/// Mount point of the host's root until it becomes the guest's root.
const NEW_ROOT: &str = "/host";

/// Options of every 9p mount: the transport, the Linux variant of the protocol, and large messages for few round trips.
const OPTIONS_9P: &str = "trans=virtio,version=9p2000.L,msize=512000";

/// Flags of file systems that hold neither programs nor devices.
const PLAIN: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NOEXEC);

fn attach(source: &str, target: &Path, kind: &str, flags: MsFlags, options: &str) -> Result<()> {
    mount(Some(source), target, Some(kind), flags, Some(options))
        .with_context(|| format!("cannot mount {kind} ({source}) on {}", target.display()))
}

/// Mounts /dev, /proc and /sys in the initramfs.
pub(crate) fn mount_kernel_file_systems() -> Result<()> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    for (kind, path, flags) in
        [("devtmpfs", "/dev", MsFlags::MS_NOSUID), ("proc", "/proc", plain), ("sysfs", "/sys", plain)]
    {
        fs::create_dir_all(path).with_context(|| format!("cannot create {path}"))?;
        // A kernel may have mounted devtmpfs already.
        if kind != "devtmpfs" || !Path::new("/dev/null").exists() {
            attach(kind, Path::new(path), kind, flags, "")?;
        }
    }
    Ok(())
}

/// Makes the host's root directory the guest's root, read-only, and mounts all other file systems in it.
pub(crate) fn enter_host_root(job: &Job) -> Result<()> {
    let root = Path::new(NEW_ROOT);
    fs::create_dir_all(root).with_context(|| format!("cannot create {NEW_ROOT}"))?;
    attach(ROOT_TAG, root, "9p", MsFlags::MS_RDONLY, &format!("{OPTIONS_9P},cache=loose"))?;
    for path in ["dev", "proc", "sys"] {
        let (from, to) = (Path::new("/").join(path), root.join(path));
        mount(Some(&from), &to, None::<&str>, MsFlags::MS_MOVE, None::<&str>)
            .with_context(|| format!("cannot move /{path} to the host's root"))?;
    }
    chdir(root).context("cannot enter the host's root")?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>).context("cannot move the host's root to /")?;
    chroot(".").context("cannot make the host's root the guest's")?;
    chdir("/").context("cannot enter /")?;

    for path in SCRATCH.iter().map(Path::new).filter(|path| path.is_dir()) {
        attach("tmpfs", path, "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=1777")?;
    }
    mount_devices()?;
    for share in &job.shares {
        mount_share(share)?;
    }
    let tracing = [("tracefs", "/sys/kernel/tracing"), ("debugfs", "/sys/kernel/debug")];
    let others = [("securityfs", "/sys/kernel/security"), ("bpf", "/sys/fs/bpf")];
    for (kind, path) in tracing.into_iter().filter(|_| job.tracefs).chain(others) {
        // A kernel without one of these file systems has no such directory. The job must handle that.
        if Path::new(path).is_dir() {
            attach(kind, Path::new(path), kind, PLAIN, "")?;
        }
    }
    mount_cgroups(job.cgroups)
}

/// Mounts the cgroup hierarchies where systemd would.
fn mount_cgroups(cgroups: Cgroups) -> Result<()> {
    let root = Path::new("/sys/fs/cgroup");
    if !root.is_dir() {
        return Ok(());
    }
    if cgroups == Cgroups::V2 {
        return attach("cgroup2", root, "cgroup2", PLAIN, "");
    }
    attach("tmpfs", root, "tmpfs", PLAIN, "mode=755")?;
    // name, hierarchy, number of cgroups, enabled
    let controllers = fs::read_to_string("/proc/cgroups").context("cannot read /proc/cgroups")?;
    let enabled = controllers.lines().filter(|line| !line.starts_with('#') && line.ends_with('1'));
    for controller in enabled.filter_map(|line| line.split_whitespace().next()) {
        let path = root.join(controller);
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        // A kernel can offer a controller for version 2 only.
        if attach("cgroup", &path, "cgroup", PLAIN, controller).is_err() {
            fs::remove_dir(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    let named = root.join("systemd");
    fs::create_dir(&named).with_context(|| format!("cannot create {}", named.display()))?;
    attach("cgroup", &named, "cgroup", PLAIN, "none,name=systemd")?;
    if cgroups == Cgroups::Hybrid {
        let unified = root.join("unified");
        fs::create_dir(&unified).with_context(|| format!("cannot create {}", unified.display()))?;
        attach("cgroup2", &unified, "cgroup2", PLAIN, "")?;
    }
    Ok(())
}

fn mount_devices() -> Result<()> {
    for (kind, path, options) in
        [("devpts", "/dev/pts", "ptmxmode=0666,mode=0620,gid=5"), ("tmpfs", "/dev/shm", "mode=1777")]
    {
        fs::create_dir_all(path).with_context(|| format!("cannot create {path}"))?;
        attach(kind, Path::new(path), kind, MsFlags::MS_NOSUID, options)?;
    }
    for (target, link) in [
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
        ("/proc/self/fd/2", "/dev/stderr"),
    ] {
        if !Path::new(link).exists() {
            symlink(target, link).with_context(|| format!("cannot create {link}"))?;
        }
    }
    let everyone = fs::Permissions::from_mode(0o666);
    fs::set_permissions("/dev/null", everyone).context("cannot give all users access to /dev/null")
}

fn mount_share(share: &Share) -> Result<()> {
    let path = PathBuf::from(&share.path);
    // The directory can be missing only in scratch space, which is empty.
    fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let (flags, cache) = if share.writable { (MsFlags::empty(), "mmap") } else { (MsFlags::MS_RDONLY, "loose") };
    attach(&share.tag, &path, "9p", flags, &format!("{OPTIONS_9P},cache={cache}"))
}

/// Returns `path` if it is a directory in the guest, else `/`.
pub(crate) fn working_directory(path: &OsStr) -> &Path {
    let path = Path::new(path);
    if path.is_dir() { path } else { Path::new("/") }
}
