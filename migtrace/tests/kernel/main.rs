//! Tests that only a kernel can pass: run as root inside the four-node virtual machine (`cargo xtask test`), where they
//! record workloads with the real program and hold the trace against independent witnesses.
//!
//! They change system-wide settings and read system-wide counters, so they run one at a time (`--test-threads=1`).
#![allow(clippy::unwrap_used, reason = "a test ends where its premise does")]

mod attribution;
mod counts;
mod direct;
mod doctor;
mod environment;
mod evacuation;
mod files;
mod filters;
mod funnel;
mod lazy;
mod live_log;
mod lives;
mod loss;
mod needs;
mod privilege;
mod recorder;
mod reliability;
mod serve;
mod support;
mod top;
mod ways;
mod witness;
mod workloads;
mod zz_lockdown;
