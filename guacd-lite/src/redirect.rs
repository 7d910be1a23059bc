//! The plain HTTP port: what a certificate authority asks there, and for everybody else the way to HTTPS.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use guac_acme::{Acme, HTTP_PATH};
use http::header::{CONTENT_TYPE, HOST, LOCATION};
use http::uri::Authority;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use crate::listener::Stream;

/// All of a connection: nobody has business here for longer.
const DEADLINE: Duration = Duration::from_secs(20);

/// Longest request head.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Answers on the plain port.
#[derive(Clone)]
pub(crate) struct Redirect {
    acme: Option<Arc<Acme>>,
    https_port: u16,
}

impl Redirect {
    pub(crate) fn new(acme: Option<Arc<Acme>>, https_port: u16) -> Self {
        Self { acme, https_port }
    }

    /// Serves one connection.
    pub(crate) async fn serve(self, stream: Stream) {
        let service = service_fn(|request: Request<Incoming>| {
            let redirect = self.clone();
            async move { Ok::<_, Infallible>(redirect.answer(&request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(DEADLINE)
            .max_buf_size(MAX_HEAD_BYTES)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        if let Ok(Err(error)) = tokio::time::timeout(DEADLINE, connection).await {
            tracing::debug!(%error, "Plain HTTP connection failed");
        }
    }

    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if let Some(token) = request.uri().path().strip_prefix(HTTP_PATH) {
            let answer = match &self.acme {
                Some(acme) => acme.http_answer(token).await,
                None => None,
            };
            return match answer {
                Some(answer) => text(StatusCode::OK, answer),
                None => text(StatusCode::NOT_FOUND, "Nothing is asked by this name.\n".to_owned()),
            };
        }
        match self.location(request) {
            Some(location) => {
                let mut response = text(StatusCode::PERMANENT_REDIRECT, "This place is at https.\n".to_owned());
                response.headers_mut().insert(LOCATION, location);
                response
            }
            None => text(StatusCode::BAD_REQUEST, "The request does not name its host.\n".to_owned()),
        }
    }

    fn location<B>(&self, request: &Request<B>) -> Option<HeaderValue> {
        let host: Authority = request.headers().get(HOST)?.to_str().ok()?.parse().ok()?;
        let port = if self.https_port == 443 { String::new() } else { format!(":{}", self.https_port) };
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        HeaderValue::from_str(&format!("https://{}{port}{path}", host.host())).ok()
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(port: u16, host: Option<&str>, path: &str) -> (StatusCode, Option<String>) {
        let mut request = Request::get(path).body(()).unwrap();
        if let Some(host) = host {
            request.headers_mut().insert(HOST, HeaderValue::from_str(host).unwrap());
        }
        let answer = Redirect::new(None, port).answer(&request).await;
        let location = answer.headers().get(LOCATION).map(|location| location.to_str().unwrap().to_owned());
        (answer.status(), location)
    }

    #[tokio::test]
    async fn everything_is_sent_to_https_at_the_same_place() {
        let to = |location: &str| (StatusCode::PERMANENT_REDIRECT, Some(location.to_owned()));
        assert_eq!(ask(443, Some("desk.example"), "/a?b=c").await, to("https://desk.example/a?b=c"));
        assert_eq!(ask(8443, Some("desk.example:80"), "/").await, to("https://desk.example:8443/"));
        assert_eq!(ask(443, Some("[::1]:80"), "/").await, to("https://[::1]/"));
        assert_eq!(ask(443, None, "/").await, (StatusCode::BAD_REQUEST, None));
        assert_eq!(ask(443, Some("desk.example/evil"), "/").await, (StatusCode::BAD_REQUEST, None));
        assert_eq!(ask(443, Some("desk.example"), "/.well-known/acme-challenge/x").await.0, StatusCode::NOT_FOUND);
    }
}
