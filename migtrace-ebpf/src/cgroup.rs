//! The running task's cgroup: its id, and the ids of those above it. Which hierarchy that is, version 2 or one of
//! version 1, the collector decides.
//!
//! Read by plain loads from memory whose type the verifier knows. The kernel's helpers know version 2 only.

use core::ptr;

use aya_ebpf::helpers::{
    bpf_get_current_cgroup_id,
    generated::{bpf_get_current_ancestor_cgroup_id, bpf_get_current_task_btf},
};
use migtrace_common::config::{ABSENT, CGROUP_LEVELS, CGROUP_V1};

use crate::{
    config::{config, wanted},
    kernel_memory::read_kernel,
};

/// The word at an offset of a structure.
#[inline(always)]
fn load(at: u64, offset: u32) -> u64 {
    // SAFETY: the offsets are those of the running kernel; a load through a bad pointer gives 0.
    unsafe { ptr::read_volatile((at + u64::from(offset)) as *const u64) }
}

/// The id of the cgroup of `task`, which is the running task.
#[inline(always)]
pub fn id_of(task: u64) -> u64 {
    let [sets, cgroup, node, id] = [0, 1, 2, 3].map(|n: usize| config!(task_cgroup[n]));
    // No bit test: with a comparison of the setting itself, the verifier removes the branch, and version 2 pays nothing.
    if (cgroup as i32) >= 0 {
        return [sets, cgroup, node, id].into_iter().fold(task, load);
    }
    if cgroup == ABSENT {
        // SAFETY: the helper has no preconditions.
        return unsafe { bpf_get_current_cgroup_id() };
    }
    let css = load(load(task, sets), cgroup & !CGROUP_V1);
    id_of_css(css, node, id)
}

/// The id of the cgroup of `task`, any task; 0 if it is unknown.
#[inline(always)]
pub fn id_of_other(task: u64) -> u64 {
    let css = css_of_other(task);
    if css == 0 { 0 } else { id_of_other_css(css) }
}

/// The state (`struct cgroup_subsys_state`) of the cgroup of `task`, any task; 0 if it is unknown. The first field of a
/// cgroup is a state that is no controller's.
#[inline(always)]
fn css_of_other(task: u64) -> u64 {
    let [sets, cgroup] = [0, 1].map(|n: usize| config!(task_cgroup[n]));
    if cgroup == ABSENT || config!(css_cgroup) == ABSENT || config!(css_parent) == ABSENT {
        return 0;
    }
    read_kernel(read_kernel(task, sets), cgroup & !CGROUP_V1)
}

#[inline(always)]
fn id_of_other_css(css: u64) -> u64 {
    let cgroup: u64 = read_kernel(css, config!(css_cgroup));
    read_kernel(read_kernel(cgroup, config!(task_cgroup[2])), config!(task_cgroup[3]))
}

/// Whether `is_wanted` for the cgroup of `task`, any task, or one above it.
#[inline(always)]
pub fn any_level_of_other(task: u64, is_wanted: impl Fn(u64) -> bool) -> bool {
    let mut css = css_of_other(task);
    for _ in 0..CGROUP_LEVELS {
        if css == 0 {
            break;
        }
        if is_wanted(id_of_other_css(css)) {
            return true;
        }
        css = read_kernel(css, config!(css_parent));
    }
    false
}

/// The id of the running task's cgroup.
#[inline(always)]
pub fn current_id() -> u64 {
    // SAFETY: the helper has no preconditions.
    id_of(unsafe { bpf_get_current_task_btf() } as u64)
}

/// The id of the cgroup that has this state of a controller (`struct cgroup_subsys_state`).
#[inline(always)]
fn id_of_css(css: u64, node: u32, id: u32) -> u64 {
    load(load(load(css, config!(css_cgroup)), node), id)
}

/// Whether `is_wanted` for the running task's cgroup or one above it, at the depths that the filter compares.
#[inline(always)]
pub fn any_level(is_wanted: impl Fn(u64) -> bool) -> bool {
    let cgroup = config!(task_cgroup[1]);
    if (cgroup as i32) < 0 && cgroup != ABSENT {
        return any_above(cgroup & !CGROUP_V1, is_wanted);
    }
    for level in 0..CGROUP_LEVELS {
        if wanted!(cgroup_levels) >> level & 1 == 1 {
            // SAFETY: the helper has no preconditions. It returns 0, which is no cgroup's id, if the cgroup has no
            // ancestor at this level.
            let ancestor = unsafe { bpf_get_current_ancestor_cgroup_id(level as i32) };
            if ancestor != 0 && is_wanted(ancestor) {
                return true;
            }
        }
    }
    false
}

/// The same in a hierarchy of version 1, from the task's cgroup upwards.
#[inline(always)]
fn any_above(subsystem: u32, is_wanted: impl Fn(u64) -> bool) -> bool {
    // SAFETY: the helper has no preconditions.
    let task = unsafe { bpf_get_current_task_btf() } as u64;
    let mut css = load(load(task, config!(task_cgroup[0])), subsystem);
    for _ in 0..CGROUP_LEVELS {
        let id = id_of_css(css, config!(task_cgroup[2]), config!(task_cgroup[3]));
        if id == 0 {
            break;
        }
        if is_wanted(id) {
            return true;
        }
        css = load(css, config!(css_parent));
    }
    false
}
