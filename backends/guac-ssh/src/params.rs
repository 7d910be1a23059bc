//! Parameters of an SSH connection.

use guac_protocol::ClientInfo;
use guac_session::{Params, WakeOnLan};
use guac_sftp::{Credentials, FileRules, Target};

/// Names in the order of `args`, without the version.
///
/// # Specification
/// guacd's `src/protocols/ssh/settings.c`.
pub(crate) const NAMES: [&str; 46] = [
    "hostname",
    "host-key",
    "port",
    "timeout",
    "username",
    "password",
    "font-name",
    "font-size",
    "enable-sftp",
    "sftp-root-directory",
    "sftp-disable-download",
    "sftp-disable-upload",
    "private-key",
    "passphrase",
    "public-key",
    "enable-agent",
    "color-scheme",
    "command",
    "typescript-path",
    "typescript-name",
    "create-typescript-path",
    "typescript-write-existing",
    "recording-path",
    "recording-name",
    "recording-exclude-output",
    "recording-exclude-mouse",
    "recording-include-keys",
    "recording-include-clipboard",
    "create-recording-path",
    "recording-write-existing",
    "read-only",
    "server-alive-interval",
    "backspace",
    "func-keys-and-keypad",
    "terminal-type",
    "scrollback",
    "locale",
    "timezone",
    "clipboard-buffer-size",
    "disable-copy",
    "disable-paste",
    "wol-send-packet",
    "wol-mac-addr",
    "wol-broadcast-addr",
    "wol-udp-port",
    "wol-wait-time",
];

/// Booleans that ask for something that is not there.
const UNAVAILABLE_SWITCHES: [&str; 1] = ["enable-agent"];

/// Paths that ask for something that is not there.
const UNAVAILABLE_PATHS: [&str; 1] = ["typescript-path"];

/// Most rows of history.
const MAX_SCROLLBACK: usize = 100_000;

/// What a session is made from, read and bounded.
#[derive(Debug)]
pub(crate) struct SshParams {
    pub(crate) target: Target,
    pub(crate) credentials: Credentials,
    pub(crate) wake: Option<WakeOnLan>,
    pub(crate) command: Option<String>,
    pub(crate) backspace: u8,
    pub(crate) terminal_type: String,
    pub(crate) scrollback: usize,
    pub(crate) locale: Option<String>,
    pub(crate) timezone: Option<String>,
    pub(crate) color_scheme: String,
    pub(crate) font_name: String,
    pub(crate) font_size: u32,
    /// What users see of the machine's files; `None` without SFTP.
    pub(crate) files: Option<FileRules>,
}

impl SshParams {
    pub(crate) fn new(params: &Params, owner: &ClientInfo) -> Self {
        warn_unavailable(params);
        let text = |name: &str| params.get(name).map(str::to_owned);
        Self {
            target: Target::from_params(params, ""),
            credentials: Credentials::from_params(params, ""),
            wake: WakeOnLan::from_params(params),
            command: text("command"),
            backspace: if params.number("backspace", 127u8) == 8 { 8 } else { 127 },
            terminal_type: text("terminal-type").unwrap_or_else(|| "linux".to_owned()),
            scrollback: params.number("scrollback", 1000usize).min(MAX_SCROLLBACK),
            locale: text("locale"),
            timezone: text("timezone").or_else(|| owner.timezone.clone()),
            color_scheme: text("color-scheme").unwrap_or_default(),
            font_name: text("font-name").unwrap_or_else(|| "monospace".to_owned()),
            font_size: params.number("font-size", 12),
            files: params.bool("enable-sftp", false).then(|| FileRules::from_params(params)),
        }
    }
}

fn warn_unavailable(params: &Params) {
    for parameter in UNAVAILABLE_SWITCHES {
        if params.bool(parameter, false) {
            tracing::warn!(parameter, "Parameter asks for something that is not available yet");
        }
    }
    for parameter in UNAVAILABLE_PATHS {
        if params.get(parameter).is_some() {
            tracing::warn!(parameter, "Parameter asks for something that is not available yet");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_guacd() {
        let owner = ClientInfo { timezone: Some("Europe/Berlin".to_owned()), ..ClientInfo::default() };
        let params = SshParams::new(&Params::default(), &owner);
        assert_eq!((params.target.port, params.target.timeout.as_secs(), params.backspace), (22, 10, 127));
        assert_eq!((params.terminal_type.as_str(), params.scrollback, params.font_size), ("linux", 1000, 12));
        assert_eq!(params.timezone.as_deref(), Some("Europe/Berlin"));
        assert_eq!(params.target.alive_interval, None);
        assert!(params.files.is_none());
        let pairs = [("enable-sftp", "true")].into_iter().collect();
        let files = SshParams::new(&pairs, &owner).files.unwrap();
        assert_eq!((files.root.as_str(), files.download, files.upload), ("/", true, true));
    }

    #[test]
    fn numbers_are_bounded() {
        let pairs = [("server-alive-interval", "1"), ("timeout", "0"), ("scrollback", "999999999"), ("backspace", "9")];
        let params = SshParams::new(&pairs.into_iter().collect(), &ClientInfo::default());
        assert_eq!(params.target.alive_interval, Some(std::time::Duration::from_secs(2)));
        assert_eq!(params.target.timeout.as_secs(), 1);
        assert_eq!((params.scrollback, params.backspace), (MAX_SCROLLBACK, 127));
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<&str> = NAMES.into_iter().collect();
        assert_eq!(names.len(), 46);
    }
}
