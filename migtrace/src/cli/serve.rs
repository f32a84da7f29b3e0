//! `migtrace serve`: counts of the running kernel as metrics over HTTP.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use anyhow::{Context, Result};
use migtrace::{
    live::{
        host::requirements,
        privilege,
        session::{Session, SessionError},
    },
    serve::{self, Serving, http},
};
use rustix::thread::CapabilitySet;
use tokio::sync::mpsc;

use super::stop::Stop;

/// Serve what the kernel does with pages as metrics, for Prometheus and others
///
/// Faults, checks, marks and moves of the whole system are counted in the kernel, by cause, nodes, result and reason, and
/// given in OpenMetrics to whoever asks. docs/serve.md says what each metric means; dashboards/ has dashboards and alerts.
///
/// Whoever reaches the address can read the metrics: there is no password. Ctrl-C or SIGTERM ends it.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  migtrace serve
  migtrace serve --listen 10.0.0.7:9435 --cgroups 200
  curl http://127.0.0.1:9435/metrics")]
pub(crate) struct Args {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 9435)))]
    listen: SocketAddr,
    /// Path of the metrics; all others are not found
    #[arg(long, value_name = "PATH", default_value = "/metrics", value_parser = path)]
    path: String,
    /// Cgroups that have series of their own, the most active ones; the others are counted together
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    cgroups: u32,
}

/// `/metrics`: what needs no escape in a URL, and means nothing to the router.
fn path(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    if text.starts_with('/') && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("a path begins with / and has letters, digits, /, -, _, . and ~".to_owned())
    }
}

/// Threads that answer: one writes text while the main one reads counts.
const ANSWERING_THREADS: usize = 1;
/// Scrapers that may wait for counts.
const WAITING: usize = http::CONNECTIONS;

/// Runs the subcommand.
pub(crate) fn run(args: &Args, verbose: bool) -> Result<ExitCode> {
    requirements::check().map_err(SessionError::from)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(ANSWERING_THREADS)
        .on_thread_start(|| privilege::keep(CapabilitySet::empty()))
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let done = runtime.block_on(serve(args, verbose));
    // Answers under way are cut off.
    runtime.shutdown_background();
    done.map(|()| ExitCode::SUCCESS)
}

async fn serve(args: &Args, verbose: bool) -> Result<()> {
    let mut stop = Stop::listen()?;
    // Before the programs are loaded: that takes a while, and would be in vain.
    let listener = http::listen(args.listen).await?;
    let address = listener.local_addr().context("asking for the address")?;
    let session = Session::start(&serve::scope(verbose))?;
    session.log_unattached();
    let serving = Serving::new(session, args.cgroups as usize);
    let (ask, asks) = mpsc::channel(WAITING);
    let path = args.path.clone();
    tokio::spawn(async move { http::answer(listener, &path, ask).await });
    eprintln!("migtrace: serving http://{address}{}; Ctrl-C ends it", args.path);
    let stopped = async {
        // Without a command there is no status, and nothing to fail.
        let _ = stop.wait().await;
    };
    Ok(serving.run(asks, stopped).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_plain_one() {
        assert_eq!(path("/metrics").as_deref(), Ok("/metrics"));
        assert!(path("metrics").is_err());
        assert!(path("/{all}").is_err());
    }
}
