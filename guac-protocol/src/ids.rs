//! Identifiers and indices, each its own type so that none is mistaken for another.

use std::fmt;
use std::str::FromStr;

/// A layer (0 and above) or an off-screen buffer (below 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct LayerIndex(pub i32);

impl LayerIndex {
    /// The default layer: the visible root, always there.
    pub const DEFAULT: Self = Self(0);
}

/// A stream. Client and server count in separate spaces; among the server's, even indices belong to one user and
/// odd ones to all (P-121).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct StreamIndex(pub u32);

/// An object, such as a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct ObjectIndex(pub u32);

/// Text that should have been an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}")]
pub struct IdError {
    kind: &'static str,
}

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// The identifier made of 16 random bytes, written as a version 4 UUID (RFC 9562).
            #[must_use]
            pub fn from_random(random: [u8; 16]) -> Self {
                Self(format!("{}{}", $prefix, uuid_text(version_4(random))).into())
            }

            /// As it stands on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = IdError { kind: $kind };
                let rest = text.strip_prefix($prefix).ok_or_else(|| error.clone())?;
                // Other daemons choose their own text behind the prefix; only its length and alphabet are checked.
                let sound = !rest.is_empty() && rest.len() <= 128 && rest.bytes().all(|b| b.is_ascii_graphic());
                if sound { Ok(Self(text.into())) } else { Err(error) }
            }
        }
    };
}

prefixed_id! {
    /// One live session, `$` and a UUID. Selecting it again joins.
    ConnectionId, "$", "connection id"
}
prefixed_id! {
    /// One participant of a session, `@` and a UUID.
    UserId, "@", "user id"
}
prefixed_id! {
    /// One tunnel: the UUID that a gateway tells its client.
    TunnelUuid, "", "tunnel UUID"
}

fn version_4(mut bytes: [u8; 16]) -> [u8; 16] {
    if let Some(byte) = bytes.get_mut(6) {
        *byte = (*byte & 0x0f) | 0x40;
    }
    if let Some(byte) = bytes.get_mut(8) {
        *byte = (*byte & 0x3f) | 0x80;
    }
    bytes
}

fn uuid_text(bytes: [u8; 16]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_id_is_a_dollar_and_a_version_4_uuid() {
        let id = ConnectionId::from_random([0xff; 16]);
        assert_eq!(id.as_str(), "$ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(id.as_str().parse(), Ok(id));
    }

    #[test]
    fn rejects_ids_with_the_wrong_prefix_or_alphabet() {
        assert!("ssh".parse::<ConnectionId>().is_err());
        assert!("$".parse::<ConnectionId>().is_err());
        assert!("$a b".parse::<ConnectionId>().is_err());
        assert!(format!("${}", "x".repeat(129)).parse::<ConnectionId>().is_err());
        assert!(format!("${}", "x".repeat(128)).parse::<ConnectionId>().is_ok());
    }
}
