//! Connection parameters.

use std::{fmt, str::FromStr};

use guac_session::{Params, Targets, WakeOnLan};
use guac_sftp::SftpParams;
use guac_tls::CertificatePolicy;
use secrecy::SecretString;

use crate::{
    VncError,
    clipboard::ClipboardEncoding,
    rfb::{ColorDepth, Config, Encoding, Limits, Security},
};

/// Parameter names in guacd's order, then our own.
///
/// # Specification
/// guacd 1.6.1 and its main branch, `src/protocols/vnc/settings.c`, with all build options.
pub(crate) const PARAMETERS: &[&str] = &[
    "hostname",
    "port",
    "read-only",
    "disable-display-resize",
    "encodings",
    "username",
    "password",
    "swap-red-blue",
    "color-depth",
    "cursor",
    "autoretry",
    "clipboard-encoding",
    "dest-host",
    "dest-port",
    "enable-audio",
    "audio-servername",
    "reverse-connect",
    "listen-timeout",
    "enable-sftp",
    "sftp-hostname",
    "sftp-host-key",
    "sftp-port",
    "sftp-timeout",
    "sftp-username",
    "sftp-password",
    "sftp-private-key",
    "sftp-passphrase",
    "sftp-public-key",
    "sftp-directory",
    "sftp-root-directory",
    "sftp-server-alive-interval",
    "sftp-disable-download",
    "sftp-disable-upload",
    "recording-path",
    "recording-name",
    "recording-exclude-output",
    "recording-exclude-mouse",
    "recording-include-keys",
    "recording-include-clipboard",
    "create-recording-path",
    "recording-write-existing",
    "clipboard-buffer-size",
    "disable-copy",
    "disable-paste",
    "disable-server-input",
    "wol-send-packet",
    "wol-mac-addr",
    "wol-broadcast-addr",
    "wol-udp-port",
    "wol-wait-time",
    "force-lossless",
    "compress-level",
    "quality-level",
    // Not guacd's: it verifies no certificate.
    "ignore-cert",
    "cert-fingerprints",
];

/// The port of display 0. guacd has no default and fails.
const DEFAULT_PORT: u16 = 5900;

/// Smallest and largest clipboard in bytes, as guacd clamps `clipboard-buffer-size`.
const CLIPBOARD_BYTES: (usize, usize) = (262_144, 52_428_800);

/// Most attempts after the first; one a second, so a quarter of an hour.
const MAX_RETRIES: u32 = 900;

/// Parameters, checked.
pub(crate) struct VncParams {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<SecretString>,
    pub(crate) retries: u32,
    pub(crate) resize: bool,
    pub(crate) clipboard_encoding: ClipboardEncoding,
    pub(crate) tls: CertificatePolicy,
    pub(crate) wake: Option<WakeOnLan>,
    pub(crate) targets: Targets,
    /// SFTP beside the desktop, until it is opened.
    pub(crate) files: Option<SftpParams>,
    pub(crate) rfb: Config,
}

impl VncParams {
    pub(crate) fn parse(params: &Params) -> Result<Self, VncError> {
        for name in ["reverse-connect"] {
            if params.bool(name, false) {
                return Err(VncError::UnsupportedParameter { name });
            }
        }
        for name in ["enable-audio", "disable-server-input"] {
            if params.bool(name, false) {
                tracing::warn!(
                    parameter = name,
                    "Parameter asks for something that is not supported yet, going on without"
                );
            }
        }
        let host = params.get("hostname").ok_or(VncError::MissingParameter { name: "hostname" })?.to_owned();
        let port = match params.number("port", 0) {
            0 => DEFAULT_PORT,
            port => port,
        };
        let username = params.get("username").map(str::to_owned);
        let password = params.secret("password");
        let security = Security {
            has_username: username.is_some(),
            has_password: password.is_some(),
            vencrypt: true,
            plain_without_tls: false,
            repeater_target: repeater_target(params),
        };
        Ok(Self {
            // guacd's name for SFTP is empty where none is set: the VNC server's is no account of the machine's.
            files: SftpParams::from_params(params, &host, None),
            host,
            port,
            retries: params.number::<u32>("autoretry", 0).min(MAX_RETRIES),
            resize: !params.bool("disable-display-resize", false),
            clipboard_encoding: ClipboardEncoding::from_name(params.get("clipboard-encoding")),
            tls: CertificatePolicy::from_params(
                params.bool("ignore-cert", false),
                None,
                params.get("cert-fingerprints"),
            ),
            wake: WakeOnLan::from_params(params),
            targets: params.targets().clone(),
            rfb: rfb_config(params, security),
            username,
            password,
        })
    }
}

impl fmt::Debug for VncParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VncParams").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

fn rfb_config(params: &Params, security: Security) -> Config {
    let (least, most) = CLIPBOARD_BYTES;
    let limits =
        Limits { clipboard_bytes: params.number("clipboard-buffer-size", 0).clamp(least, most), ..Limits::default() };
    Config {
        security,
        encodings: params.get("encodings").map_or_else(|| Encoding::DEFAULT.to_vec(), Encoding::parse_list),
        color_depth: match params.number("color-depth", 0_u8) {
            8 => ColorDepth::Bits8,
            16 => ColorDepth::Bits16,
            _ => ColorDepth::Bits24,
        },
        swap_red_blue: params.bool("swap-red-blue", false),
        local_cursor: params.get("cursor") != Some("remote"),
        clipboard: true,
        compress_level: level(params, "compress-level"),
        quality_level: level(params, "quality-level").filter(|_| !params.bool("force-lossless", false)),
        limits,
    }
}

/// 0 to 9; anything else is unset.
fn level(params: &Params, name: &str) -> Option<u8> {
    params.get(name).and_then(|value| u8::from_str(value).ok()).filter(|level| *level <= 9)
}

fn repeater_target(params: &Params) -> Option<String> {
    let host = params.get("dest-host")?;
    Some(format!("{host}:{}", params.number("dest-port", 0_u16)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<VncParams, VncError> {
        VncParams::parse(&pairs.iter().copied().collect())
    }

    #[test]
    fn parameters_are_guacds_53_and_two_of_ours() {
        assert_eq!(PARAMETERS.len(), 53 + 2);
        let mut sorted = PARAMETERS.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), PARAMETERS.len());
    }

    #[test]
    fn defaults_are_guacds_and_the_port_is_that_of_display_0() {
        let params = parse(&[("hostname", "desk")]).unwrap();
        assert_eq!((params.host.as_str(), params.port, params.retries), ("desk", 5900, 0));
        assert!(params.resize && params.rfb.local_cursor && !params.rfb.swap_red_blue);
        assert_eq!(params.rfb.encodings, Encoding::DEFAULT);
        assert_eq!(params.rfb.limits.clipboard_bytes, 262_144);
        assert_eq!((params.rfb.compress_level, params.rfb.quality_level), (None, None));
        assert_eq!(params.clipboard_encoding, ClipboardEncoding::Latin1);
        assert!(params.username.is_none() && params.password.is_none());
    }

    #[test]
    fn values_reach_the_protocol() {
        let params = parse(&[
            ("hostname", "desk"),
            ("port", "5901"),
            ("color-depth", "16"),
            ("cursor", "remote"),
            ("swap-red-blue", "true"),
            ("clipboard-encoding", "CP1252"),
            ("autoretry", "3"),
            ("encodings", "tight zrle"),
            ("quality-level", "7"),
            ("compress-level", "10"),
            ("clipboard-buffer-size", "99999999"),
            ("dest-host", "inner"),
            ("dest-port", "5902"),
            ("disable-display-resize", "true"),
        ])
        .unwrap();
        assert_eq!(params.port, 5901);
        assert_eq!(params.rfb.color_depth, ColorDepth::Bits16);
        assert!(!params.rfb.local_cursor && !params.resize && params.rfb.swap_red_blue);
        assert_eq!((params.clipboard_encoding, params.retries), (ClipboardEncoding::from_name(Some("CP1252")), 3));
        assert_eq!(params.rfb.encodings, [Encoding::Tight, Encoding::Zrle]);
        assert_eq!((params.rfb.quality_level, params.rfb.compress_level), (Some(7), None));
        assert_eq!(params.rfb.limits.clipboard_bytes, 52_428_800);
        assert_eq!(params.rfb.security.repeater_target.as_deref(), Some("inner:5902"));
    }

    #[test]
    fn lossless_asks_the_server_for_no_jpeg() {
        let params = parse(&[("hostname", "desk"), ("quality-level", "7"), ("force-lossless", "true")]).unwrap();
        assert_eq!(params.rfb.quality_level, None);
    }

    #[test]
    fn without_a_host_there_is_no_session() {
        assert!(matches!(parse(&[]), Err(VncError::MissingParameter { name: "hostname" })));
        let error = parse(&[("hostname", "desk"), ("reverse-connect", "true")]).err();
        assert!(matches!(error, Some(VncError::UnsupportedParameter { .. })));
    }
}
