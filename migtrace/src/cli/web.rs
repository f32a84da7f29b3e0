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
