//! A recording under lockdown in its strictest mode.
//!
//! This must be the last test: lockdown cannot be undone until reboot, and under it ftrace cannot be read for
//! comparison. libtest runs tests in the order of their names, therefore the `zz_`.

use std::{collections::BTreeMap, fs};

use migtrace::event::{Cause, FaultClass};

use crate::{
    requirements::{LOCKDOWN, needs},
    support::{PAGES, WRITTEN_ON_1, migtrace, record, texts},
};

#[test]
fn all_but_node_masks_and_phases_is_recorded() {
    needs!(lockdown, plain_loads);
    fs::write(LOCKDOWN, "confidentiality").unwrap();
    let run = record(&format!("{WRITTEN_ON_1}mbind seg bind+move 2\ntouch seg read\n"));
    run.assert_lossless();
    run.assert_counters();
    let segment = run.segment();
    let first_touches: Vec<_> = run
        .faults()
        .into_iter()
        .filter(|(_, fault)| segment.contains(&(fault.addr & !0xfff)) && fault.class == Some(FaultClass::Anon))
        .map(|(_, fault)| fault.nid)
        .collect();
    assert_eq!(first_touches, [Some(1); PAGES as usize], "the program reads the node of a page without a BPF helper");
    assert_eq!(run.migrated_pages(), BTreeMap::from([((Cause::Mbind, 1, Some(2)), PAGES)]));
    assert_eq!(run.migrating_mbind().1.nodemask, None);
    let names: Vec<_> = run.regions().into_iter().map(|(_, region)| &*region.name).collect();
    assert!(names.contains(&"migtrace"), "{names:?}");
    let (doctor, _) = texts(&migtrace().arg("doctor").output().unwrap());
    assert!(doctor.contains("node masks of placement syscalls are unknown"), "{doctor}");
}
