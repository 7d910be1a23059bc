//! Credentials: those configured, and those the owner is asked for (V-027).

use guac_display::Surface;
use guac_session::{Event, Stage};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{VncError, rfb::Credentials};

const USERNAME: &str = "username";
const PASSWORD: &str = "password";

/// What is known of the credentials. Answers are kept, so that a second connection need not ask again.
#[derive(Debug, Default)]
pub(crate) struct Login {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<SecretString>,
}

impl Login {
    /// Credentials with everything that the server needs; the owner is asked for what is missing. Nothing where the
    /// session ended meanwhile.
    pub(crate) async fn obtain(
        &mut self,
        username_needed: bool,
        stage: &mut Stage<Surface>,
        mut other: impl FnMut(&Event),
    ) -> Result<Option<Credentials>, VncError> {
        let mut missing = Vec::new();
        if username_needed && self.username.is_none() {
            missing.push(USERNAME);
        }
        if self.password.is_none() {
            missing.push(PASSWORD);
        }
        if !missing.is_empty() {
            stage.accept_argv(&[USERNAME, PASSWORD]);
            stage.require(&missing).map_err(|_| VncError::CredentialsMissing)?;
            while !missing.is_empty() {
                match stage.next().await {
                    Event::Ended => return Ok(None),
                    // Only the owner was asked.
                    Event::Argv { is_owner: true, name, value, .. } => {
                        missing.retain(|missing| *missing != name);
                        match name.as_str() {
                            USERNAME => self.username = Some(value),
                            PASSWORD => self.password = Some(value.into()),
                            _ => {}
                        }
                    }
                    event => other(&event),
                }
            }
            stage.accept_argv(&[]);
        }
        let password = self.password.as_ref().map(|password| password.expose_secret().to_owned());
        Ok(Some(Credentials {
            username: self.username.clone().unwrap_or_default(),
            password: password.unwrap_or_default().into(),
            seed: rand::random(),
        }))
    }
}
