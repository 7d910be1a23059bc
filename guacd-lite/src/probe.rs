//! Asks our own web port whether it answers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200";

/// Who asks.
pub(crate) struct Probe {
    address: SocketAddr,
    tls: Option<TlsConnector>,
}

impl Probe {
    /// For a port that listens there. Of "all addresses" it takes loopback.
    pub(crate) fn new(listening: SocketAddr, tls: bool) -> Result<Self> {
        let ip = match listening.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let tls = tls.then(connector).transpose()?;
        Ok(Self { address: SocketAddr::new(ip, listening.port()), tls })
    }

    /// Resolves when the port has answered well.
    pub(crate) async fn answers(&self) -> io::Result<()> {
        let stream = TcpStream::connect(self.address).await?;
        match &self.tls {
            None => ask(stream).await,
            Some(tls) => ask(tls.connect(ServerName::IpAddress(self.address.ip().into()), stream).await?).await,
        }
    }
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(REQUEST).await?;
    stream.flush().await?;
    let mut answer = [0; ANSWER.len()];
    stream.read_exact(&mut answer).await?;
    if answer == ANSWER { Ok(()) } else { Err(io::Error::other("it answers with an error")) }
}

fn connector() -> Result<TlsConnector> {
    let provider = CryptoProvider::get_default().context("a TLS provider is installed at the start")?;
    let config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Ourselves(Arc::clone(provider))))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// We ask ourselves and nobody else, tell no secret, and believe nothing: whose name the certificate has, and whether
/// it has expired, is of no matter to whether we live.
#[derive(Debug)]
struct Ourselves(Arc<CryptoProvider>);

impl ServerCertVerifier for Ourselves {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_on_all_addresses_is_asked_on_loopback() {
        let asked = |listening: &str| Probe::new(listening.parse().unwrap(), false).unwrap().address.to_string();
        assert_eq!(asked("0.0.0.0:443"), "127.0.0.1:443");
        assert_eq!(asked("[::]:443"), "[::1]:443");
        assert_eq!(asked("10.0.0.4:8443"), "10.0.0.4:8443");
    }
}
