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
    path::{Path, PathBuf},
};

use crate::container::Container;

/// Mount point of cgroup v2, or of its unified hierarchy beside version 1.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// Id of the hierarchy's root; another id is the root of a namespace.
const ROOT_ID: u64 = 1;

/// Type of a file handle with only a kernfs id (FILEID_KERNFS in include/linux/exportfs.h).
const FILEID_KERNFS: libc::c_int = 0xfe;

/// A `struct file_handle` with such an id.
#[repr(C)]
struct Handle {
    handle_bytes: libc::c_uint,
    handle_type: libc::c_int,
    id: [u8; 8],
}

/// Mount point of cgroup v2, if mounted.
fn mounted() -> Option<&'static str> {
    ROOTS.into_iter().find(|root| Path::new(root).join("cgroup.procs").exists())
}

/// Paths of the cgroups seen so far.
#[derive(Debug, Default)]
pub struct Cgroups {
    /// The mounted hierarchy; `None` if there is none, or if it is version 1.
    root: Option<(File, PathBuf)>,
    /// Paths below the root, `/` for the root itself. An id without a path is not looked up again.
    paths: BTreeMap<u64, Option<String>>,
    last: u64,
}

impl Cgroups {
    /// For this machine.
    #[must_use]
    pub fn running() -> Self {
        let root = mounted().and_then(|root| Some((File::open(root).ok()?, PathBuf::from(root))));
        Self { root, ..Self::default() }
    }

    /// Looks up the path of an id in an event; 0 is no cgroup.
    pub fn see(&mut self, id: u64) {
        if id == 0 || id == self.last {
            return;
        }
        self.last = id;
        if !self.paths.contains_key(&id) {
            let path = self.root.as_ref().and_then(|(mount, root)| path_of(mount, root, id).ok());
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

/// Id of the cgroup at `path` below the root, and its depth if known.
///
/// # Errors
/// If there is no such cgroup, or no cgroup v2.
pub fn find(path: &str) -> io::Result<(u64, Option<u32>)> {
    let root = mounted().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "cgroup v2 is not mounted"))?;
    let dir = Path::new(root).join(path.trim_start_matches('/'));
    if !dir.join("cgroup.procs").exists() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("no cgroup {}", dir.display())));
    }
    let is_real_root = fs::metadata(root)?.ino() == ROOT_ID;
    let depth = path.split('/').filter(|part| !part.is_empty()).count();
    Ok((fs::metadata(&dir)?.ino(), is_real_root.then_some(depth as u32)))
}

/// Paths below the root of cgroups that are containers with this name or ID prefix, without the cgroups inside them.
///
/// # Errors
/// If no container matches, several do, or there is no cgroup v2.
pub fn find_container(called: &str) -> io::Result<Vec<String>> {
    let root = mounted().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "cgroup v2 is not mounted"))?;
    let mut found = Vec::new();
    walk(Path::new(root), "", &mut |path| {
        let is = Container::of(path).is_some_and(|container| container.is_called(called));
        if is {
            found.push(path.to_owned());
        }
        is
    });
    let ids: BTreeSet<_> = found.iter().filter_map(|path| Container::of(path)).map(|c| c.id).collect();
    match ids.len() {
        0 => Err(io::Error::new(io::ErrorKind::NotFound, format!("no container {called} on this host"))),
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

/// The path of a cgroup below the root. Needs CAP_DAC_READ_SEARCH.
fn path_of(mount: &File, root: &Path, id: u64) -> io::Result<String> {
    let mut handle = Handle { handle_bytes: 8, handle_type: FILEID_KERNFS, id: id.to_ne_bytes() };
    // SAFETY: the handle is as long as it says, and lives until the call returns; the descriptor is open.
    let fd = unsafe { libc::open_by_handle_at(mount.as_raw_fd(), (&raw mut handle).cast(), libc::O_PATH) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and owned by no other object.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let path = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))?;
    let below = path.strip_prefix(root).map_err(io::Error::other)?;
    Ok(format!("/{}", below.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The id of a cgroup is the inode number of its directory.
    #[test]
    fn a_path_is_found_by_its_id() {
        let mut cgroups = Cgroups::running();
        let Some(root) = cgroups.root.as_ref().map(|(_, root)| root.clone()) else {
            println!("skipped: cgroup v2 is not mounted");
            return;
        };
        let id = fs::metadata(&root).expect("the root").ino();
        cgroups.see(id);
        cgroups.see(u64::MAX);
        let paths = cgroups.paths();
        // Only root can open by handle.
        if !paths.is_empty() {
            assert_eq!(paths, BTreeMap::from([(id, "/".to_owned())]));
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
