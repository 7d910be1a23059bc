//! Connection parameters.

use std::fmt;

use guac_protocol::ClientInfo;
use guac_session::{Params, Targets, WakeOnLan};
use guac_sftp::SftpParams;
use ironrdp_pdu::rdp::client_info::PerformanceFlags;
use secrecy::SecretString;

use crate::drive::{DriveOptions, SharedFolder};
use crate::{RdpError, keyboard::Layout};

/// Parameter names in guacd's order, then our own.
///
/// # Specification
/// guacd 1.6.1 and its main branch, `src/protocols/rdp/settings.c`, with all build options.
pub(crate) const PARAMETERS: &[&str] = &[
    "hostname",
    "port",
    "timeout",
    "domain",
    "username",
    "password",
    "width",
    "height",
    "dpi",
    "initial-program",
    "color-depth",
    "disable-audio",
    "enable-printing",
    "printer-name",
    "enable-drive",
    "drive-name",
    "drive-path",
    "create-drive-path",
    "disable-download",
    "disable-upload",
    "console",
    "console-audio",
    "server-layout",
    "security",
    "ignore-cert",
    "cert-tofu",
    "cert-fingerprints",
    "disable-auth",
    "remote-app",
    "remote-app-dir",
    "remote-app-args",
    "static-channels",
    "client-name",
    "enable-wallpaper",
    "enable-theming",
    "enable-font-smoothing",
    "enable-full-window-drag",
    "enable-desktop-composition",
    "enable-menu-animations",
    "disable-bitmap-caching",
    "disable-offscreen-caching",
    "disable-glyph-caching",
    "disable-gfx",
    "preconnection-id",
    "preconnection-blob",
    "timezone",
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
    "recording-exclude-touch",
    "recording-include-keys",
    "recording-include-clipboard",
    "create-recording-path",
    "recording-write-existing",
    "resize-method",
    "enable-audio-input",
    "enable-touch",
    "read-only",
    "gateway-hostname",
    "gateway-port",
    "gateway-domain",
    "gateway-username",
    "gateway-password",
    "load-balance-info",
    "clipboard-buffer-size",
    "disable-copy",
    "disable-paste",
    "wol-send-packet",
    "wol-mac-addr",
    "wol-broadcast-addr",
    "wol-udp-port",
    "wol-wait-time",
    "force-lossless",
    "normalize-clipboard",
    // Not guacd's, which always offers it: plain bitmaps cost both sides less and lose nothing.
    "enable-remotefx",
];

const DEFAULT_PORT: u16 = 3389;
const DEFAULT_TIMEOUT_S: u64 = 10;
/// Longest `timeout`: a user has given up long before.
const MAX_TIMEOUT_S: u64 = 600;
/// `clientName` holds 15 characters and a terminator ([MS-RDPBCGR] 2.2.1.3.2).
const CLIENT_NAME_CHARS: usize = 15;
/// Smallest and largest side of a desktop ([MS-RDPEDISP] 2.2.2.2.1).
pub(crate) const SIDE_PX: (u32, u32) = (200, 8192);
/// Where a size is unusable.
const FALLBACK_SIZE: (u16, u16) = (1024, 768);
/// At this resolution guacd thinks of desktops as unscaled.
const NATIVE_DPI: u32 = 96;
/// The least area that is still comfortable at [`NATIVE_DPI`].
const REASONABLE_AREA: u64 = 800 * 600;
/// Guacd's resolution for small screens of high density.
const HIGH_DPI: u32 = 120;

/// How the connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecurityMode {
    /// Whatever the server takes, the best first.
    Any,
    /// Credentials before anything else (CredSSP).
    Nla,
    /// The same, with the server's word whether the user may come in.
    NlaExtended,
    /// TLS, and the server's own login screen.
    Tls,
    /// RDP's own, which is not encrypted here.
    Rdp,
}

/// What makes the desktop follow the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResizeMethod {
    /// Nothing: it keeps its size.
    None,
    /// The Display Control channel.
    DisplayUpdate,
    /// A new connection of the wanted size.
    Reconnect,
}

/// Certificate parameters, as given.
#[derive(Clone, Debug, Default)]
pub(crate) struct CertificateParams {
    pub(crate) ignore: bool,
    pub(crate) trust_on_first_use: bool,
    pub(crate) fingerprints: Option<String>,
}

/// Parameters, checked.
pub(crate) struct RdpParams {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) timeout_s: u64,
    pub(crate) domain: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<SecretString>,
    /// Fixed sides; the owner's window otherwise.
    pub(crate) size: (Option<u32>, Option<u32>),
    pub(crate) dpi: Option<u32>,
    pub(crate) initial_program: Option<String>,
    pub(crate) color_depth: u8,
    pub(crate) gfx: bool,
    /// RemoteFX outside of the pipeline: a tenth of the bytes on the way to us, three times the work.
    pub(crate) remotefx: bool,
    pub(crate) lossless: bool,
    pub(crate) audio: bool,
    pub(crate) audio_input: bool,
    pub(crate) touch: bool,
    pub(crate) drive: DriveOptions,
    /// SFTP beside the desktop, until it is opened.
    pub(crate) files: Option<SftpParams>,
    pub(crate) console: bool,
    pub(crate) console_audio: bool,
    pub(crate) layout: Layout,
    pub(crate) security: SecurityMode,
    pub(crate) authenticate: bool,
    pub(crate) certificate: CertificateParams,
    pub(crate) static_channels: Vec<String>,
    pub(crate) client_name: String,
    pub(crate) performance: PerformanceFlags,
    pub(crate) preconnection: Option<(u32, Option<String>)>,
    pub(crate) load_balance_info: Option<String>,
    pub(crate) timezone: Option<String>,
    pub(crate) resize: ResizeMethod,
    /// How to wake the machine, until that is done.
    pub(crate) wake: Option<WakeOnLan>,
    pub(crate) targets: Targets,
}

impl RdpParams {
    pub(crate) fn parse(params: &Params, owner: &ClientInfo) -> Result<Self, RdpError> {
        let text = |name| params.get(name).map(str::to_owned);
        let security = security_mode(params);
        if params.get("gateway-hostname").is_some() {
            return Err(RdpError::UnsupportedParameter { name: "gateway-hostname" });
        }
        if params.get("remote-app").is_some() {
            return Err(RdpError::UnsupportedParameter { name: "remote-app" });
        }
        if params.get("security") == Some("vmconnect") {
            return Err(RdpError::UnsupportedParameter { name: "security" });
        }
        let host = text("hostname").ok_or(RdpError::MissingParameter { name: "hostname" })?;
        let drive = drive(params);
        Ok(Self {
            files: files(params, &host, &drive),
            host,
            port: match params.number("port", 0) {
                0 => DEFAULT_PORT,
                port => port,
            },
            timeout_s: params.number("timeout", DEFAULT_TIMEOUT_S).clamp(1, MAX_TIMEOUT_S),
            domain: text("domain"),
            username: text("username"),
            password: params.secret("password"),
            size: (side(params, "width"), side(params, "height")),
            dpi: Some(params.number("dpi", 0)).filter(|dpi| *dpi > 0),
            initial_program: text("initial-program"),
            color_depth: color_depth(params),
            gfx: !params.bool("disable-gfx", false),
            remotefx: params.bool("enable-remotefx", false),
            lossless: params.bool("force-lossless", false),
            audio: !params.bool("disable-audio", false),
            audio_input: params.bool("enable-audio-input", false),
            touch: params.bool("enable-touch", false),
            drive,
            console: params.bool("console", false),
            console_audio: params.bool("console-audio", false),
            layout: layout(params),
            security,
            authenticate: !params.bool("disable-auth", false),
            certificate: CertificateParams {
                ignore: params.bool("ignore-cert", false),
                trust_on_first_use: params.bool("cert-tofu", false),
                fingerprints: text("cert-fingerprints"),
            },
            static_channels: params.get("static-channels").map(list).unwrap_or_default(),
            client_name: client_name(params.get("client-name")),
            performance: performance(params),
            preconnection: preconnection(params),
            load_balance_info: text("load-balance-info"),
            wake: WakeOnLan::from_params(params),
            targets: params.targets().clone(),
            timezone: text("timezone").or_else(|| owner.timezone.clone()),
            resize: match params.get("resize-method") {
                Some("display-update") => ResizeMethod::DisplayUpdate,
                Some("reconnect") => ResizeMethod::Reconnect,
                other => {
                    warn_unknown("resize-method", other);
                    ResizeMethod::None
                }
            },
        })
    }

    /// The resolution that the desktop is made for: guacd's rule, which wants at least 800x600 pixels to look native
    /// on a screen of high density.
    pub(crate) fn dpi(&self, owner: &ClientInfo) -> u32 {
        self.dpi.unwrap_or_else(|| suitable_dpi(owner))
    }

    /// The desktop's size for a window of `wanted` pixels on a screen of `owner`'s density: the parameters' sides win.
    pub(crate) fn desktop_size(&self, wanted: (u32, u32), owner: &ClientInfo) -> (u16, u16) {
        let (dpi, owner_dpi) = (u64::from(self.dpi(owner)), u64::from(owner.dpi.max(1)));
        let scaled = |px: u32| u32::try_from(u64::from(px) * dpi / owner_dpi).unwrap_or(u32::MAX);
        let width = self.size.0.unwrap_or_else(|| scaled(wanted.0));
        let height = self.size.1.unwrap_or_else(|| scaled(wanted.1));
        let (least, most) = SIDE_PX;
        if width == 0 || height == 0 {
            return FALLBACK_SIZE;
        }
        // Servers that deal in pixels of 4 bytes to a 16-byte line break on other widths.
        let width = width.clamp(least, most) & !3;
        let side = |px: u32| u16::try_from(px).unwrap_or(u16::MAX);
        (side(width), side(height.clamp(least, most)))
    }
}

impl fmt::Debug for RdpParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RdpParams").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// # Specification
/// guacd's `resolution.c`: native if the owner's screen is, or is large enough at that scale.
fn suitable_dpi(owner: &ClientInfo) -> u32 {
    let dpi = u64::from(owner.dpi.max(1));
    let native = u64::from(NATIVE_DPI);
    let scaled = |px: u32| u64::from(px) * native / dpi;
    if owner.dpi == NATIVE_DPI || scaled(owner.width_px).saturating_mul(scaled(owner.height_px)) >= REASONABLE_AREA {
        return NATIVE_DPI;
    }
    if owner.dpi > HIGH_DPI { HIGH_DPI } else { owner.dpi.max(1) }
}

fn security_mode(params: &Params) -> SecurityMode {
    match params.get("security") {
        Some("nla") => SecurityMode::Nla,
        Some("nla-ext") => SecurityMode::NlaExtended,
        Some("tls") => SecurityMode::Tls,
        Some("rdp") => SecurityMode::Rdp,
        Some("any") | None => SecurityMode::Any,
        other => {
            warn_unknown("security", other);
            SecurityMode::Any
        }
    }
}

/// A fixed side in pixels. What is out of range is the owner's window again.
fn side(params: &Params, name: &str) -> Option<u32> {
    let side = params.number(name, 0_u32);
    (1..=u32::from(u16::MAX)).contains(&side).then_some(side)
}

fn color_depth(params: &Params) -> u8 {
    let depth = params.number("color-depth", 0_u8);
    match depth {
        8 | 16 | 24 | 32 => depth,
        // True colour also without the graphics pipeline, where guacd falls to 16 bits: both cost a server about the
        // same today, and 16 bits show.
        _ => 32,
    }
}

fn layout(params: &Params) -> Layout {
    let name = params.get("server-layout");
    name.map_or_else(Layout::default, |name| {
        Layout::from_name(name).unwrap_or_else(|| {
            warn_unknown("server-layout", Some(name));
            Layout::default()
        })
    })
}

fn client_name(name: Option<&str>) -> String {
    name.unwrap_or("Guacamole RDP").chars().take(CLIENT_NAME_CHARS).collect()
}

fn list(names: &str) -> Vec<String> {
    names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn drive(params: &Params) -> DriveOptions {
    let text = |name, default: &str| params.get(name).unwrap_or(default).to_owned();
    let folder = params.bool("enable-drive", false).then(|| SharedFolder {
        name: text("drive-name", "Guacamole Filesystem"),
        path: text("drive-path", ""),
        create: params.bool("create-drive-path", false),
        download: !params.bool("disable-download", false),
        upload: !params.bool("disable-upload", false),
        // SFTP has them unless it was given no directory for them (RDP-045).
        takes_dropped: !params.bool("enable-sftp", false) || params.get("sftp-directory").is_none(),
    });
    DriveOptions {
        computer_name: client_name(params.get("client-name")),
        folder,
        printer: params.bool("enable-printing", false).then(|| text("printer-name", "Guacamole Printer")),
    }
}

/// SFTP by the desktop's user name unless it has one of its own (RDP-026).
fn files(params: &Params, host: &str, drive: &DriveOptions) -> Option<SftpParams> {
    let mut files = SftpParams::from_params(params, host, params.get("username"))?;
    files.rules.takes_dropped = drive.folder.as_ref().is_none_or(|folder| !folder.takes_dropped);
    Some(files)
}

fn preconnection(params: &Params) -> Option<(u32, Option<String>)> {
    let id = params.number("preconnection-id", -1_i64);
    let blob = params.get("preconnection-blob").map(str::to_owned);
    let id = u32::try_from(id).ok();
    (id.is_some() || blob.is_some()).then(|| (id.unwrap_or(0), blob))
}

fn performance(params: &Params) -> PerformanceFlags {
    let switches = [
        ("enable-wallpaper", PerformanceFlags::DISABLE_WALLPAPER),
        ("enable-theming", PerformanceFlags::DISABLE_THEMING),
        ("enable-full-window-drag", PerformanceFlags::DISABLE_FULLWINDOWDRAG),
        ("enable-menu-animations", PerformanceFlags::DISABLE_MENUANIMATIONS),
    ];
    let mut flags = PerformanceFlags::empty();
    for (name, disabled) in switches {
        flags.set(disabled, !params.bool(name, false));
    }
    flags.set(PerformanceFlags::ENABLE_FONT_SMOOTHING, params.bool("enable-font-smoothing", false));
    flags.set(PerformanceFlags::ENABLE_DESKTOP_COMPOSITION, params.bool("enable-desktop-composition", false));
    flags
}

fn warn_unknown(parameter: &str, value: Option<&str>) {
    if let Some(value) = value {
        tracing::warn!(parameter, value, "Parameter has an unknown value, using the default");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<RdpParams, RdpError> {
        RdpParams::parse(&pairs.iter().copied().collect(), &ClientInfo::default())
    }

    fn host(pairs: &[(&str, &str)]) -> RdpParams {
        let mut all = vec![("hostname", "desk")];
        all.extend(pairs);
        parse(&all).unwrap()
    }

    fn screen(width_px: u32, height_px: u32, dpi: u32) -> ClientInfo {
        ClientInfo { width_px, height_px, dpi, ..ClientInfo::default() }
    }

    #[test]
    fn parameter_names_are_unique() {
        let mut sorted = PARAMETERS.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), PARAMETERS.len());
    }

    #[test]
    fn defaults_are_guacds() {
        let params = host(&[]);
        assert_eq!((params.port, params.timeout_s, params.color_depth), (3389, 10, 32));
        assert_eq!((params.security, params.resize), (SecurityMode::Any, ResizeMethod::None));
        assert_eq!(params.client_name, "Guacamole RDP");
        assert!(params.gfx && params.audio && !params.audio_input && !params.touch);
        assert!(params.drive.folder.is_none() && params.drive.printer.is_none() && params.preconnection.is_none());
        let quick = PerformanceFlags::DISABLE_WALLPAPER
            | PerformanceFlags::DISABLE_THEMING
            | PerformanceFlags::DISABLE_FULLWINDOWDRAG
            | PerformanceFlags::DISABLE_MENUANIMATIONS;
        assert_eq!(params.performance, quick);
    }

    #[test]
    fn sftp_is_for_the_desktops_user_on_the_desktops_host_unless_told_otherwise() {
        let files = |pairs: &[(&str, &str)]| {
            let all: Vec<_> = [("enable-sftp", "true"), ("username", "ann")].iter().chain(pairs).copied().collect();
            let files = host(&all).files.unwrap();
            (files.target.host, files.credentials.username.unwrap())
        };
        assert!(host(&[]).files.is_none());
        assert_eq!(files(&[]), ("desk".to_owned(), "ann".to_owned()));
        let other = [("sftp-hostname", "files"), ("sftp-username", "bob")];
        assert_eq!(files(&other), ("files".to_owned(), "bob".to_owned()));
    }

    #[test]
    fn dropped_files_go_to_either_sftp_or_the_drive() {
        let takes = |pairs: &[(&str, &str)]| {
            let all: Vec<_> = [("enable-sftp", "true")].iter().chain(pairs).copied().collect();
            let params = host(&all);
            (params.files.unwrap().rules.takes_dropped, params.drive.folder.is_some_and(|drive| drive.takes_dropped))
        };
        assert_eq!(takes(&[]), (true, false));
        assert_eq!(takes(&[("enable-drive", "true")]), (false, true));
        assert_eq!(takes(&[("enable-drive", "true"), ("sftp-directory", "/in")]), (true, false));
    }

    #[test]
    fn a_machine_behind_the_port_is_announced_by_number_or_name() {
        assert_eq!(host(&[("preconnection-id", "7")]).preconnection, Some((7, None)));
        assert_eq!(host(&[("preconnection-blob", "guid")]).preconnection, Some((0, Some("guid".to_owned()))));
    }

    #[test]
    fn a_client_name_is_cut_to_what_the_protocol_holds() {
        assert_eq!(host(&[("client-name", "abcdefghijklmnopqrst")]).client_name, "abcdefghijklmno");
    }

    #[test]
    fn dense_screens_get_a_resolution_that_leaves_a_usable_desktop() {
        let params = host(&[]);
        assert_eq!(params.dpi(&screen(1024, 768, 96)), 96);
        assert_eq!(params.dpi(&screen(2560, 1600, 192)), 96);
        assert_eq!(params.dpi(&screen(1000, 700, 192)), 120);
        assert_eq!(params.dpi(&screen(640, 480, 110)), 110);
        assert_eq!(params.desktop_size((2560, 1600), &screen(2560, 1600, 192)), (1280, 800));
    }

    #[test]
    fn widths_are_multiples_of_four_within_limits() {
        let params = host(&[]);
        let owner = screen(1023, 767, 96);
        assert_eq!(params.desktop_size((1023, 767), &owner), (1020, 767));
        assert_eq!(params.desktop_size((199, 199), &owner), (200, 200));
        assert_eq!(params.desktop_size((8193, 9000), &owner), (8192, 8192));
        assert_eq!(params.desktop_size((0, 10), &owner), (1024, 768));
        assert_eq!(host(&[("width", "801"), ("height", "601")]).desktop_size((1, 1), &owner), (800, 601));
    }

    #[test]
    fn without_a_host_or_with_what_is_not_built_there_is_no_session() {
        assert!(matches!(parse(&[]), Err(RdpError::MissingParameter { name: "hostname" })));
        let error = parse(&[("hostname", "desk"), ("remote-app", "||calc")]).err();
        assert!(matches!(error, Some(RdpError::UnsupportedParameter { name: "remote-app" })));
    }
}
