//! A small world: an administrator, Ann who may use one of two connections, and sessions that do what the test says.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use guac_auth_mysql::{
    Access, ConnectionKey, Holder, NewConnection, NewUser, ObjectPermission, Parameters, Permission, Store, StoreConfig,
};
use guac_protocol::{ConnectionId, Instruction, Selection, Status};
use guac_tunnel::{InstructionSink, Link, LinkClosed, OpenError, OpenRequest, Opened, SessionHost};
use guac_web::{WebApp, WebConfig};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tower::ServiceExt as _;

/// Secrets that must not show up anywhere.
pub(crate) const ADMIN_PASSWORD: &str = "canary-admin-password";
pub(crate) const ANN_PASSWORD: &str = "canary-ann-password";
pub(crate) const PARAMETER: &str = "canary-parameter";

/// The test's end of a session.
pub(crate) struct Session {
    pub(crate) request: OpenRequest,
    pub(crate) say: mpsc::Sender<Bytes>,
    pub(crate) heard: mpsc::Receiver<String>,
}

#[derive(Default)]
pub(crate) struct ScriptedHost {
    sessions: Mutex<Vec<Session>>,
    pub(crate) refuse: Mutex<Option<OpenError>>,
}

impl ScriptedHost {
    /// The session opened last.
    pub(crate) fn session(&self) -> Session {
        self.sessions.lock().unwrap().pop().expect("a session was opened")
    }
}

struct Sink(mpsc::Sender<String>);

impl InstructionSink for Sink {
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), LinkClosed>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(&mut self, instruction: &Instruction<'_>) -> Result<(), LinkClosed> {
        self.0.try_send(instruction.raw().to_owned()).map_err(|_| LinkClosed)
    }
}

impl SessionHost for ScriptedHost {
    fn parameters(&self, selected: &str) -> Option<Vec<String>> {
        let names: &[&str] = match selected {
            "ssh" => &["hostname", "port", "username", "password", "color-scheme", "read-only"],
            "vnc" => &["hostname", "port", "password"],
            id if id.starts_with('$') => &["read-only"],
            "rdp" => &["hostname", "domain", "security", "resize-method", "drive-path"],
            _ => return None,
        };
        Some(names.iter().map(|&name| name.to_owned()).collect())
    }

    fn open(&self, request: OpenRequest) -> BoxFuture<'_, Result<Opened, OpenError>> {
        async move {
            if let Some(error) = self.refuse.lock().unwrap().clone() {
                return Err(error);
            }
            let (say, said) = mpsc::channel(8);
            let (hear, heard) = mpsc::channel(1000);
            let connection_id = match &request.selection {
                Selection::Join(id) => id.clone(),
                Selection::Protocol(_) => ConnectionId::from_random([5; 16]),
            };
            self.sessions.lock().unwrap().push(Session { request, say, heard });
            let source =
                stream::unfold(said, |mut said: mpsc::Receiver<Bytes>| async move { Some((said.recv().await?, said)) });
            Ok(Opened { connection_id, link: Link { source: source.boxed(), sink: Box::new(Sink(hear)) } })
        }
        .boxed()
    }
}

pub(crate) struct World {
    pub(crate) app: WebApp,
    pub(crate) store: Store,
    pub(crate) host: Arc<ScriptedHost>,
    /// Ann may use it.
    pub(crate) shell: ConnectionKey,
    /// Ann may not.
    pub(crate) hidden: ConnectionKey,
    dir: Arc<TempDir>,
}

/// An answer of the application.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) async fn world() -> World {
    world_with(WebConfig::default()).await
}

pub(crate) async fn world_with(config: WebConfig) -> World {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path()).await;
    let (operator, now) = (Access::operator(), SystemTime::now());
    for (name, password) in [("admin", ADMIN_PASSWORD), ("ann", ANN_PASSWORD)] {
        let user = NewUser::new(name, Some(password.to_owned().into()));
        store.create_user(&operator, &user, now).await.unwrap();
    }
    store.grant_administration(&operator, "admin").await.unwrap();
    let mut shell = NewConnection::new("shell", "ssh");
    let parameters = [("hostname", "target"), ("username", "${GUAC_USERNAME}"), ("password", PARAMETER)];
    shell.parameters = Parameters::from_iter(parameters);
    shell.attributes.max_connections_per_user = Some(2);
    let shell = store.create_connection(&operator, &shell).await.unwrap();
    let hidden = store.create_connection(&operator, &NewConnection::new("hidden", "vnc")).await.unwrap();
    let read = Permission::Connection(shell, ObjectPermission::Read);
    store.update_permissions(&operator, &Holder::User("ann".into()), &[read], &[]).await.unwrap();
    let host = Arc::new(ScriptedHost::default());
    let serving: Arc<dyn SessionHost> = Arc::clone(&host) as _;
    let app = WebApp::new(config, store.clone(), serving);
    World { app, store, host, shell, hidden, dir: Arc::new(dir) }
}

async fn open_store(dir: &Path) -> Store {
    let store = Store::connect(&StoreConfig::sqlite(&dir.join("store.db"))).await.unwrap();
    store.migrate().await.unwrap();
    store
}

impl World {
    /// Another node over the same database.
    pub(crate) fn beside(&self, config: WebConfig) -> Self {
        let host = Arc::new(ScriptedHost::default());
        let serving: Arc<dyn SessionHost> = Arc::clone(&host) as _;
        let app = WebApp::new(config, self.store.clone(), serving);
        let (store, dir) = (self.store.clone(), Arc::clone(&self.dir));
        Self { app, store, host, shell: self.shell, hidden: self.hidden, dir }
    }

    /// Sends a request from 203.0.113.9.
    pub(crate) async fn call(&self, method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let response = self.app.router().oneshot(request(method, uri, headers, body)).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.call("GET", &format!("/api/session/{path}"), &[("guacamole-token", token)], "").await
    }

    pub(crate) async fn login(&self, username: &str, password: &str) -> Answer {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        self.call("POST", "/api/tokens", &form, &format!("username={username}&password={password}")).await
    }

    pub(crate) async fn token_of(&self, username: &str) -> String {
        let password = if username == "admin" { ADMIN_PASSWORD } else { ANN_PASSWORD };
        let answer = self.login(username, password).await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.json()["authToken"].as_str().unwrap().to_owned()
    }

    /// Ends everything and waits for it.
    pub(crate) async fn drain(&self) {
        self.app.drain(Duration::from_secs(10)).await;
        assert_eq!(self.app.registry().count(), 0, "every tunnel ended");
    }
}

pub(crate) fn request(method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let peer: SocketAddr = "203.0.113.9:4711".parse().unwrap();
    request.extension(ConnectInfo(peer)).body(Body::from(body.to_owned())).unwrap()
}

pub(crate) fn refusal(status: Status) -> OpenError {
    OpenError::new(status, "Refused by the script.")
}
