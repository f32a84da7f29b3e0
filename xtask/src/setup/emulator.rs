//! Unpacks a private emulator if the distribution's cannot be installed.
//!
//! If a machine has parts of another QEMU (from backports, for example), apt would remove them. Setup removes no
//! packages. Instead, it unpacks QEMU and the missing libraries into the cache, where the tasks start it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use xtask_common::{
    command,
    files::{create_dir, write_atomically},
    progress::{say, step},
};

use super::apt;
use crate::paths::Paths;

/// File name of the emulator's program.
pub(crate) const PROGRAM: &str = "qemu-system-x86_64";

/// Returns the path of the private emulator in the cache.
pub(crate) fn private(paths: &Paths) -> PathBuf {
    paths.cache.join("qemu").join(PROGRAM)
}

/// Returns whether the private emulator is unpacked. An emulator with an outdated wrapper script does not count.
pub(super) fn is_here(paths: &Paths) -> bool {
    fs::read_to_string(private(paths)).is_ok_and(|script| script == wrapper())
}

/// Unpacks the emulator's packages that `plan` would install.
pub(super) fn unpack(paths: &Paths, package: &str, plan: &apt::Plan) -> Result<()> {
    say(format!(
        "installing {package} would remove {}: unpacking QEMU into {} instead",
        plan.removes.join(", "),
        paths.cache.join("qemu").display()
    ));
    step(&format!("fetching and unpacking {package} and {} libraries", plan.installs.len().saturating_sub(1)), || {
        create_dir(&paths.cache)?;
        let work = tempfile::tempdir_in(&paths.cache).context("cannot create a directory in the cache")?;
        let debs = work.path().join("debs");
        let root = work.path().join("root");
        create_dir(&debs)?;
        create_dir(&root)?;
        apt::download(&plan.installs.iter().map(String::as_str).collect::<Vec<_>>(), &debs)?;
        for deb in fs::read_dir(&debs).context("cannot read the fetched packages")?.flatten() {
            command::run(Command::new("dpkg").arg("--extract").arg(deb.path()).arg(&root))?;
        }
        publish(paths, &root)
    })
}

/// Moves the files to the directory of [`private`]. Adds the start script only if QEMU starts.
fn publish(paths: &Paths, root: &Path) -> Result<()> {
    let file = private(paths);
    let home = file.parent().expect("it is in the cache");
    create_dir(home)?;
    let place = home.join("root");
    // Left by an earlier attempt.
    if place.exists() {
        fs::remove_dir_all(&place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    fs::rename(root, &place).with_context(|| format!("cannot move QEMU to {}", place.display()))?;
    let start = home.join(".try");
    write_atomically(&start, wrapper().as_bytes())?;
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&start, executable).with_context(|| format!("cannot make {} executable", start.display()))?;
    // The next task must not find an emulator that does not start.
    command::output(Command::new(&start).arg("--version")).context("the unpacked QEMU does not start")?;
    fs::rename(&start, &file).with_context(|| format!("cannot put QEMU into {}", file.display()))
}

/// Returns the script that starts QEMU with its own libraries and firmware. Packages have libraries in /lib and in
/// /usr/lib.
fn wrapper() -> String {
    let program = PROGRAM;
    format!(
        "#!/bin/sh\n\
         # Starts the QEMU beside this file, with its own libraries and firmware.\n\
         root=$(dirname \"$0\")/root\n\
         libraries=\"$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu\"\n\
         export LD_LIBRARY_PATH=\"$libraries${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\"\n\
         root=$root/usr\n\
         exec \"$root/bin/{program}\" -L \"$root/share/qemu\" -L \"$root/share/seabios\" -L \"$root/lib/ipxe/qemu\" \"$@\"\n"
    )
}
