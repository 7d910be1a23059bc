//! Credentials: those configured, and those the owner is asked for (RDP-046).

use guac_display::Surface;
use guac_session::{Event, Stage};
use secrecy::SecretString;

use crate::RdpError;

const USERNAME: &str = "username";
const DOMAIN: &str = "domain";
const PASSWORD: &str = "password";

/// What is known of the credentials. Answers are kept, so that a second connection need not ask again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Login {
    pub(crate) username: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) password: Option<SecretString>,
}

impl Login {
    /// Whether an authentication before the desktop lacks nothing.
    pub(crate) fn is_complete(&self) -> bool {
        self.username.is_some() && self.password.is_some()
    }

    /// User name, domain and password as the protocol wants them. `DOMAIN\user` names both, unless a domain is set
    /// apart.
    pub(crate) fn parts(&self) -> (String, Option<String>, SecretString) {
        let username = self.username.clone().unwrap_or_default();
        let (domain, username) = match (&self.domain, username.split_once('\\')) {
            (None, Some((domain, username))) => (Some(domain.to_owned()), username.to_owned()),
            (domain, _) => (domain.clone(), username),
        };
        (username, domain, self.password.clone().unwrap_or_default())
    }

    /// Asks the owner for everything that is missing at once; the domain only together with the name, since a name
    /// without one is complete. False where the session ended meanwhile.
    pub(crate) async fn ask(
        &mut self,
        stage: &mut Stage<Surface>,
        mut other: impl FnMut(&Event),
    ) -> Result<bool, RdpError> {
        let mut missing = Vec::new();
        if self.username.is_none() {
            missing.push(USERNAME);
            if self.domain.is_none() {
                missing.push(DOMAIN);
            }
        }
        if self.password.is_none() {
            missing.push(PASSWORD);
        }
        if missing.is_empty() {
            return Ok(true);
        }
        stage.accept_argv(&[USERNAME, DOMAIN, PASSWORD]);
        stage.require(&missing).map_err(|_| RdpError::CredentialsMissing)?;
        while !missing.is_empty() {
            match stage.next().await {
                Event::Ended => return Ok(false),
                // Only the owner was asked.
                Event::Argv { is_owner: true, name, value, .. } => {
                    missing.retain(|missing| *missing != name);
                    match name.as_str() {
                        USERNAME => self.username = Some(value),
                        DOMAIN => self.domain = Some(value).filter(|domain| !domain.is_empty()),
                        PASSWORD => self.password = Some(value.into()),
                        _ => {}
                    }
                }
                event => other(&event),
            }
        }
        stage.accept_argv(&[]);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(username: &str, domain: Option<&str>) -> (String, Option<String>) {
        let login =
            Login { username: Some(username.to_owned()), domain: domain.map(str::to_owned), ..Login::default() };
        let (username, domain, _) = login.parts();
        (username, domain)
    }

    #[test]
    fn a_name_may_carry_its_domain() {
        assert_eq!(parts("CORP\\ann", None), ("ann".to_owned(), Some("CORP".to_owned())));
        assert_eq!(parts("ann@corp.example", None), ("ann@corp.example".to_owned(), None));
        assert_eq!(parts("CORP\\ann", Some("OTHER")), ("CORP\\ann".to_owned(), Some("OTHER".to_owned())));
    }
}
