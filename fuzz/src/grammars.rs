//! Small texts: what is read and written again reads as the same.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use guac_protocol::{
    AudioFormat, ConnectionId, KeyCombination, Mimetype, ProtocolVersion, Status, TunnelUuid, UserId, keysym_name,
    parse_bool_parameter, parse_keysym, parse_number_parameter,
};

/// Any text, in every grammar.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    again::<AudioFormat>(text);
    again::<KeyCombination>(text);
    again::<ConnectionId>(text);
    again::<UserId>(text);
    again::<TunnelUuid>(text);
    if let Some(version) = ProtocolVersion::from_token(text) {
        assert_eq!(ProtocolVersion::from_token(version.token()), Some(version));
    }
    if let Ok(status) = text.parse::<Status>() {
        assert_eq!(status.code().to_string().parse::<Status>().ok(), Some(status));
    }
    if let Ok(keysym) = parse_keysym(text)
        && let Some(name) = keysym_name(keysym)
    {
        assert_eq!(parse_keysym(name).ok(), Some(keysym), "a key's name is not its own");
    }
    if let Ok(mimetype) = Mimetype::parse(text) {
        let (top, sub) = mimetype.essence();
        assert!(!top.is_empty() && !sub.is_empty() && text.contains(top), "a type out of nowhere");
        assert!(mimetype.parameters().iter().all(|(name, value)| text.contains(name) && text.contains(value)));
    }
    if let Ok(Some(truth)) = parse_bool_parameter(text) {
        assert_eq!(text, if truth { "true" } else { "false" });
    }
    if let Ok(Some(number)) = parse_number_parameter::<i32>(text) {
        assert_eq!(parse_number_parameter::<i32>(&number.to_string()).ok().flatten(), Some(number));
    }
}

fn again<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let written = value.to_string();
        assert_eq!(written.parse::<T>().ok(), Some(value), "{written} reads differently");
    }
}
