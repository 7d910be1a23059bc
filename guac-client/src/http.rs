//! A request to a gateway and its answer. One connection each: a login takes three.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::task::JoinSet;

use crate::ClientError;
use crate::transport::connect;

/// Largest answer: the tree of ten thousand connections has about four megabytes.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// Where requests go.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path of the application, with a `/` at its end.
    pub(crate) base: String,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl Address {
    /// For the `Host` header.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Sends a request with a form, or without a body if it is empty; gives status and body.
    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        form: String,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| ClientError::Http { source };
        let io = TokioIo::new(connect(&self.host, self.port, self.tls.clone()).await?);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(io).await.map_err(|error| failed(error.into()))?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(HOST, self.authority())
            .header(CONNECTION, "close");
        if !form.is_empty() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if let Some(token) = token {
            request = request.header("Guacamole-Token", token);
        }
        let request = request.body(Full::new(Bytes::from(form))).map_err(|error| failed(error.into()))?;
        let answer = sender.send_request(request).await.map_err(|error| failed(error.into()))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await.map_err(failed)?;
        Ok((status, body.to_bytes()))
    }
}
