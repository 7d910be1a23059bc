//! The answer to a `get` that brings nothing, for which the protocol has no word.

use std::fmt;

use crate::Status;

/// Says in a `log` that nothing of this name comes. guacd stays silent where a `get` fails, so that clients wait for
/// ever; stock clients show no `log`, and ours stops waiting.
///
/// ```
/// use guac_protocol::{Refusal, Status};
///
/// let refusal = Refusal { name: "/secret", status: Status::ClientForbidden };
/// let message = refusal.to_string();
/// assert_eq!(message, "\"/secret\" is not available: CLIENT_FORBIDDEN (0x0303)");
/// assert_eq!(Refusal::parse(&message), Some(refusal));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// What was asked for, as it was asked.
    pub name: &'a str,
    /// Why it does not come.
    pub status: Status,
}

/// Between the name and the status.
const MIDDLE: &str = "\" is not available: ";

impl<'a> Refusal<'a> {
    /// Reads the text of a `log`; `None` if it is about something else.
    #[must_use]
    pub fn parse(message: &'a str) -> Option<Self> {
        // The last one counts: names come from users and may hold anything.
        let (name, status) = message.strip_prefix('"')?.rsplit_once(MIDDLE)?;
        let (_, code) = status.split_once("(0x")?;
        let status = Status::from_code(u16::from_str_radix(code.strip_suffix(')')?, 16).ok()?)?;
        Some(Self { name, status })
    }
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}{MIDDLE}{}", self.name, self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_looks_like_a_refusal_is_a_name() {
        let name = "x\" is not available: SUCCESS (0x0000)";
        let refusal = Refusal { name, status: Status::ResourceNotFound };
        assert_eq!(Refusal::parse(&refusal.to_string()), Some(refusal));
        for other in
            ["", "\"", "\"x\" is not available: ", "\"x\" is not available: (0xZZZZ)", "x is not available: (0x0204)"]
        {
            assert_eq!(Refusal::parse(other), None, "{other}");
        }
    }
}
