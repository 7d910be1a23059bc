//! The drive between a server in memory and a directory on disk.

mod owner;
mod server;

use std::path::{Path, PathBuf};

use ironrdp_rdpdr::pdu::RdpdrPdu;
use ironrdp_rdpdr::pdu::efs::{
    ClientDriveQueryDirectoryResponse, ClientDriveQueryInformationResponse, CreateDisposition, CreateOptions,
    DesiredAccess, DeviceIoResponse, FileInformationClass, FileInformationClassLevel, FileRenameInformation, NtStatus,
};
use ironrdp_rdpdr::server::{NoopRdpdrServerBackend, RdpdrServer};
use ironrdp_svc::SvcProcessor as _;

use super::*;

pub(super) const READ: DesiredAccess = DesiredAccess::GENERIC_READ;
pub(super) const WRITE: DesiredAccess = DesiredAccess::GENERIC_WRITE;

pub(super) fn folder(path: &Path) -> SharedFolder {
    SharedFolder {
        name: "Shared Files".to_owned(),
        path: path.to_str().unwrap().to_owned(),
        create: false,
        download: true,
        upload: true,
        takes_dropped: true,
    }
}

/// A server, our end of the channel, and a directory of which only `drive` is shared.
pub(super) struct Pair {
    pub(super) server: RdpdrServer,
    pub(super) client: Rdpdr,
    pub(super) share: Share,
    pub(super) printer: Option<Printer>,
    pub(super) host: tempfile::TempDir,
}

/// The server and our end of the channel, introduced to each other.
pub(super) fn introduced(server: &mut RdpdrServer, client: &mut Rdpdr) {
    let mut from_server = server.start().unwrap();
    let mut logged_on = false;
    loop {
        let mut from_client = Vec::new();
        for message in from_server.drain(..) {
            from_client.extend(client.process(&message.encode_unframed_pdu().unwrap()).unwrap());
        }
        for message in from_client {
            from_server.extend(server.process(&message.encode_unframed_pdu().unwrap()).unwrap());
        }
        if from_server.is_empty() {
            if logged_on {
                return;
            }
            logged_on = true;
            from_server.push(SvcMessage::from(RdpdrPdu::UserLoggedon));
        }
    }
}

impl Pair {
    pub(super) async fn new() -> Self {
        let host = tempfile::tempdir().unwrap();
        std::fs::create_dir(host.path().join("drive")).unwrap();
        std::fs::write(host.path().join("secret"), b"secret").unwrap();
        let share = Share::open(folder(&host.path().join("drive"))).await.unwrap();
        let mut server = RdpdrServer::new(Box::new(NoopRdpdrServerBackend));
        let drives = Some(vec![(DRIVE_ID, share.name.clone())]);
        let mut client = Rdpdr::new(Box::new(Requests::default()), "client".to_owned()).with_drives(drives);
        introduced(&mut server, &mut client);
        let mut pair = Self { server, client, share, printer: None, host };
        // The introduction is a beginning.
        assert!(pair.settle().await.is_empty());
        pair
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.host.path().join("drive").join(name)
    }

    pub(super) fn hear(&mut self, messages: Vec<SvcMessage>) {
        for message in messages {
            let answers = self.client.process(&message.encode_unframed_pdu().unwrap()).unwrap();
            assert!(answers.is_empty());
        }
    }

    /// Goes on until there is nothing to do; gives all answers, which the server understands.
    pub(super) async fn settle(&mut self) -> Vec<RdpdrPdu> {
        let mut replies = Vec::new();
        loop {
            let backend = self.client.downcast_backend_mut::<Requests>().unwrap();
            let Requests { drive, restarted, .. } = std::mem::take(backend);
            replies.extend(self.share.turn(drive, restarted, true));
            if self.share.worker.is_idle() {
                return replies;
            }
            self.share.wake().await;
        }
    }

    /// One request, one answer.
    pub(super) async fn ask(&mut self, messages: Vec<SvcMessage>) -> RdpdrPdu {
        self.hear(messages);
        let mut replies = self.settle().await;
        assert_eq!(replies.len(), 1, "{replies:?}");
        let reply = replies.remove(0);
        let bytes = ironrdp_core::encode_vec(&reply).unwrap();
        self.server.process(&bytes).unwrap();
        reply
    }

    pub(super) async fn try_create(
        &mut self,
        path: &str,
        access: DesiredAccess,
        disposition: CreateDisposition,
        options: CreateOptions,
    ) -> Result<u32, NtStatus> {
        let asked = self.server.drive_create(DRIVE_ID, path, access, disposition, options).unwrap();
        let RdpdrPdu::DeviceCreateResponse(created) = self.ask(asked).await else { panic!() };
        success(&created.device_io_reply).map(|()| created.file_id)
    }

    pub(super) async fn create(&mut self, path: &str) -> u32 {
        let options = CreateOptions::FILE_NON_DIRECTORY_FILE;
        self.try_create(path, READ | WRITE, CreateDisposition::FILE_CREATE, options).await.unwrap()
    }

    pub(super) async fn open(&mut self, path: &str) -> Result<u32, NtStatus> {
        self.try_create(path, READ | WRITE, CreateDisposition::FILE_OPEN, CreateOptions::empty()).await
    }

    pub(super) async fn directory(&mut self, path: &str) -> u32 {
        let options = CreateOptions::FILE_DIRECTORY_FILE;
        self.try_create(path, READ, CreateDisposition::FILE_OPEN_IF, options).await.unwrap()
    }

    pub(super) async fn write(&mut self, file: u32, offset: u64, data: &[u8]) -> Result<u32, NtStatus> {
        let asked = self.server.drive_write(DRIVE_ID, file, data.to_vec(), offset).unwrap();
        let RdpdrPdu::DeviceWriteResponse(written) = self.ask(asked).await else { panic!() };
        success(&written.device_io_reply).map(|()| written.length)
    }

    pub(super) async fn read(&mut self, file: u32, offset: u64, length: u32) -> Result<Vec<u8>, NtStatus> {
        let asked = self.server.drive_read(DRIVE_ID, file, length, offset).unwrap();
        let RdpdrPdu::DeviceReadResponse(read) = self.ask(asked).await else { panic!() };
        success(&read.device_io_reply).map(|()| read.read_data)
    }

    pub(super) async fn close(&mut self, file: u32) -> Result<(), NtStatus> {
        let asked = self.server.drive_close(DRIVE_ID, file).unwrap();
        let RdpdrPdu::DeviceCloseResponse(closed) = self.ask(asked).await else { panic!() };
        success(&closed.device_io_response)
    }

    pub(super) async fn query(
        &mut self,
        file: u32,
        class: FileInformationClassLevel,
    ) -> ClientDriveQueryInformationResponse {
        let asked = self.server.drive_query_information(DRIVE_ID, file, class).unwrap();
        let RdpdrPdu::ClientDriveQueryInformationResponse(queried) = self.ask(asked).await else { panic!() };
        queried
    }

    pub(super) async fn set(&mut self, file: u32, info: FileInformationClass) -> NtStatus {
        let asked = self.server.drive_set_information(DRIVE_ID, file, info).unwrap();
        let reply = self.ask(asked).await;
        let bytes = ironrdp_core::encode_vec(&reply).unwrap();
        // Its fields are the library's own; the status follows the header, the device and the completion.
        NtStatus::from(u32::from_le_bytes(bytes[12..16].try_into().unwrap()))
    }

    pub(super) async fn rename(&mut self, file: u32, name: &str, replace: bool) -> NtStatus {
        let info = FileRenameInformation { replace_if_exists: u8::from(replace).into(), file_name: name.to_owned() };
        self.set(file, info.into()).await
    }

    async fn next_entry(
        &mut self,
        directory: u32,
        search: &str,
        initial: bool,
        class: FileInformationClassLevel,
    ) -> ClientDriveQueryDirectoryResponse {
        let asked = self.server.drive_query_directory(DRIVE_ID, directory, class, search, initial).unwrap();
        let RdpdrPdu::ClientDriveQueryDirectoryResponse(entry) = self.ask(asked).await else { panic!() };
        entry
    }

    /// Names that a search finds, sorted, without the two that every directory has.
    pub(super) async fn list(&mut self, directory: u32, search: &str) -> Result<Vec<String>, NtStatus> {
        let (mut names, mut initial) = (Vec::new(), true);
        loop {
            let class = FileInformationClassLevel::FILE_BOTH_DIRECTORY_INFORMATION;
            let entry = self.next_entry(directory, search, std::mem::replace(&mut initial, false), class).await;
            match entry.buffer {
                Some(FileInformationClass::BothDirectory(entry)) => names.push(entry.file_name),
                Some(other) => panic!("{other:?}"),
                None if entry.device_io_reply.io_status == NtStatus::NO_MORE_FILES => break,
                None => return Err(entry.device_io_reply.io_status),
            }
        }
        names.retain(|name| name != "." && name != "..");
        names.sort();
        Ok(names)
    }
}

pub(super) fn success(reply: &DeviceIoResponse) -> Result<(), NtStatus> {
    if reply.io_status == NtStatus::SUCCESS { Ok(()) } else { Err(reply.io_status) }
}
