//! What the server may do, and what it may not.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use ironrdp_rdpdr::pdu::efs::{
    FileAllocationInformation, FileAttributes, FileBasicInformation, FileDispositionInformation,
    FileEndOfFileInformation, FileSystemInformationClass, FileSystemInformationClassLevel, LockOperation,
    ServerDeviceAnnounceResponse,
};
use proptest::prelude::*;

use super::*;

const NO_NAME: NtStatus = NtStatus::OBJECT_NAME_INVALID;

fn missing() -> NtStatus {
    NtStatus::NO_SUCH_FILE
}

#[tokio::test]
async fn a_file_is_written_read_back_renamed_and_deleted() {
    let mut pair = Pair::new().await;
    let file = pair.create("\\a.txt").await;
    assert_eq!(pair.write(file, 0, b"hello ").await, Ok(6));
    assert_eq!(pair.write(file, 6, b"world").await, Ok(5));
    // To the end, wherever that is.
    assert_eq!(pair.write(file, u64::MAX, b"!").await, Ok(1));
    assert_eq!(pair.read(file, 6, 100).await, Ok(b"world!".to_vec()));
    assert_eq!(pair.read(file, 12, 100).await, Ok(Vec::new()));
    assert_eq!(pair.close(file).await, Ok(()));
    assert_eq!(fs::read(pair.path("a.txt")).unwrap(), b"hello world!");
    assert_eq!(fs::metadata(pair.path("a.txt")).unwrap().permissions().mode() & 0o777, 0o600);

    let file = pair.open("\\a.txt").await.unwrap();
    assert_eq!(pair.rename(file, "\\b.txt", false).await, NtStatus::SUCCESS);
    assert_eq!(pair.read(file, 0, 5).await, Ok(b"hello".to_vec()));
    let delete = FileDispositionInformation { delete_pending: 1 };
    assert_eq!(pair.set(file, delete.into()).await, NtStatus::SUCCESS);
    assert!(pair.path("b.txt").exists());
    assert_eq!(pair.close(file).await, Ok(()));
    assert!(!pair.path("b.txt").exists());
    assert_eq!(pair.close(file).await, Err(NtStatus::INVALID_HANDLE));
}

#[tokio::test]
async fn every_disposition_does_what_it_says() {
    use CreateDisposition as How;
    let mut pair = Pair::new().await;
    for (how, on_missing, on_file) in [
        (How::FILE_SUPERSEDE, Ok(""), Ok("")),
        (How::FILE_OPEN, Err(missing()), Ok("old")),
        (How::FILE_CREATE, Ok(""), Err(NtStatus::OBJECT_NAME_COLLISION)),
        (How::FILE_OPEN_IF, Ok(""), Ok("old")),
        (How::FILE_OVERWRITE, Err(missing()), Ok("")),
        (How::FILE_OVERWRITE_IF, Ok(""), Ok("")),
        (How::from(6), Err(NtStatus::INVALID_PARAMETER), Err(NtStatus::INVALID_PARAMETER)),
    ] {
        fs::write(pair.path("file"), "old").unwrap();
        for (name, expected) in [("missing", on_missing), ("file", on_file)] {
            let created = pair.try_create(name, READ | WRITE, how, CreateOptions::empty()).await;
            assert_eq!(created.map(drop), expected.map(drop), "{how:?} {name}");
            if let (Ok(file), Ok(content)) = (created, expected) {
                assert_eq!(fs::read_to_string(pair.path(name)).unwrap(), content, "{how:?} {name}");
                pair.close(file).await.unwrap();
            }
        }
        let _ = fs::remove_file(pair.path("missing"));
    }
}

#[tokio::test]
async fn directories_are_made_listed_and_removed() {
    let mut pair = Pair::new().await;
    let directory = pair.directory("\\d").await;
    assert_eq!(fs::metadata(pair.path("d")).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(pair.list(directory, "\\d\\*").await, Ok(vec![]));
    for name in ["a.txt", "b.txt", "c.md", "Ünï"] {
        fs::write(pair.path("d").join(name), name).unwrap();
    }
    fs::create_dir(pair.path("d/e")).unwrap();
    assert_eq!(pair.list(directory, "\\d\\*").await.unwrap(), ["a.txt", "b.txt", "c.md", "e", "Ünï"]);
    assert_eq!(pair.list(directory, "\\d\\*.txt").await.unwrap(), ["a.txt", "b.txt"]);
    assert_eq!(pair.list(directory, "\\d\\c.md").await.unwrap(), ["c.md"]);
    assert_eq!(pair.list(directory, "\\d\\none").await, Err(NtStatus::NO_SUCH_FILE));
    assert_eq!(pair.list(directory, "\\d\\..").await, Err(NtStatus::NO_SUCH_FILE));
    let delete = || FileInformationClass::from(FileDispositionInformation { delete_pending: 1 });
    assert_eq!(pair.set(directory, delete()).await, NtStatus::DIRECTORY_NOT_EMPTY);
    fs::remove_dir_all(pair.path("d")).unwrap();
    fs::create_dir(pair.path("d")).unwrap();
    assert_eq!(pair.set(directory, delete()).await, NtStatus::SUCCESS);
    assert_eq!(pair.close(directory).await, Ok(()));
    assert!(!pair.path("d").exists());
}

#[tokio::test]
async fn files_and_directories_are_not_taken_for_each_other() {
    let mut pair = Pair::new().await;
    fs::create_dir(pair.path("d")).unwrap();
    fs::write(pair.path("f"), "").unwrap();
    let open = CreateDisposition::FILE_OPEN;
    let asked = pair.try_create("\\d", READ, open, CreateOptions::FILE_NON_DIRECTORY_FILE).await;
    assert_eq!(asked, Err(NtStatus::FILE_IS_A_DIRECTORY));
    let asked = pair.try_create("\\f", READ, open, CreateOptions::FILE_DIRECTORY_FILE).await;
    assert_eq!(asked, Err(NtStatus::NOT_A_DIRECTORY));
    assert_eq!(pair.open("\\x\\y").await, Err(NtStatus::OBJECT_PATH_NOT_FOUND));
    let directory = pair.directory("\\d").await;
    assert_eq!(pair.read(directory, 0, 1).await, Err(NtStatus::FILE_IS_A_DIRECTORY));
    let file = pair.open("\\f").await.unwrap();
    assert_eq!(pair.list(file, "\\*").await, Err(NtStatus::INVALID_PARAMETER));
}

#[tokio::test]
async fn sizes_and_times_are_told_and_set() {
    let mut pair = Pair::new().await;
    let file = pair.create("\\f").await;
    pair.write(file, 0, &[7; 1000]).await.unwrap();
    for (info, len) in [
        (FileInformationClass::from(FileEndOfFileInformation { end_of_file: 5000 }), 5000),
        (FileAllocationInformation { allocation_size: 9000 }.into(), 5000),
        (FileAllocationInformation { allocation_size: 10 }.into(), 10),
    ] {
        assert_eq!(pair.set(file, info).await, NtStatus::SUCCESS);
        let standard = pair.query(file, FileInformationClassLevel::FILE_STANDARD_INFORMATION).await;
        let Some(FileInformationClass::Standard(standard)) = standard.buffer else { panic!() };
        assert_eq!(standard.end_of_file, len);
    }
    let negative = FileEndOfFileInformation { end_of_file: -1 };
    assert_eq!(pair.set(file, negative.into()).await, NtStatus::INVALID_PARAMETER);

    let written = 133_444_736_001_234_567;
    let times = FileBasicInformation {
        creation_time: -1,
        last_access_time: 0,
        last_write_time: written,
        change_time: 0,
        file_attributes: FileAttributes::empty(),
    };
    assert_eq!(pair.set(file, times.into()).await, NtStatus::SUCCESS);
    let basic = pair.query(file, FileInformationClassLevel::FILE_BASIC_INFORMATION).await;
    let Some(FileInformationClass::Basic(basic)) = basic.buffer else { panic!() };
    assert_eq!(basic.last_write_time, written - written % 10 + 7);
    let tag = pair.query(file, FileInformationClassLevel::FILE_ATTRIBUTE_TAG_INFORMATION).await;
    assert!(matches!(tag.buffer, Some(FileInformationClass::AttributeTag(_))));
    let other = pair.query(file, FileInformationClassLevel::FILE_STREAM_INFORMATION).await;
    assert_eq!(success(&other.device_io_response), Err(NtStatus::NOT_SUPPORTED));
}

#[tokio::test]
async fn the_volume_is_described() {
    use FileSystemInformationClassLevel as Level;
    let mut pair = Pair::new().await;
    let root = pair.directory("\\").await;
    for level in [
        Level::FILE_FS_VOLUME_INFORMATION,
        Level::FILE_FS_SIZE_INFORMATION,
        Level::FILE_FS_FULL_SIZE_INFORMATION,
        Level::FILE_FS_ATTRIBUTE_INFORMATION,
        Level::FILE_FS_DEVICE_INFORMATION,
    ] {
        let asked = pair.server.drive_query_volume_information(DRIVE_ID, root, level).unwrap();
        let RdpdrPdu::ClientDriveQueryVolumeInformationResponse(told) = pair.ask(asked).await else { panic!() };
        match told.buffer.unwrap() {
            FileSystemInformationClass::FileFsVolumeInformation(volume) => {
                assert_eq!(volume.volume_label, "Shared Files");
            }
            FileSystemInformationClass::FileFsSizeInformation(size) => assert!(size.total_alloc_units > 0),
            _ => {}
        }
    }
}

#[tokio::test]
async fn nothing_outside_of_the_drive_is_reached() {
    let mut pair = Pair::new().await;
    let outside = pair.host.path().to_owned();
    symlink(&outside, pair.path("out")).unwrap();
    symlink("..", pair.path("up")).unwrap();
    symlink("../secret", pair.path("link")).unwrap();
    symlink("../new", pair.path("dangling")).unwrap();
    fs::write(pair.path("mine"), "mine").unwrap();
    symlink("mine", pair.path("inner")).unwrap();

    let denied = Err(NtStatus::ACCESS_DENIED);
    for path in ["\\..\\secret", "..", "\\x\\..\\..\\secret", "\\out\\secret", "\\up\\secret", "\\link", "\\out"] {
        assert_eq!(pair.open(path).await, denied, "{path}");
    }
    for path in ["C:\\secret", "\\mine:stream", "\\a\u{0}b", &"x\\".repeat(3000)] {
        assert_eq!(pair.open(path).await, Err(NO_NAME), "{path}");
    }
    let how = CreateDisposition::FILE_OVERWRITE_IF;
    assert!(pair.try_create("\\dangling", WRITE, how, CreateOptions::empty()).await.is_err());
    assert!(pair.try_create("\\out\\new", WRITE, how, CreateOptions::empty()).await.is_err());
    let file = pair.open("\\mine").await.unwrap();
    for name in ["\\..\\moved", "\\out\\moved", "\\up\\moved"] {
        assert_eq!(pair.rename(file, name, true).await, NtStatus::ACCESS_DENIED, "{name}");
    }
    // The way within is free.
    let inner = pair.open("\\inner").await.unwrap();
    assert_eq!(pair.read(inner, 0, 10).await, Ok(b"mine".to_vec()));
    // Links that lead out are not even shown.
    let root = pair.directory("\\").await;
    assert_eq!(pair.list(root, "\\*").await.unwrap(), ["Download", "inner", "mine"]);
    let mut left: Vec<_> = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["drive", "secret"]);
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
}

#[tokio::test]
async fn a_pipe_in_the_directory_keeps_nobody() {
    let mut pair = Pair::new().await;
    let made = std::process::Command::new("mkfifo").arg(pair.path("pipe")).status().unwrap();
    assert!(made.success());
    assert_eq!(pair.open("\\pipe").await, Err(NtStatus::ACCESS_DENIED));
}

#[tokio::test]
async fn the_drive_itself_is_neither_moved_nor_deleted() {
    let mut pair = Pair::new().await;
    let root = pair.directory("\\").await;
    assert_eq!(pair.rename(root, "\\x", false).await, NtStatus::ACCESS_DENIED);
    let delete = FileDispositionInformation { delete_pending: 1 };
    assert_eq!(pair.set(root, delete.into()).await, NtStatus::ACCESS_DENIED);
    let options = CreateOptions::FILE_DELETE_ON_CLOSE;
    let asked = pair.try_create("\\", READ, CreateDisposition::FILE_OPEN, options).await;
    assert_eq!(asked, Err(NtStatus::ACCESS_DENIED));
}

#[tokio::test]
async fn a_name_that_is_taken_is_not_taken_over_unless_that_is_asked_for() {
    let mut pair = Pair::new().await;
    fs::write(pair.path("a"), "a").unwrap();
    fs::write(pair.path("b"), "b").unwrap();
    let file = pair.open("\\a").await.unwrap();
    assert_eq!(pair.rename(file, "\\b", false).await, NtStatus::OBJECT_NAME_COLLISION);
    assert_eq!(pair.rename(file, "\\b", true).await, NtStatus::SUCCESS);
    assert_eq!(fs::read(pair.path("b")).unwrap(), b"a");
}

#[tokio::test]
async fn what_is_open_follows_its_directory() {
    let mut pair = Pair::new().await;
    let directory = pair.directory("\\d").await;
    let file = pair.create("\\d\\f").await;
    assert_eq!(pair.rename(directory, "\\e", false).await, NtStatus::SUCCESS);
    let delete = FileDispositionInformation { delete_pending: 1 };
    assert_eq!(pair.set(file, delete.into()).await, NtStatus::SUCCESS);
    pair.close(file).await.unwrap();
    assert!(pair.path("e").exists() && !pair.path("e/f").exists());
}

#[tokio::test]
async fn of_128_open_files_each_has_its_own_number_and_one_more_is_refused() {
    let mut pair = Pair::new().await;
    fs::write(pair.path("f"), "x").unwrap();
    let mut open = std::collections::HashSet::new();
    for _ in 0..files::MAX_OPEN_FILES {
        open.insert(pair.open("\\f").await.unwrap());
    }
    assert_eq!(open.len(), files::MAX_OPEN_FILES);
    assert_eq!(pair.open("\\f").await, Err(NtStatus::from(info::TOO_MANY_OPENED_FILES)));
    let first = *open.iter().next().unwrap();
    pair.close(first).await.unwrap();
    assert!(pair.open("\\f").await.is_ok_and(|again| !open.contains(&again)));
}

#[tokio::test]
async fn a_read_of_four_gigabytes_gets_what_there_is_and_at_most_four_mebibytes() {
    let mut pair = Pair::new().await;
    let file = pair.create("\\f").await;
    pair.write(file, 0, b"little").await.unwrap();
    assert_eq!(pair.read(file, 0, u32::MAX).await.unwrap(), b"little");
    let long = FileEndOfFileInformation { end_of_file: 1 << 33 };
    assert_eq!(pair.set(file, long.into()).await, NtStatus::SUCCESS);
    assert_eq!(pair.read(file, 0, u32::MAX).await.unwrap().len(), files::MAX_READ_BYTES as usize);
    assert_eq!(pair.read(file, u64::MAX, u32::MAX).await, Ok(Vec::new()));
}

#[tokio::test]
async fn positions_go_to_the_end_of_what_a_file_can_be() {
    let mut pair = Pair::new().await;
    let file = pair.create("\\f").await;
    let last = i64::MAX as u64;
    for offset in [last, u64::MAX - 1, 1 << 63] {
        assert_eq!(pair.write(file, offset, b"x").await, Err(NtStatus::INVALID_PARAMETER), "{offset:x}");
    }
    assert_eq!(pair.write(file, 1 << 32, b"x").await, Ok(1));
    assert_eq!(pair.read(file, (1 << 32) - 1, 9).await, Ok(vec![0, b'x']));
}

#[tokio::test]
async fn more_requests_than_can_wait_are_refused_and_all_are_answered() {
    let mut pair = Pair::new().await;
    let file = pair.create("\\f").await;
    for number in 0..400_u64 {
        let asked = pair.server.drive_write(DRIVE_ID, file, vec![1; 10], number * 10).unwrap();
        pair.hear(asked);
    }
    let replies = pair.settle().await;
    let taken = replies
        .iter()
        .filter(|reply| matches!(reply, RdpdrPdu::DeviceWriteResponse(written) if success(&written.device_io_reply).is_ok()))
        .count();
    assert_eq!((replies.len(), taken), (400, 256));
    // And there is room again.
    assert_eq!(pair.write(file, 0, b"x").await, Ok(1));
}

#[tokio::test]
async fn data_that_waits_is_bounded() {
    let mut pair = Pair::new().await;
    let file = pair.create("\\f").await;
    for _ in 0..20 {
        let asked = pair.server.drive_write(DRIVE_ID, file, vec![1; 1 << 20], 0).unwrap();
        pair.hear(asked);
    }
    let replies = pair.settle().await;
    let taken = replies
        .iter()
        .filter(|reply| matches!(reply, RdpdrPdu::DeviceWriteResponse(written) if success(&written.device_io_reply).is_ok()))
        .count();
    assert_eq!((replies.len(), taken), (20, 15));
}

#[tokio::test]
async fn waiting_for_changes_ends_with_the_directory() {
    let mut pair = Pair::new().await;
    let root = pair.directory("\\").await;
    let mut waiting = 0;
    loop {
        let asked = pair.server.drive_notify_change_directory(DRIVE_ID, root, true, 0x17).unwrap();
        pair.hear(asked);
        match pair.settle().await.pop() {
            None => waiting += 1,
            Some(RdpdrPdu::ClientDriveNotifyChangeDirectoryResponse(refused)) => {
                assert_eq!(success(&refused.device_io_reply), Err(NtStatus::INSUFFICIENT_RESOURCES));
                break;
            }
            Some(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(waiting, files::MAX_OPEN_FILES);
    let asked = pair.server.drive_close(DRIVE_ID, root).unwrap();
    pair.hear(asked);
    let replies = pair.settle().await;
    assert_eq!(replies.len(), waiting + 1);
    assert!(matches!(
        &replies[0],
        RdpdrPdu::ClientDriveNotifyChangeDirectoryResponse(ended)
            if ended.device_io_reply.io_status == NtStatus::CANCELLED
    ));
    assert!(matches!(replies.last(), Some(RdpdrPdu::DeviceCloseResponse(_))));
}

#[tokio::test]
async fn what_a_drive_does_not_do_is_said() {
    let mut pair = Pair::new().await;
    let file = pair.create("\\f").await;
    let asked = pair.server.drive_lock_control(DRIVE_ID, file, LockOperation::Exclusive, false, Vec::new()).unwrap();
    let RdpdrPdu::ClientDriveLockControlResponse(locked) = pair.ask(asked).await else { panic!() };
    assert_eq!(success(&locked.device_io_reply), Err(NtStatus::NOT_SUPPORTED));
    let asked = pair.server.drive_device_control(DRIVE_ID, file, 0x0009_0028, vec![0; 16], u32::MAX).unwrap();
    assert!(matches!(pair.ask(asked).await, RdpdrPdu::DeviceControlResponse(_)));
    let asked = pair.server.drive_flush_buffers(DRIVE_ID, file).unwrap();
    let RdpdrPdu::DeviceFlushBuffersResponse(flushed) = pair.ask(asked).await else { panic!() };
    assert_eq!(success(&flushed.device_io_response), Ok(()));
}

#[tokio::test]
async fn numbers_that_are_not_open_are_refused() {
    let mut pair = Pair::new().await;
    let file = pair.create("\\f").await;
    for wrong in [0, file + 1, u32::MAX] {
        assert_eq!(pair.read(wrong, 0, 1).await, Err(NtStatus::INVALID_HANDLE));
        assert_eq!(pair.write(wrong, 0, b"x").await, Err(NtStatus::INVALID_HANDLE));
        assert_eq!(pair.list(wrong, "\\*").await, Err(NtStatus::INVALID_HANDLE));
        assert_eq!(pair.rename(wrong, "\\x", true).await, NtStatus::INVALID_HANDLE);
    }
}

#[tokio::test]
async fn a_server_that_begins_anew_has_nothing_open_and_gets_no_old_answers() {
    let mut pair = Pair::new().await;
    let file = pair.create("\\f").await;
    let asked = pair.server.drive_write(DRIVE_ID, file, b"x".to_vec(), 0).unwrap();
    pair.hear(asked);
    introduced(&mut pair.server, &mut pair.client);
    assert!(pair.settle().await.is_empty());
    assert_eq!(pair.read(file, 0, 1).await, Err(NtStatus::INVALID_HANDLE));
    assert!(pair.open("\\f").await.is_ok());
}

#[tokio::test]
async fn a_drive_that_is_refused_asks_nothing_and_harms_nothing() {
    let mut pair = Pair::new().await;
    let mut client = Rdpdr::new(Box::new(Requests::default()), "client".to_owned())
        .with_drives(Some(vec![(DRIVE_ID, "D".to_owned())]));
    let mut server = RdpdrServer::new(Box::new(NoopRdpdrServerBackend));
    let mut from_server = server.start().unwrap();
    while !from_server.is_empty() {
        let mut from_client = Vec::new();
        for message in from_server.drain(..) {
            from_client.extend(client.process(&message.encode_unframed_pdu().unwrap()).unwrap());
        }
        for message in from_client {
            from_server.extend(server.process(&message.encode_unframed_pdu().unwrap()).unwrap());
        }
    }
    let logged_on = SvcMessage::from(RdpdrPdu::UserLoggedon).encode_unframed_pdu().unwrap();
    assert_eq!(client.process(&logged_on).unwrap().len(), 1);
    let refused = ServerDeviceAnnounceResponse { device_id: DRIVE_ID, result_code: NtStatus::ACCESS_DENIED };
    let refused = SvcMessage::from(RdpdrPdu::ServerDeviceAnnounceResponse(refused));
    client.process(&refused.encode_unframed_pdu().unwrap()).unwrap();
    pair.client = client;
    assert!(pair.settle().await.is_empty());
}

#[tokio::test]
async fn files_written_to_or_moved_into_download_are_for_the_owner() {
    let mut pair = Pair::new().await;
    let file = pair.create("\\Download\\written").await;
    pair.write(file, 0, b"x").await.unwrap();
    let second = pair.open("\\Download\\written").await.unwrap();
    pair.close(file).await.unwrap();
    // Someone has it open still.
    assert!(pair.share.opened.is_empty());
    pair.close(second).await.unwrap();

    let moved = pair.create("\\moved").await;
    assert_eq!(pair.rename(moved, "\\Download\\moved", false).await, NtStatus::SUCCESS);
    pair.close(moved).await.unwrap();

    for other in ["\\Download\\untouched", "\\elsewhere"] {
        let file = pair.create(other).await;
        if other == "\\elsewhere" {
            pair.write(file, 0, b"x").await.unwrap();
        }
        pair.close(file).await.unwrap();
    }
    let names: Vec<_> = pair.share.opened.iter().map(|opened| opened.path.stream_name()).collect();
    assert_eq!(names, ["/Download/written", "/Download/moved"]);
    assert!(pair.share.opened.iter().all(|opened| opened.file.is_some()));
}

#[tokio::test]
async fn the_last_component_of_the_path_is_made_where_that_is_wanted() {
    let host = tempfile::tempdir().unwrap();
    let path = host.path().join("user");
    let open = async |path: &Path, create| Share::open(SharedFolder { create, ..folder(path) }).await;
    assert!(open(&path, false).await.is_none());
    assert!(open(&path.join("deeper"), true).await.is_none());
    assert!(open(&path, true).await.is_some());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(path.join("Download").is_dir());
    assert!(open(&path, true).await.is_some());
}

#[tokio::test]
async fn without_downloads_there_is_no_folder_for_them() {
    let host = tempfile::tempdir().unwrap();
    let share = Share::open(SharedFolder { download: false, ..folder(host.path()) }).await;
    assert!(share.is_some());
    assert!(!host.path().join("Download").exists());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_server_sends_the_host_is_safe(
        pdus in proptest::collection::vec((0_u8..20, proptest::collection::vec(any::<u8>(), 0..120)), 0..40),
        paths in proptest::collection::vec("[a-c./\\\\:*]{0,12}|\\PC{0,8}", 0..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new().await;
            for path in paths {
                let how = CreateDisposition::from(u32::try_from(path.len() % 6).unwrap());
                let options = CreateOptions::from_bits_retain(u32::try_from(path.len()).unwrap() & 1);
                let file = pair.try_create(&path, READ | WRITE, how, options).await;
                if let Ok(file) = file {
                    pair.rename(file, &path.chars().rev().collect::<String>(), true).await;
                    let _ = pair.write(file, 3, b"data").await;
                }
            }
            for (major, body) in pdus {
                // A request for our drive, whatever its body; or just anything.
                let mut pdu = vec![0x72, 0x44, 0x52, 0x49, 1, 0, 0, 0, major % 4, 0, 0, 0, 9, 0, 0, 0, major, 0, 0, 0];
                pdu.extend_from_slice(&[u8::from(body.len() % 3 == 1), 0, 0, 0]);
                if major == 19 {
                    pdu.clear();
                }
                pdu.extend(body);
                let _ = pair.client.process(&pdu);
                pair.settle().await;
            }
            let left: Vec<_> = fs::read_dir(pair.host.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(left.len(), 2, "{left:?}");
            assert_eq!(fs::read(pair.host.path().join("secret")).unwrap(), b"secret");
        });
    }
}
