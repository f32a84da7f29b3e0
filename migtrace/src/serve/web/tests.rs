//! Against a server on a loopback address, with curl as the client.

use std::{collections::BTreeMap, fs, io, process::Command, time::Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;
use crate::serve::http::tests::{said, secured};

/// A user with the password `fakepassword`, by another implementation: exporter-toolkit has this hash in its source.
const READER: &str = "reader: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi\n";

/// A directory with an authority, certificates of a server and of a client by it, and a --web-config file.
struct Files(TempDir);

impl Files {
    fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("written");
        let mut params = CertificateParams::new(Vec::new()).expect("valid");
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
        write("ca.pem", &authority.pem());
        for name in ["server", "client"] {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("valid");
            write(&format!("{name}.pem"), &params.signed_by(&key, &authority).expect("signed").pem());
            write(&format!("{name}.key"), &key.serialize_pem());
        }
        let files = Self(dir);
        files.configure(config);
        files
    }

    fn configure(&self, config: &str) {
        fs::write(self.config(), config).expect("written");
    }

    fn config(&self) -> PathBuf {
        self.0.path().join("web.yml")
    }

    /// curl's status and output, or its error.
    async fn curl(&self, address: SocketAddr, scheme: &str, arguments: &[&str]) -> Result<String, String> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--include", "--cacert", "ca.pem", "--max-time", "8"]).args(arguments);
        curl.arg(format!("{scheme}://localhost:{}/metrics", address.port())).current_dir(self.0.path());
        let output = spawn_blocking(move || curl.output()).await.expect("no panic").expect("curl is installed");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

async fn error_of(config: &str) -> String {
    Web::new(Some(&Files::new(config).config())).await.err().expect("it is rejected").to_string()
}

const TLS: &str = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";

#[tokio::test]
async fn an_encrypted_endpoint_answers_over_tls_only() {
    let files = Files::new(&format!("{TLS}http_server_config: {{headers: {{X-Frame-Options: deny}}}}\n"));
    let address = secured(Some(&files.config())).await;
    for version in ["--tls-max=1.2", "--tlsv1.3"] {
        let version: Vec<&str> = version.split('=').collect();
        let answer = files.curl(address, "https", &version).await.expect("curl trusts the certificate");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("x-frame-options: deny\r\n"), "{answer}");
    }
    let plain = files.curl(address, "http", &[]).await.expect("an answer");
    assert!(plain.starts_with("HTTP/1.1 400") && plain.contains("this port needs https"), "{plain}");
    let untrusting = files.curl(address, "https", &["--cacert", "/dev/null"]).await;
    assert!(untrusting.is_err(), "{untrusting:?}");
}

#[tokio::test]
async fn versions_and_ciphers_are_limited() {
    let files = Files::new(&format!("{TLS}  min_version: TLS13\n"));
    let address = secured(Some(&files.config())).await;
    assert!(files.curl(address, "https", &["--tls-max", "1.2"]).await.is_err());
    files.curl(address, "https", &[]).await.expect("TLS 1.3");
    files.configure(&format!("{TLS}  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n"));
    let other = ["--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256"];
    assert!(files.curl(address, "https", &other).await.is_err());
    let named = ["--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384"];
    files.curl(address, "https", &named).await.expect("the named cipher");
}

#[tokio::test]
async fn a_client_without_a_certificate_of_the_authority_gets_nothing() {
    let required = format!("{TLS}  client_ca_file: ca.pem\n  client_auth_type: RequireAndVerifyClientCert\n");
    let files = Files::new(&required);
    let address = secured(Some(&files.config())).await;
    let certified = ["--cert", "client.pem", "--key", "client.key"];
    files.curl(address, "https", &certified).await.expect("a certificate of the authority");
    assert!(files.curl(address, "https", &[]).await.is_err());
    let foreign = Files::new(TLS);
    let foreign = foreign.0.path().join("client");
    let (pem, key) = (foreign.with_extension("pem"), foreign.with_extension("key"));
    let foreign = ["--cert", pem.to_str().expect("text"), "--key", key.to_str().expect("text")];
    assert!(files.curl(address, "https", &foreign).await.is_err());
    files.configure(&required.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven"));
    files.curl(address, "https", &[]).await.expect("no certificate is needed");
    assert!(files.curl(address, "https", &foreign).await.is_err());
}

#[tokio::test]
async fn a_password_is_required_on_every_path() {
    let files = Files::new(&format!("basic_auth_users:\n  {READER}"));
    let address = secured(Some(&files.config())).await;
    for user in ["reader:wrong", "unknown:fakepassword", "reader:", ":fakepassword", "reader:fakepassword2"] {
        let answer = files.curl(address, "http", &["--user", user]).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{user}: {answer}");
        assert!(answer.contains("www-authenticate: Basic realm=\"migtrace\""), "{answer}");
    }
    for header in ["", "Authorization: Basic !!!\r\n", "Authorization: Bearer cmVhZGVyOnNlY3JldA==\r\n"] {
        let answer = said(address, &format!("GET /other HTTP/1.1\r\nHost: x\r\n{header}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{header}: {answer}");
    }
    let answer = files.curl(address, "http", &["--user", "reader:fakepassword"]).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

/// A wrong password that is repeated, and a right one, cost bcrypt once; an unknown user as much as a known one.
#[tokio::test]
async fn comparisons_are_remembered_and_take_as_long_for_unknown_users() {
    let users = Users::default();
    let hash = bcrypt::hash("secret", 8).expect("hashed");
    let hashes = BTreeMap::from([("reader".to_owned(), hash.clone())]);
    let time = async |user: &str, password: &str, right: bool| {
        let began = Instant::now();
        assert_eq!(users.knows(&hashes, user, password).await, right, "{user} {password}");
        began.elapsed()
    };
    let wrong = time("reader", "wrong", false).await;
    let unknown = time("unknown", "wrong", false).await;
    assert!(unknown * 3 > wrong && wrong * 3 > unknown, "{unknown:?} {wrong:?}");
    let right = time("reader", "secret", true).await;
    assert!(time("reader", "secret", true).await * 3 < right);
    assert!(time("reader", "wrong", false).await * 3 < wrong);
    assert!(time("unknown", "wrong", false).await * 3 < unknown);
    // A changed hash is not what was remembered.
    let changed = BTreeMap::from([("reader".to_owned(), bcrypt::hash("other", 4).expect("hashed"))]);
    assert!(!users.knows(&changed, "reader", "secret").await && users.knows(&changed, "reader", "other").await);
}

/// One thread answers, and bcrypt must not run on it.
#[tokio::test]
async fn a_comparison_does_not_delay_other_requests() {
    let hash = bcrypt::hash("secret", 11).expect("hashed");
    let files = Files::new(&format!("basic_auth_users: {{reader: \"{hash}\"}}\n"));
    let address = secured(Some(&files.config())).await;
    // reader:wrong
    let slow = said(address, "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic cmVhZGVyOndyb25n\r\n\r\n");
    let slow = async { (slow.await, Instant::now()) };
    let quick = async { (said(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await, Instant::now()) };
    let ((_, slow), (_, quick)) = tokio::join!(slow, quick);
    assert!(quick < slow);
}

#[tokio::test]
async fn a_changed_file_holds_from_the_next_connection_on_and_a_broken_one_closes_all() {
    let files = Files::new("");
    let address = secured(Some(&files.config())).await;
    assert!(files.curl(address, "http", &[]).await.expect("an answer").starts_with("HTTP/1.1 200"));
    files.configure(TLS);
    assert!(files.curl(address, "https", &[]).await.expect("an answer").starts_with("HTTP/1.1 200"));
    files.configure("basic_auth_user: {}");
    assert!(files.curl(address, "http", &[]).await.is_err() && files.curl(address, "https", &[]).await.is_err());
    files.configure("basic_auth_users:");
    assert!(files.curl(address, "http", &[]).await.expect("an answer").starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_error_names_the_key_and_what_to_do() {
    for (config, parts) in [
        ("tls_config: {}\n", &["web.yml", "tls_config", "tls_server_config"][..]),
        ("rate_limit: {interval: 1s, burst: 1}\n", &["rate_limit"]),
        (
            "tls_server_config: {cert_file: server.pem, key_file: server.key, client_allowed_sans: [x]}\n",
            &["client_allowed_sans"],
        ),
        ("tls_server_config: {cert_file: server.pem, key_file: server.key, min_version: TLS10}\n", &["TLS10", "TLS12"]),
        (
            "tls_server_config: {cert_file: server.pem, key_file: server.key, client_auth_type: RequireAnyClientCert}\n",
            &["RequireAnyClientCert", "RequireAndVerifyClientCert"],
        ),
        ("tls_server_config: {cert_file: server.pem}\n", &["key_file: missing"]),
        (
            "tls_server_config: {cert_file: none.pem, key_file: server.key}\n",
            &["cert_file", "none.pem", "No such file"],
        ),
        ("tls_server_config: {cert_file: server.key, key_file: server.key}\n", &["cert_file: no certificate"]),
        (
            "tls_server_config: {cert_file: server.pem, key_file: server.pem}\n",
            &["key_file: no unencrypted private key"],
        ),
        ("tls_server_config: {cert_file: server.pem, key_file: client.key}\n", &["tls_server_config"]),
        (
            "tls_server_config: {cert_file: server.pem, key_file: server.key, client_ca_file: ca.pem}\n",
            &["client_auth_type", "RequireAndVerifyClientCert"],
        ),
        (
            "tls_server_config: {cert_file: server.pem, cert: x, key_file: server.key}\n",
            &["cert and cert_file exclude"],
        ),
        (
            "tls_server_config: {cert_file: server.pem, key_file: server.key, cipher_suites: [RC4]}\n",
            &["cipher_suites: RC4", "TLS_ECDHE"],
        ),
        ("http_server_config: {http2: true}\n", &["http_server_config.http2", "false"]),
        ("http_server_config: {headers: {Server: x}}\n", &["http_server_config.headers.Server", "X-Frame-Options"]),
        ("http_server_config: {headers: {X-Frame-Options: allow}}\n", &["X-Frame-Options", "deny, sameorigin"]),
        ("basic_auth_users: {reader: secret}\n", &["basic_auth_users.reader", "htpasswd"]),
        ("basic_auth_users: {reader: a, reader: b}\n", &["duplicate"]),
    ] {
        let error = error_of(config).await;
        parts.iter().for_each(|part| assert!(error.contains(part), "{config}: {error}"));
        assert!(!error.contains("secret"), "an error shows no password: {error}");
    }
    let missing = Web::new(Some(Path::new("/nonexistent/web.yml"))).await.err().expect("no file").to_string();
    assert!(missing.contains("cannot read the --web-config file /nonexistent/web.yml"), "{missing}");
    let error = io::Error::from(io::ErrorKind::PermissionDenied);
    let denied = WebError::Read { what: "key_file", path: "x".into(), error }.to_string();
    assert!(denied.contains("no Linux capabilities"), "{denied}");
}

#[tokio::test]
async fn what_others_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;

    let files = Files::new(TLS);
    let key = files.0.path().join("server.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).expect("changed");
    let (here, there): (SocketAddr, SocketAddr) =
        ("[::1]:1".parse().expect("an address"), "10.0.0.7:1".parse().expect("an address"));
    let web = Web::new(Some(&files.config())).await.expect("usable");
    assert_eq!(web.warnings(here).await, Vec::<String>::new());
    assert!(web.warnings(there).await[0].contains("without a password"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("changed");
    assert!(web.warnings(here).await[0].contains("server.key: chmod o-r"));
    assert!(Web::default().warnings(there).await[0].contains("unencrypted and without a password"));
    files.configure(&format!("{TLS}basic_auth_users:\n  {READER}"));
    assert_eq!(web.warnings(there).await.len(), 1, "the key's");
}
