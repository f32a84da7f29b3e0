//! Encryption and passwords, as a file in the form of Prometheus' exporter-toolkit sets them.
//!
//! The file, and the certificates that it names, are read again for each connection, so a change needs no restart. Threads
//! without capabilities read them, from the start: a file that they cannot read is an error before anything is traced.
//! `config.rs` owns the file's form, `load.rs` the check of its keys, `tls.rs` what a handshake needs, `users.rs` passwords.

mod config;
mod load;
mod settings;
mod tls;
mod users;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::spawn_blocking;

pub use self::settings::WebError;
pub(super) use self::users::authenticate;
use self::{settings::Settings, users::Users};

/// Security of an HTTP endpoint.
#[derive(Clone, Default)]
pub struct Web {
    file: Option<PathBuf>,
    users: Arc<Users>,
    /// The last error, so that a file that stays wrong is reported once.
    reported: Arc<Mutex<String>>,
}

impl Web {
    /// As the file at this path says. `None`: no encryption, no passwords.
    ///
    /// # Errors
    /// The file is missing, has an unknown key or a bad value, or names files that cannot be used.
    pub async fn new(file: Option<&Path>) -> Result<Self, WebError> {
        let web = Self { file: file.map(Path::to_owned), ..Self::default() };
        web.read().await?;
        Ok(web)
    }

    /// Warnings about an endpoint at `address`: who else can read it, or the key.
    pub async fn warnings(&self, address: SocketAddr) -> Vec<String> {
        let Ok(settings) = self.read().await else { return Vec::new() };
        let mut warnings = Vec::new();
        if !address.ip().is_loopback() {
            let lacks = match (&settings.tls, settings.users.is_empty()) {
                (None, true) => Some("unencrypted and without a password"),
                (None, false) => Some("unencrypted, passwords included"),
                (Some(_), true) if !settings.verifies_clients => Some("without a password"),
                _ => None,
            };
            let lacks = lacks.map(|lacks| format!("other machines can read {address}, {lacks}: see --web-config"));
            warnings.extend(lacks);
        }
        warnings.extend(self.file.as_deref().and_then(config::exposed_key));
        warnings
    }

    /// Whether connections are encrypted now.
    pub async fn encrypts(&self) -> bool {
        self.read().await.is_ok_and(|settings| settings.tls.is_some())
    }

    /// Reads the file on a thread that may block.
    async fn read(&self) -> Result<Settings, WebError> {
        let Some(file) = self.file.clone() else { return Ok(Settings::default()) };
        spawn_blocking(move || load::read(&file)).await.unwrap_or(Err(WebError::Panicked))
    }

    /// The settings for a new connection. `None`: the file became unusable, which is logged. Then no connection is answered,
    /// because it is not known what the connection must satisfy.
    pub(super) async fn settings(&self) -> Option<Settings> {
        let read = self.read().await;
        let error = read.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if *reported != error {
            if !error.is_empty() {
                log::error!("closing all connections: {error}");
            }
            *reported = error;
        }
        read.ok()
    }

    pub(super) fn users(&self) -> Arc<Users> {
        Arc::clone(&self.users)
    }
}

#[cfg(test)]
mod tests;
