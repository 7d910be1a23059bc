//! The licence of a terminal server ([MS-RDPELE]).

use std::borrow::Cow;

use ironrdp_core::{WriteBuf, encode_vec};
use ironrdp_pdu::mcs::{self, SendDataRequest};
use ironrdp_pdu::rdp::server_license::{
    ClientNewLicenseRequest, ClientPlatformChallengeResponse, LicenseEncryptionData, LicenseErrorCode, LicensePdu,
    PREMASTER_SECRET_SIZE, RANDOM_NUMBER_SIZE,
};
use ironrdp_pdu::x224::X224;

use super::{ConnectError, Settings, Share};

/// What a server counts licences by. All our sessions are one device to it, as those of one guacd are.
const HARDWARE_ID: [u32; 4] = [0x6775_6163, 0x642D_6C69, 0x7465, 0];

/// The exchange. Most servers end it with their first message: no licence is needed.
pub(super) struct Licence {
    username: String,
    machine: String,
    keys: Option<LicenseEncryptionData>,
}

pub(super) enum LicenceStep {
    Again,
    Done,
}

impl Licence {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { username: settings.username.clone(), machine: settings.client_name.clone(), keys: None }
    }

    pub(super) fn handle_pdu(
        &mut self,
        pdu: &[u8],
        share: Share,
        out: &mut WriteBuf,
    ) -> Result<LicenceStep, ConnectError> {
        let indication = mcs::decode_send_data_indication(pdu).map_err(ConnectError::decode)?;
        let answer = match indication.decode_user_data::<LicensePdu>().map_err(ConnectError::decode)? {
            LicensePdu::LicensingErrorMessage(message) => {
                if message.error_code == LicenseErrorCode::StatusValidClient {
                    return Ok(LicenceStep::Done);
                }
                tracing::debug!(code = ?message.error_code, "Server refuses a licence");
                return Err(ConnectError::Licence { problem: "the server refuses one" });
            }
            LicensePdu::ServerLicenseRequest(request) if self.keys.is_none() => {
                let client_random: [u8; RANDOM_NUMBER_SIZE] = rand::random();
                let premaster_secret: [u8; PREMASTER_SECRET_SIZE] = std::array::from_fn(|_| rand::random());
                let made = ClientNewLicenseRequest::from_server_license_request(
                    &request,
                    &client_random,
                    &premaster_secret,
                    &self.username,
                    &self.machine,
                );
                let (answer, keys) = made.map_err(unusable)?;
                self.keys = Some(keys);
                LicensePdu::from(answer)
            }
            LicensePdu::ServerPlatformChallenge(challenge) => {
                let keys = self.keys.as_ref().ok_or(ConnectError::Unexpected { expected: "a licence request" })?;
                let answer =
                    ClientPlatformChallengeResponse::from_server_platform_challenge(&challenge, HARDWARE_ID, keys);
                LicensePdu::from(answer.map_err(unusable)?)
            }
            // It is not kept: the next session asks again.
            LicensePdu::ServerUpgradeLicense(licence) => {
                let keys = self.keys.as_ref().ok_or(ConnectError::Unexpected { expected: "a licence request" })?;
                licence.verify_server_license(keys).map_err(unusable)?;
                return Ok(LicenceStep::Done);
            }
            _ => return Err(ConnectError::Unexpected { expected: "a message about the licence" }),
        };
        let user_data = Cow::Owned(encode_vec(&answer).map_err(ConnectError::encode)?);
        let request = SendDataRequest { initiator_id: share.user_channel, channel_id: share.io_channel, user_data };
        ironrdp_core::encode_buf(&X224(request), out).map_err(ConnectError::encode)?;
        Ok(LicenceStep::Again)
    }
}

fn unusable(error: impl std::fmt::Debug) -> ConnectError {
    tracing::debug!(?error, "Licence message not usable");
    ConnectError::Licence { problem: "its message cannot be used" }
}
