//! Logging in: with what is stored first, then with what the user says.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse, Prompt};
use russh::keys::{Certificate, PrivateKey, PrivateKeyWithHashAlg, decode_secret_key};
use russh::{MethodKind, MethodSet};
use secrecy::{ExposeSecret as _, SecretString};

use crate::connect::{Client, Upstream};
use crate::error::SshError;
use crate::params::Credentials;

/// Time for each answer of the machine. Some wait several seconds before they refuse, or for a directory service.
const REPLY: Duration = Duration::from_secs(60);

/// Times a user may try, as OpenSSH's client.
const TRIES: usize = 3;

/// Rounds of questions in one login and questions in a round: far above one-time codes and new passwords.
const MAX_ROUNDS: usize = 16;
const MAX_PROMPTS: usize = 16;

/// Longest text of a question that is shown.
const MAX_PROMPT_CHARS: usize = 1024;

/// Who is there while a connection logs in.
pub trait Attendant: Send {
    /// Why the login does not go on: what the connection says, or whatever happens on the attendant's side meanwhile.
    type Stop: From<SshError> + Send;

    /// Waits for `work` while the attendant's own affairs go on.
    fn run<T: Send>(
        &mut self,
        work: impl Future<Output = T> + Send,
    ) -> impl Future<Output = Result<T, Self::Stop>> + Send;

    /// Asks for a line; `echo` if it is no secret.
    fn ask(&mut self, prompt: &str, echo: bool) -> impl Future<Output = Result<SecretString, Self::Stop>> + Send;

    /// Shows text of the machine: plain, however much of it tries not to be.
    fn show_message(&mut self, text: &str);
}

/// Nobody: what is not stored cannot be asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nobody;

impl Attendant for Nobody {
    type Stop = SshError;

    async fn run<T: Send>(&mut self, work: impl Future<Output = T> + Send) -> Result<T, SshError> {
        Ok(work.await)
    }

    async fn ask(&mut self, _prompt: &str, _echo: bool) -> Result<SecretString, SshError> {
        Err(SshError::Unattended)
    }

    fn show_message(&mut self, text: &str) {
        tracing::debug!(?text, "The machine says something that nobody sees");
    }
}

/// Waits for an answer of the machine.
async fn reply<A: Attendant, T: Send>(
    attendant: &mut A,
    answer: impl Future<Output = Result<T, russh::Error>> + Send,
) -> Result<T, A::Stop> {
    match attendant.run(tokio::time::timeout(REPLY, answer)).await? {
        Ok(answer) => answer.map_err(|error| SshError::from(error).into()),
        Err(_) => Err(SshError::Timeout { after: REPLY }.into()),
    }
}

/// Logs in.
///
/// # Errors
/// [`SshError::Refused`] if nothing helps, and whatever else ends the connection or the attendant's part.
pub(crate) async fn log_in<A: Attendant>(
    attendant: &mut A,
    handle: &mut Handle<Client>,
    credentials: &Credentials,
    upstream: &Upstream,
) -> Result<(), A::Stop> {
    let user = match &credentials.username {
        Some(user) => user.clone(),
        None => attendant.ask("Login as: ", true).await?.expose_secret().to_owned(),
    };
    let mut login = Login { attendant, handle, credentials, upstream, user, methods: MethodSet::empty(), stored: true };
    login.run().await
}

/// How one attempt ended.
enum Attempt {
    In,
    /// Refused, or accepted with more to come.
    Out {
        partial: bool,
    },
}

struct Login<'a, A> {
    attendant: &'a mut A,
    handle: &'a mut Handle<Client>,
    credentials: &'a Credentials,
    upstream: &'a Upstream,
    user: String,
    /// What the machine still takes.
    methods: MethodSet,
    /// The stored password has not been used yet.
    stored: bool,
}

impl<A: Attendant> Login<'_, A> {
    async fn run(&mut self) -> Result<(), A::Stop> {
        let none = self.handle.authenticate_none(self.user.clone());
        let result = reply(self.attendant, none).await?;
        if let Attempt::In = self.outcome(result)? {
            return Ok(());
        }
        if self.credentials.private_key.is_some() && self.offers(MethodKind::PublicKey) {
            match self.public_key().await? {
                Attempt::In => return Ok(()),
                // As guacd: a connection with a key and no password stands or falls with the key.
                Attempt::Out { partial: false } if self.credentials.password.is_none() => {
                    return Err(SshError::Refused.into());
                }
                Attempt::Out { .. } => {}
            }
        }
        for _ in 0..TRIES {
            let with_stored = self.stored && self.credentials.password.is_some();
            let attempt = if self.offers(MethodKind::Password)
                && (with_stored || !self.offers(MethodKind::KeyboardInteractive))
            {
                self.password().await?
            } else if self.offers(MethodKind::KeyboardInteractive) {
                self.keyboard_interactive().await?
            } else {
                break;
            };
            match attempt {
                Attempt::In => return Ok(()),
                // A stored password that is wrong is for whoever stored it: nobody is asked to guess.
                Attempt::Out { partial: false } if self.credentials.password.is_some() => break,
                Attempt::Out { partial: false } => self.attendant.show_message("Access denied.\n"),
                Attempt::Out { partial: true } => {}
            }
        }
        Err(SshError::Refused.into())
    }

    fn offers(&self, method: MethodKind) -> bool {
        self.methods.contains(&method)
    }

    /// Takes note of an answer. An empty one may mean that the connection is gone.
    fn outcome(&mut self, result: AuthResult) -> Result<Attempt, A::Stop> {
        self.upstream.show_notes(self.attendant);
        match result {
            AuthResult::Success => Ok(Attempt::In),
            AuthResult::Failure { remaining_methods, partial_success } => {
                self.failed(remaining_methods, partial_success)
            }
        }
    }

    fn failed(&mut self, methods: MethodSet, partial: bool) -> Result<Attempt, A::Stop> {
        if methods.is_empty() && self.handle.is_closed() {
            // Why it is closed comes to light when the library's task is waited for.
            return Err(SshError::Lost.into());
        }
        self.methods = methods;
        Ok(Attempt::Out { partial })
    }

    async fn public_key(&mut self) -> Result<Attempt, A::Stop> {
        let key = Arc::new(self.load_key().await?);
        if let Some(certificate) = self.credentials.public_key.as_deref().and_then(certificate) {
            let attempt = self.handle.authenticate_openssh_cert(self.user.clone(), key, certificate);
            let result = reply(self.attendant, attempt).await?;
            return self.outcome(result);
        }
        let hash = if key.algorithm().is_rsa() {
            reply(self.attendant, self.handle.best_supported_rsa_hash()).await?.flatten()
        } else {
            None
        };
        let key = PrivateKeyWithHashAlg::new(key, hash);
        let result = reply(self.attendant, self.handle.authenticate_publickey(self.user.clone(), key)).await?;
        self.outcome(result)
    }

    /// Reads the private key, asking for its passphrase if the stored one does not open it.
    async fn load_key(&mut self) -> Result<PrivateKey, A::Stop> {
        let Some(text) = &self.credentials.private_key else { return Err(SshError::Refused.into()) };
        let mut passphrase = self.credentials.passphrase.clone();
        for _ in 0..=TRIES {
            match decode(text, passphrase).await {
                Ok(key) => return Ok(key),
                Err(Undecoded::Locked) if self.credentials.passphrase.is_some() => break,
                Err(Undecoded::Locked) => passphrase = Some(self.attendant.ask("Key passphrase: ", false).await?),
                Err(Undecoded::Broken(source)) => return Err(SshError::BadPrivateKey { source }.into()),
            }
        }
        Err(SshError::BadPassphrase.into())
    }

    async fn password(&mut self) -> Result<Attempt, A::Stop> {
        let password = match self.stored_password() {
            Some(password) => password,
            None => self.attendant.ask("Password: ", false).await?,
        };
        let attempt = self.handle.authenticate_password(self.user.clone(), password.expose_secret());
        let result = reply(self.attendant, attempt).await?;
        self.outcome(result)
    }

    /// The stored password, once.
    fn stored_password(&mut self) -> Option<SecretString> {
        std::mem::take(&mut self.stored).then(|| self.credentials.password.clone()).flatten()
    }

    async fn keyboard_interactive(&mut self) -> Result<Attempt, A::Stop> {
        let start = self.handle.authenticate_keyboard_interactive_start(self.user.clone(), None);
        let mut response = reply(self.attendant, start).await?;
        for _ in 0..MAX_ROUNDS {
            self.upstream.show_notes(self.attendant);
            let (name, instructions, prompts) = match response {
                KeyboardInteractiveAuthResponse::Success => return Ok(Attempt::In),
                KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success } => {
                    return self.failed(remaining_methods, partial_success);
                }
                KeyboardInteractiveAuthResponse::InfoRequest { name, instructions, prompts } => {
                    (name, instructions, prompts)
                }
            };
            let answers = self.answer(&name, &instructions, &prompts).await?;
            let respond = self.handle.authenticate_keyboard_interactive_respond(answers);
            response = reply(self.attendant, respond).await?;
        }
        Err(SshError::TooMuch.into())
    }

    async fn answer(&mut self, name: &str, instructions: &str, prompts: &[Prompt]) -> Result<Vec<String>, A::Stop> {
        if prompts.len() > MAX_PROMPTS {
            return Err(SshError::TooMuch.into());
        }
        // One hidden question is the password's, whatever it is called.
        if let [Prompt { echo: false, .. }] = prompts
            && let Some(password) = self.stored_password()
        {
            return Ok(vec![password.expose_secret().to_owned()]);
        }
        for text in [name, instructions].into_iter().filter(|text| !text.trim().is_empty()) {
            self.attendant.show_message(&format!("{}\n", short(text).trim_end()));
        }
        let mut answers = Vec::new();
        for prompt in prompts {
            let answer = self.attendant.ask(&short(&prompt.prompt), prompt.echo).await?;
            answers.push(answer.expose_secret().to_owned());
        }
        Ok(answers)
    }
}

fn short(text: &str) -> String {
    text.chars().take(MAX_PROMPT_CHARS).collect()
}

/// Why a key is not there yet.
enum Undecoded {
    /// Encrypted, and the passphrase is missing or wrong.
    Locked,
    Broken(russh::keys::Error),
}

/// Decodes off the event loop: keys are locked with functions made to be slow.
fn decode(
    text: &SecretString,
    passphrase: Option<SecretString>,
) -> impl Future<Output = Result<PrivateKey, Undecoded>> + use<> {
    let text = text.clone();
    let task = tokio::task::spawn_blocking(move || {
        // Pasted keys lose their last line's end, and some editors add carriage returns.
        let text = format!("{}\n", text.expose_secret().trim().replace('\r', ""));
        let given = passphrase.is_some();
        let locked = is_locked(&text);
        let key = decode_secret_key(&text, passphrase.as_ref().map(|secret| secret.expose_secret()));
        key.map_err(|error| match error {
            russh::keys::Error::KeyIsEncrypted => Undecoded::Locked,
            _ if locked && !given => Undecoded::Locked,
            // A wrong passphrase shows as rubbish within.
            _ if locked => Undecoded::Locked,
            error => Undecoded::Broken(error),
        })
    });
    async move { task.await.unwrap_or(Err(Undecoded::Broken(russh::keys::Error::KeyIsCorrupt))) }
}

/// Whether a key says that it is encrypted.
fn is_locked(text: &str) -> bool {
    PrivateKey::from_openssh(text).is_ok_and(|key| key.is_encrypted())
        || text.contains("BEGIN ENCRYPTED PRIVATE KEY")
        || text.contains("Proc-Type: 4,ENCRYPTED")
}

/// A certificate, if that is what `public-key` holds; a bare key says nothing that the private one does not.
fn certificate(text: &str) -> Option<Certificate> {
    Certificate::from_openssh(text.trim()).ok()
}
