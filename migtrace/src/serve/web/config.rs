//! The form of the file: that of Prometheus' exporter-toolkit, as far as migtrace has it. A key that it does not have is an
//! error: it could be one that closes the endpoint.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::settings::WebError;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) tls_server_config: Option<Tls>,
    pub(super) http_server_config: Option<Http>,
    pub(super) basic_auth_users: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) cert: Option<String>,
    pub(super) key: Option<String>,
    pub(super) client_ca: Option<String>,
    pub(super) cert_file: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
    pub(super) client_ca_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) client_auth_type: ClientAuth,
    pub(super) min_version: Option<Version>,
    pub(super) max_version: Option<Version>,
    pub(super) cipher_suites: Option<Vec<String>>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
}

/// Go's names. Those that accept any certificate unverified are not among them.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
pub(super) enum ClientAuth {
    #[default]
    NoClientCert,
    VerifyClientCertIfGiven,
    RequireAndVerifyClientCert,
}

/// Earlier ones are not in rustls.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    #[serde(rename = "TLS12")]
    Tls12,
    #[serde(rename = "TLS13")]
    Tls13,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    pub(super) http2: Option<bool>,
    pub(super) headers: Option<BTreeMap<String, String>>,
}

/// Reads the file at `path` alone.
pub(super) fn parse(path: &Path) -> Result<File, WebError> {
    let error = |error| WebError::Read { what: "the --web-config file", path: path.to_owned(), error };
    let text = fs::read_to_string(path).map_err(error)?;
    // Not with the line in question: it may be a key or a password's hash, and errors are logged.
    let options = serde_saphyr::options! { with_snippet: false };
    let file: Option<File> = serde_saphyr::from_str_with_options(&text, options)
        .map_err(|error| WebError::Invalid { path: path.to_owned(), why: error.to_string() })?;
    Ok(file.unwrap_or_default())
}

/// A path in the file is relative to the file's directory.
pub(super) fn beside(file: &Path, path: &Path) -> PathBuf {
    file.parent().map_or_else(|| path.to_owned(), |directory| directory.join(path))
}

/// A warning if users that need not be able to read the private key can.
pub(super) fn exposed_key(file: &Path) -> Option<String> {
    let tls = parse(file).ok()?.tls_server_config?;
    let holder = tls.key_file.map_or_else(|| file.to_owned(), |key| beside(file, &key));
    let mode = fs::metadata(&holder).ok()?.permissions().mode();
    (mode & 0o004 != 0).then(|| format!("every user can read the private key in {}: chmod o-r", holder.display()))
}
