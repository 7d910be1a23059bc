//! `${…}` in parameter values: who logged in, from where, and what they open.
//!
//! Pure text work. A value is read once from left to right, and what is put in is not read again. Tokens nobody set stay
//! as they are written, `$${NAME}` is a literal `${NAME}`. A modifier changes letter case (`${NAME:UPPER}`, `:LOWER`) or
//! makes an unset token empty (`:OPTIONAL`); an unknown modifier changes nothing.
//!
//! Guacamole 1.6 lets a modifier reach to the last `}` of the whole value, so that `${A:UPPER}-${B}` loses everything
//! after `A`. Here a token ends at its own `}`; the test `a_modifier_ends_at_its_own_brace` shows it.

use std::{collections::BTreeMap, fmt, time::SystemTime};

use jiff::{Timestamp, tz::TimeZone};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::model::{Connection, Parameters};

/// Most a value may grow to, in bytes: a full parameter of nothing but tokens for a full password would be 8 MiB.
pub const MAX_FILTERED_BYTES: usize = 256 * 1024;

/// Tokens and what they stand for. Values are blanked in debug output: one of them is a password.
#[derive(Clone, Default)]
pub struct Tokens(BTreeMap<String, SecretString>);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What is known about a login.
#[derive(Clone, Copy, Debug)]
pub struct LoginTokens<'a> {
    /// The name as typed.
    pub username: &'a str,
    /// The password as typed; there is none with single sign-on.
    pub password: Option<&'a SecretString>,
    /// The browser's address.
    pub client_address: &'a str,
    /// The browser's host name, or its address where there is no name.
    pub client_hostname: &'a str,
}

impl Tokens {
    /// No tokens.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tokens of a login: `GUAC_USERNAME`, `GUAC_PASSWORD`, `GUAC_CLIENT_ADDRESS`, `GUAC_CLIENT_HOSTNAME`.
    #[must_use]
    pub fn for_login(login: LoginTokens<'_>) -> Self {
        let mut tokens = Self::new();
        tokens.set("GUAC_USERNAME", login.username);
        tokens.set("GUAC_CLIENT_ADDRESS", login.client_address);
        tokens.set("GUAC_CLIENT_HOSTNAME", login.client_hostname);
        if let Some(password) = login.password {
            tokens.0.insert("GUAC_PASSWORD".to_owned(), password.clone());
        }
        tokens
    }

    /// Sets a token, replacing what it was.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), SecretString::from(value.into()));
    }

    /// Adds the tokens of one use of a connection: `GUAC_DATE`, `GUAC_TIME`, `JDBC_…` and `HISTORY_UUID`. Dates are those
    /// of `zone`, an IANA name; UTC where it is `None` or unknown.
    pub fn set_connection(
        &mut self,
        connection: &Connection,
        parameters: &Parameters,
        history: Uuid,
        zone: Option<&str>,
        now: SystemTime,
    ) {
        let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
        let clock = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone);
        let (date, time) = (clock.strftime("%Y%m%d").to_string(), clock.strftime("%H%M%S").to_string());
        self.set("GUAC_DATE", date.as_str());
        self.set("GUAC_TIME", time.as_str());
        self.set("JDBC_STARTDATE", date);
        self.set("JDBC_STARTTIME", time);
        self.set("JDBC_CONNECTION_ID", connection.key.to_string());
        self.set("JDBC_CONNECTION_NAME", connection.name.as_str());
        self.set("JDBC_PROTOCOL", connection.protocol.as_str());
        self.set("JDBC_HOSTNAME", parameters.value("hostname").unwrap_or_default());
        self.set("HISTORY_UUID", history.to_string());
    }

    /// `parameters` with every token in every value replaced. Names are left as they are.
    #[must_use]
    pub fn apply(&self, parameters: &Parameters) -> Parameters {
        parameters.iter().map(|(name, value)| (name, self.filter(value))).collect()
    }

    /// `value` with every token replaced. Past [`MAX_FILTERED_BYTES`] nothing more is replaced.
    #[must_use]
    pub fn filter(&self, value: &str) -> String {
        let mut out = String::with_capacity(value.len());
        let mut rest = value;
        while let Some(at) = rest.find("${") {
            let (before, token) = rest.split_at(at);
            out.push_str(before);
            if before.ends_with('$') {
                // `$${`: the first dollar only said that this is no token.
                out.pop();
                out.push_str("${");
                rest = token.get(2..).unwrap_or_default();
                continue;
            }
            match Token::parse(token) {
                Some(found) => {
                    match self.replacement(&found).filter(|text| out.len() + text.len() <= MAX_FILTERED_BYTES) {
                        Some(text) => out.push_str(&text),
                        None => out.push_str(found.text),
                    }
                    rest = token.get(found.text.len()..).unwrap_or_default();
                }
                None => {
                    out.push_str("${");
                    rest = token.get(2..).unwrap_or_default();
                }
            }
        }
        out.push_str(rest);
        out
    }

    fn replacement(&self, token: &Token<'_>) -> Option<String> {
        match (self.0.get(token.name), token.modifier) {
            (Some(value), Some("UPPER")) => Some(value.expose_secret().to_uppercase()),
            (Some(value), Some("LOWER")) => Some(value.expose_secret().to_lowercase()),
            (Some(value), _) => Some(value.expose_secret().to_owned()),
            (None, Some("OPTIONAL")) => Some(String::new()),
            (None, _) => None,
        }
    }
}

/// One token as it is written.
struct Token<'a> {
    text: &'a str,
    name: &'a str,
    modifier: Option<&'a str>,
}

impl<'a> Token<'a> {
    /// Reads the token `text` begins with.
    fn parse(text: &'a str) -> Option<Self> {
        let inner = text.strip_prefix("${")?;
        let end = inner.find('}')?;
        let (inside, _) = inner.split_at_checked(end)?;
        let (name, modifier) = match inside.split_once(':') {
            Some((name, modifier)) => (name, Some(modifier)),
            None => (inside, None),
        };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return None;
        }
        let (text, _) = text.split_at_checked("${".len() + end + "}".len())?;
        Some(Self { text, name, modifier })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens() -> Tokens {
        let mut tokens = Tokens::new();
        tokens.set("A", "alpha");
        tokens.set("B", "${A}");
        tokens
    }

    #[test]
    fn every_token_of_a_login_and_a_connection_is_set() {
        let password = SecretString::from("p4ss");
        let mut tokens = Tokens::for_login(LoginTokens {
            username: "ann",
            password: Some(&password),
            client_address: "192.0.2.7",
            client_hostname: "desk.example",
        });
        let connection = Connection {
            key: "7".parse().unwrap(),
            name: "web".to_owned(),
            parent: None,
            protocol: "ssh".to_owned(),
            attributes: crate::ConnectionAttributes::default(),
            last_active: None,
        };
        let parameters: Parameters = [("hostname", "h.example")].into_iter().collect();
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_709_254_923);
        tokens.set_connection(&connection, &parameters, Uuid::nil(), Some("Europe/Berlin"), now);
        for (token, value) in [
            ("GUAC_USERNAME", "ann"),
            ("GUAC_PASSWORD", "p4ss"),
            ("GUAC_CLIENT_ADDRESS", "192.0.2.7"),
            ("GUAC_CLIENT_HOSTNAME", "desk.example"),
            ("GUAC_DATE", "20240301"),
            ("GUAC_TIME", "020203"),
            ("JDBC_STARTDATE", "20240301"),
            ("JDBC_STARTTIME", "020203"),
            ("JDBC_CONNECTION_ID", "7"),
            ("JDBC_CONNECTION_NAME", "web"),
            ("JDBC_PROTOCOL", "ssh"),
            ("JDBC_HOSTNAME", "h.example"),
            ("HISTORY_UUID", "00000000-0000-0000-0000-000000000000"),
        ] {
            assert_eq!(tokens.filter(&format!("${{{token}}}")), value, "{token}");
        }
    }

    #[test]
    fn set_tokens_are_replaced_and_others_stay() {
        assert_eq!(tokens().filter("x${A}y${C}z"), "xalphay${C}z");
        assert_eq!(tokens().filter("${A"), "${A");
        assert_eq!(tokens().filter("$A {A} ${}"), "$A {A} ${}");
        assert_eq!(tokens().filter("${A B}${A}"), "${A B}alpha");
    }

    #[test]
    fn a_doubled_dollar_keeps_the_token_literal() {
        assert_eq!(tokens().filter("$${A}"), "${A}");
        assert_eq!(tokens().filter("$$${A}"), "$${A}");
        assert_eq!(tokens().filter("${A}$${A}${A}"), "alpha${A}alpha");
    }

    #[test]
    fn what_is_put_in_is_not_read_again() {
        assert_eq!(tokens().filter("${B}"), "${A}");
    }

    #[test]
    fn modifiers_change_case_or_allow_nothing() {
        assert_eq!(tokens().filter("${A:UPPER}"), "ALPHA");
        assert_eq!(tokens().filter("${A:LOWER}"), "alpha");
        assert_eq!(tokens().filter("${A:WHAT}"), "alpha");
        assert_eq!(tokens().filter("<${C:OPTIONAL}>"), "<>");
        assert_eq!(tokens().filter("${C:UPPER}"), "${C:UPPER}");
    }

    #[test]
    fn a_modifier_ends_at_its_own_brace() {
        assert_eq!(tokens().filter("${A:UPPER}-${A}"), "ALPHA-alpha");
    }

    #[test]
    fn growth_is_bounded() {
        let mut tokens = Tokens::new();
        tokens.set("P", "x".repeat(4096));
        let filtered = tokens.filter(&"${P}".repeat(1024));
        assert!(filtered.len() <= MAX_FILTERED_BYTES + 4 * 1024);
    }

    #[test]
    fn values_are_not_in_debug_output() {
        assert_eq!(format!("{:?}", tokens()), r#"{"A", "B"}"#);
    }

    proptest! {
        #[test]
        fn any_text_passes_and_text_without_dollars_is_unchanged(text in ".{0,200}") {
            let filtered = tokens().filter(&text);
            if !text.contains('$') {
                prop_assert_eq!(filtered, text);
            }
        }
    }
}
