//! Attribution of pages: fault classes, mappings with kind, name and policy, stacks, and nodes. For classes and
//! mappings, a child process touches every kind of memory and prints the addresses, which are compared with the trace.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    ffi::{CString, OsString},
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, exit},
    sync::Arc,
};

use migtrace::event::{Access, Fault, FaultClass, Policy, RegionClass, TaskEvent};

use crate::{
    recorder::{ChildGuard, Recorder, wait_for},
    requirements,
    support::{PAGE, PAGES, Script, migtrace, record, record_with},
    workloads::segment_start,
};

/// Set in the environment of the recorded process.
pub(crate) const WORKLOAD: &str = "MIGTRACE_TEST_WORKLOAD";
const TEST: &str = "attribution::every_kind_of_memory_has_its_class_name_and_policy";
/// 2 MiB.
const HUGE: usize = 512 * PAGE as usize;

#[test]
fn every_kind_of_memory_has_its_class_name_and_policy() {
    if env::var_os(WORKLOAD).is_some() {
        workload();
    }
    let pages = Path::new("/proc/sys/vm/nr_hugepages");
    fs::write(pages, "4").unwrap();
    let argv = workload_argv(TEST);
    let run = Recorder::start(&[], &argv).finish();
    fs::write(pages, "0").unwrap();
    let stdout = &run.ended.stdout;

    let faults = run.faults();
    for line in stdout.lines().filter_map(|line| line.strip_prefix("fault ")) {
        let [class, addr, order] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let addr = u64::from_str_radix(addr, 16).unwrap();
        let is_of_page = |f: &Fault| f.addr & !(PAGE - 1) == addr;
        // A fault that waited for userfaultfd is to be retried. The second one finds the page mapped.
        let retried = |f: &Fault| f.result.as_deref() == Some("retry");
        let last = faults.iter().rfind(|(_, f)| is_of_page(f) && retried(f) == (class == "userfault"));
        let (_, fault) = last.unwrap_or_else(|| panic!("no fault of {line}"));
        let found = (fault.class.map(FaultClass::word), fault.order.map(|order| order.to_string()));
        assert_eq!(found.0, Some(class), "{line}: {fault:?}");
        // The page may be mapped by the time that the fault to be retried ends.
        assert!(class == "userfault" || found.1.as_deref() == (order != "-").then_some(order), "{line}: {fault:?}");
    }
    let regions: BTreeMap<_, _> = run.regions().into_iter().map(|(_, r)| (r.addr, r)).collect();
    let mut seen = BTreeSet::new();
    for line in stdout.lines().filter_map(|line| line.strip_prefix("region ")) {
        let [class, addr, len, name, policy] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let number = |text| u64::from_str_radix(text, 16).unwrap();
        let (_, region) = regions.range(..=number(addr)).next_back().unwrap_or_else(|| panic!("no region of {line}"));
        assert_eq!((region.class.word(), &*region.name), (class, name.trim_matches('-')), "{line}: {region:?}");
        assert_eq!(region.policy.map_or("-", Policy::word), policy, "{line}: {region:?}");
        // The stack and the heap grow, so the workload prints length 0 for them, and their bounds are not compared.
        if number(len) > 0 {
            assert_eq!((region.addr, region.len), (number(addr), number(len)), "{line}");
        }
        seen.insert(region.class);
    }
    use RegionClass::{Anon, File, Heap, Hugetlb, Shmem, Stack};
    assert_eq!(seen, [Anon, File, Heap, Hugetlb, Shmem, Stack].into());
    run.assert_lossless();
}

/// Returns the command that runs the workload of a test on CPU 1.
pub(crate) fn workload_argv(test: &str) -> Vec<OsString> {
    let as_workload = format!("{WORKLOAD}=1");
    let before = ["taskset", "-c", "1", "env", &as_workload].map(OsString::from);
    let after = ["--exact", test, "--nocapture", "--test-threads=1"].map(OsString::from);
    before.into_iter().chain([env::current_exe().unwrap().into()]).chain(after).collect()
}

/// Touches every kind of memory, and prints the address and the expected attributes of each.
fn workload() -> ! {
    let page = PAGE as usize;
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    println!();
    let fault = |class: &str, addr: usize| println!("fault {class} {addr:x} 0");
    let region = |class: &str, addr: usize, len: usize, name: &str, policy: &str| {
        println!("region {class} {addr:x} {len:x} {name} {policy}");
    };

    let anon = map(4 * page, private, -1);
    write(anon);
    fault("anon", anon);
    region("anon", anon, 4 * page, "-", "-");

    let cow = map(4 * page, private, -1);
    read(cow);
    write(cow);
    fault("cow", cow);

    let bound = map(4 * page, private, -1);
    let on_2: u64 = 1 << 2;
    // SAFETY: this function made the mapping; the kernel reads one word of nodes.
    let ret = unsafe { libc::syscall(libc::SYS_mbind, bound, 4 * page, libc::MPOL_BIND, &raw const on_2, 64_u64, 0) };
    assert_eq!(ret, 0, "mbind: {}", std::io::Error::last_os_error());
    write(bound);
    fault("anon", bound);
    region("anon", bound, 4 * page, "-", "bind");

    let shmem = map(4 * page, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1);
    write(shmem);
    fault("shmem", shmem);
    region("shmem", shmem, 4 * page, "dev/zero", "-");

    // This program's own file is not on tmpfs, whose pages have class shmem.
    let exe = env::current_exe().unwrap();
    let file = fs::File::open(&exe).unwrap();
    let mapped = map(4 * page, libc::MAP_PRIVATE, std::os::fd::AsRawFd::as_raw_fd(&file));
    read(mapped);
    fault("file", mapped);
    let name: String = exe.file_name().unwrap().to_string_lossy().chars().take(NAME_BYTES).collect();
    region("file", mapped, 4 * page, &name, "-");

    let hugetlb = map(HUGE, private | libc::MAP_HUGETLB, -1);
    write(hugetlb);
    println!("fault hugetlb {hugetlb:x} 9");
    region("hugetlb", hugetlb, HUGE, "anon_hugepage", "-");

    let huge = map(2 * HUGE, private, -1).next_multiple_of(HUGE);
    advise(huge, HUGE, libc::MADV_HUGEPAGE);
    if fs::exists("/sys/kernel/mm/transparent_hugepage").unwrap() {
        write(huge);
        println!("fault huge {huge:x} 9");
    }

    if fs::read_to_string("/proc/swaps").unwrap().lines().count() > 1 {
        let swapped = map(4 * page, private, -1);
        write(swapped);
        advise(swapped, page, libc::MADV_PAGEOUT);
        read(swapped);
        fault("swap", swapped);
    }

    if fs::exists("/proc/sys/vm/memory_failure_recovery").unwrap() {
        let broken = map(page, private, -1);
        write(broken);
        advise(broken, page, libc::MADV_HWPOISON);
        // A read by a syscall gets an error and no signal.
        let mut byte = 0_u8;
        let to = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
        let from = libc::iovec { iov_base: broken as *mut libc::c_void, iov_len: 1 };
        // SAFETY: the kernel writes at most one byte, to `byte`.
        let read = unsafe { libc::process_vm_readv(libc::getpid(), &raw const to, 1, &raw const from, 1, 0) };
        assert_eq!(read, -1);
        println!("fault hwpoison {broken:x} -");
    }

    if let Some(delayed) = userfault() {
        fault("userfault", delayed);
    }

    // SAFETY: no other thread changes the program break.
    let heap = unsafe { libc::sbrk(4 * page as libc::intptr_t) } as usize;
    write(heap.next_multiple_of(page));
    region("heap", heap.next_multiple_of(page), 0, "-", "-");
    // The environment is on the main thread's stack.
    let stack = env_address();
    region("stack", stack, 0, "-", "-");
    exit(0);
}

/// Touches a page whose missing content a thread provides by userfaultfd(2). `None` if the kernel does not have it.
fn userfault() -> Option<usize> {
    // ioctls and structures of linux/userfaultfd.h.
    const UFFDIO_API: libc::Ioctl = 0xc018_aa3f_u32 as libc::Ioctl;
    const UFFDIO_REGISTER: libc::Ioctl = 0xc020_aa00_u32 as libc::Ioctl;
    const UFFDIO_ZEROPAGE: libc::Ioctl = 0xc020_aa04_u32 as libc::Ioctl;
    const MISSING: u64 = 1;
    // SAFETY: no preconditions.
    let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) } as i32;
    if fd < 0 {
        return None;
    }
    let addr = map(PAGE as usize, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1);
    let mut api = [0xaa_u64, 0, 0];
    let mut register = [addr as u64, PAGE, MISSING, 0];
    // SAFETY: structures of the size that each ioctl names.
    unsafe {
        assert_eq!(libc::ioctl(fd, UFFDIO_API, api.as_mut_ptr()), 0);
        assert_eq!(libc::ioctl(fd, UFFDIO_REGISTER, register.as_mut_ptr()), 0);
    }
    let provides = std::thread::spawn(move || {
        let mut message = [0_u8; 32];
        // SAFETY: the kernel writes one message of 32 bytes.
        assert_eq!(unsafe { libc::read(fd, message.as_mut_ptr().cast(), message.len()) }, 32);
        let mut zero = [addr as u64, PAGE, 0, 0];
        // SAFETY: as above.
        assert_eq!(unsafe { libc::ioctl(fd, UFFDIO_ZEROPAGE, zero.as_mut_ptr()) }, 0);
    });
    read(addr);
    provides.join().unwrap();
    Some(addr)
}

/// Maximum length of a mapping's name in a record, bytes.
const NAME_BYTES: usize = migtrace_common::record::REGION_NAME - 1;

fn env_address() -> usize {
    let name = CString::new("PATH").unwrap();
    // SAFETY: the name ends with a zero, and no thread changes the environment.
    (unsafe { libc::getenv(name.as_ptr()) }) as usize & !(PAGE as usize - 1)
}

pub(crate) fn map(len: usize, flags: i32, fd: i32) -> usize {
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    // A page without rights before and after the mapping prevents the kernel from merging it with a neighbour.
    let guard = PAGE as usize;
    let huge = flags & libc::MAP_HUGETLB != 0;
    let align = if huge { HUGE } else { guard };
    // SAFETY: a new mapping at an address that the kernel chooses.
    let reserved = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len + 2 * align + guard,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    assert_ne!(reserved, libc::MAP_FAILED);
    let at = (reserved as usize + guard).next_multiple_of(align);
    // SAFETY: the range is within the reserved one.
    let mapped = unsafe { libc::mmap(at as *mut libc::c_void, len, rights, flags | libc::MAP_FIXED, fd, 0) };
    assert_ne!(mapped, libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
    if !huge && fd < 0 {
        advise(at, len, libc::MADV_NOHUGEPAGE);
    }
    at
}

pub(crate) fn advise(addr: usize, len: usize, advice: i32) {
    // SAFETY: the range is mapped, and no reference to its contents exists.
    unsafe { libc::madvise(addr as *mut libc::c_void, len, advice) };
}

fn write(addr: usize) {
    // SAFETY: the address is mapped writable, and no reference to it exists.
    unsafe { (addr as *mut u8).write_volatile(1) };
}

fn read(addr: usize) {
    // SAFETY: the address is mapped readable.
    unsafe { (addr as *const u8).read_volatile() };
}

#[test]
fn stacks_name_the_functions_of_kernel_and_program() {
    let recorder = Recorder::attached(&["--stacks", "--comm", "dd"]);
    // dd exits before its records are read, so its mappings cannot be looked up any more. Its read(2) faults because
    // the buffer was never touched.
    recorder.signal(libc::SIGSTOP);
    let dd = Command::new("dd").args(["if=/dev/zero", "of=/dev/null", "bs=128k", "count=1"]).output().unwrap();
    assert!(dd.status.success(), "{dd:?}");
    recorder.signal(libc::SIGCONT);
    recorder.signal(libc::SIGINT);
    let run = recorder.finish();
    let faults = run.faults();
    let reading: Vec<_> =
        faults.iter().filter(|(e, _)| innermost(&e.user_stack).is_some_and(|f| f.ends_with("read"))).collect();
    assert!(reading.len() >= 32, "{:#?}", faults.iter().map(|(e, _)| &e.user_stack).collect::<Vec<_>>());
    // Since 6.19 the kernel jumps from the traced function to the BPF program instead of calling it. So the function is
    // not on the stack.
    let last = if requirements::kernel() < (6, 19) { "handle_mm_fault" } else { "do_user_addr_fault" };
    for (event, fault) in reading {
        let stack: Vec<_> = event.kernel_stack.as_deref().unwrap_or_default().split(';').collect();
        let place = |function: &str| stack.iter().position(|frame| *frame == function);
        let calls = ["vfs_read", last].map(place);
        assert!(calls[0].is_some() && calls[0] < calls[1], "{stack:?}");
        // The stack must end there: the frames from which the kernel enters the BPF program belong to tracing.
        assert_eq!(stack.last(), Some(&last), "{stack:?}");
        assert_eq!(fault.access, Access::Write);
    }
    run.assert_lossless();
}

#[test]
fn functions_of_a_library_in_a_private_mount_namespace_are_named() {
    let recorder = Recorder::attached(&["--stacks", "--comm", "dd"]);
    // The library is in a mount namespace of this process only. dd blocks, because no process opens the other end of
    // the FIFO.
    let own_library = "mount -t tmpfs none /mnt && cp $(ldd $(which dd) | awk '/libc.so/ { print $3 }') /mnt && mkfifo /mnt/end && \
                       LD_LIBRARY_PATH=/mnt exec dd if=/dev/zero of=/mnt/end bs=128k count=1";
    let mut command = Command::new("unshare");
    let process = ChildGuard::start(command.args(["--mount", "sh", "-c", own_library]));
    let maps = format!("/proc/{}/maps", process.0.id());
    wait_for("dd maps its library", || {
        fs::read_to_string(&maps).is_ok_and(|maps| maps.contains("/mnt/libc.so")).then_some(())
    });
    // openat(2) of the FIFO: /proc shows the syscall of a thread only while it waits.
    let syscall = format!("/proc/{}/syscall", process.0.id());
    let is_blocked = || fs::read_to_string(&syscall).is_ok_and(|syscall| syscall.starts_with("257 ")).then_some(());
    wait_for("dd waits for the other end of the FIFO", is_blocked);
    recorder.signal(libc::SIGINT);
    let run = recorder.finish();
    drop(process);
    let stacks: Vec<_> = run.faults().into_iter().filter_map(|(e, _)| innermost(&e.user_stack)).collect();
    let named = stacks.iter().filter(|function| !function.starts_with("0x")).count();
    assert!(named >= 32, "{stacks:#?}");
}

pub(crate) fn innermost(stack: &Option<Arc<str>>) -> Option<&str> {
    stack.as_deref()?.rsplit(';').next()
}

#[test]
fn stacks_of_direct_migrations_show_the_placement_syscall() {
    let run = record_with(
        &["--stacks"],
        "anon seg 8p\nmap seg\nmbind seg preferred 1\ntouch seg write\nmbind seg bind+move 2\n",
    );
    let start = segment_start(&run);
    let inside = |addr: u64| (start..start + PAGES * PAGE).contains(&addr);
    let moved: Vec<_> = run.migrations().into_iter().filter(|(_, m)| m.addr.is_some_and(inside)).collect();
    assert_eq!(moved.len() as u64, PAGES);
    for (event, _) in moved {
        let stack = event.kernel_stack.as_deref().unwrap_or_default();
        let frames: Vec<_> = stack.split(';').collect();
        let place = |function: &str| frames.iter().position(|frame| frame.contains(function));
        assert!(place("sys_mbind").is_some() && place("sys_mbind") < place("migrate_pages"), "{stack}");
        assert_eq!(place("bpf_"), None, "{stack}");
    }
}

#[test]
fn a_task_that_changes_its_node_reports_the_pages_left_behind() {
    let text =
        "cpu 1\nanon seg 300p\nmap seg\nmbind seg preferred 1\ntouch seg write\nsleep 1500\ncpu 2\npid\nsnooze 600\n";
    let script = Script::new(text);
    let (read, write) = std::io::pipe().unwrap();
    let recorder = Recorder::attached(&["--kind", "task"]);
    let process = ChildGuard::start(script.command().stdout(write));
    let mut lines = BufReader::new(read).lines();
    assert!(lines.any(|line| line.unwrap().contains("pid = ")), "memtoy runs on another node");
    let pid = process.0.id();
    // The recorder reads the number of pages a little after the task changed its node, at the latest when it ends. The
    // number stays, because the process only sleeps.
    let maps = fs::read_to_string(format!("/proc/{pid}/numa_maps")).unwrap();
    recorder.signal(libc::SIGINT);
    let run = recorder.finish();
    let on_1 = maps.split_ascii_whitespace().filter_map(|word| word.strip_prefix("N1=")?.parse::<u64>().ok()).sum();
    let moves: Vec<_> = run.tasks().into_iter().filter(|(e, t)| e.pid == pid && t.what == TaskEvent::Moved).collect();
    let (_, last) = moves.last().expect("a change of node");
    assert_eq!((last.from_node, last.to_node, last.pages), (Some(1), Some(2), Some(on_1)), "{moves:#?}");
    assert!(on_1 >= 300, "{on_1}");
}

#[test]
fn first_touch_from_another_node_is_reported() {
    let run = record("cpu 1\nanon seg 8p\nmap seg\nmbind seg bind 2\ntouch seg write\nwhere seg\n");
    let start = segment_start(&run);
    let inside = |addr: u64| (start..start + PAGES * PAGE).contains(&addr);
    let first: Vec<_> =
        run.faults().into_iter().filter(|(_, f)| inside(f.addr)).map(|(e, f)| (e.cpu_node, f.nid)).collect();
    assert_eq!(first, [(Some(1), Some(2)); PAGES as usize]);
    let output = migtrace().args(["summary", "--json"]).arg(&run.ended.trace).output().unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let remote =
        run.faults().into_iter().filter(|(e, f)| is_first_touch(f.class) && f.nid.is_some() && f.nid != e.cpu_node);
    assert_eq!(summary["first_touches"]["remote"], remote.count());
}

fn is_first_touch(class: Option<FaultClass>) -> bool {
    matches!(class, Some(FaultClass::Anon | FaultClass::Huge | FaultClass::Cow))
}
