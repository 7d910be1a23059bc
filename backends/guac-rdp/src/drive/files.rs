//! What the server does to files, on the drive's worker: open handles and everything asked of them.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, File, FileExt as _, OpenOptions, OpenOptionsExt as _};
use ironrdp_rdpdr::pdu::efs::{
    CreateDisposition, CreateOptions, DesiredAccess, DeviceCreateRequest, DeviceIoRequest, FileInformationClass,
    FileSystemInformationClass, Information, NtStatus, ServerDriveQueryDirectoryRequest,
    ServerDriveQueryInformationRequest, ServerDriveQueryVolumeInformationRequest, ServerDriveSetInformationRequest,
};
use rustix::fs::OFlags;

use crate::drive::directory::Listing;
use crate::drive::info::{self, Stat, status};
use crate::drive::path::{BadPath, DrivePath};

/// Files and directories that a server may have open at once (RDP-044).
pub(super) const MAX_OPEN_FILES: usize = 128;

/// Bytes of one read, as guacd's: Windows asks for far fewer, and a hostile server for four gigabytes.
pub(super) const MAX_READ_BYTES: u32 = 4 << 20;

/// Waiting for a directory to change: one for each that a server may have open. All wait until their directory is
/// closed.
const MAX_WATCHES: usize = MAX_OPEN_FILES;

/// FILE_WRITE_TO_END_OF_FILE: where a write goes that appends.
const END_OF_FILE: u64 = u64::MAX;

/// What uploads and the server's own files are to others on the host: nothing.
pub(super) const FILE_MODE: u32 = 0o600;
pub(super) const DIRECTORY_MODE: u32 = 0o700;

/// Opens without waiting: a pipe in the directory, put there by whoever, would keep the worker for ever.
pub(super) fn open_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(FILE_MODE).custom_flags(i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default());
    options
}

/// A file or directory that the server has open.
#[derive(Debug)]
struct Handle {
    path: DrivePath,
    directory: bool,
    /// None for directories, and where only attributes are asked for.
    file: Option<File>,
    /// Its end deletes it.
    delete: bool,
    /// It was written to, or moved into `Download`: its end may send it.
    arrived: bool,
    listing: Option<Listing>,
    watches: Vec<DeviceIoRequest>,
}

/// The drive's directory and what the server has open of it.
#[derive(Debug)]
pub(super) struct Disk {
    root: Arc<Dir>,
    label: String,
    handles: HashMap<u32, Handle>,
    last_id: u32,
    /// Where files go that are for the owner; none where downloads are off.
    download: Option<DrivePath>,
}

/// What the end of a handle leaves to do.
#[derive(Debug, Default)]
pub(super) struct Closed {
    /// Requests that waited on it.
    pub(super) watches: Vec<DeviceIoRequest>,
    /// A file for the owner.
    pub(super) arrived: Option<DrivePath>,
}

impl Disk {
    pub(super) fn new(root: Arc<Dir>, label: String, download: Option<DrivePath>) -> Self {
        Self { root, label, handles: HashMap::new(), last_id: 0, download }
    }

    pub(super) fn root(&self) -> &Arc<Dir> {
        &self.root
    }

    pub(super) fn create(&mut self, request: &DeviceCreateRequest) -> Result<(u32, Information), NtStatus> {
        if self.handles.len() >= MAX_OPEN_FILES {
            return Err(NtStatus::from(info::TOO_MANY_OPENED_FILES));
        }
        let path = parse(&request.path)?;
        let found = match self.root.metadata(path.as_path()) {
            Ok(metadata) => Some(Stat::new(&metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(status(&error)),
        };
        let options = &request.create_options;
        let directory = match found {
            Some(stat) => {
                check_existing(&stat, request)?;
                stat.directory
            }
            None => {
                self.check_missing(&path, request)?;
                options.contains(CreateOptions::FILE_DIRECTORY_FILE)
            }
        };
        let delete = options.contains(CreateOptions::FILE_DELETE_ON_CLOSE);
        if delete && path.is_root() {
            return Err(NtStatus::ACCESS_DENIED);
        }
        let file = if !directory {
            self.open(&path, found.is_some(), request).map_err(|error| status(&error))?
        } else {
            if found.is_none() {
                let mut builder = DirBuilder::new();
                builder.mode(DIRECTORY_MODE);
                self.root.create_dir_with(path.as_path(), &builder).map_err(|error| status(&error))?;
            }
            None
        };
        let id = self.free_id();
        let handle = Handle { path, directory, file, delete, arrived: false, listing: None, watches: Vec::new() };
        self.handles.insert(id, handle);
        // MS-RDPEFS 2.2.1.5.1 ties it to what was asked for.
        let information = match request.create_disposition {
            CreateDisposition::FILE_OPEN_IF => Information::FILE_OPENED,
            CreateDisposition::FILE_OVERWRITE_IF => Information::FILE_OVERWRITTEN,
            _ => Information::FILE_SUPERSEDED,
        };
        Ok((id, information))
    }

    fn check_missing(&self, path: &DrivePath, request: &DeviceCreateRequest) -> Result<(), NtStatus> {
        if !self.root.is_dir(path.parent().as_path()) {
            return Err(NtStatus::OBJECT_PATH_NOT_FOUND);
        }
        match request.create_disposition {
            CreateDisposition::FILE_OPEN | CreateDisposition::FILE_OVERWRITE => Err(NtStatus::NO_SUCH_FILE),
            CreateDisposition::FILE_CREATE
            | CreateDisposition::FILE_OPEN_IF
            | CreateDisposition::FILE_OVERWRITE_IF
            | CreateDisposition::FILE_SUPERSEDE => Ok(()),
            _ => Err(NtStatus::INVALID_PARAMETER),
        }
    }

    /// A number that no open file has, and that none had lately.
    fn free_id(&mut self) -> u32 {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if self.last_id != 0 && !self.handles.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }

    /// Opens or creates a file; none where only its attributes are of interest.
    fn open(&self, path: &DrivePath, exists: bool, request: &DeviceCreateRequest) -> io::Result<Option<File>> {
        let access = &request.desired_access;
        let any = DesiredAccess::MAXIMUM_ALLOWED | DesiredAccess::GENERIC_ALL;
        let read = access.intersects(
            any.clone()
                | DesiredAccess::GENERIC_READ
                | DesiredAccess::GENERIC_EXECUTE
                | DesiredAccess::FILE_EXECUTE
                | DesiredAccess::FILE_READ_DATA_OR_FILE_LIST_DIRECTORY,
        );
        let write = access.intersects(
            any | DesiredAccess::GENERIC_WRITE
                | DesiredAccess::FILE_WRITE_DATA_OR_FILE_ADD_FILE
                | DesiredAccess::FILE_APPEND_DATA_OR_FILE_ADD_SUBDIRECTORY,
        );
        let empty = matches!(
            request.create_disposition,
            CreateDisposition::FILE_SUPERSEDE
                | CreateDisposition::FILE_OVERWRITE
                | CreateDisposition::FILE_OVERWRITE_IF
        );
        let mut options = open_options();
        if !exists {
            return self.root.open_with(path.as_path(), options.read(read).write(true).create_new(true)).map(Some);
        }
        if !read && !write && !empty {
            return Ok(None);
        }
        let opened = self.root.open_with(path.as_path(), options.read(read).write(write || empty).truncate(empty));
        match opened {
            // As much as is allowed may be less than everything.
            Err(error)
                if error.kind() == io::ErrorKind::PermissionDenied
                    && access.contains(DesiredAccess::MAXIMUM_ALLOWED)
                    && !empty =>
            {
                self.root.open_with(path.as_path(), open_options().read(true)).map(Some)
            }
            opened => opened.map(Some),
        }
    }

    fn handle(&mut self, request: &DeviceIoRequest) -> Result<&mut Handle, NtStatus> {
        self.handles.get_mut(&request.file_id).ok_or(NtStatus::INVALID_HANDLE)
    }

    /// Ends a handle: deletes its file if that is what its end does.
    pub(super) fn close(&mut self, request: &DeviceIoRequest) -> Result<Closed, NtStatus> {
        let handle = self.handles.remove(&request.file_id).ok_or(NtStatus::INVALID_HANDLE)?;
        Ok(self.end(handle))
    }

    /// Ends all handles: the server began anew. Nobody waits for answers any more.
    pub(super) fn close_all(&mut self) -> Vec<DrivePath> {
        let handles = std::mem::take(&mut self.handles);
        handles.into_values().filter_map(|handle| self.end(handle).arrived).collect()
    }

    fn end(&mut self, handle: Handle) -> Closed {
        let Handle { path, directory, file, delete, arrived, watches, .. } = handle;
        drop(file);
        if delete {
            let removed =
                if directory { self.root.remove_dir(path.as_path()) } else { self.root.remove_file(path.as_path()) };
            if let Err(error) = removed {
                tracing::debug!(%error, "File of the drive not deleted");
            }
            return Closed { watches, arrived: None };
        }
        if !arrived || !self.download.as_ref().is_some_and(|download| path.is_below(download)) {
            return Closed { watches, arrived: None };
        }
        // Whoever has it open besides may still write.
        if let Some(other) = self.handles.values_mut().find(|other| other.file.is_some() && other.path == path) {
            other.arrived = true;
            return Closed { watches, arrived: None };
        }
        Closed { watches, arrived: Some(path) }
    }

    pub(super) fn read(&mut self, request: &DeviceIoRequest, offset: u64, length: u32) -> Result<Vec<u8>, NtStatus> {
        let handle = self.handle(request)?;
        let file = handle.file.as_ref().ok_or(no_data(handle.directory))?;
        let left = file.metadata().map_err(|error| status(&error))?.len().saturating_sub(offset);
        let wanted = u64::from(length.min(MAX_READ_BYTES)).min(left);
        let mut data = vec![0; usize::try_from(wanted).unwrap_or_default()];
        let mut filled = 0;
        while let Some(rest) = data.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(status(&error)),
            }
        }
        data.truncate(filled);
        Ok(data)
    }

    pub(super) fn write(&mut self, request: &DeviceIoRequest, offset: u64, data: &[u8]) -> Result<(), NtStatus> {
        let handle = self.handle(request)?;
        let file = handle.file.as_ref().ok_or(no_data(handle.directory))?;
        let offset =
            if offset == END_OF_FILE { file.metadata().map_err(|error| status(&error))?.len() } else { offset };
        let end = offset.checked_add(data.len() as u64).filter(|end| i64::try_from(*end).is_ok());
        if end.is_none() {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        file.write_all_at(data, offset).map_err(|error| status(&error))?;
        handle.arrived = true;
        Ok(())
    }

    /// What was written is the host's already; there is nothing to add. Only that the file is open.
    pub(super) fn flush(&mut self, request: &DeviceIoRequest) -> Result<(), NtStatus> {
        self.handle(request).map(drop)
    }

    fn stat(&mut self, request: &DeviceIoRequest) -> Result<Stat, NtStatus> {
        let root = Arc::clone(&self.root);
        let handle = self.handle(request)?;
        let metadata = match &handle.file {
            Some(file) => file.metadata(),
            None => root.metadata(handle.path.as_path()),
        };
        metadata.map(|metadata| Stat::new(&metadata)).map_err(|error| status(&error))
    }

    pub(super) fn query(
        &mut self,
        request: &ServerDriveQueryInformationRequest,
    ) -> Result<FileInformationClass, NtStatus> {
        let stat = self.stat(&request.device_io_request)?;
        let delete = self.handle(&request.device_io_request)?.delete;
        stat.query(&request.file_info_class_lvl, delete).ok_or(NtStatus::NOT_SUPPORTED)
    }

    pub(super) fn query_volume(
        &mut self,
        request: &ServerDriveQueryVolumeInformationRequest,
    ) -> Result<FileSystemInformationClass, NtStatus> {
        self.handle(&request.device_io_request)?;
        let volume = || -> io::Result<_> {
            let root = Stat::new(&self.root.dir_metadata()?);
            info::volume(&*self.root, &root, &self.label, &request.fs_info_class_lvl)
        };
        volume().map_err(|error| status(&error))?.ok_or(NtStatus::NOT_SUPPORTED)
    }

    pub(super) fn query_directory(
        &mut self,
        request: &ServerDriveQueryDirectoryRequest,
    ) -> Result<FileInformationClass, NtStatus> {
        let root = Arc::clone(&self.root);
        let handle = self.handle(&request.device_io_request)?;
        if !handle.directory {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        if request.initial_query != 0 {
            handle.listing = Some(Listing::new(&root, &handle.path, &request.path)?);
        }
        handle.listing.as_mut().ok_or(NtStatus::NO_MORE_FILES)?.next(&root, &request.file_info_class_lvl)
    }

    /// Remembers a request that only its directory's end answers.
    pub(super) fn watch(&mut self, request: &DeviceIoRequest) -> Result<(), NtStatus> {
        let watches: usize = self.handles.values().map(|handle| handle.watches.len()).sum();
        let handle = self.handle(request)?;
        if !handle.directory {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        if watches >= MAX_WATCHES {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        handle.watches.push(request.clone());
        Ok(())
    }

    pub(super) fn set(&mut self, request: &ServerDriveSetInformationRequest) -> Result<(), NtStatus> {
        let io = &request.device_io_request;
        match &request.set_buffer {
            FileInformationClass::Basic(info) => {
                let root = Arc::clone(&self.root);
                let handle = self.handle(io)?;
                let set = match &handle.file {
                    Some(file) => info::set_times(file, info),
                    None if handle.directory => {
                        root.open_dir(handle.path.as_path()).and_then(|directory| info::set_times(&directory, info))
                    }
                    None => root
                        .open_with(handle.path.as_path(), open_options().read(true))
                        .and_then(|file| info::set_times(&file, info)),
                };
                set.map_err(|error| status(&error))
            }
            FileInformationClass::EndOfFile(info) => self.resize(io, info.end_of_file, true),
            FileInformationClass::Allocation(info) => self.resize(io, info.allocation_size, false),
            FileInformationClass::Disposition(info) => self.dispose(io, info.delete_pending != 0),
            FileInformationClass::Rename(info) => self.rename(io, &info.file_name, info.replace_if_exists.into()),
            _ => Err(NtStatus::NOT_SUPPORTED),
        }
    }

    /// Sets a file's end. Space that is set aside is not: it only shortens (MS-FSA 2.1.5.15.1).
    fn resize(&mut self, request: &DeviceIoRequest, bytes: i64, extend: bool) -> Result<(), NtStatus> {
        let handle = self.handle(request)?;
        let file = handle.file.as_ref().ok_or(no_data(handle.directory))?;
        let bytes = u64::try_from(bytes).map_err(|_| NtStatus::INVALID_PARAMETER)?;
        let len = file.metadata().map_err(|error| status(&error))?.len();
        if extend || bytes < len {
            file.set_len(bytes).map_err(|error| status(&error))?;
        }
        Ok(())
    }

    fn dispose(&mut self, request: &DeviceIoRequest, delete: bool) -> Result<(), NtStatus> {
        let root = Arc::clone(&self.root);
        let handle = self.handle(request)?;
        if delete && handle.path.is_root() {
            return Err(NtStatus::ACCESS_DENIED);
        }
        if delete && handle.directory {
            let mut entries = root.read_dir(handle.path.as_path()).map_err(|error| status(&error))?;
            if entries.next().is_some() {
                return Err(NtStatus::DIRECTORY_NOT_EMPTY);
            }
        }
        handle.delete = delete;
        Ok(())
    }

    fn rename(&mut self, request: &DeviceIoRequest, name: &str, replace: u8) -> Result<(), NtStatus> {
        let new = parse(name)?;
        let handle = self.handle(request)?;
        let (old, directory) = (handle.path.clone(), handle.directory);
        if old.is_root() || new.is_root() {
            return Err(NtStatus::ACCESS_DENIED);
        }
        if replace == 0 && new != old && self.root.symlink_metadata(new.as_path()).is_ok() {
            return Err(NtStatus::OBJECT_NAME_COLLISION);
        }
        self.root.rename(old.as_path(), &self.root, new.as_path()).map_err(|error| status(&error))?;
        for handle in self.handles.values_mut() {
            if let Some(path) = handle.path.renamed(&old, &new) {
                handle.path = path;
            }
        }
        if !directory {
            self.handle(request)?.arrived = true;
        }
        Ok(())
    }
}

fn parse(path: &str) -> Result<DrivePath, NtStatus> {
    DrivePath::parse(path).map_err(|bad| match bad {
        BadPath::Escapes => NtStatus::ACCESS_DENIED,
        BadPath::Malformed => NtStatus::OBJECT_NAME_INVALID,
    })
}

/// Why there is no data to read or write.
fn no_data(directory: bool) -> NtStatus {
    if directory { NtStatus::FILE_IS_A_DIRECTORY } else { NtStatus::ACCESS_DENIED }
}

fn check_existing(stat: &Stat, request: &DeviceCreateRequest) -> Result<(), NtStatus> {
    let (options, disposition) = (&request.create_options, request.create_disposition);
    if !stat.directory && !stat.regular {
        return Err(NtStatus::ACCESS_DENIED);
    }
    if stat.directory && options.contains(CreateOptions::FILE_NON_DIRECTORY_FILE) {
        return Err(NtStatus::FILE_IS_A_DIRECTORY);
    }
    if !stat.directory && options.contains(CreateOptions::FILE_DIRECTORY_FILE) {
        return Err(NtStatus::NOT_A_DIRECTORY);
    }
    match disposition {
        CreateDisposition::FILE_OPEN | CreateDisposition::FILE_OPEN_IF => Ok(()),
        CreateDisposition::FILE_CREATE => Err(NtStatus::OBJECT_NAME_COLLISION),
        CreateDisposition::FILE_OVERWRITE
        | CreateDisposition::FILE_OVERWRITE_IF
        | CreateDisposition::FILE_SUPERSEDE => {
            if stat.directory {
                Err(NtStatus::OBJECT_NAME_COLLISION)
            } else {
                Ok(())
            }
        }
        _ => Err(NtStatus::INVALID_PARAMETER),
    }
}
