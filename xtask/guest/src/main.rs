//! The first process of the test machine: sets up user space, runs one job, and reports its end.
//!
//! It is linked statically and started from the initramfs. The host stops the machine when it has received the report.

mod files;
mod port;
mod run;
mod stream;
mod system;

use std::{fs, thread, time::Duration};

use anyhow::{Context, Result};
use nix::sys::reboot::{RebootMode, reboot};
use xtask_guest::{
    frame::Frame,
    job::{self, Job},
};

use crate::port::Port;

fn main() {
    if std::process::id() != 1 {
        eprintln!("guest-init: runs only as the first process of the test machine; see `cargo xtask vm`");
        std::process::exit(2);
    }
    match prepare() {
        Ok((job, port)) => serve(&job, port),
        // Without the port, only the console remains. The host shows its last lines.
        Err(error) => eprintln!("guest-init: {error:#}"),
    }
    // The host stops the machine when it has read the last frame. If the host is gone, the machine switches itself off.
    thread::sleep(Duration::from_secs(5));
    let _ = reboot(RebootMode::RB_POWER_OFF);
}

/// Reads the job's description, loads the modules, and opens the port to the host.
fn prepare() -> Result<(Job, &'static Port)> {
    files::mount_kernel_file_systems()?;
    let text = fs::read(job::PATH).with_context(|| format!("cannot read {} from the initramfs", job::PATH))?;
    let job: Job = serde_json::from_slice(&text).context("the job's description is invalid")?;
    system::load_modules(&job.modules)?;
    Ok((job, Port::open()?))
}

fn serve(job: &Job, port: &'static Port) {
    let outcome = set_up(job).and_then(|()| run::run(job, port));
    // What the job wrote to a writable share must be on the host before the machine stops.
    nix::unistd::sync();
    port.send(&match outcome {
        Ok(status) => Frame::Exit(status),
        Err(error) => Frame::Failed(format!("{error:#}")),
    });
}

fn set_up(job: &Job) -> Result<()> {
    files::enter_host_root(job)?;
    system::tune();
    if job.swap_bytes > 0 {
        system::swap_on_zram(job.swap_bytes).context("cannot set up swap on zram")?;
    }
    system::loopback_up().context("cannot bring the loopback interface up")
}
