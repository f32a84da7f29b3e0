//! Tests of the real program on a real kernel: they record workloads, and compare the trace with counters that are
//! independent of migtrace. `cargo xtask test` runs them as root in a virtual machine with four nodes.
//!
//! They change system-wide settings and read system-wide counters, so they run one at a time (`--test-threads=1`).
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, with its line")]

mod attach_methods;
mod attribution;
mod census;
mod cgroup_namespace;
mod counts;
mod direct;
mod doctor;
mod environment;
mod files;
mod filters;
mod followed_processes;
mod function_names;
mod funnel;
mod holder;
mod hotplug;
mod independent_counters;
mod lazy;
mod live_log;
mod loss;
mod map;
mod nodes;
mod offline_and_contiguous;
mod own_workload;
mod owners;
mod owners_by_kernel;
mod places;
mod places_without_touch;
mod privilege;
mod process_details;
mod recorder;
mod reliability;
mod requirements;
mod serve;
mod support;
mod task_events;
mod top;
mod waits;
mod waits_beside;
mod waits_by_clock;
mod waits_for_locks;
mod workloads;
mod zz_cgroup_v1;
mod zz_hot_node;
mod zz_lockdown;
