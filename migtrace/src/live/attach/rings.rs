//! The rings: one for each CPU that is online at the start. Others share them, so that they cost no memory.
//!
//! Many hosts have more possible CPUs than CPUs (virtual machines to which more can be added). A ring has a lock for
//! several writers, so a CPU that comes online later loses nothing; it may only wait for another one.

use std::{fs, io};

use aya::{
    Ebpf,
    maps::{ArrayOfMaps, Map, MapData, MapError, MapFd, RingBuf},
};
use aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_RINGBUF;
use thiserror::Error;

use crate::{live::host::cgroup_hierarchy, text::quantity};

/// The part of the available memory that rings may take: one in this many bytes.
const SHARE: u64 = 2;

/// The rings would take too much memory.
#[derive(Debug, Error)]
#[error(
    "rings of {each} for {cpus} CPUs would take {all}, more than half of the {available} that are available{whose}: use a \
     smaller --ring-size"
)]
pub struct TooLarge {
    each: String,
    cpus: usize,
    all: String,
    available: String,
    /// Whose limit it is, if it is not the machine's memory.
    whose: &'static str,
}

/// Whether memory suffices for rings of `bytes` for `cpus` CPUs. If the available memory is unknown, the kernel decides.
///
/// # Errors
/// [`TooLarge`].
pub fn check(bytes: u32, cpus: usize) -> Result<(), TooLarge> {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    // The kernel charges rings to the cgroup, and kills a process of it if they exceed its limit.
    check_within(bytes, cpus, available(&meminfo), cgroup_hierarchy::memory_left())
}

fn check_within(bytes: u32, cpus: usize, machine: Option<u64>, cgroup: Option<u64>) -> Result<(), TooLarge> {
    let all = u64::from(bytes) * cpus as u64;
    let is_less = cgroup.is_some_and(|left| machine.is_none_or(|available| left < available));
    let (available, whose) = if is_less { (cgroup, " in this cgroup") } else { (machine, "") };
    match available {
        Some(available) if all > available / SHARE => Err(TooLarge {
            whose,
            each: quantity::bytes(bytes.into()),
            cpus,
            all: quantity::bytes(all),
            available: quantity::bytes(available),
        }),
        _ => {
            log::info!("rings of {} for {cpus} CPUs: {}", quantity::bytes(bytes.into()), quantity::bytes(all));
            Ok(())
        }
    }
}

/// Parses `MemAvailable:    1024 kB`, to bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The CPUs that are online; they have rings.
///
/// # Errors
/// If the list cannot be read.
pub fn online() -> io::Result<Vec<u32>> {
    aya::util::online_cpus().map_err(|(file, error)| io::Error::new(error.kind(), format!("{file}: {error}")))
}

/// Creates the rings of the CPUs that are online, and sets for each of `possible` CPUs which ring it uses.
pub(super) fn make(
    ebpf: &mut Ebpf,
    online: &[u32],
    possible: u32,
    bytes: u32,
) -> Result<Vec<RingBuf<MapData>>, MapError> {
    let map = ebpf.map_mut("RINGS").expect("the object has a map RINGS");
    let mut of_cpus = ArrayOfMaps::<_, MapFd>::try_from(map)?;
    let ring = |_: &u32| {
        let ring = aya_obj::Map::new_from_params(BPF_MAP_TYPE_RINGBUF as u32, 0, 0, bytes, 0);
        MapData::create(ring, "migtrace_ring", None)
    };
    let rings = online.iter().map(ring).collect::<Result<Vec<_>, _>>()?;
    for cpu in 0..possible {
        if let Some(ring) = rings.get(ring_of(cpu, online)) {
            of_cpus.set(cpu, ring.fd(), 0)?;
        }
    }
    rings.into_iter().map(|ring| RingBuf::try_from(Map::RingBuf(ring))).collect()
}

/// The number of the ring of a CPU: its own, or if it is offline that of another one.
fn ring_of(cpu: u32, online: &[u32]) -> usize {
    online.iter().position(|own| *own == cpu).unwrap_or_else(|| cpu as usize % online.len().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_that_is_offline_shares_a_ring() {
        let online = [0, 2, 5];
        let rings: Vec<_> = (0..8).map(|cpu| ring_of(cpu, &online)).collect();
        assert_eq!(rings, [0, 1, 1, 0, 1, 2, 0, 1]);
    }

    #[test]
    fn rings_leave_memory_to_others() {
        assert_eq!(available("MemFree: 7 kB\nMemAvailable:    1024 kB\n"), Some(1 << 20));
        assert_eq!(available(""), None);
        check(4096, 1).expect("a page is available");
        let error = check(1 << 30, 1 << 20).expect_err("a petabyte is not available").to_string();
        assert!(error.contains("1 GiB for 1048576 CPUs") && error.contains("--ring-size"), "{error}");
        let within = |machine, cgroup| check_within(1 << 20, 4, machine, cgroup).map_err(|error| error.to_string());
        assert_eq!(within(None, None), Ok(()));
        assert_eq!(within(Some(8 << 20), Some(16 << 20)), Ok(()));
        let error = within(Some(1 << 30), Some(5 << 20)).expect_err("too little");
        assert!(error.contains("half of the 5 MiB that are available in this cgroup"), "{error}");
    }
}
