//! The listening server and the connection sequence.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ironrdp_pdu::nego::SecurityProtocol;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::handshake::{Handshake, Script, Step};
use crate::peer::Peer;
use crate::wire::Wire;

/// How long a client may be silent before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks for a client.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How a connection is accepted.
pub struct Setup {
    /// What the server offers. [`SecurityProtocol::SSL`] is TLS; nothing is standard security without encryption.
    pub security: SecurityProtocol,
    /// Width and height of the desktop; none for what the client asks for.
    pub size_px: Option<(u16, u16)>,
    /// Changes what is sent.
    pub script: Script,
}

impl Default for Setup {
    fn default() -> Self {
        Self { security: SecurityProtocol::SSL, size_px: None, script: Box::new(|_, bytes| bytes) }
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("security", &self.security)
            .field("size_px", &self.size_px)
            .finish_non_exhaustive()
    }
}

impl Setup {
    /// Right, but for what `script` changes.
    pub fn scripted(script: impl FnMut(Step, Vec<u8>) -> Vec<u8> + Send + 'static) -> Self {
        Self { script: Box::new(script), ..Self::default() }
    }
}

/// A listening server, with a certificate of its own.
#[derive(Debug)]
pub struct RdpServer {
    listener: TcpListener,
    port: u16,
    tls: Arc<ServerConfig>,
    certificate: CertificateDer<'static>,
}

impl RdpServer {
    /// Listens on a free port of 127.0.0.1.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tls, certificate) = tls();
        Self { listener, port, tls, certificate }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// Takes another certificate, as a reinstalled machine or an impostor would.
    pub fn change_certificate(&mut self) {
        (self.tls, self.certificate) = tls();
    }

    /// Parameters that say where and who, that the certificate is no matter, and `more`.
    #[must_use]
    pub fn params(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let port = self.port.to_string();
        let own = [
            ("hostname", "127.0.0.1"),
            ("port", port.as_str()),
            ("username", "tester"),
            ("password", "secret"),
            ("ignore-cert", "true"),
        ];
        own.iter().chain(more).map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Takes one connection on a thread of its own and goes on with `then`.
    pub fn serve<T: Send + 'static>(
        self,
        setup: Setup,
        then: impl FnOnce(Peer) -> T + Send + 'static,
    ) -> JoinHandle<io::Result<T>> {
        std::thread::spawn(move || self.accept(setup).map(then))
    }

    /// Waits for a client. `None` after [`PATIENCE`].
    fn incoming(&self) -> io::Result<TcpStream> {
        self.listener.set_nonblocking(true)?;
        let end = Instant::now() + PATIENCE;
        loop {
            match self.listener.accept() {
                Ok((socket, _)) => {
                    socket.set_nonblocking(false)?;
                    socket.set_nodelay(true)?;
                    socket.set_read_timeout(Some(PATIENCE))?;
                    socket.set_write_timeout(Some(PATIENCE))?;
                    return Ok(socket);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < end => {
                    std::thread::sleep(LOOK_EVERY);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes one connection up to the open desktop.
    ///
    /// # Errors
    /// The client went away, did not come, or did what no client may.
    pub fn accept(&self, setup: Setup) -> io::Result<Peer> {
        let mut wire = Wire::new(self.incoming()?);
        let mut script = setup.script;
        let client = Handshake { wire: &mut wire, script: &mut script }.run(setup.security, &self.tls)?;
        let size_px = setup.size_px.unwrap_or((client.core.desktop_width, client.core.desktop_height));
        let mut peer = Peer::new(wire, script, client);
        peer.activate(size_px.0, size_px.1)?;
        Ok(peer)
    }
}

fn tls() -> (Arc<ServerConfig>, CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let certificate = certificate.der().clone();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
    (Arc::new(config), certificate)
}
