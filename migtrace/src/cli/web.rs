//! The options for what answers over HTTP.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context, Result};
use migtrace::serve::Web;

#[derive(clap::Args)]
pub(crate) struct WebArgs {
    /// Require TLS, passwords or client certificates, as this YAML file says: the web configuration of Prometheus' exporters.
    /// It is read again for each connection
    #[arg(long, value_name = "FILE")]
    web_config: Option<PathBuf>,
}

impl WebArgs {
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
