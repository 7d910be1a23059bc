//! A small SSH server that asks for passwords, which the real one only does for users of the system.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use russh::keys::{Algorithm, PrivateKey};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Response, Session};
use russh::{Channel, ChannelId, MethodKind, MethodSet, Pty};
use tokio::net::TcpListener;

/// Tasks of servers that tests of this process run; each test is a process of its own under nextest.
pub(crate) static TASKS: AtomicUsize = AtomicUsize::new(0);

/// Runs a task for as long as the test lasts.
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    TASKS.fetch_add(1, Ordering::SeqCst);
    #[expect(clippy::disallowed_methods, reason = "ends with the runtime of the test")]
    tokio::spawn(task);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Takes the password `secret`.
    Password,
    /// Asks for it by keyboard-interactive.
    Questions,
    /// Asks twice, and not for a password.
    TwoQuestions,
}

#[derive(Clone)]
struct Talker {
    kind: Kind,
    user: String,
    round: usize,
}

/// Starts one; gives its port.
pub(crate) async fn start(kind: Kind) -> String {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
    let methods = if kind == Kind::Password { MethodKind::Password } else { MethodKind::KeyboardInteractive };
    let config = Arc::new(server::Config {
        keys: vec![key],
        methods: MethodSet::from(&[methods][..]),
        auth_rejection_time: Duration::ZERO,
        ..server::Config::default()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let talker = Talker { kind, user: String::new(), round: 0 };
            // Each connection is one task of the library and one that waits for it.
            TASKS.fetch_add(1, Ordering::SeqCst);
            if let Ok(session) = server::run_stream(Arc::clone(&config), stream, talker).await {
                spawn(async move { drop(session.await) });
            }
        }
    });
    port
}

fn ask(text: &'static str, echo: bool) -> Auth {
    Auth::Partial {
        name: Cow::Borrowed("\x1b]0;evil\x07"),
        instructions: Cow::Borrowed("please answer"),
        prompts: Cow::Owned(vec![(Cow::Borrowed(text), echo)]),
    }
}

impl server::Handler for Talker {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, russh::Error> {
        Ok(Some("a banner\n".to_owned()))
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        user.clone_into(&mut self.user);
        if user == "ann" && password == "secret" {
            return Ok(Auth::Accept);
        }
        // The library would otherwise strike the method off the list.
        let proceed_with_methods = Some(MethodSet::from(&[MethodKind::Password][..]));
        Ok(Auth::Reject { proceed_with_methods, partial_success: false })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        user.clone_into(&mut self.user);
        let answers: Vec<_> = response.into_iter().flatten().collect();
        self.round += 1;
        Ok(match (self.kind, self.round, answers.first().map(|answer| &answer[..])) {
            (Kind::Questions, 1, None) => ask("Password: ", false),
            (Kind::Questions, 2, Some(b"secret")) | (Kind::TwoQuestions, 3, Some(b"42")) => Auth::Accept,
            (Kind::TwoQuestions, 1, None) => ask("Code\x1b[2J: ", true),
            (Kind::TwoQuestions, 2, Some(b"123456")) => ask("PIN: ", false),
            _ => Auth::reject(),
        })
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(channel)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        session.channel_success(channel)?;
        session.data(channel, format!("welcome {}\r\n", self.user).into_bytes())
    }
}
