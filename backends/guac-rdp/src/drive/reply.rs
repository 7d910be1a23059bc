//! Requests of the server and the answers that belong to them.

use ironrdp_rdpdr::pdu::RdpdrPdu;
use ironrdp_rdpdr::pdu::efs::{
    ClientDriveLockControlResponse, ClientDriveNotifyChangeDirectoryResponse, ClientDriveQueryDirectoryResponse,
    ClientDriveQueryInformationResponse, ClientDriveQuerySecurityResponse, ClientDriveQueryVolumeInformationResponse,
    ClientDriveSetInformationResponse, ClientDriveSetSecurityResponse, DeviceCloseResponse, DeviceControlResponse,
    DeviceCreateResponse, DeviceFlushBuffersResponse, DeviceIoRequest, DeviceIoResponse, DeviceReadResponse,
    DeviceWriteResponse, Information, NtStatus, ServerDriveIoRequest,
};

use crate::drive::files::Disk;
use crate::drive::path::DrivePath;

/// What came of requests.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Answers, in order.
    pub(super) replies: Vec<RdpdrPdu>,
    /// File data in them, in bytes.
    pub(super) bytes: usize,
    /// Files for the owner that arrived in `Download`.
    pub(super) arrived: Vec<DrivePath>,
}

/// Bytes that a request holds while it waits.
pub(super) fn weight(request: &ServerDriveIoRequest) -> usize {
    size_of::<ServerDriveIoRequest>()
        + match request {
            ServerDriveIoRequest::DeviceWriteRequest(request) => request.write_data.len(),
            ServerDriveIoRequest::ServerCreateDriveRequest(request) => request.path.len(),
            ServerDriveIoRequest::ServerDriveQueryDirectoryRequest(request) => request.path.len(),
            ServerDriveIoRequest::ServerDriveLockControlRequest(request) => request.locks.len() * 16,
            ServerDriveIoRequest::ServerDriveSetSecurityRequest(request) => request.security_descriptor.len(),
            // Names of at most what a PDU holds; whether that is much is seen when it is looked at.
            ServerDriveIoRequest::ServerDriveSetInformationRequest(request) => match &request.set_buffer {
                ironrdp_rdpdr::pdu::efs::FileInformationClass::Rename(rename) => rename.file_name.len(),
                _ => 0,
            },
            _ => 0,
        }
}

fn reply(request: &DeviceIoRequest, status: NtStatus) -> DeviceIoResponse {
    DeviceIoResponse::new(request.clone(), status)
}

fn status<T>(result: &Result<T, NtStatus>) -> NtStatus {
    result.as_ref().err().copied().unwrap_or(NtStatus::SUCCESS)
}

fn created(request: &DeviceIoRequest, result: Result<(u32, Information), NtStatus>) -> RdpdrPdu {
    let device_io_reply = reply(request, status(&result));
    let (file_id, information) = result.unwrap_or((0, Information::empty()));
    RdpdrPdu::DeviceCreateResponse(DeviceCreateResponse { device_io_reply, file_id, information })
}

/// Refuses a request without looking at it.
pub(super) fn refusal(request: &ServerDriveIoRequest, status: NtStatus) -> Option<RdpdrPdu> {
    use ServerDriveIoRequest as Request;
    Some(match request {
        Request::ServerCreateDriveRequest(request) => created(&request.device_io_request, Err(status)),
        Request::DeviceCloseRequest(request) => {
            DeviceCloseResponse { device_io_response: reply(&request.device_io_request, status) }.into()
        }
        Request::DeviceReadRequest(request) => {
            DeviceReadResponse { device_io_reply: reply(&request.device_io_request, status), read_data: Vec::new() }
                .into()
        }
        Request::DeviceWriteRequest(request) => {
            DeviceWriteResponse { device_io_reply: reply(&request.device_io_request, status), length: 0 }.into()
        }
        Request::DeviceFlushBuffersRequest(request) => {
            DeviceFlushBuffersResponse { device_io_response: reply(&request.device_io_request, status) }.into()
        }
        Request::ServerDriveQueryInformationRequest(request) => ClientDriveQueryInformationResponse {
            device_io_response: reply(&request.device_io_request, status),
            buffer: None,
        }
        .into(),
        // Its length is the request's, so it is what a PDU can hold.
        Request::ServerDriveSetInformationRequest(request) => {
            ClientDriveSetInformationResponse::new(request, status).ok()?.into()
        }
        Request::ServerDriveQueryDirectoryRequest(request) => ClientDriveQueryDirectoryResponse {
            device_io_reply: reply(&request.device_io_request, status),
            buffer: None,
        }
        .into(),
        Request::ServerDriveNotifyChangeDirectoryRequest(request) => unwatched(&request.device_io_request, status),
        Request::ServerDriveQueryVolumeInformationRequest(request) => {
            ClientDriveQueryVolumeInformationResponse::new(request.device_io_request.clone(), status, None).into()
        }
        Request::ServerDriveLockControlRequest(request) => {
            ClientDriveLockControlResponse::new(request.device_io_request.clone(), status).into()
        }
        Request::DeviceControlRequest(request) => DeviceControlResponse::new(request.clone(), status, None).into(),
        Request::ServerDriveQuerySecurityRequest(request) => ClientDriveQuerySecurityResponse {
            device_io_response: reply(&request.device_io_request, status),
            security_descriptor: None,
        }
        .into(),
        Request::ServerDriveSetSecurityRequest(request) => {
            ClientDriveSetSecurityResponse { device_io_response: reply(&request.device_io_request, status), length: 0 }
                .into()
        }
    })
}

fn unwatched(request: &DeviceIoRequest, status: NtStatus) -> RdpdrPdu {
    ClientDriveNotifyChangeDirectoryResponse::new(request.clone(), status, Vec::new()).into()
}

/// Does what a request asks for.
pub(super) fn answer(disk: &mut Disk, request: &ServerDriveIoRequest, out: &mut Outcome) {
    use ServerDriveIoRequest as Request;
    let answered = match request {
        Request::ServerCreateDriveRequest(create) => Ok(created(&create.device_io_request, disk.create(create))),
        Request::DeviceCloseRequest(close) => disk.close(&close.device_io_request).map(|closed| {
            out.arrived.extend(closed.arrived);
            out.replies.extend(closed.watches.iter().map(|watch| unwatched(watch, NtStatus::CANCELLED)));
            DeviceCloseResponse { device_io_response: reply(&close.device_io_request, NtStatus::SUCCESS) }.into()
        }),
        Request::DeviceReadRequest(read) => {
            disk.read(&read.device_io_request, read.offset, read.length).map(|read_data| {
                out.bytes += read_data.len();
                let device_io_reply = reply(&read.device_io_request, NtStatus::SUCCESS);
                DeviceReadResponse { device_io_reply, read_data }.into()
            })
        }
        Request::DeviceWriteRequest(write) => {
            disk.write(&write.device_io_request, write.offset, &write.write_data).map(|()| {
                let device_io_reply = reply(&write.device_io_request, NtStatus::SUCCESS);
                let length = u32::try_from(write.write_data.len()).unwrap_or(u32::MAX);
                DeviceWriteResponse { device_io_reply, length }.into()
            })
        }
        Request::DeviceFlushBuffersRequest(flush) => disk.flush(&flush.device_io_request).map(|()| {
            DeviceFlushBuffersResponse { device_io_response: reply(&flush.device_io_request, NtStatus::SUCCESS) }.into()
        }),
        Request::ServerDriveQueryInformationRequest(query) => disk.query(query).map(|info| {
            let device_io_response = reply(&query.device_io_request, NtStatus::SUCCESS);
            ClientDriveQueryInformationResponse { device_io_response, buffer: Some(info) }.into()
        }),
        Request::ServerDriveQueryVolumeInformationRequest(query) => disk.query_volume(query).map(|info| {
            let io = query.device_io_request.clone();
            ClientDriveQueryVolumeInformationResponse::new(io, NtStatus::SUCCESS, Some(info)).into()
        }),
        Request::ServerDriveQueryDirectoryRequest(query) => disk.query_directory(query).map(|info| {
            let device_io_reply = reply(&query.device_io_request, NtStatus::SUCCESS);
            ClientDriveQueryDirectoryResponse { device_io_reply, buffer: Some(info) }.into()
        }),
        Request::ServerDriveNotifyChangeDirectoryRequest(watch) => match disk.watch(&watch.device_io_request) {
            Ok(()) => return,
            Err(status) => Err(status),
        },
        Request::ServerDriveSetInformationRequest(set) => match disk.set(set) {
            Ok(()) => Err(NtStatus::SUCCESS),
            Err(status) => Err(status),
        },
        // Nothing else has the files open that the server does not know of, and no code of devices makes sense here.
        Request::ServerDriveLockControlRequest(_)
        | Request::DeviceControlRequest(_)
        | Request::ServerDriveQuerySecurityRequest(_)
        | Request::ServerDriveSetSecurityRequest(_) => Err(NtStatus::NOT_SUPPORTED),
    };
    match answered {
        Ok(reply) => out.replies.push(reply),
        // Answers without a body are the same whether they refuse or not.
        Err(status) => out.replies.extend(refusal(request, status)),
    }
}
