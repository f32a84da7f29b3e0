//! `size`: bytes per event on disk, for the same faults.

use anyhow::Result;

use crate::{
    Scale,
    lab::Lab,
    replay::{self, Shape},
    report::{Bound, Failed, Report, Unit},
    series::{self, Arm},
    spread::Spread,
    watcher::Watcher,
    workload::Workload,
};

/// Maximum bytes per event if addresses are unpredictable.
const NOISE_AT_MOST: f64 = 16.0;
/// Events of the synthetic trace.
const SYNTHETIC: u64 = 2_000_000;
const WATCHERS: [Watcher; 3] = [Watcher::Perf, Watcher::PerfZ, Watcher::Migtrace];

pub(crate) fn run(lab: &Lab, scale: &Scale) -> Result<Report> {
    let regular = Workload::new(vec![lab.faulting_cpu()], scale.faults);
    let noise = regular.clone().shuffled();
    let [regular, noise] = series::interleaved_with(lab, [&regular, &noise], &WATCHERS, scale.repeats);
    let mut report = Report::new(&[
        ("pages in order", Unit::Bytes),
        ("lost", Unit::Count),
        ("pages shuffled", Unit::Bytes),
        ("lost", Unit::Count),
    ]);
    for (regular, noise) in regular.iter().zip(&noise) {
        let cells = [regular.bytes_per_event(), regular.lost(), noise.bytes_per_event(), noise.lost()];
        report.row(regular.watcher.name(), cells);
    }
    // Shuffled pages are noise in a few bits of one column. In synthetic noise, whole addresses and frames are random.
    let synthetic = replay::run(lab, Shape::Noise, SYNTHETIC, true);
    let noise_bytes = Spread::of([synthetic.as_ref().ok().and_then(|synthetic| synthetic.file_bytes_per_event)]);
    report.failed.extend(synthetic.as_ref().err().map(Failed::of));
    report.row("migtrace, synthetic noise", [None, None, noise_bytes.clone(), None]);
    if let ([perf, perf_z, migtrace], [.., shuffled]) = (&regular[..], &noise[..]) {
        let size = migtrace.bytes_per_event();
        let against = |other: &Arm| Some(size.as_ref()?.over(&other.bytes_per_event()?)).flatten();
        report.limit("in order: migtrace record", Unit::Bytes, size.clone(), Bound::AtMost(5.0));
        report.limit("in order: migtrace / perf record -z", Unit::Ratio, against(perf_z), Bound::Below(1.0));
        report.limit("in order: migtrace / perf record", Unit::Ratio, against(perf), Bound::AtMost(1.0 / 15.0));
        let what = "shuffled: migtrace record";
        report.limit(what, Unit::Bytes, shuffled.bytes_per_event(), Bound::AtMost(NOISE_AT_MOST));
    }
    report.limit("synthetic noise: migtrace", Unit::Bytes, noise_bytes, Bound::AtMost(NOISE_AT_MOST));
    series::close(&mut report, &regular);
    series::close(&mut report, &noise);
    report.notes.push("bytes of the whole file per event".to_owned());
    Ok(report)
}
