//! Any number of synthetic records, as the BPF programs commit them.
//!
//! The records are the same on every machine and in every run. They compress as real ones do: intervals and latencies
//! vary in their lower bits as measured ones. [`Shape`] decides the addresses.

mod random;

use migtrace_common::{
    ABI_VERSION,
    counters::Probe,
    kinds::{FaultClass, FaultHook, MigratePath, RecordKind, RequestName},
    record::{self, Header, NO_TIME},
};
use strum::{Display, EnumString};
use zerocopy::{FromZeros, IntoBytes};

use self::random::Random;

/// How regular a recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum Shape {
    /// Only faults: one process touches one page after another.
    Regular,
    /// Unpredictable: processes, CPUs, nodes, addresses, frames and latencies are random. One event in four is a
    /// migration.
    Noise,
    /// A busy system: processes on all CPUs fault, mostly page after page. Some pages migrate for NUMA balancing,
    /// others for mbind.
    Mixed,
}

const PAGE_BYTES: u64 = 4096;
/// First page of the processes' memory.
const HEAP_PAGE: u64 = 0x7f00_0000_0000 / PAGE_BYTES;
/// First page of the processes' mapped file.
const FILE_PAGE: u64 = 0x5500_0000_0000 / PAGE_BYTES;
/// CPUs of the imaginary machine, half of them on each of two nodes.
const CPUS: u64 = 8;
const PROCESSES: usize = 16;
/// Range of the random addresses of noise, in pages: 1 TiB.
const NOISE_PAGES: u64 = 1 << 28;
/// The kernel's MR_NUMA_MISPLACED: 5 since Linux 5.12.
const NUMA_MISPLACED: i32 = 5;
/// The kernel's MR_MEMPOLICY_MBIND: 4 since Linux 5.12.
const MBIND: i32 = 4;

/// Generates an endless recording.
pub struct Synth {
    shape: Shape,
    random: Random,
    ts_ns: u64,
    /// Next page of each process.
    next_page: [u64; PROCESSES],
    buffer: Vec<u8>,
}

impl Synth {
    /// Starts a recording.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        let next_page = std::array::from_fn(|process| HEAP_PAGE + process as u64 * (1 << 24));
        Self { shape, random: Random::new(), ts_ns: 1_000_000_000, next_page, buffer: Vec::new() }
    }

    /// Returns the bytes of the next record, as in a ring.
    pub fn next_record(&mut self) -> &[u8] {
        self.buffer.clear();
        match self.shape {
            Shape::Regular => {
                self.ts_ns += 1300 + self.random.below(256);
                self.touch(0, 0);
            }
            Shape::Noise => self.noise(),
            Shape::Mixed => self.mixed(),
        }
        &self.buffer
    }

    fn noise(&mut self) {
        self.ts_ns += self.random.below(1 << 14);
        let (process, cpu) = (self.random.below(PROCESSES as u64) as usize, self.random.below(CPUS));
        let addr = (HEAP_PAGE + self.random.below(NOISE_PAGES)) * PAGE_BYTES;
        if self.random.below(4) == 0 {
            self.migrate(process, cpu, addr, NUMA_MISPLACED);
        } else {
            let classes = [FaultClass::ANON, FaultClass::FILE, FaultClass::COW, FaultClass::HINTING];
            let class = classes[self.random.below(4) as usize];
            let nid = self.random.below(2) as i32;
            self.fault(process, cpu, addr, class, nid);
        }
    }

    fn mixed(&mut self) {
        self.ts_ns += 150 + self.random.below(256);
        // Consecutive events are from random CPUs. Each CPU runs one process for a while.
        let cpu = self.random.below(CPUS);
        let process = (cpu + (self.ts_ns >> 27)) as usize % PROCESSES;
        let addr = self.next_page[process] * PAGE_BYTES;
        match self.random.below(1000) {
            0 => self.request(process, cpu, addr),
            1 => self.batch(process, cpu),
            2..80 => self.migrate(process, cpu, addr, MBIND),
            80..120 => self.migrate(process, cpu, addr, NUMA_MISPLACED),
            120..160 => self.fault(process, cpu, addr, FaultClass::HINTING, (cpu % 2) as i32),
            160..240 => {
                let page = FILE_PAGE + self.random.below(1 << 12);
                self.fault(process, cpu, page * PAGE_BYTES, FaultClass::FILE, self.node_of(cpu));
            }
            _ => self.touch(process, cpu),
        }
    }

    /// Adds a fault: the first touch of the process's next page.
    fn touch(&mut self, process: usize, cpu: u64) {
        let page = self.next_page[process];
        self.next_page[process] += 1;
        // One in 64 pages comes from the other node.
        let nid = self.node_of(cpu) ^ i32::from(page.is_multiple_of(64));
        self.fault(process, cpu, page * PAGE_BYTES, FaultClass::ANON, nid);
    }

    fn fault(&mut self, process: usize, cpu: u64, addr: u64, class: FaultClass, nid: i32) {
        let mut r = record::Fault::new_zeroed();
        r.header = self.header(RecordKind::FAULT, Probe::Fault, process, cpu);
        r.addr = addr;
        r.ip = 0x40_1000 + process as u64 * 64;
        r.latency_ns = self.latency(600, 128);
        r.flags = 1;
        r.nid = nid;
        r.class = class.0;
        r.hook = FaultHook::HANDLE_MM_FAULT.0;
        self.buffer.extend_from_slice(r.as_bytes());
    }

    fn migrate(&mut self, process: usize, cpu: u64, addr: u64, reason: i32) {
        let mut r = record::Migrate::new_zeroed();
        r.header = self.header(RecordKind::MIGRATE, Probe::DirectMigrate, process, cpu);
        r.addr = addr;
        r.old_pfn = self.random.below(1 << 24);
        r.new_pfn = self.random.below(1 << 24);
        r.unmap_ns = self.latency(300, 64);
        r.copy_ns = self.latency(700, 128);
        r.remap_ns = NO_TIME;
        r.latency_ns = r.unmap_ns + r.copy_ns;
        r.src_nid = self.node_of(cpu);
        r.dst_nid = 1 - r.src_nid;
        r.migrate_reason = reason;
        r.mof_reason = -1;
        r.migrated = (self.random.below(50) != 0).into();
        r.path = MigratePath::DIRECT.0;
        self.buffer.extend_from_slice(r.as_bytes());
    }

    fn request(&mut self, process: usize, cpu: u64, addr: u64) {
        let mut r = record::Request::new_zeroed();
        r.header = self.header(RecordKind::REQUEST, Probe::Request, process, cpu);
        r.addr = addr;
        r.len = 512 * PAGE_BYTES;
        r.flags = 2;
        r.policy = 2;
        r.maxnode = 64;
        r.nodemask[0] = 1 << self.node_of(cpu);
        r.has_mask = 1;
        r.latency_ns = self.latency(100_000, 1 << 14);
        r.name = RequestName::MBIND.0;
        self.buffer.extend_from_slice(r.as_bytes());
    }

    fn batch(&mut self, process: usize, cpu: u64) {
        let mut r = record::Batch::new_zeroed();
        r.header = self.header(RecordKind::BATCH, Probe::Batch, process, cpu);
        r.requested = 512;
        r.failed = self.random.below(8);
        r.succeeded = r.requested - r.failed;
        r.migrated = r.succeeded;
        r.latency_ns = self.latency(90_000, 1 << 14);
        r.mode = 2;
        r.migrate_reason = MBIND;
        self.buffer.extend_from_slice(r.as_bytes());
    }

    fn header(&self, kind: RecordKind, probe: Probe, process: usize, cpu: u64) -> Header {
        let mut header = Header::new_zeroed();
        header.ts_ns = self.ts_ns;
        header.cgroup_id = 1000 + process as u64 % 4;
        header.pid = 4000 + process as u32;
        header.tid = header.pid;
        header.cpu = cpu as u32;
        header.cpu_node = self.node_of(cpu);
        header.kind = kind.0;
        header.abi = ABI_VERSION;
        header.probe = probe as u16;
        let name = b"worker-";
        header.comm[..name.len()].copy_from_slice(name);
        header.comm[name.len()] = b'a' + process as u8;
        header
    }

    fn node_of(&self, cpu: u64) -> i32 {
        i32::from(cpu >= CPUS / 2)
    }

    /// Returns `usual` plus less than `spread`; in one of 256 cases, 16 times as long.
    fn latency(&mut self, usual: u64, spread: u64) -> u64 {
        let ns = usual + self.random.below(spread);
        if self.random.below(256) == 0 { ns * 16 } else { ns }
    }
}
