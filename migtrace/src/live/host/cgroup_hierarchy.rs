//! The cgroup hierarchy whose cgroups events have, and where it is mounted.
//!
//! With cgroup v1 a task has a cgroup in each hierarchy. Container runtimes create theirs in those of v1 controllers, and
//! often not in a version 2 beside them. The cgroup of the memory controller is the one that a page is charged to.

use std::{
    cmp::Reverse,
    fmt, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use procfs::process::{MountInfo, Process};

/// Controllers of version 1 by which a task's cgroup can be known, best first. Each has a field in the kernel's
/// `enum cgroup_subsys_id` with its own name.
const CONTROLLERS: [&str; 6] = ["memory", "cpuset", "cpu", "pids", "freezer", "devices"];

/// Id of a hierarchy's root; another id is the root of a namespace.
const ROOT_ID: u64 = 1;

/// A cgroup hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hierarchy {
    V2,
    /// Of version 1, with this controller.
    V1(&'static str),
}

/// `cgroup v2`, `cgroup v1 (memory)`.
impl fmt::Display for Hierarchy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V2 => f.write_str("cgroup v2"),
            Self::V1(controller) => write!(f, "cgroup v1 ({controller})"),
        }
    }
}

impl Hierarchy {
    /// The hierarchy of this machine's events. `None` if tasks are in no hierarchy with a known controller.
    #[must_use]
    pub fn of_events() -> Option<Self> {
        let process = Process::myself().ok()?;
        let cgroups = process.cgroups().ok()?;
        let v1: Vec<_> = cgroups.0.iter().flat_map(|cgroup| &cgroup.controllers).map(String::as_str).collect();
        let has_v2 = cgroups.0.iter().any(|cgroup| cgroup.hierarchy == 0);
        let controllers = |mount: Mount| fs::read_to_string(mount.point.join("cgroup.controllers")).unwrap_or_default();
        choose(&v1, has_v2.then(|| Mount::of(Self::V2).map(controllers)))
    }

    /// The command that mounts it.
    #[must_use]
    pub fn mount_command(self) -> String {
        match self {
            Self::V2 => "mount -t cgroup2 none /sys/fs/cgroup".to_owned(),
            Self::V1(controller) => {
                format!(
                    "mkdir -p /sys/fs/cgroup/{controller}; mount -t cgroup -o {controller} none /sys/fs/cgroup/{controller}"
                )
            }
        }
    }

    fn is_at(self, mount: &MountInfo) -> bool {
        match self {
            Self::V2 => mount.fs_type == "cgroup2",
            Self::V1(controller) => mount.fs_type == "cgroup" && mount.super_options.contains_key(controller),
        }
    }
}

/// The hierarchy of events. `v1`: the controllers in use with version 1; `v2`: if version 2 is in use, its controllers,
/// which are unknown if it is not mounted.
fn choose(v1: &[&str], v2: Option<Option<String>>) -> Option<Hierarchy> {
    let [memory, others @ ..] = CONTROLLERS;
    let is_v1 = |name: &&&str| v1.contains(*name);
    if v1.contains(&memory) {
        return Some(Hierarchy::V1(memory));
    }
    // If the memory controller is disabled (cgroup_disable=memory), it is in neither version.
    if let Some(controllers) = &v2
        && controllers.as_ref().is_none_or(|names| names.split_whitespace().any(|name| name == memory))
    {
        return Some(Hierarchy::V2);
    }
    let other = others.iter().find(is_v1).map(|name| Hierarchy::V1(name));
    other.or_else(|| v2.map(|_| Hierarchy::V2))
}

/// The hierarchy of events in words, and whether paths begin elsewhere than at its root.
#[must_use]
pub fn describe() -> Option<String> {
    let hierarchy = Hierarchy::of_events()?;
    let is_part = Mount::of(hierarchy).is_some_and(|mount| !mount.is_whole() && mount.root_path().is_empty());
    Some(if is_part {
        format!("{hierarchy}, paths from the root of a cgroup namespace")
    } else {
        hierarchy.to_string()
    })
}

/// Memory that this process's cgroup may still use, bytes. `None` if it has no limit, or if that is unknown.
#[must_use]
pub fn memory_left() -> Option<u64> {
    let hierarchy = Hierarchy::of_events()?;
    let mount = Mount::of(hierarchy)?;
    let cgroups = Process::myself().ok()?.cgroups().ok()?;
    let own = cgroups.0.into_iter().find(|cgroup| match hierarchy {
        Hierarchy::V2 => cgroup.hierarchy == 0,
        Hierarchy::V1(controller) => cgroup.controllers.iter().any(|its| its == controller),
    })?;
    least_left(&mount.dir_of(&own.pathname), &mount.point)
}

/// The least that is left in a cgroup or one above it.
fn least_left(cgroup: &Path, root: &Path) -> Option<u64> {
    let number = |dir: &Path, names: [&str; 2]| {
        let text = names.iter().find_map(|name| fs::read_to_string(dir.join(name)).ok())?;
        // Without a limit: `max`, and in version 1 nearly 2^63.
        text.trim().parse::<u64>().ok().filter(|bytes| *bytes < 1 << 62)
    };
    let left = |dir: &Path| {
        let limit = number(dir, ["memory.max", "memory.limit_in_bytes"])?;
        Some(limit.saturating_sub(number(dir, ["memory.current", "memory.usage_in_bytes"])?))
    };
    cgroup.ancestors().take_while(|dir| dir.starts_with(root)).filter_map(left).min()
}

/// Where a hierarchy is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub point: PathBuf,
    /// The mounted cgroup: `/`, or the path that a container sees as its root.
    pub root: String,
}

impl Mount {
    /// The mount that shows most of the hierarchy. `None` if it is not mounted for this process.
    #[must_use]
    pub fn of(hierarchy: Hierarchy) -> Option<Self> {
        let mounts = Process::myself().and_then(|process| process.mountinfo()).ok()?;
        Self::among(&mounts.0, hierarchy)
    }

    fn among(mounts: &[MountInfo], hierarchy: Hierarchy) -> Option<Self> {
        // The shortest root is the highest cgroup. In a private cgroup namespace, roots above its own are `/..`, `/../..`.
        let levels_above = |root: &str| {
            let names = root.split('/').filter(|name| !name.is_empty());
            if names.clone().all(|name| name == "..") { names.count() } else { 0 }
        };
        let found = mounts.iter().filter(|mount| hierarchy.is_at(mount));
        let found = found.min_by_key(|mount| (Reverse(levels_above(&mount.root)), mount.root.len()))?;
        Some(Self { point: found.mount_point.clone(), root: found.root.clone() })
    }

    /// Whether the whole hierarchy is below it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        fs::metadata(&self.point).is_ok_and(|root| root.ino() == ROOT_ID)
    }

    /// The path in the hierarchy of the cgroup at `dir`, `/` for the root. `None` if it is not below the mount point.
    #[must_use]
    pub fn path_of(&self, dir: &Path) -> Option<String> {
        let below = dir.strip_prefix(&self.point).ok()?.to_string_lossy();
        let root = self.root_path();
        Some(if below.is_empty() && !root.is_empty() { root.to_owned() } else { format!("{root}/{below}") })
    }

    /// The directory of the cgroup at a path in the hierarchy, or of one given by its directory.
    #[must_use]
    pub fn dir_of(&self, path: &str) -> PathBuf {
        if Path::new(path).starts_with(&self.point) {
            return PathBuf::from(path);
        }
        let below = path.strip_prefix(self.root_path()).unwrap_or(path);
        self.point.join(below.trim_matches('/'))
    }

    /// The root without a slash at its end. A root that the kernel shows relative to a private cgroup namespace is none:
    /// it begins with `/..`.
    fn root_path(&self) -> &str {
        if self.root.starts_with("/..") { "" } else { self.root.trim_end_matches('/') }
    }
}

#[cfg(test)]
mod tests {
    use procfs::{FromRead, process::MountInfos};

    use super::*;

    #[test]
    fn events_have_the_cgroup_that_memory_is_charged_to() {
        let v2 = |controllers: &str| Some(Some(controllers.to_owned()));
        let is = |v1: &[&str], v2, expected| assert_eq!(choose(v1, v2), expected, "{v1:?}");
        is(&[], v2("cpuset cpu io memory pids"), Some(Hierarchy::V2));
        is(&[], Some(None), Some(Hierarchy::V2));
        // Hybrid: the controllers are in version 1.
        is(&["cpu", "cpuset", "memory"], v2(""), Some(Hierarchy::V1("memory")));
        is(&["cpu", "memory"], None, Some(Hierarchy::V1("memory")));
        // A hierarchy of one controller that a batch system mounts beside version 2.
        is(&["cpuset"], v2("cpu io memory"), Some(Hierarchy::V2));
        // Without a memory controller.
        is(&["cpu", "cpuset"], v2(""), Some(Hierarchy::V1("cpuset")));
        is(&["net_cls"], v2(""), Some(Hierarchy::V2));
        is(&["name=systemd"], None, None);
    }

    #[test]
    fn the_hosts_mount_comes_before_that_of_a_private_namespace() {
        let text = "25 1 0:24 / /mnt/own rw - cgroup2 none rw\n\
                    26 1 0:24 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n\
                    27 1 0:24 /../web /mnt/web rw - cgroup2 cgroup2 rw\n";
        let mounts = MountInfos::from_read(text.as_bytes()).expect("mounts").0;
        let mut points = |count| {
            let mount = Mount::among(&mounts[..count], Hierarchy::V2).expect("a mount");
            mount.point.display().to_string()
        };
        assert_eq!([1, 2, 3].map(&mut points), ["/mnt/own", "/sys/fs/cgroup", "/sys/fs/cgroup"]);
    }

    #[test]
    fn a_mount_is_found_by_its_controller_and_not_by_its_place() {
        let text = "25 1 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
                    26 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                    27 25 0:24 /docker/ab /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                    28 25 0:24 / /mnt/memory rw - cgroup cgroup rw,memory\n\
                    29 25 0:25 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let mounts = MountInfos::from_read(text.as_bytes()).expect("mounts").0;
        let point = |hierarchy| Mount::among(&mounts, hierarchy).map(|mount| mount.point.display().to_string());
        assert_eq!(point(Hierarchy::V2).as_deref(), Some("/sys/fs/cgroup/unified"));
        assert_eq!(point(Hierarchy::V1("memory")).as_deref(), Some("/mnt/memory"));
        assert_eq!(point(Hierarchy::V1("cpu")).as_deref(), Some("/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(point(Hierarchy::V1("pids")), None);
    }

    #[test]
    fn the_memory_left_is_the_least_of_all_limits() {
        let root = tempfile::tempdir().expect("a directory");
        let write = |dir: &str, files: [(&str, &str); 2]| {
            fs::create_dir_all(root.path().join(dir)).expect("made");
            files.iter().for_each(|(name, text)| fs::write(root.path().join(dir).join(name), text).expect("written"));
        };
        write("a/b", [("memory.max", "max\n"), ("memory.current", "7\n")]);
        assert_eq!(least_left(&root.path().join("a/b"), root.path()), None);
        write("a", [("memory.max", "1000\n"), ("memory.current", "400\n")]);
        assert_eq!(least_left(&root.path().join("a/b"), root.path()), Some(600));
        write("v1", [("memory.limit_in_bytes", "9223372036854771712\n"), ("memory.usage_in_bytes", "7\n")]);
        assert_eq!(least_left(&root.path().join("v1"), root.path()), None);
        write("v1", [("memory.limit_in_bytes", "10\n"), ("memory.usage_in_bytes", "70\n")]);
        assert_eq!(least_left(&root.path().join("v1"), root.path()), Some(0));
    }

    #[test]
    fn paths_begin_at_the_root_of_the_hierarchy() {
        let mount = |root: &str| Mount { point: "/sys/fs/cgroup/memory".into(), root: root.into() };
        let path = |root: &str, below: &str| mount(root).path_of(&mount(root).point.join(below));
        assert_eq!(path("/", "").as_deref(), Some("/"));
        assert_eq!(path("/", "a/b").as_deref(), Some("/a/b"));
        assert_eq!(path("/docker/ab", "").as_deref(), Some("/docker/ab"));
        assert_eq!(path("/docker/ab", "c").as_deref(), Some("/docker/ab/c"));
        assert_eq!(path("/../..", "c").as_deref(), Some("/c"));
        assert_eq!(mount("/").path_of(Path::new("/elsewhere")), None);
        let dir = |root: &str, path: &str| mount(root).dir_of(path).display().to_string();
        assert_eq!(dir("/", "/a/b"), "/sys/fs/cgroup/memory/a/b");
        assert_eq!(dir("/docker/ab", "/docker/ab/c"), "/sys/fs/cgroup/memory/c");
        assert_eq!(dir("/docker/ab", "/c"), "/sys/fs/cgroup/memory/c");
        assert_eq!(dir("/", "/sys/fs/cgroup/memory/a"), "/sys/fs/cgroup/memory/a");
    }
}
