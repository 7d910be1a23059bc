//! HTTPS to an authority: a connection per request, a deadline, and a bound on what is read.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// All of a request. Authorities answer within seconds.
const DEADLINE: Duration = Duration::from_secs(30);

/// Most bytes of an answer. A chain is some 10 KiB.
const MAX_ANSWER_BYTES: usize = 1 << 20;

type Failure = Box<dyn Error + Send + Sync>;
type Body = Full<hyper::body::Bytes>;

/// A client that trusts `roots`.
#[derive(Clone)]
pub(crate) struct Client {
    tls: TlsConnector,
}

impl Client {
    pub(crate) fn new(roots: RootCertStore) -> Self {
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { tls: TlsConnector::from(Arc::new(config)) }
    }

    async fn send(&self, request: Request<BodyWrapper<hyper::body::Bytes>>) -> Result<Response<Body>, Failure> {
        let (mut parts, body) = request.into_parts();
        let (host, port) = address(&parts.uri)?;
        // Not an address of its own in brackets, as the URI has it.
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
        let socket = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
        let stream = self.tls.connect(name, socket).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let authority = parts.uri.authority().map_or(host.as_str(), |authority| authority.as_str());
        parts.headers.insert(HOST, HeaderValue::from_str(authority)?);
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = path.parse()?;
        let exchange = async {
            let answer = sender.send_request(Request::from_parts(parts, body)).await?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await?.to_bytes();
            Ok::<_, Failure>(Response::from_parts(parts, Full::new(body)))
        };
        tokio::pin!(exchange);
        tokio::select! {
            answer = &mut exchange => answer,
            // It ends first where the authority closes behind its answer.
            ended = connection => {
                ended?;
                exchange.await
            }
        }
    }
}

/// Host and port of an `https` address.
fn address(uri: &Uri) -> Result<(String, u16), Failure> {
    let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
    let host = host.ok_or_else(|| format!("{uri} is not an https address"))?;
    Ok((host.to_owned(), uri.port_u16().unwrap_or(443)))
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<hyper::body::Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let client = self.clone();
        let uri = request.uri().clone();
        Box::pin(async move {
            let answer = match tokio::time::timeout(DEADLINE, client.send(request)).await {
                Ok(answer) => answer,
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            };
            answer
                .map(BytesResponse::from)
                .map_err(|error| instant_acme::Error::Other(format!("{}: {error}", uri.host().unwrap_or("?")).into()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_is_spoken() {
        let address = |text: &str| address(&text.parse().unwrap());
        assert_eq!(address("https://ca.example/dir").unwrap(), ("ca.example".to_owned(), 443));
        assert_eq!(address("https://[::1]:14000/dir").unwrap().1, 14000);
        assert!(address("http://ca.example/dir").is_err());
        assert!(address("/dir").is_err());
    }
}
