//! Tests that only a kernel can pass: run as root inside the four-node virtual machine (`cargo xtask test`), where they
//! record workloads with the real program and hold the trace against independent witnesses.
//!
//! They change system-wide settings and read system-wide counters, so they run one at a time (`--test-threads=1`).
#![allow(clippy::unwrap_used, reason = "a test ends where its premise does")]

mod attach_methods;
mod attribution;
mod counts;
mod direct;
mod doctor;
mod environment;
mod files;
mod filters;
mod funnel;
mod independent_counters;
mod lazy;
mod live_log;
mod loss;
mod offline_and_contiguous;
mod privilege;
mod recorder;
mod reliability;
mod requirements;
mod serve;
mod support;
mod task_events;
mod top;
mod workloads;
mod zz_lockdown;
