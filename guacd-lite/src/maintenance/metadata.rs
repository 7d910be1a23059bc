//! The metadata service of a virtual machine: small questions in plain HTTP, one connection each.

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::events::{Document, Machine};

/// Real answers have some kilobytes: one event per machine of a set.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

const COMPUTE: &str = "/metadata/instance/compute?api-version=2021-02-01&format=json";
const EVENTS: &str = "/metadata/scheduledevents?api-version=2020-07-01";

/// Where it is. Deadlines are the caller's.
pub(super) struct Metadata {
    authority: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Compute {
    name: String,
    #[serde(default)]
    resource_id: Option<String>,
}

impl Metadata {
    pub(super) fn new(authority: String) -> Self {
        Self { authority }
    }

    /// Who we are.
    pub(super) async fn machine(&self) -> Result<Machine> {
        let Compute { name, resource_id } = self.read(COMPUTE).await?;
        if name.is_empty() {
            bail!("it does not know the name of this machine; set azure_machine_name");
        }
        Ok(Machine::new(name, resource_id.filter(|id| !id.is_empty())))
    }

    /// What is announced.
    pub(super) async fn events(&self) -> Result<Document> {
        self.read(EVENTS).await
    }

    /// Lets an event begin before its time.
    pub(super) async fn approve(&self, id: &str) -> Result<()> {
        let body = json!({ "StartRequests": [{ "EventId": id }] }).to_string();
        self.request(Method::POST, EVENTS, body).await.map(drop)
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let body = self.request(Method::GET, path, String::new()).await?;
        serde_json::from_slice(&body).context("its answer cannot be read")
    }

    async fn request(&self, method: Method, path: &str, body: String) -> Result<Bytes> {
        let stream = TcpStream::connect(&self.authority).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.authority)
            .header(CONNECTION, "close")
            // Proves that no other program was tricked into asking.
            .header("Metadata", "true");
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let answer = sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?;
        if !answer.status().is_success() {
            bail!("it answers {} with {}", path.split('?').next().unwrap_or(path), answer.status());
        }
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
        Ok(body.map_err(|error| anyhow::anyhow!(error)).context("its answer breaks off or is too long")?.to_bytes())
    }
}
