//! `migtrace serve`: exports counts of the running kernel as metrics over HTTP.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use anyhow::{Context, Result};
use migtrace::{
    live::{
        host::requirements,
        session::{Session, SessionError},
    },
    serve::{self, Serving, http, scrape},
};
use tokio::sync::mpsc;

use super::{
    stop::Stop,
    web::{self, WebArgs},
};

/// Export page faults and migrations of the whole system as metrics for Prometheus
///
/// Page faults, checks, marks and migrations are counted in the kernel by cause, nodes, result and reason, and exposed as
/// OpenMetrics. docs/serve.md describes every metric; dashboards/ has dashboards and alerts.
///
/// The endpoint is on this machine only, unencrypted and without a password, unless --listen and --web-config change that.
/// Ctrl-C or SIGTERM stops it.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  migtrace serve
  migtrace serve --listen 10.0.0.7:9435 --web-config web.yml --cgroups 200
  curl http://127.0.0.1:9435/metrics")]
pub(crate) struct Args {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 9435)), value_parser = web::address)]
    listen: SocketAddr,
    /// Path of the metrics; other paths return 404
    #[arg(long, value_name = "PATH", default_value = "/metrics", value_parser = path)]
    path: String,
    #[command(flatten)]
    web: WebArgs,
    /// Number of cgroups with their own series, the most active ones; all others are summed
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    cgroups: u32,
}

/// A path such as `/metrics`, without characters that a URL escapes or the router interprets.
fn path(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    if text.starts_with('/') && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("a path must begin with / and contain only letters, digits, /, -, _, . and ~".to_owned())
    }
}

/// Requests that can wait for counts.
const WAITING: usize = http::CONNECTIONS;

/// Runs the subcommand.
pub(crate) fn run(args: &Args, verbose: bool) -> Result<ExitCode> {
    requirements::check().map_err(SessionError::from)?;
    let runtime = web::runtime()?;
    let done = runtime.block_on(serve(args, verbose));
    // Responses in progress are cut off.
    runtime.shutdown_background();
    done.map(|()| ExitCode::SUCCESS)
}

async fn serve(args: &Args, verbose: bool) -> Result<()> {
    let mut stop = Stop::listen_as_service()?;
    // Before the programs are loaded: that takes a while, and would be in vain.
    let listener = http::listen(args.listen).await?;
    let address = listener.local_addr().context("asking for the address")?;
    let (web, scheme) = args.web.secure(address).await?;
    let session = Session::start(&serve::scope(verbose))?;
    session.log_unattached();
    let serving = Serving::new(session, args.cgroups as usize);
    let (ask, asks) = mpsc::channel(WAITING);
    tokio::spawn(http::answer(listener, scrape::router(&args.path, ask), web, http::CONNECTION_TIME));
    eprintln!("migtrace: serving {scheme}://{address}{}; Ctrl-C ends it", args.path);
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
