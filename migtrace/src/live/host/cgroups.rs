//! Paths of cgroups by the ids in events. A cgroup can be deleted before the recording ends, so its path is looked up
//! when its id is first seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::Path,
};

use super::cgroup_hierarchy::{Hierarchy, Mount};
use crate::container::Container;

/// Type of a file handle with only a kernfs id (FILEID_KERNFS in include/linux/exportfs.h).
const FILEID_KERNFS: libc::c_int = 0xfe;

/// A `struct file_handle` with such an id.
#[repr(C)]
struct Handle {
    handle_bytes: libc::c_uint,
    handle_type: libc::c_int,
    id: [u8; 8],
}

/// The hierarchy of events and its mount.
fn mounted() -> io::Result<Mount> {
    let not_found = |why| io::Error::new(io::ErrorKind::NotFound, why);
    let hierarchy = Hierarchy::of_events().ok_or_else(|| not_found("no task is in a cgroup hierarchy".to_owned()))?;
    Mount::of(hierarchy)
        .ok_or_else(|| not_found(format!("{hierarchy} is not mounted; as root: {}", hierarchy.mount_command())))
}

/// Paths of the cgroups seen so far.
#[derive(Debug, Default)]
pub struct Cgroups {
    /// The mounted hierarchy; `None` if there is none.
    root: Option<(File, Mount)>,
    /// Paths in the hierarchy, `/` for the root itself. An id without a path is not looked up again.
    paths: BTreeMap<u64, Option<String>>,
    last: u64,
}

impl Cgroups {
    /// For this machine.
    #[must_use]
    pub fn running() -> Self {
        let root = mounted().ok().and_then(|mount| Some((File::open(&mount.point).ok()?, mount)));
        Self { root, ..Self::default() }
    }

    /// Looks up the path of an id in an event; 0 is no cgroup.
    pub fn see(&mut self, id: u64) {
        if id == 0 || id == self.last {
            return;
        }
        self.last = id;
        if !self.paths.contains_key(&id) {
            let path = self.root.as_ref().and_then(|(file, mount)| path_of(file, mount, id).ok());
            self.paths.insert(id, path);
        }
    }

    /// Drops the path of a cgroup that is not needed any more.
    pub fn forget(&mut self, id: u64) {
        self.paths.remove(&id);
        if self.last == id {
            self.last = 0;
        }
    }

    /// All cgroups with a path.
    #[must_use]
    pub fn paths(&self) -> BTreeMap<u64, String> {
        self.paths.iter().filter_map(|(id, path)| Some((*id, path.clone()?))).collect()
    }
}

/// Id of the cgroup at `path` in the hierarchy of events, and its depth if known. `path` can also be a directory.
///
/// # Errors
/// If there is no such cgroup, or the hierarchy is not mounted.
pub fn find(path: &str) -> io::Result<(u64, Option<u32>)> {
    let mount = mounted()?;
    let dir = mount.dir_of(path);
    let is_cgroup = |dir: &Path| dir.join("cgroup.procs").exists();
    if !is_cgroup(&dir) {
        let uses = format!("migtrace uses {}, at {}", hierarchy_text(), mount.point.display());
        let why = match is_cgroup(Path::new(path)) {
            true => format!("{path} is in another cgroup hierarchy: {uses}"),
            false => format!("no cgroup {} ({uses})", dir.display()),
        };
        return Err(io::Error::new(io::ErrorKind::NotFound, why));
    }
    let depth = dir.strip_prefix(&mount.point).map_or(0, |below| below.components().count());
    Ok((fs::metadata(&dir)?.ino(), mount.is_whole().then_some(depth as u32)))
}

fn hierarchy_text() -> String {
    Hierarchy::of_events().map_or_else(String::new, |hierarchy| hierarchy.to_string())
}

/// Directories of cgroups that are containers with this name or ID prefix, without the cgroups inside them.
///
/// # Errors
/// If no container matches, several do, or the hierarchy is not mounted.
pub fn find_container(called: &str) -> io::Result<Vec<String>> {
    let mount = mounted()?;
    let mut found = Vec::new();
    let top = mount.path_of(&mount.point).unwrap_or_default();
    walk(&mount.point, top.trim_end_matches('/'), &mut |path| {
        let is = Container::of(path).is_some_and(|container| container.is_called(called));
        if is {
            found.push(path.to_owned());
        }
        is
    });
    let ids: BTreeSet<_> = found.iter().filter_map(|path| Container::of(path)).map(|c| c.id).collect();
    match ids.len() {
        0 => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("no container {called} on this host, by the paths of {}", hierarchy_text()),
        )),
        1 => Ok(found),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("ambiguous ID {called}: {} containers match: {}", ids.len(), Vec::from_iter(ids).join(", ")),
        )),
    }
}

/// Visits all cgroups below `dir`, whose path is `path`, but not those below a `wanted` one.
fn walk(dir: &Path, path: &str, wanted: &mut impl FnMut(&str) -> bool) {
    // A cgroup that is deleted meanwhile has nothing below it.
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = format!("{path}/{}", entry.file_name().to_string_lossy());
        if !wanted(&path) {
            walk(&entry.path(), &path, wanted);
        }
    }
}

/// The path of a cgroup in the hierarchy. Needs CAP_DAC_READ_SEARCH.
fn path_of(file: &File, mount: &Mount, id: u64) -> io::Result<String> {
    let mut handle = Handle { handle_bytes: 8, handle_type: FILEID_KERNFS, id: id.to_ne_bytes() };
    // SAFETY: the handle is as long as it says, and lives until the call returns; the descriptor is open.
    let fd = unsafe { libc::open_by_handle_at(file.as_raw_fd(), (&raw mut handle).cast(), libc::O_PATH) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and owned by no other object.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let path = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))?;
    // A cgroup that the mount does not show, because it is outside the container, has a path that is not below it.
    mount.path_of(&path).ok_or_else(|| io::Error::other("the cgroup is not below the mount point"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The id of a cgroup is the inode number of its directory.
    #[test]
    fn a_path_is_found_by_its_id() {
        let mut cgroups = Cgroups::running();
        let Some(mount) = cgroups.root.as_ref().map(|(_, mount)| mount.clone()) else {
            println!("skipped: no cgroup hierarchy is mounted");
            return;
        };
        let id = fs::metadata(&mount.point).expect("the root").ino();
        cgroups.see(id);
        cgroups.see(u64::MAX);
        let paths = cgroups.paths();
        // Only root can open by handle.
        if !paths.is_empty() {
            assert_eq!(paths.get(&id), mount.path_of(&mount.point).as_ref());
            assert_eq!(paths.len(), 1);
        }
        cgroups.see(id);
        cgroups.forget(id);
        assert!(!cgroups.paths().contains_key(&id));
        cgroups.see(id);
        assert_eq!(cgroups.paths(), paths);
    }

    #[test]
    fn cgroups_are_walked_to_the_wanted_ones() {
        let dir = tempfile::tempdir().expect("a directory");
        for path in ["a/b/c", "a/d", "e"] {
            fs::create_dir_all(dir.path().join(path)).expect("made");
        }
        fs::write(dir.path().join("a/cgroup.procs"), "").expect("written");
        let mut seen = BTreeSet::new();
        walk(dir.path(), "", &mut |path| {
            seen.insert(path.to_owned());
            path == "/a/b"
        });
        assert_eq!(seen, ["/a", "/a/b", "/a/d", "/e"].map(str::to_owned).into());
    }

    #[test]
    fn nothing_is_asked_for_without_a_hierarchy() {
        let mut cgroups = Cgroups::default();
        cgroups.see(1);
        cgroups.see(0);
        assert!(cgroups.paths().is_empty());
    }
}
