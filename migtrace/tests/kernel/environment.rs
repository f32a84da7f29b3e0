//! A missing requirement gives one message that names it, and the right exit status.

use migtrace::event::Probe;
use migtrace::recording::{Coverage, Why};
use std::{
    fs,
    io::ErrorKind,
    process::{Command, Output},
};

use crate::{
    recorder::Recorder,
    requirements,
    support::{migtrace, record, texts},
};

const BAD_INPUT: i32 = 2;
const UNAVAILABLE: i32 = 69;

fn assert_refused(output: &Output, status: i32, words: &[&str]) {
    let (_, stderr) = texts(output);
    assert_eq!(output.status.code(), Some(status), "{stderr}");
    let messages: Vec<_> = stderr.lines().filter(|line| line.starts_with("migtrace: ")).collect();
    assert_eq!(messages.len(), 1, "exactly one message: {stderr}");
    for word in words {
        assert!(messages[0].contains(word), "{word:?} is not in: {stderr}");
    }
}

/// Runs `migtrace record -- true`, started by another program.
fn record_under(program: &str, args: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command.args(args).arg(migtrace().get_program()).args(["record", "-o"]).arg(dir.path().join("run.parquet"));
    command.args(["--", "true"]).output().unwrap()
}

#[test]
fn record_without_privilege_is_refused() {
    let output = record_under("setpriv", &["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]);
    assert_refused(&output, UNAVAILABLE, &["CAP_BPF", "CAP_PERFMON", "sudo"]);
}

#[test]
fn record_without_btf_is_refused() {
    let hide = "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" \"$@\"";
    let output = record_under("unshare", &["--mount", "sh", "-c", hide]);
    assert_refused(&output, UNAVAILABLE, &["BTF", "/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF"]);
}

#[test]
fn record_in_a_private_pid_namespace_is_refused() {
    // The kernel records the host's PIDs, so the PIDs of this namespace would match no event.
    let output = record_under("unshare", &["--pid", "--fork", "--mount-proc"]);
    assert_refused(&output, UNAVAILABLE, &["pid namespace", "--pid=host", "hostPID"]);
}

#[test]
fn record_needs_no_tracefs() {
    for hide in ["umount -l /sys/kernel/tracing", "umount -l /sys/kernel/tracing /sys/kernel/debug"] {
        let hide = format!("{hide} && exec \"$0\" \"$@\"");
        let output = record_under("unshare", &["--mount", "sh", "-c", &hide]);
        let (_, stderr) = texts(&output);
        assert!(output.status.success() && stderr.contains("faults in"), "{stderr}");
    }
}

#[test]
fn record_of_a_process_that_does_not_exist_is_refused() {
    let output = migtrace().args(["record", "--pid", "4194304"]).output().unwrap();
    assert_refused(&output, BAD_INPUT, &["4194304", "no such process"]);
}

#[test]
fn record_of_a_command_that_does_not_exist_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let output = migtrace().current_dir(dir.path()).args(["record", "--", "/nonexistent/command"]).output().unwrap();
    assert_refused(&output, 127, &["/nonexistent/command", "no such file"]);
    // The options end at the command, with or without --.
    let output = migtrace().current_dir(dir.path()).args(["record", "sh", "-c", "exit 4"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", texts(&output).1);
    let output = migtrace().current_dir(dir.path()).args(["record", "sleep 1"]).output().unwrap();
    assert_refused(&output, 127, &["sleep 1", "separate words"]);
}

#[test]
fn record_to_standard_output_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let output = migtrace().current_dir(dir.path()).args(["record", "-o", "-", "true"]).output().unwrap();
    assert_refused(&output, BAD_INPUT, &["standard output", "./-"]);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn record_exits_with_the_status_of_its_command() {
    let dir = tempfile::tempdir().unwrap();
    let output = migtrace().current_dir(dir.path()).args(["record", "--", "sh", "-c", "exit 7"]).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", texts(&output).1);
}

#[test]
fn diagnostics_of_bpf_programs_are_shown_with_verbose_only() {
    let dir = tempfile::tempdir().unwrap();
    let unreadable = format!("syscall(157, {:#x}, 1, 5)", migtrace_common::record::PR_MIGTRACE_PHASE);
    let record = |options: &[&str]| {
        let mut command = migtrace();
        command.current_dir(dir.path()).arg("record").args(options).args(["--", "perl", "-e", &unreadable]);
        texts(&command.output().unwrap()).1
    };
    let message = "cannot read the text of a phase";
    assert!(record(&["-v"]).contains(message));
    assert!(!record(&[]).contains(message));
}

/// Disables ftrace until drop. BPF programs on functions are called by ftrace, so the kernel does not call them
/// meanwhile.
struct FtraceOff;

impl FtraceOff {
    const SETTING: &str = "/proc/sys/kernel/ftrace_enabled";

    fn now() -> Self {
        Self::unless_busy().unwrap()
    }

    /// `None` if the kernel refuses: 5.15 does while programs are attached to functions by fentry, 6.1 does not.
    fn unless_busy() -> Option<Self> {
        match fs::write(Self::SETTING, "0") {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => None,
            written => {
                written.unwrap();
                Some(Self)
            }
        }
    }
}

impl Drop for FtraceOff {
    fn drop(&mut self) {
        fs::write(Self::SETTING, "1").unwrap();
    }
}

#[test]
fn function_hooks_are_not_used_while_ftrace_is_disabled() {
    let off = FtraceOff::now();
    let run = record("anon seg 64p\nmap seg\ntouch seg write\n");
    let doctor = migtrace().arg("doctor").output().unwrap();
    drop(off);
    // The kernel accepts programs on functions even then. A trace by them would be empty, with fidelity exact.
    assert!(run.faults().len() >= 64, "{:?}", run.account(Probe::Fault));
    let fault = run.meta.probes.iter().find(|p| p.probe == Probe::Fault && p.field.is_none()).unwrap();
    assert!(fault.attached.as_ref().unwrap().contains("page_fault_user"), "{fault:?}");
    assert!(fault.error.as_ref().unwrap().contains("ftrace_enabled"), "{fault:?}");
    let (report, _) = texts(&doctor);
    assert!(report.contains("sysctl kernel.ftrace_enabled=1"), "{report}");
}

#[test]
fn a_recording_interrupted_by_disabled_ftrace_is_estimated() {
    let recorder = Recorder::attached(&["--comm", "migtrace"]);
    let Some(off) = FtraceOff::unless_busy() else {
        return requirements::skip("a kernel that disables ftrace while programs are attached");
    };
    recorder.wait_for_message("kernel.ftrace_enabled is 0");
    drop(off);
    recorder.signal(libc::SIGINT);
    let run = recorder.finish();
    assert!(run.ended.stderr.contains("ftrace_enabled was 0 for a time"), "{}", run.ended.stderr);
    let fault = run.meta.probes.iter().find(|p| p.probe == Probe::Fault && p.field.is_none()).unwrap();
    assert!(fault.attached.as_ref().unwrap().contains("fentry"));
    assert_eq!(fault.coverage(), Coverage::Estimated(Why::Interrupted));
    assert!(run.log().contains("estimated: kernel.ftrace_enabled was 0 for a time"), "{}", run.log());
}
