//! Redirected devices (MS-RDPEFS), from the server.

use std::io;

use crate::peer::Peer;

/// The static channel of devices.
const CHANNEL: &str = "rdpdr";

/// Packets of `RDPDR_CTYP_CORE` (MS-RDPEFS 2.2.1.1), by their number.
mod packet {
    pub(super) const SERVER_ANNOUNCE: u16 = 0x496E;
    pub(super) const CLIENT_ID_CONFIRM: u16 = 0x4343;
    pub(super) const CLIENT_NAME: u16 = 0x434E;
    pub(super) const SERVER_CAPABILITY: u16 = 0x5350;
    pub(super) const CLIENT_CAPABILITY: u16 = 0x4350;
    pub(super) const DEVICE_LIST: u16 = 0x4441;
    pub(super) const DEVICE_REPLY: u16 = 0x6472;
    pub(super) const IO_REQUEST: u16 = 0x4952;
    pub(super) const IO_COMPLETION: u16 = 0x4943;
    pub(super) const USER_LOGGED_ON: u16 = 0x554C;
}

/// A device of the client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// 8 is a drive, 4 a printer.
    pub kind: u32,
    /// Its number.
    pub id: u32,
    /// Its name for DOS, up to 8 characters.
    pub name: String,
    /// What else is said of it.
    pub data: Vec<u8>,
}

/// An answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// NTSTATUS.
    pub status: u32,
    /// What follows it.
    pub data: Vec<u8>,
}

/// The open channel of devices.
#[derive(Debug)]
pub struct Drives {
    /// What the client has.
    pub devices: Vec<Device>,
    completion: u32,
}

impl Drives {
    /// Opens it, as a user who has logged on.
    ///
    /// # Errors
    /// The client is gone or says something else.
    pub fn open(peer: &mut Peer) -> io::Result<Self> {
        // Version 1.13, client 1.
        Self::send(peer, packet::SERVER_ANNOUNCE, &[1, 0, 13, 0, 1, 0, 0, 0])?;
        Self::expect(peer, packet::CLIENT_ID_CONFIRM)?;
        Self::expect(peer, packet::CLIENT_NAME)?;
        Self::send(peer, packet::SERVER_CAPABILITY, &capabilities())?;
        Self::send(peer, packet::CLIENT_ID_CONFIRM, &[1, 0, 13, 0, 1, 0, 0, 0])?;
        Self::expect(peer, packet::CLIENT_CAPABILITY)?;
        Self::send(peer, packet::USER_LOGGED_ON, &[])?;
        let list = Self::expect(peer, packet::DEVICE_LIST)?;
        let mut devices = Vec::new();
        let mut rest = list.get(4..).unwrap_or_default();
        while let Some((head, tail)) = rest.split_first_chunk::<20>() {
            let number = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
            let name = String::from_utf8_lossy(&head[8..16]).trim_end_matches('\0').to_owned();
            let (data, after) = tail.split_at(usize::try_from(number(16)).unwrap());
            devices.push(Device { kind: number(0), id: number(4), name, data: data.to_vec() });
            rest = after;
        }
        for device in &devices {
            Self::send(peer, packet::DEVICE_REPLY, &[device.id.to_le_bytes(), [0; 4]].concat())?;
        }
        Ok(Self { devices, completion: 0 })
    }

    /// The client's drive.
    #[must_use]
    pub fn drive(&self) -> u32 {
        self.devices.iter().find(|device| device.kind == 8).unwrap().id
    }

    /// Sends a packet of `RDPDR_CTYP_CORE`.
    ///
    /// # Errors
    /// The client is gone.
    pub fn send(peer: &mut Peer, packet: u16, body: &[u8]) -> io::Result<()> {
        peer.send_channel(CHANNEL, &[&0x4472_u16.to_le_bytes()[..], &packet.to_le_bytes(), body].concat())
    }

    fn expect(peer: &mut Peer, packet: u16) -> io::Result<Vec<u8>> {
        peer.expect_channel(CHANNEL, |data| {
            let (head, body) = data.split_first_chunk::<4>()?;
            (u16::from_le_bytes([head[2], head[3]]) == packet).then(|| body.to_vec())
        })
    }

    /// Sends a request (MS-RDPEFS 2.2.1.4) without waiting; gives its number.
    ///
    /// # Errors
    /// The client is gone.
    pub fn request(
        &mut self,
        peer: &mut Peer,
        device: u32,
        file: u32,
        (major, minor): (u32, u32),
        body: &[u8],
    ) -> io::Result<u32> {
        self.completion += 1;
        let head = [device, file, self.completion, major, minor].map(u32::to_le_bytes).concat();
        Self::send(peer, packet::IO_REQUEST, &[&head, body].concat())?;
        Ok(self.completion)
    }

    /// Waits for the answer to the request with this number.
    ///
    /// # Errors
    /// The client is gone.
    pub fn completion(peer: &mut Peer, number: u32) -> io::Result<Completion> {
        peer.expect_channel(CHANNEL, |data| {
            let (head, body) = data.split_first_chunk::<16>()?;
            let field = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
            let ours = u16::from_le_bytes([head[2], head[3]]) == packet::IO_COMPLETION && field(8) == number;
            ours.then(|| Completion { status: field(12), data: body.to_vec() })
        })
    }

    /// A request and its answer.
    ///
    /// # Errors
    /// The client is gone.
    pub fn call(&mut self, peer: &mut Peer, file: u32, function: (u32, u32), body: &[u8]) -> io::Result<Completion> {
        let drive = self.drive();
        let number = self.request(peer, drive, file, function, body)?;
        Self::completion(peer, number)
    }

    /// Opens or creates (`disposition` of `FILE_OPEN` 1, `FILE_CREATE` 2, `FILE_OPEN_IF` 3, `FILE_OVERWRITE_IF` 5, with
    /// `options`, such as 1 for a directory). The status, or the number of the file.
    ///
    /// # Errors
    /// The client is gone.
    pub fn create(
        &mut self,
        peer: &mut Peer,
        path: &str,
        disposition: u32,
        options: u32,
    ) -> io::Result<Result<u32, u32>> {
        let path: Vec<u8> = path.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        // All access, no size, no attributes, all sharing.
        let mut body = [0x001F_01FF_u32, 0, 0, 0, 7, disposition, options].map(u32::to_le_bytes).concat();
        body.extend(u32::try_from(path.len()).unwrap().to_le_bytes());
        body.extend(path);
        let done = self.call(peer, 0, (0, 0), &body)?;
        Ok(match done.data.first_chunk::<4>() {
            Some(id) if done.status == 0 => Ok(u32::from_le_bytes(*id)),
            _ => Err(done.status),
        })
    }

    /// Reads from a file: the status, or the bytes.
    ///
    /// # Errors
    /// The client is gone.
    pub fn read(&mut self, peer: &mut Peer, file: u32, offset: u64, len: u32) -> io::Result<Result<Vec<u8>, u32>> {
        let body = [&len.to_le_bytes()[..], &offset.to_le_bytes(), &[0; 20]].concat();
        let done = self.call(peer, file, (3, 0), &body)?;
        Ok(if done.status == 0 { Ok(done.data.get(4..).unwrap_or_default().to_vec()) } else { Err(done.status) })
    }

    /// Writes to a file: the status.
    ///
    /// # Errors
    /// The client is gone.
    pub fn write(&mut self, peer: &mut Peer, file: u32, offset: u64, data: &[u8]) -> io::Result<u32> {
        let len = u32::try_from(data.len()).unwrap();
        let body = [&len.to_le_bytes()[..], &offset.to_le_bytes(), &[0; 20], data].concat();
        Ok(self.call(peer, file, (4, 0), &body)?.status)
    }

    /// Closes a file: the status.
    ///
    /// # Errors
    /// The client is gone.
    pub fn close(&mut self, peer: &mut Peer, file: u32) -> io::Result<u32> {
        Ok(self.call(peer, file, (2, 0), &[0; 32])?.status)
    }

    /// Names in an open directory that fit `pattern`, such as `\*`.
    ///
    /// # Errors
    /// The client is gone.
    pub fn list(&mut self, peer: &mut Peer, directory: u32, pattern: &str) -> io::Result<Vec<String>> {
        let path: Vec<u8> = pattern.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        let mut names = Vec::new();
        loop {
            // FileNamesInformation; the pattern is given with the first question only.
            let first = names.is_empty();
            let path = if first { &path[..] } else { &[] };
            let mut body = [&12_u32.to_le_bytes()[..], &[u8::from(first)]].concat();
            body.extend(u32::try_from(path.len()).unwrap().to_le_bytes());
            body.extend([0; 23]);
            body.extend(path);
            let done = self.call(peer, directory, (0x0c, 1), &body)?;
            if done.status != 0 {
                return Ok(names);
            }
            // Length of all; next entry, index, length of the name.
            let name = done.data.get(16..).unwrap_or_default();
            let len = usize::try_from(u32::from_le_bytes(done.data[12..16].try_into().unwrap())).unwrap();
            let units: Vec<u16> = name[..len].as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
            names.push(String::from_utf16_lossy(&units).trim_end_matches('\0').to_owned());
        }
    }
}

/// General and drive capabilities (MS-RDPEFS 2.2.2.7).
fn capabilities() -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0];
    // CAP_GENERAL_TYPE, 44 bytes, version 2.
    bytes.extend([1, 0, 44, 0, 2, 0, 0, 0]);
    // Operating system; version 1.13; all requests; device removal, names and user logged on; flags; special devices.
    bytes.extend([2_u32, 0, 0x000D_0001, 0xFFFF, 0, 7, 0, 0, 0].map(u32::to_le_bytes).concat());
    // CAP_DRIVE_TYPE, 8 bytes, version 2; CAP_PRINTER_TYPE would be 2.
    bytes.extend([4, 0, 8, 0, 2, 0, 0, 0]);
    bytes
}
