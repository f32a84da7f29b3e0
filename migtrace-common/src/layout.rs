//! Sizes, alignments and offsets that both sides rely on. A change here requires a new [`ABI_VERSION`].

use core::mem::{align_of, offset_of, size_of};

use crate::{
    config::{CPU_WORDS, Config, FILTER_COMMS, Filter, MIGRATE_REASONS},
    counters::ProbeCounters,
    record::*,
    tally::{ProcessKey, ProcessTally, TIME_BUCKETS, Tally, TallyKey},
};

/// Version of this wire. The programs write it into every record, and the collector rejects any other.
pub const ABI_VERSION: u8 = 10;

const _: () = assert!(size_of::<Header>() == 64 && align_of::<Header>() == 8);
const _: () = assert!(offset_of!(Header, kind) == 32 && offset_of!(Header, comm) == 48);
const _: () = assert!(size_of::<Fault>() == 64 + 40);
const _: () = assert!(size_of::<Owner>() == 40 && size_of::<Wait>() == 40);
const _: () = assert!(size_of::<FaultDetails>() == 64 + 40 + 80 && offset_of!(FaultDetails, fault) == 0);
const _: () = assert!(size_of::<Check>() == 64 + 48 + 40);
const _: () = assert!(size_of::<Mark>() == 64 + 32 + 40);
const _: () = assert!(size_of::<Migrate>() == 64 + 88 + 40);
const _: () = assert!(size_of::<Batch>() == 64 + 56);
const _: () = assert!(size_of::<Request>() == 64 + 56 + 8 * MASK_WORDS + 8);
const _: () = assert!(size_of::<Task>() == 64 + 32);
const _: () = assert!(size_of::<Region>() == 64 + 40 + REGION_NAME);
const _: () = assert!(offset_of!(Region, name) % 8 == 0 && REGION_NAME.is_multiple_of(8));
const _: () = assert!(size_of::<Place>() == 64 + 40 + 40);
const _: () = assert!(size_of::<Phase>() == 64 + 8 + PHASE_TEXT);
const _: () = assert!(size_of::<ProbeCounters>() == 64);
const _: () = assert!(size_of::<TallyKey>() == 16 && size_of::<Tally>() == (3 + TIME_BUCKETS) * 8);
const _: () = assert!(size_of::<ProcessKey>() == 16 && size_of::<ProcessTally>() == 12 * 8);
// No padding: the collector writes the bytes to the programs' memory unchanged.
const _: () = assert!(
    size_of::<Config>() == 7 * 8 + (11 + 36 + 1 + 4 + 6 + 10 + 5 + 9 + 4 + 5 + 1 + 1 + 3 + 14) * 4
        && align_of::<Config>() == 8
);
const _: () = assert!(
    size_of::<Filter>() == 4 * 8 + (CPU_WORDS + 5 * MASK_WORDS) * 8 + FILTER_COMMS * 16 + MIGRATE_REASONS + 4 + 7 * 4
        && align_of::<Filter>() == 8
);

macro_rules! open_with_a_header {
    ($($record:ident)*) => { $(const _: () = assert!(offset_of!($record, header) == 0);)* };
}
open_with_a_header! { Fault Check Mark Migrate Batch Request Task Region Phase Place }
