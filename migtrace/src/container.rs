//! Containers, recognized by the cgroup names that container runtimes use.

use std::fmt;

/// Characters of a short ID.
const SHORT: usize = 12;
/// Hexadecimal digits of a full ID (OCI runtimes: a random 256-bit number).
const ID_DIGITS: usize = 64;

/// Prefixes of a container's systemd scope, by runtime.
const SCOPES: [(&str, &str); 5] = [
    ("docker-", "docker"),
    ("cri-containerd-", "containerd"),
    ("nerdctl-", "containerd"),
    ("crio-", "cri-o"),
    ("libpod-", "podman"),
];
/// Directories in which runtimes without systemd create a cgroup per ID.
const PARENTS: [(&str, &str); 4] =
    [("docker", "docker"), ("libpod_parent", "podman"), ("kubepods", "kubernetes"), ("kubepods.slice", "kubernetes")];

/// A container, as named by a cgroup path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Container<'a> {
    /// `docker`, `containerd`, `cri-o`, `podman`, `kubernetes`, `lxc`; `container` if the path does not show it.
    pub runtime: &'static str,
    /// Full ID of 64 hexadecimal digits; for LXC the name.
    pub id: &'a str,
}

impl<'a> Container<'a> {
    /// The innermost container of a cgroup; `None` if its path names none.
    #[must_use]
    pub fn of(path: &'a str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        (0..parts.len()).rev().find_map(|n| Self::of_part(parts[n], &parts[..n]))
    }

    fn of_part(part: &'a str, above: &[&str]) -> Option<Self> {
        if let Some(id) = part.strip_suffix(".scope") {
            return SCOPES.iter().find_map(|(prefix, runtime)| {
                let id = id.strip_prefix(prefix).filter(|id| is_id(id))?;
                Some(Self { runtime, id })
            });
        }
        if is_id(part) {
            let runtime = PARENTS.iter().find(|(parent, _)| above.contains(parent)).map_or("container", |(_, r)| r);
            return Some(Self { runtime, id: part });
        }
        let name = part.strip_prefix("lxc.payload.").or_else(|| (above.last() == Some(&"lxc")).then_some(part))?;
        Some(Self { runtime: "lxc", id: name })
    }

    /// Short ID.
    #[must_use]
    pub fn short_id(&self) -> &'a str {
        if is_id(self.id) { &self.id[..SHORT] } else { self.id }
    }

    /// Whether `text` is its name or the start of its ID.
    #[must_use]
    pub fn is_called(&self, text: &str) -> bool {
        self.id == text || is_id(self.id) && !text.is_empty() && self.id.starts_with(text)
    }
}

/// `docker 3f29c1d0a5e7`.
impl fmt::Display for Container<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.runtime, self.short_id())
    }
}

fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f29c1d0a5e7b1c2d3e4f5061728394a5b6c7d8e9f00112233445566778899aa";

    fn of(path: &str) -> Option<String> {
        let path = path.replace("ID", ID);
        Container::of(&path).map(|container| container.to_string())
    }

    #[test]
    fn runtimes_are_known_by_their_paths() {
        let is = |path, text: &str| assert_eq!(of(path).as_deref(), Some(text), "{path}");
        is("/system.slice/docker-ID.scope", "docker 3f29c1d0a5e7");
        is("/docker/ID", "docker 3f29c1d0a5e7");
        is("/docker/ID/init", "docker 3f29c1d0a5e7");
        is(
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-ID.scope",
            "containerd 3f29c1d0a5e7",
        );
        is("/kubepods.slice/kubepods-pod1.slice/crio-ID.scope/container", "cri-o 3f29c1d0a5e7");
        is("/kubepods/besteffort/pod0e7c/ID", "kubernetes 3f29c1d0a5e7");
        is("/machine.slice/libpod-ID.scope/container", "podman 3f29c1d0a5e7");
        is("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope", "podman 3f29c1d0a5e7");
        is("/garden/ID", "container 3f29c1d0a5e7");
        is("/lxc.payload.web/system.slice/nginx.service", "lxc web");
        is("/lxc/web", "lxc web");
    }

    #[test]
    fn others_are_none() {
        let others = [
            "/",
            "/system.slice/db.service",
            "/system.slice/docker.service",
            "/machine.slice/libpod-conmon-ID.scope",
            "/lxc.monitor.web",
            "/user.slice/ID0",
        ];
        for path in others {
            assert_eq!(of(path), None, "{path}");
        }
    }

    #[test]
    fn the_inner_one_counts_and_its_id_may_be_begun() {
        let inner = "a".repeat(ID_DIGITS);
        let path = format!("/docker/{ID}/docker/{inner}");
        let container = Container::of(&path).expect("one in another");
        assert_eq!(container.id, inner);
        assert!(container.is_called("aaa") && container.is_called(&inner));
        assert!(!container.is_called("") && !container.is_called("3f29") && !container.is_called("web"));
        let lxc = Container { runtime: "lxc", id: "web" };
        assert!(lxc.is_called("web") && !lxc.is_called("we"));
    }
}
