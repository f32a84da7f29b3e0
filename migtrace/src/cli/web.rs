//! The options for what answers over HTTP.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context, Result};
use migtrace::{live::privilege, serve::Web};
use rustix::thread::CapabilitySet;
use tokio::runtime::{Builder, Runtime};

#[derive(Clone, clap::Args)]
pub(crate) struct WebArgs {
    /// Require TLS, passwords or client certificates, as this YAML file says: the web configuration of Prometheus' exporters.
    /// It is read again for each connection
    #[arg(long, value_name = "FILE")]
    web_config: Option<PathBuf>,
}

/// Reads an address and a port.
///
/// # Errors
/// Another form, such as `localhost:9435` or `:9435`, which say what to write instead.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let all = "127.0.0.1:9435, [::1]:9435, or [::]:9435 for all addresses of this machine";
        format!("not an IP address with a port: write {all}")
    })
}

/// Threads that answer requests: one encodes text while the main thread reads counts.
const ANSWERING_THREADS: usize = 1;
/// Threads that read the --web-config file, compare passwords, which takes long by design, and encode traces.
const BLOCKING_THREADS: usize = 4;

/// The runtime of a server. Its threads have no capabilities.
pub(crate) fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(ANSWERING_THREADS)
        .max_blocking_threads(BLOCKING_THREADS)
        .on_thread_start(|| privilege::keep(CapabilitySet::empty()))
        .enable_all()
        .build()
        .context("starting the runtime")
}

impl WebArgs {
    /// Whether there is an option to follow.
    pub(crate) fn is_given(&self) -> bool {
        self.web_config.is_some()
    }

    /// Reads the file, warns if other machines can read `address` without it, and returns the URL's scheme. To be called in the
    /// runtime whose threads answer: they read the file from then on, and have no capabilities.
    ///
    /// # Errors
    /// The file cannot be used.
    pub(crate) async fn secure(&self, address: SocketAddr) -> Result<(Web, &'static str)> {
        let web = Web::new(self.web_config.as_deref()).await.context("securing the endpoint")?;
        web.warnings(address).await.iter().for_each(|warning| log::warn!("{warning}"));
        let scheme = if web.encrypts().await { "https" } else { "http" };
        Ok((web, scheme))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_an_error_that_says_what_to_write() {
        assert!(address("127.0.0.1:9435").is_ok() && address("[::]:9435").is_ok());
        for text in ["localhost:9435", ":9435", "9435", "::1:9435", "127.0.0.1", "127.0.0.1:99999"] {
            assert!(address(text).is_err_and(|why| why.contains("[::1]:9435")), "{text}");
        }
    }
}
