//! What we tell a server about ourselves.

use std::net::SocketAddr;

use ironrdp_pdu::gcc::{
    ClientClusterData, ClientCoreData, ClientCoreOptionalData, ClientEarlyCapabilityFlags, ClientGccBlocks,
    ClientNetworkData, ClientSecurityData, ColorDepth, ConnectionType, EncryptionMethod, HighColorDepth, KeyboardType,
    MonitorOrientation, RdpVersion, RedirectionFlags, RedirectionVersion, SecureAccessSequence, SupportedColorDepths,
};
use ironrdp_pdu::nego::SecurityProtocol;
use ironrdp_pdu::rdp::ClientInfoPdu;
use ironrdp_pdu::rdp::capability_sets::BitmapCodecs;
use ironrdp_pdu::rdp::client_info::{
    AddressFamily, ClientInfo, ClientInfoFlags, CompressionType, Credentials, ExtendedClientInfo,
    ExtendedClientOptionalInfo, PasswordCookie, PerformanceFlags, TimezoneInfo,
};
use ironrdp_pdu::rdp::headers::{BasicSecurityHeader, BasicSecurityHeaderFlags};
use ironrdp_svc::StaticVirtualChannel;
use secrecy::{ExposeSecret as _, SecretString};

/// The build of Windows 10: servers hide features from older ones.
const CLIENT_BUILD: u32 = 19_041;
pub(super) const FUNCTION_KEYS: u32 = 12;
/// `desktopScaleFactor` in percent ([MS-RDPBCGR] 2.2.1.3.2).
const SCALE_PERCENT: (u32, u32) = (100, 500);

/// How the server may draw.
#[derive(Clone, Debug)]
pub(crate) struct PictureSettings {
    /// 8, 16, 24 or 32.
    pub(crate) color_depth: u8,
    /// Codecs of surface commands; without any the server uses bitmaps.
    pub(crate) codecs: BitmapCodecs,
    /// The graphics pipeline, whose channel must be there then.
    pub(crate) pipeline: bool,
    /// The longest update in several fragments.
    pub(crate) max_update_bytes: u32,
}

/// Everything that is said while connecting.
#[derive(Clone)]
pub(crate) struct Settings {
    /// What is offered; empty is RDP's own security.
    pub(crate) protocols: SecurityProtocol,
    pub(crate) load_balance_info: Option<String>,
    /// The session to come back to, or 0 for the console's.
    pub(crate) session_id: Option<u32>,
    pub(crate) username: String,
    pub(crate) domain: Option<String>,
    pub(crate) password: Option<SecretString>,
    /// What a broker gives instead of a password.
    pub(crate) password_cookie: Option<Vec<u8>>,
    pub(crate) client_name: String,
    pub(crate) client_address: SocketAddr,
    pub(crate) desktop_size: (u16, u16),
    pub(crate) scale_percent: u32,
    pub(crate) keyboard_type: u32,
    pub(crate) keyboard_subtype: u32,
    pub(crate) keyboard_layout: u32,
    pub(crate) picture: PictureSettings,
    pub(crate) initial_program: String,
    pub(crate) performance: PerformanceFlags,
    pub(crate) timezone: TimezoneInfo,
    pub(crate) audio: bool,
    pub(crate) audio_input: bool,
    /// Sound stays with the console.
    pub(crate) console_audio: bool,
}

impl Settings {
    /// # Specification
    /// [MS-RDPBCGR] 2.2.1.3. No message channel is asked for: nothing of what it carries (measuring the network,
    /// transports over UDP) is used.
    pub(super) fn gcc_blocks<'a>(
        &self,
        protocol: SecurityProtocol,
        channels: impl Iterator<Item = &'a StaticVirtualChannel>,
    ) -> ClientGccBlocks {
        let channels: Vec<_> = channels.map(ironrdp_svc::make_channel_definition).collect();
        ClientGccBlocks {
            core: self.core_data(protocol),
            security: ClientSecurityData { encryption_methods: EncryptionMethod::empty(), ext_encryption_methods: 0 },
            network: (!channels.is_empty()).then_some(ClientNetworkData { channels }),
            cluster: self.session_id.map(|redirected_session_id| ClientClusterData {
                flags: RedirectionFlags::REDIRECTION_SUPPORTED | RedirectionFlags::REDIRECTED_SESSION_FIELD_VALID,
                redirection_version: RedirectionVersion::V4,
                redirected_session_id,
            }),
            monitor: None,
            message_channel: None,
            multi_transport_channel: None,
            monitor_extended: None,
        }
    }

    fn core_data(&self, protocol: SecurityProtocol) -> ClientCoreData {
        let mut early = ClientEarlyCapabilityFlags::VALID_CONNECTION_TYPE
            | ClientEarlyCapabilityFlags::SUPPORT_ERR_INFO_PDU
            | ClientEarlyCapabilityFlags::STRONG_ASYMMETRIC_KEYS
            | ClientEarlyCapabilityFlags::SUPPORT_SKIP_CHANNELJOIN;
        early.set(ClientEarlyCapabilityFlags::WANT_32_BPP_SESSION, self.picture.color_depth == 32);
        early.set(ClientEarlyCapabilityFlags::SUPPORT_DYN_VC_GFX_PROTOCOL, self.picture.pipeline);
        let (width, height) = self.desktop_size;
        let orientation = if width >= height { MonitorOrientation::Landscape } else { MonitorOrientation::Portrait };
        ClientCoreData {
            version: RdpVersion::V5_PLUS,
            desktop_width: width,
            desktop_height: height,
            // The optional fields say better.
            color_depth: ColorDepth::Bpp8,
            sec_access_sequence: SecureAccessSequence::Del,
            keyboard_layout: self.keyboard_layout,
            client_build: CLIENT_BUILD,
            client_name: self.client_name.clone(),
            keyboard_type: KeyboardType::from(self.keyboard_type),
            keyboard_subtype: self.keyboard_subtype,
            keyboard_functional_keys_count: FUNCTION_KEYS,
            ime_file_name: String::new(),
            optional_data: ClientCoreOptionalData {
                post_beta2_color_depth: Some(ColorDepth::Bpp8),
                client_product_id: Some(1),
                serial_number: Some(0),
                // 32 bits have no value of their own: see the early capabilities.
                high_color_depth: Some(match self.picture.color_depth {
                    8 => HighColorDepth::Bpp8,
                    16 => HighColorDepth::Rgb565Bpp16,
                    _ => HighColorDepth::Bpp24,
                }),
                supported_color_depths: Some(SupportedColorDepths::all()),
                early_capability_flags: Some(early),
                dig_product_id: Some(String::new()),
                connection_type: Some(ConnectionType::Lan),
                server_selected_protocol: Some(protocol),
                desktop_physical_width: Some(0),
                desktop_physical_height: Some(0),
                desktop_orientation: Some(orientation.as_u16()),
                desktop_scale_factor: Some(self.scale_percent.clamp(SCALE_PERCENT.0, SCALE_PERCENT.1)),
                device_scale_factor: Some(100),
            },
        }
    }

    /// # Specification
    /// [MS-RDPBCGR] 2.2.1.11.
    pub(super) fn client_info(&self) -> ClientInfoPdu {
        let mut flags = ClientInfoFlags::MOUSE
            | ClientInfoFlags::MOUSE_HAS_WHEEL
            | ClientInfoFlags::UNICODE
            | ClientInfoFlags::DISABLE_CTRL_ALT_DEL
            | ClientInfoFlags::LOGON_NOTIFY
            | ClientInfoFlags::LOGON_ERRORS
            | ClientInfoFlags::VIDEO_DISABLE
            | ClientInfoFlags::ENABLE_WINDOWS_KEY
            | ClientInfoFlags::MAXIMIZE_SHELL;
        flags.set(ClientInfoFlags::AUTOLOGON, self.password.is_some() || self.password_cookie.is_some());
        flags.set(ClientInfoFlags::NO_AUDIO_PLAYBACK, !self.audio);
        flags.set(ClientInfoFlags::AUDIO_CAPTURE, self.audio_input);
        flags.set(ClientInfoFlags::REMOTE_CONSOLE_AUDIO, self.console_audio);
        let password = self.password.as_ref().map(|password| password.expose_secret().to_owned());
        let address_family = if self.client_address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET_6 };
        ClientInfoPdu {
            security_header: BasicSecurityHeader { flags: BasicSecurityHeaderFlags::INFO_PKT },
            client_info: ClientInfo {
                credentials: Credentials {
                    username: self.username.clone(),
                    password: password.unwrap_or_default(),
                    domain: self.domain.clone(),
                },
                password_cookie: self.password_cookie.clone().map(PasswordCookie),
                code_page: 0,
                flags,
                // Server and we are near each other: compressing would cost both more than it saves.
                compression_type: CompressionType::K8,
                alternate_shell: self.initial_program.clone(),
                work_dir: String::new(),
                extra_info: ExtendedClientInfo {
                    address_family,
                    address: self.client_address.ip().to_string(),
                    dir: String::new(),
                    optional_data: ExtendedClientOptionalInfo::builder()
                        .timezone(self.timezone.clone())
                        .session_id(0)
                        .performance_flags(self.performance)
                        .build(),
                },
            },
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ironrdp_pdu::rdp::client_info::OptionalSystemTime;

    use super::*;

    pub(crate) fn settings() -> Settings {
        Settings {
            protocols: SecurityProtocol::SSL,
            load_balance_info: None,
            session_id: None,
            username: "ann".to_owned(),
            domain: None,
            password: None,
            password_cookie: None,
            client_name: "here".to_owned(),
            client_address: ([127, 0, 0, 1], 1).into(),
            desktop_size: (800, 600),
            scale_percent: 100,
            keyboard_type: 4,
            keyboard_subtype: 0,
            keyboard_layout: 0x409,
            picture: PictureSettings {
                color_depth: 32,
                codecs: BitmapCodecs::default(),
                pipeline: false,
                max_update_bytes: 1 << 20,
            },
            initial_program: String::new(),
            performance: PerformanceFlags::empty(),
            timezone: TimezoneInfo {
                bias: 0,
                standard_name: String::new(),
                standard_date: OptionalSystemTime(None),
                standard_bias: 0,
                daylight_name: String::new(),
                daylight_date: OptionalSystemTime(None),
                daylight_bias: 0,
            },
            audio: true,
            audio_input: false,
            console_audio: false,
        }
    }

    #[test]
    fn the_console_and_its_sound_are_asked_for() {
        let mut settings = settings();
        let none = settings.gcc_blocks(SecurityProtocol::SSL, std::iter::empty());
        assert_eq!(none.cluster, None);
        settings.session_id = Some(0);
        settings.console_audio = true;
        let cluster = settings.gcc_blocks(SecurityProtocol::SSL, std::iter::empty()).cluster.unwrap();
        assert_eq!(cluster.redirected_session_id, 0);
        assert!(cluster.flags.contains(RedirectionFlags::REDIRECTED_SESSION_FIELD_VALID));
        assert!(settings.client_info().client_info.flags.contains(ClientInfoFlags::REMOTE_CONSOLE_AUDIO));
    }

    #[test]
    fn nobody_is_logged_in_without_a_password() {
        let mut settings = settings();
        assert!(!settings.client_info().client_info.flags.contains(ClientInfoFlags::AUTOLOGON));
        settings.password = Some("secret".into());
        assert!(settings.client_info().client_info.flags.contains(ClientInfoFlags::AUTOLOGON));
    }
}
