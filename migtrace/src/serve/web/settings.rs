//! What the files say, once read, and why they may be unusable.

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc};

use axum::http::HeaderMap;
use thiserror::Error;
use tokio_rustls::rustls;

/// The file cannot be used.
#[derive(Debug, Error)]
pub enum WebError {
    #[error("cannot read {what} {}: {error}{}", path.display(), hint(error))]
    Read { what: &'static str, path: PathBuf, error: io::Error },
    #[error("{}: {why}", path.display())]
    Invalid { path: PathBuf, why: String },
    #[error("{}: tls_server_config: {error}", path.display())]
    Tls { path: PathBuf, error: rustls::Error },
    #[error("reading the --web-config file panicked")]
    Panicked,
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            ". The threads that answer HTTP have no Linux capabilities, also as root: let the user of migtrace own the file, \
             or its group read it"
        }
        _ => "",
    }
}

/// What one connection must satisfy.
#[derive(Default)]
pub(in crate::serve) struct Settings {
    pub(in crate::serve) tls: Option<Arc<rustls::ServerConfig>>,
    /// Whether a client needs a certificate.
    pub(in crate::serve) verifies_clients: bool,
    /// Added to each response.
    pub(in crate::serve) headers: HeaderMap,
    /// The bcrypt hashes by user. Empty: everybody may read.
    pub(in crate::serve) users: BTreeMap<String, String>,
}
