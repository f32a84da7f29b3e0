//! From the file to the settings of a connection: checks each key.

use std::{collections::BTreeMap, path::Path};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    config::{self, ClientAuth},
    settings::{Settings, WebError},
    tls, users,
};

/// The headers that may be set, with their values if only some are valid.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

/// Reads the file at `path`, and the files that it names.
///
/// # Errors
/// As [`super::Web::new`].
pub(super) fn read(path: &Path) -> Result<Settings, WebError> {
    let file = config::parse(path)?;
    let invalid = |why| WebError::Invalid { path: path.to_owned(), why };
    let http = file.http_server_config.unwrap_or_default();
    if http.http2 == Some(true) {
        return Err(invalid(
            "http_server_config.http2: migtrace has HTTP/1.1 only; set it to false or remove it".into(),
        ));
    }
    let users = file.basic_auth_users.unwrap_or_default();
    for (user, hash) in &users {
        users::check_hash(hash).map_err(|why| invalid(format!("basic_auth_users.{user}: {why}")))?;
    }
    let headers = headers(&http.headers.unwrap_or_default()).map_err(invalid)?;
    let config = file.tls_server_config;
    let tls = config.as_ref().map(|config| tls::server(path, config)).transpose()?;
    let verifies_clients = config.is_some_and(|tls| tls.client_auth_type == ClientAuth::RequireAndVerifyClientCert);
    Ok(Settings { tls, verifies_clients, headers, users })
}

fn headers(wanted: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in wanted {
        let key = format!("http_server_config.headers.{name}");
        let Some((_, values)) = HEADERS.iter().find(|(known, _)| known == name) else {
            let names = HEADERS.map(|(name, _)| name).join(", ");
            return Err(format!("{key}: this header cannot be set, only {names}"));
        };
        if !values.is_empty() && !values.contains(&value.as_str()) {
            return Err(format!("{key}: \"{value}\" is not one of {}", values.join(", ")));
        }
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| format!("{key}: {error}"))?;
        headers.insert(name, HeaderValue::from_str(value).map_err(|error| format!("{key}: {error}"))?);
    }
    Ok(headers)
}
