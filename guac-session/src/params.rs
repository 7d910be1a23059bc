//! Connection parameters: names and values as the wire carries them.

use std::collections::BTreeMap;
use std::str::FromStr;

use guac_protocol::{parse_bool_parameter, parse_number_parameter};
use secrecy::{ExposeSecret, SecretString};

use crate::Targets;

/// Parameter values by name, and which machines they may name. Any value may be a secret, so none is ever printed.
///
/// # Specification
/// Booleans are exactly `true` or `false`, integers parse as a whole; anything else warns and counts as unset
/// (guacd's `src/libguac/user.c`, `guac_user_parse_args_*`).
#[derive(Default, Clone)]
pub struct Params {
    values: BTreeMap<String, SecretString>,
    targets: Targets,
}

impl Params {
    /// The value, unless it is unset or empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(ExposeSecret::expose_secret).filter(|value| !value.is_empty())
    }

    /// The value as a secret, unless it is unset or empty.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.values.get(name).filter(|value| !value.expose_secret().is_empty()).cloned()
    }

    /// Which machines may be reached: what the [`Hub`](crate::Hub) said, once it runs a session with these.
    #[must_use]
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    pub(crate) fn set_targets(&mut self, targets: Targets) {
        self.targets = targets;
    }

    /// Sets a value.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.values.insert(name.to_owned(), SecretString::from(value.into()));
    }

    /// A boolean.
    #[must_use]
    pub fn bool(&self, name: &str, default: bool) -> bool {
        parse_bool_parameter(self.get(name).unwrap_or_default()).map_or_else(
            |_| {
                tracing::warn!(parameter = name, default, "Parameter is neither true nor false, using the default");
                default
            },
            |value| value.unwrap_or(default),
        )
    }

    /// A number, for instance a `u16` for a port.
    #[must_use]
    pub fn number<T: FromStr + Copy + std::fmt::Display>(&self, name: &str, default: T) -> T {
        parse_number_parameter(self.get(name).unwrap_or_default()).map_or_else(
            |_| {
                tracing::warn!(parameter = name, %default, "Parameter is not a number in range, using the default");
                default
            },
            |value| value.unwrap_or(default),
        )
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let secret = |(name, value): (N, V)| (name.into(), SecretString::from(value.into()));
        Self { values: pairs.into_iter().map(secret).collect(), targets: Targets::default() }
    }
}

/// The names only.
impl std::fmt::Debug for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_do_not_parse_count_as_unset() {
        let params: Params =
            [("a", "true"), ("b", "TRUE"), ("port", "70000"), ("ok", "22"), ("empty", "")].into_iter().collect();
        assert!(params.bool("a", false));
        assert!(!params.bool("b", false));
        assert_eq!(params.number::<u16>("port", 5900), 5900);
        assert_eq!(params.number::<u16>("ok", 1), 22);
        assert_eq!(params.get("empty"), None);
    }

    #[test]
    fn printing_parameters_shows_no_value() {
        let params: Params = [("password", "hunter2")].into_iter().collect();
        assert!(!format!("{params:?}").contains("hunter2"));
    }
}
