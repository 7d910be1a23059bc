//! What the server gets to know about files and the volume, in its own terms.

use std::io;
use std::os::fd::AsFd;

use cap_std::fs::{Metadata, MetadataExt as _};
use ironrdp_rdpdr::pdu::efs::{
    Boolean, Characteristics, FileAttributeTagInformation, FileAttributes, FileBasicInformation,
    FileBothDirectoryInformation, FileDirectoryInformation, FileFsAttributeInformation, FileFsDeviceInformation,
    FileFsFullSizeInformation, FileFsSizeInformation, FileFsVolumeInformation, FileFullDirectoryInformation,
    FileInformationClass, FileInformationClassLevel, FileNamesInformation, FileStandardInformation,
    FileSystemAttributes, FileSystemInformationClass, FileSystemInformationClassLevel, NtStatus,
};
use rustix::fs::{Timespec, Timestamps, UTIME_OMIT};

/// Seconds from the beginning of Windows' time (1601) to that of Unix (1970).
const EPOCH_DIFFERENCE_S: i64 = 11_644_473_600;

/// Windows counts in steps of 100 ns.
const TICKS_PER_S: i64 = 10_000_000;

/// What Windows calls the file system. A name that it knows would come with limits and promises that are not ours:
/// FAT32 holds no files of 4 GiB, NTFS has access lists.
const FILE_SYSTEM: &str = "GUACFS";

/// FILE_DEVICE_DISK (MS-FSCC 2.5.10).
const DEVICE_DISK: u32 = 7;

/// Sectors, as Windows expects them to be.
const SECTOR_BYTES: u32 = 512;

// MS-ERREF 2.3.1, as far as the library has no names for them.
pub(super) const TOO_MANY_OPENED_FILES: u32 = 0xC000_011F;

/// Times in Windows' count, sizes in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stat {
    pub(super) directory: bool,
    /// Neither a directory nor a device, pipe or socket.
    pub(super) regular: bool,
    len_bytes: i64,
    allocated_bytes: i64,
    links: u32,
    created: i64,
    accessed: i64,
    modified: i64,
    changed: i64,
    /// Device and number: which file it is, whatever its name.
    identity: (u64, u64),
}

/// A file as it was once: another one of its name, or itself written to, is another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version((u64, u64), i64, i64);

impl Stat {
    pub(super) fn new(metadata: &Metadata) -> Self {
        let modified = ticks(metadata.mtime(), metadata.mtime_nsec());
        let created = metadata.created().ok().and_then(|created| {
            let since = created.into_std().duration_since(std::time::UNIX_EPOCH).ok()?;
            Some(ticks(i64::try_from(since.as_secs()).ok()?, i64::from(since.subsec_nanos())))
        });
        let directory = metadata.is_dir();
        Self {
            directory,
            regular: metadata.is_file(),
            len_bytes: if directory { 0 } else { i64::try_from(metadata.len()).unwrap_or(i64::MAX) },
            allocated_bytes: i64::try_from(metadata.blocks().saturating_mul(SECTOR_BYTES.into())).unwrap_or(i64::MAX),
            links: u32::try_from(metadata.nlink()).unwrap_or(u32::MAX),
            created: created.unwrap_or(modified),
            accessed: ticks(metadata.atime(), metadata.atime_nsec()),
            modified,
            changed: ticks(metadata.ctime(), metadata.ctime_nsec()),
            identity: (metadata.dev(), metadata.ino()),
        }
    }

    pub(super) fn version(&self) -> Version {
        Version(self.identity, self.len_bytes, self.modified)
    }

    fn attributes(&self) -> FileAttributes {
        if self.directory { FileAttributes::FILE_ATTRIBUTE_DIRECTORY } else { FileAttributes::FILE_ATTRIBUTE_ARCHIVE }
    }

    /// The answer to a query about an open file; none to what nobody asks of a redirected drive.
    pub(super) fn query(
        &self,
        class: &FileInformationClassLevel,
        delete_pending: bool,
    ) -> Option<FileInformationClass> {
        Some(match *class {
            FileInformationClassLevel::FILE_BASIC_INFORMATION => FileBasicInformation {
                creation_time: self.created,
                last_access_time: self.accessed,
                last_write_time: self.modified,
                change_time: self.changed,
                file_attributes: self.attributes(),
            }
            .into(),
            FileInformationClassLevel::FILE_STANDARD_INFORMATION => FileStandardInformation {
                allocation_size: self.allocated_bytes,
                end_of_file: self.len_bytes,
                number_of_links: self.links,
                delete_pending: boolean(delete_pending),
                directory: boolean(self.directory),
            }
            .into(),
            FileInformationClassLevel::FILE_ATTRIBUTE_TAG_INFORMATION => {
                FileAttributeTagInformation { file_attributes: self.attributes(), reparse_tag: 0 }.into()
            }
            _ => return None,
        })
    }

    /// An entry of a listing.
    pub(super) fn entry(&self, class: &FileInformationClassLevel, name: String) -> Option<FileInformationClass> {
        let (created, accessed, modified, changed) = (self.created, self.accessed, self.modified, self.changed);
        let (len, attributes) = (self.len_bytes, self.attributes());
        Some(match *class {
            FileInformationClassLevel::FILE_DIRECTORY_INFORMATION => {
                FileDirectoryInformation::new(created, accessed, modified, changed, len, attributes, name).into()
            }
            FileInformationClassLevel::FILE_FULL_DIRECTORY_INFORMATION => {
                FileFullDirectoryInformation::new(created, accessed, modified, changed, len, attributes, name).into()
            }
            FileInformationClassLevel::FILE_BOTH_DIRECTORY_INFORMATION => {
                FileBothDirectoryInformation::new(created, accessed, modified, changed, len, attributes, name).into()
            }
            FileInformationClassLevel::FILE_NAMES_INFORMATION => FileNamesInformation::new(name).into(),
            _ => return None,
        })
    }
}

fn boolean(value: bool) -> Boolean {
    if value { Boolean::True } else { Boolean::False }
}

/// Unix time to Windows'.
fn ticks(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_add(EPOCH_DIFFERENCE_S).saturating_mul(TICKS_PER_S).saturating_add(nanoseconds / 100).max(0)
}

/// Windows' time to Unix'. 0, -1 and -2 mean that a time stays as it is (MS-FSCC 2.4.7).
fn timespec(ticks: i64) -> Timespec {
    if ticks <= 0 {
        return Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    }
    Timespec { tv_sec: ticks / TICKS_PER_S - EPOCH_DIFFERENCE_S, tv_nsec: ticks % TICKS_PER_S * 100 }
}

/// Sets the times that a host's file has. Attributes are none of them.
pub(super) fn set_times(file: impl AsFd, info: &FileBasicInformation) -> io::Result<()> {
    let times =
        Timestamps { last_access: timespec(info.last_access_time), last_modification: timespec(info.last_write_time) };
    Ok(rustix::fs::futimens(file, &times)?)
}

/// The answer to a query about the volume that `directory` is on.
pub(super) fn volume(
    directory: impl AsFd,
    root: &Stat,
    label: &str,
    class: &FileSystemInformationClassLevel,
) -> io::Result<Option<FileSystemInformationClass>> {
    let space = rustix::fs::fstatvfs(directory)?;
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let sectors_per_unit = u32::try_from(space.f_frsize / u64::from(SECTOR_BYTES)).unwrap_or(1).max(1);
    let (total, available) = (number(space.f_blocks), number(space.f_bavail));
    Ok(Some(match *class {
        FileSystemInformationClassLevel::FILE_FS_VOLUME_INFORMATION => FileFsVolumeInformation {
            volume_creation_time: root.created,
            volume_serial_number: 0,
            supports_objects: Boolean::False,
            volume_label: label.to_owned(),
        }
        .into(),
        FileSystemInformationClassLevel::FILE_FS_SIZE_INFORMATION => FileFsSizeInformation {
            total_alloc_units: total,
            available_alloc_units: available,
            sectors_per_alloc_unit: sectors_per_unit,
            bytes_per_sector: SECTOR_BYTES,
        }
        .into(),
        FileSystemInformationClassLevel::FILE_FS_FULL_SIZE_INFORMATION => FileFsFullSizeInformation {
            total_alloc_units: total,
            caller_available_alloc_units: available,
            actual_available_alloc_units: number(space.f_bfree),
            sectors_per_alloc_unit: sectors_per_unit,
            bytes_per_sector: SECTOR_BYTES,
        }
        .into(),
        FileSystemInformationClassLevel::FILE_FS_ATTRIBUTE_INFORMATION => FileFsAttributeInformation {
            file_system_attributes: FileSystemAttributes::FILE_CASE_SENSITIVE_SEARCH
                | FileSystemAttributes::FILE_CASE_PRESERVED_NAMES
                | FileSystemAttributes::FILE_UNICODE_ON_DISK,
            max_component_name_len: 255,
            file_system_name: FILE_SYSTEM.to_owned(),
        }
        .into(),
        FileSystemInformationClassLevel::FILE_FS_DEVICE_INFORMATION => {
            FileFsDeviceInformation { device_type: DEVICE_DISK, characteristics: Characteristics::empty() }.into()
        }
        _ => return Ok(None),
    }))
}

/// What Windows calls the host's errors. A path that leads out of the drive is a denied one to the library.
pub(super) fn status(error: &io::Error) -> NtStatus {
    use io::ErrorKind;
    match error.kind() {
        // Not `OBJECT_NAME_NOT_FOUND`, as Windows says: xrdp takes that for a broken disk. guacd says this, too.
        ErrorKind::NotFound => NtStatus::NO_SUCH_FILE,
        ErrorKind::PermissionDenied => NtStatus::ACCESS_DENIED,
        ErrorKind::AlreadyExists => NtStatus::OBJECT_NAME_COLLISION,
        ErrorKind::NotADirectory => NtStatus::OBJECT_PATH_NOT_FOUND,
        ErrorKind::IsADirectory => NtStatus::FILE_IS_A_DIRECTORY,
        ErrorKind::DirectoryNotEmpty => NtStatus::DIRECTORY_NOT_EMPTY,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => NtStatus::DISK_FULL,
        ErrorKind::InvalidInput => NtStatus::INVALID_PARAMETER,
        ErrorKind::InvalidFilename => NtStatus::OBJECT_NAME_INVALID,
        ErrorKind::ReadOnlyFilesystem => NtStatus::MEDIA_WRITE_PROTECTED,
        _ => NtStatus::UNSUCCESSFUL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_to_windows_and_back() {
        assert_eq!(ticks(0, 0), 116_444_736_000_000_000);
        assert_eq!(ticks(1_700_000_000, 123_456_700), 133_444_736_001_234_567);
        let back = timespec(133_444_736_001_234_567);
        assert_eq!((back.tv_sec, back.tv_nsec), (1_700_000_000, 123_456_700));
        // Before 1970, and before 1601.
        assert_eq!(timespec(ticks(-5, 0)).tv_sec, -5);
        assert_eq!(ticks(i64::MIN, 0), 0);
        assert!(ticks(i64::MAX, 999_999_999) > 0);
    }

    #[test]
    fn times_that_stay_are_left_out() {
        for kept in [0, -1, -2, i64::MIN] {
            assert_eq!(timespec(kept).tv_nsec, UTIME_OMIT);
        }
    }
}
