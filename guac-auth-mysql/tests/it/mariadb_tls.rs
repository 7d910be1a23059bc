//! MariaDB that wants TLS: who is let in, who is not, and what they are told.

use std::path::{Path, PathBuf};

use guac_auth_mysql::{ConnectError, Migration, SslMode, Store, StoreConfig};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use crate::mariadb_server::{PASSWORD, Server};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Writes a server certificate for `name` and its key to `dir`.
    fn certify(&self, dir: &Path, name: &str, expired: bool) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        if expired {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 2, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(dir.join("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
        std::fs::write(dir.join("ca.pem"), &self.pem).unwrap();
    }
}

fn tls_options(dir: &Path) -> Vec<String> {
    let file = |name: &str| dir.join(name).display().to_string();
    vec![
        format!("--ssl-cert={}", file("cert.pem")),
        format!("--ssl-key={}", file("key.pem")),
        "--require-secure-transport=ON".to_owned(),
    ]
}

async fn connect(url: String, ca: Option<PathBuf>, mode: Option<SslMode>) -> Result<Store, ConnectError> {
    let mut config = StoreConfig::new(url);
    config.ssl_ca = ca;
    config.ssl_mode = mode;
    Store::connect(&config).await
}

async fn create(server: &Server, name: &'static str) {
    let admin = server.raw("").await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.unwrap();
}

#[tokio::test]
async fn only_the_right_server_is_trusted_and_every_refusal_says_why() {
    let authority = Authority::new("test authority");
    let started = Server::start(|dir| {
        authority.certify(dir, "localhost", false);
        tls_options(dir)
    });
    let Some(server) = started.await else { return };
    create(&server, "guac_tls").await;
    let ca = server.dir.path().join("ca.pem");
    let url = |host: &str| server.url(host, "guac_tls", "");

    // The default mode, with the authority in the configuration or in the URL.
    let store = connect(url("localhost"), Some(ca.clone()), None).await.unwrap();
    assert_eq!(store.migrate().await.unwrap(), Migration::Created);
    let in_url = server.url("localhost", "guac_tls", &format!("?ssl-ca={}", ca.display()));
    connect(in_url, None, None).await.unwrap().ping().await.unwrap();

    // In clear: the server refuses.
    let error = connect(url("localhost"), None, Some(SslMode::Disabled)).await.unwrap_err();
    assert!(matches!(error, ConnectError::TlsDemanded { .. }), "{error:?}");
    assert!(error.to_string().contains("ssl-mode=disabled"), "{error}");

    // An authority nobody named, and the wrong one.
    let wrong = server.dir.path().join("wrong.pem");
    std::fs::write(&wrong, Authority::new("another authority").pem).unwrap();
    for ca in [None, Some(wrong.clone())] {
        let error = connect(url("localhost"), ca, None).await.unwrap_err();
        assert!(matches!(error, ConnectError::CertificateUntrusted { .. }), "{error:?}");
        assert!(error.to_string().contains("not trusted") && error.to_string().contains("ssl-ca"), "{error}");
        assert!(!format!("{error:?} {error}").contains(PASSWORD), "{error}");
    }

    // The right authority, another name.
    let error = connect(url("127.0.0.1"), Some(ca.clone()), None).await.unwrap_err();
    assert!(matches!(&error, ConnectError::CertificateName { host, .. } if host == "127.0.0.1"), "{error:?}");
    assert!(error.to_string().contains("host name 127.0.0.1"), "{error}");
    assert!(error.to_string().contains("localhost"), "{error}");

    // Weaker modes accept what they say they accept.
    connect(url("127.0.0.1"), Some(ca), Some(SslMode::VerifyCa)).await.unwrap();
    let error = connect(url("127.0.0.1"), Some(wrong), Some(SslMode::VerifyCa)).await.unwrap_err();
    assert!(matches!(error, ConnectError::CertificateUntrusted { .. }), "{error:?}");
    connect(url("127.0.0.1"), None, Some(SslMode::Required)).await.unwrap();
    connect(url("127.0.0.1"), None, Some(SslMode::Preferred)).await.unwrap();
}

#[tokio::test]
async fn an_expired_certificate_is_told_apart() {
    let authority = Authority::new("test authority");
    let started = Server::start(|dir| {
        authority.certify(dir, "localhost", true);
        tls_options(dir)
    });
    let Some(server) = started.await else { return };
    create(&server, "guac_tls").await;
    let ca = server.dir.path().join("ca.pem");
    let error = connect(server.url("localhost", "guac_tls", ""), Some(ca), None).await.unwrap_err();
    assert!(matches!(error, ConnectError::CertificateDate { .. }), "{error:?}");
}
