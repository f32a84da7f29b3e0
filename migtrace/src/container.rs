//! Containers, recognized by the cgroup names that container runtimes use.

use std::{borrow::Cow, fmt};

/// Hexadecimal digits of a full ID (OCI runtimes: a random 256-bit number).
const ID_DIGITS: usize = 64;

/// What names a container in a part of a cgroup's path.
enum Id {
    /// 64 hexadecimal digits.
    Long,
    /// A UUID, or a part of one: groups of hexadecimal digits joined by `-`.
    Uuid,
    /// A UUID without `-`, then `-` and a decimal number.
    TaskNumber,
    /// 25 characters of the digits and letters.
    Base36,
    /// A decimal number.
    Number,
    /// A name, in which systemd escapes `-` and other characters as `\x2d`.
    Escaped,
    /// The same after libvirt's number of the running domain and `-`.
    Domain,
    /// Any name.
    Name,
}

/// How a runtime names the cgroup of a container.
struct Form {
    runtime: &'static str,
    /// The directory that the part is below, at any distance; empty: any.
    below: &'static str,
    /// What is before and after the ID in the part.
    around: (&'static str, &'static str),
    id: Id,
}

const fn form(runtime: &'static str, below: &'static str, around: (&'static str, &'static str), id: Id) -> Form {
    Form { runtime, below, around, id }
}

/// All forms; the first that fits counts. An `around` of `PREFIX-` and nothing also fits `PREFIX-ID.scope` of systemd,
/// and `SLICE:PREFIX:ID`: runc creates that if containerd is configured for systemd's names and runc is not.
///
/// Sources: documentation and code of the runtimes, and paths in their issues.
/// - docker: `withCgroups()` in moby's daemon/oci_linux.go. BuildKit below it: IDs of its package `identity`.
/// - containerd: `getCgroupsPath()` in its CRI plugin. It and CRI-O before 1.0 use a bare ID below `podUID` with cgroupfs.
/// - CRI-O: internal/config/cgmgr, `crio-ID` with cgroupfs, `crio-ID.scope` with systemd.
/// - podman: `getOCICgroupPath()` in libpod/container_internal_linux.go: `libpod-payload-ID` with `--cgroups=split`, as for
///   Quadlet's units; `libpod_parent/libpod-ID` with cgroupfs.
/// - Amazon ECS: agent/taskresource/cgroup of amazon-ecs-agent: `/ecs/TASK/ID`, with a cluster `/ecs/CLUSTER/TASK/ID`;
///   Fargate from 1.4 on: `/ecs/TASK/TASK-NUMBER`. With cgroup v2: `ecstasks.slice/ecstasks-TASK.slice/docker-ID.scope`.
/// - Kata Containers: `kata_ID` for the sandbox.
/// - LXC, LXD, Incus: lxc.container.conf(5), `lxc.cgroup.dir`.
/// - systemd-nspawn: `machine_ensure_scope()` in src/machine, systemd-nspawn@.service.
/// - libvirt: <https://libvirt.org/cgroups.html>: `machine-qemu-1-NAME.scope`, without systemd `NAME.libvirt-qemu`. A virtual
///   machine is no container, but the memory below its cgroup is that of one guest.
/// - Apptainer, Singularity: `internal/pkg/cgroups`, a scope with the PID of the starter, only with resource limits.
/// - Cloud Foundry: Garden's `/garden/HANDLE`, since 2020 `/garden/good/HANDLE`.
/// - Slurm: <https://slurm.schedmd.com/cgroup_v2.html>. A job is no container, but what a user of the host looks for.
/// - Nomad: client/lib/cgroupslib: `nomad.slice/share.slice/ALLOC.TASK.scope`, with v1 `/nomad/share/ALLOC.TASK`.
/// - Mesos: <https://mesos.apache.org/documentation/latest/containerizer-internals/>, `cgroups_root`.
///
/// Flatpak and snap applications are no containers here: their scopes belong to one user's session and have no ID.
const FORMS: &[Form] = &[
    form("docker", "", ("docker-", ""), Id::Long),
    form("containerd", "", ("cri-containerd-", ""), Id::Long),
    form("containerd", "", ("nerdctl-", ""), Id::Long),
    form("cri-o", "", ("crio-", ""), Id::Long),
    form("podman", "", ("libpod-payload-", ""), Id::Long),
    form("podman", "", ("libpod-", ""), Id::Long),
    form("kata", "", ("kata_", ""), Id::Long),
    form("buildkit", "buildkit", ("", ""), Id::Base36),
    form("buildkit", "buildkit", ("", ""), Id::Long),
    form("docker", "docker", ("", ""), Id::Long),
    form("podman", "libpod_parent", ("", ""), Id::Long),
    form("kubernetes", "kubepods", ("", ""), Id::Long),
    form("kubernetes", "kubepods.slice", ("", ""), Id::Long),
    form("containerd", "k8s.io", ("", ""), Id::Long),
    form("ecs", "ecs", ("", ""), Id::Long),
    form("ecs", "ecs", ("", ""), Id::TaskNumber),
    form("lxc", "", ("lxc.payload.", ""), Id::Name),
    form("libvirt", "machine.slice", ("machine-qemu\\x2d", ".scope"), Id::Domain),
    form("libvirt", "machine.slice", ("machine-lxc\\x2d", ".scope"), Id::Domain),
    form("libvirt", "", ("", ".libvirt-qemu"), Id::Name),
    form("libvirt", "", ("", ".libvirt-lxc"), Id::Name),
    form("systemd-nspawn", "machine.slice", ("machine-", ".scope"), Id::Escaped),
    form("systemd-nspawn", "machine.slice", ("systemd-nspawn@", ".service"), Id::Escaped),
    form("apptainer", "", ("apptainer-", ".scope"), Id::Number),
    form("singularity", "", ("singularity-", ".scope"), Id::Number),
    form("garden", "garden", ("", ""), Id::Uuid),
    form("slurm", "slurm", ("job_", ""), Id::Number),
    form("slurm", "slurmstepd.scope", ("job_", ""), Id::Number),
    form("mesos", "mesos", ("", ""), Id::Uuid),
    form("container", "", ("", ""), Id::Long),
];

/// A container, as named by a cgroup path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Container<'a> {
    /// As in `docs/filters.md`: `docker`, `kubernetes`, `slurm`, ...; `container` if the path does not show it.
    pub runtime: &'static str,
    /// The full ID, or the name if the runtime has no IDs.
    pub id: Cow<'a, str>,
    /// Characters that are enough of an ID, as the runtime shows it; 0 for a name.
    short: usize,
}

impl<'a> Container<'a> {
    /// The innermost container of a cgroup; `None` if its path names none.
    #[must_use]
    pub fn of(path: &'a str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        (0..parts.len()).rev().find_map(|n| Self::of_part(parts[n], &parts[..n]))
    }

    fn of_part(part: &'a str, above: &[&str]) -> Option<Self> {
        // LXC without cgroup namespaces: /lxc/NAME.
        if above.last() == Some(&"lxc") {
            return Some(Self { runtime: "lxc", id: part.into(), short: 0 });
        }
        FORMS.iter().find_map(|form| form.fits(part, above)).or_else(|| nomad(part, above))
    }

    /// Short ID.
    #[must_use]
    pub fn short_id(&self) -> &str {
        if self.short > 0 { &self.id[..self.short.min(self.id.len())] } else { &self.id }
    }

    /// Whether `text` is its name or the start of its ID.
    #[must_use]
    pub fn is_called(&self, text: &str) -> bool {
        self.id == text || self.short > 0 && !text.is_empty() && self.id.starts_with(text)
    }
}

impl Form {
    fn fits<'a>(&self, part: &'a str, above: &[&str]) -> Option<Container<'a>> {
        // Slurm with several daemons on a host has slurm_NODE and NODE_slurmstepd.scope.
        let is_above = |dir: &&str| *dir == self.below || self.runtime == "slurm" && is_slurm(dir, self.below);
        if !self.below.is_empty() && !above.iter().any(is_above) {
            return None;
        }
        let (prefix, suffix) = self.around;
        let id = part.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix));
        let id = id.map(|id| if suffix.is_empty() { id.strip_suffix(".scope").unwrap_or(id) } else { id });
        let id = id.or_else(|| self.unparsed(part))?;
        let (id, short) = self.id.of(id)?;
        Some(Container { runtime: self.runtime, id, short })
    }

    /// The ID in `SLICE:PREFIX:ID`.
    fn unparsed<'a>(&self, part: &'a str) -> Option<&'a str> {
        let (rest, id) = part.rsplit_once(':')?;
        let (_, prefix) = rest.rsplit_once(':')?;
        (self.around.0.strip_suffix('-') == Some(prefix)).then_some(id)
    }
}

/// Whether this is Slurm's directory for one of several daemons.
fn is_slurm(dir: &str, usual: &str) -> bool {
    dir.strip_prefix(usual).is_some_and(|node| node.starts_with('_'))
        || dir.strip_suffix(usual).is_some_and(|node| node.ends_with('_'))
}

/// A Nomad task: ALLOC.TASK or ALLOC.TASK.scope. The ID is that of the allocation.
fn nomad<'a>(part: &'a str, above: &[&str]) -> Option<Container<'a>> {
    let (allocation, _) =
        part.split_once('.').filter(|_| above.iter().any(|dir| ["nomad", "nomad.slice"].contains(dir)))?;
    let (id, short) = Id::Uuid.of(allocation)?;
    Some(Container { runtime: "nomad", id, short })
}

impl Id {
    /// The ID, and how many characters of it are enough; `None` if it has another form.
    fn of<'a>(&self, text: &'a str) -> Option<(Cow<'a, str>, usize)> {
        let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let whole = text.len();
        let short = match self {
            Self::Long => (whole == ID_DIGITS && is_hex(text)).then_some(12),
            Self::Uuid => {
                (whole > 8 && text.contains('-') && text.split('-').all(|g| g.len() >= 4 && is_hex(g))).then_some(8)
            }
            Self::TaskNumber => {
                text.split_once('-').filter(|(task, n)| task.len() == 32 && is_hex(task) && is_number(n)).map(|_| whole)
            }
            Self::Base36 => {
                (whole == 25 && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())).then_some(12)
            }
            Self::Number => is_number(text).then_some(0),
            Self::Escaped | Self::Domain | Self::Name => (!text.is_empty()).then_some(0),
        }?;
        let id = match self {
            Self::Escaped => unescaped(text),
            Self::Domain => {
                let name = unescaped(text);
                let after_number =
                    name.split_once('-').filter(|(number, _)| is_number(number)).map(|(_, name)| name.to_owned());
                after_number.map_or(name, Cow::from)
            }
            _ => text.into(),
        };
        Some((id, short))
    }
}

/// The name in a unit's name: systemd escapes bytes as `\x2d`.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains("\\x") {
        return text.into();
    }
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend(before.as_bytes());
        let code = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.extend(code.map_or(&b"\\x"[..], |_| &[]));
        bytes.extend(code);
        rest = if code.is_some() { &after[2..] } else { after };
    }
    bytes.extend(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// `docker 3f29c1d0a5e7`.
impl fmt::Display for Container<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.runtime, self.short_id())
    }
}

#[cfg(test)]
mod tests;
