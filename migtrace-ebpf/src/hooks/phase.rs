//! Phases: a workload names what it does now, by prctl().

use aya_ebpf::{EbpfContext, helpers::generated::bpf_probe_read_user};
use aya_log_ebpf::debug;
use migtrace_common::{
    counters::Probe,
    kinds::RecordKind,
    record::{PHASE_TEXT, PR_MIGTRACE_PHASE, Phase},
};

use crate::{account::Program, emit, event, filter, thread};

/// The program that counts phases.
const PHASE: Program = Program::new(Probe::Phase, 0);

/// prctl(PR_MIGTRACE_PHASE, text, length).
#[inline(always)]
pub fn phase(ctx: &impl EbpfContext, args: [u64; 6]) {
    if args[0] as i32 != PR_MIGTRACE_PHASE {
        return;
    }
    let Some(thread) = event::traced(PHASE) else { return };
    if !filter::wants(RecordKind::PHASE) || !filter::wants_without_page() {
        return PHASE.filtered();
    }
    let ts_ns = thread::now();
    // The mask repeats the limit for verifiers that do not follow the comparison (Linux 6.1).
    let (text, len) = (args[1], (args[2].min(PHASE_TEXT as u64) & 0xff) as u32);
    emit::commit(PHASE, |record| {
        let record: *mut Phase = record.as_mut_ptr();
        // SAFETY: in bounds of the reserved record, every byte of which is written: the text is zeroed, then
        // overwritten.
        unsafe {
            (*record).header = emit::header::<Phase>(thread, Probe::Phase, ts_ns);
            (*record).pad = 0;
            (*record).text = [0; PHASE_TEXT];
            let read = bpf_probe_read_user((&raw mut (*record).text).cast(), len, text as *const _);
            (*record).len = if read == 0 { len } else { 0 };
            if read != 0 {
                debug!(ctx, "cannot read the text of a phase");
            }
        }
    });
}
