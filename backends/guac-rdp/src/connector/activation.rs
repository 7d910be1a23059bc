//! Capabilities and finalisation: what makes a connection active, the first time and after each deactivation
//! ([MS-RDPBCGR] 1.3.1.1 and 1.3.1.3).

use guac_display::Size;
use ironrdp_core::WriteBuf;
use ironrdp_pdu::mcs;
use ironrdp_pdu::rdp::capability_sets::{CapabilitySet, InputFlags};
use ironrdp_pdu::rdp::finalization_messages::{ControlAction, ControlPdu, FontPdu, SynchronizePdu};
use ironrdp_pdu::rdp::headers::{
    ShareControlPdu, ShareDataPdu, decode_share_control, encode_share_control, encode_share_data,
};
use ironrdp_pdu::rdp::server_error_info::{ErrorInfo, ProtocolIndependentCode, ServerSetErrorInfoPdu};
use ironrdp_pdu::rdp::server_redirection::{ServerRedirectionPdu, decode_server_redirection};

use super::capabilities::confirm_active;
use super::{ConnectError, Settings};
use crate::graphics::MAX_UNASKED_PX;
use crate::resize::area_px;

/// Where PDUs of the share go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// Our own channel, which names us.
    pub(crate) user_channel: u16,
    /// The server's.
    pub(crate) io_channel: u16,
}

/// What both have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Activated {
    pub(crate) share_id: u32,
    pub(crate) desktop_size: (u16, u16),
    /// The server repaints on request.
    pub(crate) may_refresh: bool,
    /// The server takes input in the short form.
    pub(crate) fast_path_input: bool,
    /// Longest piece of a message of a static channel, in bytes.
    pub(crate) chunk_bytes: usize,
}

/// One activation.
#[derive(Debug)]
pub(crate) struct Activation {
    share: Share,
    /// Pixels of the largest desktop that the user has asked for.
    asked_px: usize,
    /// Known once the server has shown its capabilities; the end of finalisation is waited for then.
    activated: Option<Activated>,
}

/// Where an activation is.
pub(crate) enum ActivationStep {
    Again,
    Done(Activated),
    Redirected(Box<ServerRedirectionPdu>),
}

impl Activation {
    pub(crate) fn new(share: Share, asked_px: usize) -> Self {
        Self { share, asked_px, activated: None }
    }

    /// Takes a PDU of the server's.
    pub(crate) fn handle_pdu(
        &mut self,
        pdu: &[u8],
        settings: &Settings,
        out: &mut WriteBuf,
    ) -> Result<ActivationStep, ConnectError> {
        let indication = mcs::decode_send_data_indication(pdu).map_err(ConnectError::decode)?;
        if indication.channel_id != self.share.io_channel {
            // Channels may talk already; nobody listens yet, and they say it again.
            return Ok(ActivationStep::Again);
        }
        if let Some(redirection) = decode_server_redirection(indication.user_data).map_err(ConnectError::decode)? {
            let goes_on = redirection.is_informational();
            return Ok(if goes_on { ActivationStep::Again } else { ActivationStep::Redirected(Box::new(redirection)) });
        }
        let control = decode_share_control(indication).map_err(ConnectError::decode)?;
        match (control.pdu, self.activated) {
            (ShareControlPdu::ServerDemandActive(demand), _) => {
                let activated = agreed(control.share_id, &demand.pdu.capability_sets, settings);
                let (width, height) = activated.desktop_size;
                let fits = Size::new(width.into(), height.into()).is_ok();
                if !fits || area_px(activated.desktop_size) > self.asked_px.max(MAX_UNASKED_PX) {
                    return Err(ConnectError::DesktopSize { width, height });
                }
                let confirm = ShareControlPdu::ClientConfirmActive(confirm_active(settings, activated.desktop_size));
                let Share { user_channel, io_channel } = self.share;
                encode_share_control(user_channel, io_channel, activated.share_id, confirm, out)
                    .map_err(ConnectError::encode)?;
                self.finalize(activated.share_id, out)?;
                self.activated = Some(activated);
                Ok(ActivationStep::Again)
            }
            (ShareControlPdu::Data(data), activated) => match (data.share_data_pdu, activated) {
                (ShareDataPdu::FontMap(_), Some(activated)) => Ok(ActivationStep::Done(activated)),
                (ShareDataPdu::ServerSetErrorInfo(ServerSetErrorInfoPdu(info)), _) if !is_none(info) => {
                    Err(ConnectError::Ended { info })
                }
                // Synchronize, Control and the like: they have no consequences.
                _ => Ok(ActivationStep::Again),
            },
            // Some servers deactivate once more before they begin.
            (ShareControlPdu::ServerDeactivateAll(_), _) => Ok(ActivationStep::Again),
            _ => Err(ConnectError::Unexpected { expected: "the server's capabilities" }),
        }
    }

    /// Our part of finalisation, all at once: no message of it answers one of the server's.
    fn finalize(&self, share_id: u32, out: &mut WriteBuf) -> Result<(), ConnectError> {
        let Share { user_channel, io_channel } = self.share;
        let control = |action| ShareDataPdu::Control(ControlPdu { action, grant_id: 0, control_id: 0 });
        let messages = [
            ShareDataPdu::Synchronize(SynchronizePdu { target_user_id: user_channel }),
            control(ControlAction::Cooperate),
            control(ControlAction::RequestControl),
            ShareDataPdu::FontList(FontPdu::default()),
        ];
        for message in messages {
            encode_share_data(user_channel, io_channel, share_id, message, out).map_err(ConnectError::encode)?;
        }
        Ok(())
    }
}

fn agreed(share_id: u32, capabilities: &[CapabilitySet], settings: &Settings) -> Activated {
    let mut activated = Activated {
        share_id,
        desktop_size: settings.desktop_size,
        may_refresh: false,
        fast_path_input: false,
        chunk_bytes: ironrdp_svc::CHANNEL_CHUNK_LENGTH,
    };
    for capability in capabilities {
        match capability {
            CapabilitySet::General(general) => activated.may_refresh = general.refresh_rect_support,
            // The server may not have the size that we asked for.
            CapabilitySet::Bitmap(bitmap) if bitmap.desktop_width > 0 && bitmap.desktop_height > 0 => {
                activated.desktop_size = (bitmap.desktop_width, bitmap.desktop_height);
            }
            CapabilitySet::Input(input) => {
                activated.fast_path_input =
                    input.input_flags.intersects(InputFlags::FASTPATH_INPUT | InputFlags::FASTPATH_INPUT_2);
            }
            CapabilitySet::VirtualChannel(channel) => {
                let range = ironrdp_svc::CHANNEL_CHUNK_LENGTH..=ironrdp_svc::MAX_CHANNEL_CHUNK_LENGTH;
                let chunk = channel.chunk_size.and_then(|size| usize::try_from(size).ok());
                activated.chunk_bytes = chunk.filter(|size| range.contains(size)).unwrap_or(activated.chunk_bytes);
            }
            _ => {}
        }
    }
    activated
}

fn is_none(info: ErrorInfo) -> bool {
    info == ErrorInfo::ProtocolIndependentCode(ProtocolIndependentCode::None)
}
