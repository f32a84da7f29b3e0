//! Certificates, versions and ciphers of the TLS server.
//!
//! ring is the cryptography, because it builds with the C compiler that zstd needs anyway; aws-lc needs more tools.

use std::{borrow::Cow, fs, path::Path, sync::Arc};

use tokio_rustls::rustls::{
    self, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};

use super::{
    config::{ClientAuth, Tls, Version, beside},
    settings::WebError,
};

/// The only protocol that the server has.
const HTTP_1_1: &[u8] = b"http/1.1";

/// Makes what a handshake needs. `file` is the file that has this part.
pub(super) fn server(file: &Path, tls: &Tls) -> Result<Arc<ServerConfig>, WebError> {
    let broken = |error| WebError::Tls { path: file.to_owned(), error };
    let invalid = |why: String| WebError::Invalid { path: file.to_owned(), why: format!("tls_server_config.{why}") };

    let certificates = pem(file, "cert", tls.cert.as_deref(), tls.cert_file.as_deref())?;
    let certificates = certificates.ok_or_else(|| invalid("cert_file: missing".into()))?;
    let certificates = chain(&certificates).map_err(|why| invalid(format!("cert_file: {why}")))?;
    let key = pem(file, "key", tls.key.as_deref(), tls.key_file.as_deref())?;
    let key = key.ok_or_else(|| invalid("key_file: missing".into()))?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|error| invalid(format!("key_file: no unencrypted private key in PEM form ({error})")))?;

    let provider = Arc::new(provider(tls).map_err(&invalid)?);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(&versions(tls).map_err(&invalid)?).map_err(broken)?;
    let authority = pem(file, "client_ca", tls.client_ca.as_deref(), tls.client_ca_file.as_deref())?;
    let builder = match verifier(tls.client_auth_type, authority.as_deref(), provider).map_err(&invalid)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut server = builder.with_single_cert(certificates, key).map_err(broken)?;
    server.alpn_protocols = vec![HTTP_1_1.to_owned()];
    server.ignore_client_order = tls.prefer_server_cipher_suites.unwrap_or(true);
    // Each connection has a configuration of its own, so a session can never be resumed.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    Ok(Arc::new(server))
}

/// The PEM text under a key: inline, or in the file that the key with `_file` names.
fn pem<'a>(
    file: &Path,
    name: &'static str,
    inline: Option<&'a str>,
    path: Option<&Path>,
) -> Result<Option<Cow<'a, [u8]>>, WebError> {
    match (inline, path) {
        (Some(_), Some(_)) => {
            let why = format!("tls_server_config: {name} and {name}_file exclude each other");
            Err(WebError::Invalid { path: file.to_owned(), why })
        }
        (Some(text), None) => Ok(Some(Cow::Borrowed(text.as_bytes()))),
        (None, Some(path)) => {
            let path = beside(file, path);
            let what = match name {
                "key" => "key_file",
                "cert" => "cert_file",
                _ => "client_ca_file",
            };
            fs::read(&path).map(|bytes| Some(Cow::Owned(bytes))).map_err(|error| WebError::Read { what, path, error })
        }
        (None, None) => Ok(None),
    }
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err("no certificate in PEM form".to_owned()),
        Ok(chain) => Ok(chain),
        Err(error) => Err(error.to_string()),
    }
}

fn versions(tls: &Tls) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let (min, max) = (tls.min_version.unwrap_or(Version::Tls12), tls.max_version.unwrap_or(Version::Tls13));
    if min > max {
        return Err("min_version: it is above max_version".to_owned());
    }
    let all = [(Version::Tls13, &TLS13), (Version::Tls12, &TLS12)];
    Ok(all.into_iter().filter(|(version, _)| (min..=max).contains(version)).map(|(_, version)| version).collect())
}

/// The cryptography, with the named ciphers only. As in Go, all ciphers of TLS 1.3 stay.
fn provider(tls: &Tls) -> Result<CryptoProvider, String> {
    let mut provider = ring::default_provider();
    let Some(wanted) = &tls.cipher_suites else { return Ok(provider) };
    let name = |suite: &rustls::SupportedCipherSuite| format!("{:?}", suite.suite());
    let (newer, older): (Vec<_>, Vec<_>) = provider.cipher_suites.iter().partition(|suite| suite.tls13().is_some());
    let mut chosen = Vec::new();
    for wanted in wanted {
        let Some(suite) = older.iter().find(|suite| name(suite) == *wanted) else {
            let names: Vec<String> = older.iter().map(name).collect();
            return Err(format!("cipher_suites: {wanted} is unknown; there are {}", names.join(", ")));
        };
        chosen.push(*suite);
    }
    provider.cipher_suites = newer.into_iter().chain(chosen).collect();
    Ok(provider)
}

fn verifier(
    kind: ClientAuth,
    authority: Option<&[u8]>,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    let authority = match (kind, authority) {
        (ClientAuth::NoClientCert, None) => return Ok(None),
        (ClientAuth::NoClientCert, Some(_)) => {
            return Err("client_auth_type: client_ca_file needs RequireAndVerifyClientCert".to_owned());
        }
        (_, None) => return Err("client_ca_file: missing, and client_auth_type needs it".to_owned()),
        (_, Some(authority)) => authority,
    };
    let mut roots = RootCertStore::empty();
    for certificate in chain(authority).map_err(|why| format!("client_ca_file: {why}"))? {
        roots.add(certificate).map_err(|error| format!("client_ca_file: {error}"))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if kind == ClientAuth::VerifyClientCertIfGiven { builder.allow_unauthenticated() } else { builder };
    builder.build().map(Some).map_err(|error| format!("client_ca_file: {error}"))
}
