//! Our end of the device channel: requests are put aside, to be done where they may wait.

use ironrdp_core::impl_as_any;
use ironrdp_pdu::PduResult;
use ironrdp_rdpdr::RdpdrBackend;
use ironrdp_rdpdr::pdu::RdpdrPdu;
use ironrdp_rdpdr::pdu::efs::{
    DeviceControlRequest, DeviceIoRequest, DeviceIoResponse, DeviceWriteResponse, NtStatus, PrinterIoRequest,
    ServerDeviceAnnounceResponse, ServerDriveIoRequest,
};
use ironrdp_rdpdr::pdu::esc::{ReturnCode, ScardCall, ScardIoCtlCode};
use ironrdp_svc::SvcMessage;

/// The drive's number on the channel.
pub(super) const DRIVE_ID: u32 = 1;

/// The printer's.
pub(super) const PRINTER_ID: u32 = 2;

/// Requests since they were last taken. One PDU brings one request, and they are taken after each.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pub(super) drive: Vec<ServerDriveIoRequest>,
    pub(super) printer: Vec<PrinterIoRequest>,
    /// The server began anew, before those.
    pub(super) restarted: bool,
}

impl_as_any!(Requests);

impl RdpdrBackend for Requests {
    fn reset(&mut self) -> PduResult<()> {
        *self = Self { restarted: true, ..Self::default() };
        Ok(())
    }

    fn remove_drive(&mut self, _device_id: u32) -> PduResult<Vec<SvcMessage>> {
        // The server did not take it, so it asked for nothing that an answer is due to.
        self.reset()?;
        Ok(Vec::new())
    }

    fn handle_server_device_announce_response(&mut self, response: ServerDeviceAnnounceResponse) -> PduResult<()> {
        let (device, status) = (response.device_id, response.result_code);
        if status == NtStatus::SUCCESS {
            tracing::debug!(device, "Device redirected");
        } else {
            tracing::warn!(device, ?status, "Device not redirected: the server refuses it");
        }
        Ok(())
    }

    fn handle_scard_call(
        &mut self,
        request: DeviceControlRequest<ScardIoCtlCode>,
        call: ScardCall,
    ) -> PduResult<Vec<SvcMessage>> {
        let response = call.error_response(request, ReturnCode::NoService);
        Ok(vec![SvcMessage::from(RdpdrPdu::DeviceControlResponse(response))])
    }

    fn handle_drive_io_request(&mut self, request: ServerDriveIoRequest) -> PduResult<Vec<SvcMessage>> {
        self.drive.push(request);
        Ok(Vec::new())
    }

    fn handle_printer_io_request(&mut self, request: PrinterIoRequest) -> PduResult<Vec<SvcMessage>> {
        self.printer.push(request);
        Ok(Vec::new())
    }

    fn reject_printer_write(&mut self, request: DeviceIoRequest) -> PduResult<Vec<SvcMessage>> {
        let device_io_reply = DeviceIoResponse::new(request, NtStatus::INVALID_PARAMETER);
        Ok(vec![SvcMessage::from(RdpdrPdu::DeviceWriteResponse(DeviceWriteResponse { device_io_reply, length: 0 }))])
    }
}
