//! The paths of each runtime, and the names of containers in them.

use super::*;

const ID: &str = "3f29c1d0a5e7b1c2d3e4f5061728394a5b6c7d8e9f00112233445566778899aa";

fn of(path: &str) -> Option<String> {
    let path = path.replace("ID", ID);
    Container::of(&path).map(|container| container.to_string())
}

#[test]
fn runtimes_are_known_by_their_paths() {
    let is = |path: &str, text: &str| assert_eq!(of(path).as_deref(), Some(text), "{path}");
    is("/system.slice/docker-ID.scope", "docker 3f29c1d0a5e7");
    is("/docker/ID", "docker 3f29c1d0a5e7");
    is("/docker/ID/init", "docker 3f29c1d0a5e7");
    is("/docker/buildkit/n4eu0udvbz9vfzjy71jkvgkwh", "buildkit n4eu0udvbz9v");
    is("/docker/buildkit/ID", "buildkit 3f29c1d0a5e7");
    is(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-ID.scope",
        "containerd 3f29c1d0a5e7",
    );
    is("/system.slice/containerd.service/kubepods-burstable-pod1_2.slice:cri-containerd:ID", "containerd 3f29c1d0a5e7");
    is("/k8s.io/ID", "containerd 3f29c1d0a5e7");
    is("/kubepods.slice/kubepods-pod1.slice/crio-ID.scope/container", "cri-o 3f29c1d0a5e7");
    is("/kubepods/burstable/pod0e7c/crio-ID", "cri-o 3f29c1d0a5e7");
    is("/kubepods/besteffort/pod0e7c/ID", "kubernetes 3f29c1d0a5e7");
    is("/kubepods/pod0e7c/kata_ID", "kata 3f29c1d0a5e7");
    is("/machine.slice/libpod-ID.scope/container", "podman 3f29c1d0a5e7");
    is("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope", "podman 3f29c1d0a5e7");
    is("/system.slice/nginx.service/libpod-payload-ID", "podman 3f29c1d0a5e7");
    is("/libpod_parent/libpod-ID/system.slice/x.mount", "podman 3f29c1d0a5e7");
    is("/ecs/haissam/5a0d5ceddf6c44c1928d367a815d890f/ID", "ecs 3f29c1d0a5e7");
    is("/ecs/55091c13-b8cf-4801-b527-f4601742204d/ID", "ecs 3f29c1d0a5e7");
    let fargate = "34dc0b5e626f2c5c4c5170e34b10e765-1234567890";
    is(&format!("/ecs/34dc0b5e626f2c5c4c5170e34b10e765/{fargate}"), &format!("ecs {fargate}"));
    is("/ecstasks.slice/ecstasks-5a0d.slice/docker-ID.scope", "docker 3f29c1d0a5e7");
    is("/lxc.payload.web/system.slice/nginx.service", "lxc web");
    is("/lxc/web", "lxc web");
    is("/unknown/ID", "container 3f29c1d0a5e7");
}

#[test]
fn machines_and_jobs_are_known_too() {
    let is = |path: &str, text: &str| assert_eq!(of(path).as_deref(), Some(text), "{path}");
    is("/machine.slice/machine-fedora.scope/payload/init.scope", "systemd-nspawn fedora");
    is("/machine.slice/machine-my\\x2dbox.scope", "systemd-nspawn my-box");
    is("/machine.slice/systemd-nspawn@web.service/payload", "systemd-nspawn web");
    is("/machine.slice/machine-qemu\\x2d6\\x2dvm1.scope/libvirt/vcpu0", "libvirt vm1");
    is("/machine/web.libvirt-qemu/emulator", "libvirt web");
    is("/user.slice/user-1000.slice/user@1000.service/user.slice/apptainer-4711.scope", "apptainer 4711");
    is("/garden/good/70c4dd15-9a36-42e0-5e4c-9a12", "garden 70c4dd15");
    is("/slurm/uid_1000/job_123/step_0/task_0", "slurm 123");
    is("/system.slice/slurmstepd.scope/job_123/step_0/user/task_0", "slurm 123");
    is("/system.slice/n1_slurmstepd.scope/job_123/step_batch/user/task_special", "slurm 123");
    is("/nomad.slice/share.slice/416baca9-bc05-d4c4-29f0-d0feec4e355c.task1.scope", "nomad 416baca9");
    is("/nomad.slice/share.slice/docker-ID.scope", "docker 3f29c1d0a5e7");
    is("/mesos/3b1cf944-1d97-40a6-ac73-b156ac2f2bfe", "mesos 3b1cf944");
}

#[test]
fn others_are_none() {
    let others = [
        "/",
        "/system.slice/db.service",
        "/system.slice/docker.service",
        "/machine.slice/libpod-conmon-ID.scope",
        "/kubepods/burstable/pod0e7c/crio-conmon-ID",
        "/lxc.monitor.web",
        "/user.slice/ID0",
        "/system.slice/slurmstepd.scope/system",
        "/user.slice/job_123",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/app-flatpak-org.gnome.Maps-123.scope",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/snap.firefox.firefox-3b1cf944-1d97-40a6-ac73-b156ac2f2bfe.scope",
        "/system.slice/machine-x.scope",
        "/docker/buildkit",
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
    let lxc = Container::of("/lxc/web").expect("a container");
    assert!(lxc.is_called("web") && !lxc.is_called("we"));
    let job = Container::of("/slurm/uid_0/job_123").expect("a job");
    assert!(job.is_called("123") && !job.is_called("12"));
}

#[test]
fn escapes_of_systemd_are_read() {
    assert_eq!(unescaped("a"), "a");
    assert_eq!(unescaped("a\\x2db\\x5cx"), "a-b\\x");
    assert_eq!(unescaped("\\xzz\\x2"), "\\xzz\\x2");
    assert_eq!(unescaped("\\x\u{e9}1"), "\\x\u{e9}1");
}
