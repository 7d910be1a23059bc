//! Sound, drives and what the client says of itself, with a server that asks for each.

use ironrdp_pdu::rdp::client_info::PerformanceFlags;
use rdp_peer::{Drives, RdpServer, Setup, Sound};

use crate::support::{Viewer, ended};

#[tokio::test]
async fn the_server_learns_who_comes_and_what_he_wants() {
    let server = RdpServer::start();
    let params = server.params(&[
        ("domain", "OFFICE"),
        ("client-name", "desk of a very long name"),
        ("enable-theming", "true"),
        ("enable-wallpaper", "true"),
        ("initial-program", "calc.exe"),
        ("server-layout", "de-de-qwertz"),
        ("load-balance-info", "tsv://MS Terminal Services Plugin.1.Farm"),
    ]);
    let served = server.serve(Setup::default(), |peer| {
        let info = &peer.info.client_info;
        let zone = info.extra_info.optional_data.timezone().unwrap().bias;
        let flags = info.extra_info.optional_data.performance_flags().unwrap();
        let request = String::from_utf8_lossy(&peer.request).into_owned();
        let core = &peer.core;
        (info.credentials.clone(), info.alternate_shell.clone(), zone, flags, request, core.clone())
    });
    let mut viewer = Viewer::open(&params);
    viewer.until("the end", |viewer| viewer.ended).await;
    let (credentials, shell, bias, flags, request, core) = ended(served).await;
    assert_eq!((credentials.username.as_str(), credentials.password.as_str()), ("tester", "secret"));
    assert_eq!(credentials.domain.as_deref(), Some("OFFICE"));
    assert_eq!(shell, "calc.exe");
    assert_eq!(bias, -60);
    assert!(!flags.intersects(PerformanceFlags::DISABLE_WALLPAPER | PerformanceFlags::DISABLE_THEMING));
    assert!(flags.contains(PerformanceFlags::DISABLE_FULLWINDOWDRAG | PerformanceFlags::DISABLE_MENUANIMATIONS));
    assert!(request.contains("tsv://MS Terminal Services Plugin.1.Farm\r\n"), "{request:?}");
    assert_eq!((core.desktop_width, core.desktop_height), (640, 480));
    assert_eq!(core.client_name, "desk of a very ");
    assert_eq!(core.keyboard_layout, 0x0407);
}

#[tokio::test]
async fn sound_reaches_the_user_as_the_server_plays_it() {
    let server = RdpServer::start();
    let params = server.params(&[]);
    let samples: Vec<u8> = (0..44_100_u16).flat_map(u16::to_le_bytes).collect();
    let sent = samples.clone();
    let served = server.serve(Setup::default(), move |mut peer| {
        let mut sound = Sound::open(&mut peer, vec![Sound::pcm(2, 44_100, 16)]).unwrap();
        assert_eq!(sound.client.formats, [Sound::pcm(2, 44_100, 16)]);
        for piece in sent.chunks(8820) {
            sound.play(&mut peer, 0, piece).unwrap();
        }
        peer.until_closed();
    });
    let mut viewer = Viewer::open(&params);
    let len = samples.len();
    let heard = viewer.until_stream("audio", |stream| stream.data.len() >= len).await;
    assert_eq!(heard.opened[2], "audio/L16;rate=44100,channels=2");
    assert!(heard.data == samples);
    drop(viewer);
    ended(served).await;
}

#[tokio::test]
async fn no_sound_is_offered_where_it_is_disabled() {
    let server = RdpServer::start();
    let params = server.params(&[("disable-audio", "true")]);
    let served = server.serve(Setup::default(), |peer| peer.channels.clone());
    let mut viewer = Viewer::open(&params);
    viewer.until("the end", |viewer| viewer.ended).await;
    let channels = ended(served).await;
    assert!(!channels.iter().any(|channel| channel == "rdpsnd"), "{channels:?}");
    assert!(channels.iter().any(|channel| channel == "cliprdr"), "{channels:?}");
}

#[tokio::test]
async fn the_drive_is_a_directory_that_the_server_uses() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("hello.txt"), "hello").unwrap();
    let server = RdpServer::start();
    let path = home.path().to_str().unwrap().to_owned();
    let params = server.params(&[("enable-drive", "true"), ("drive-path", &path), ("drive-name", "Shared")]);
    let served = server.serve(Setup::default(), |mut peer| {
        let peer = &mut peer;
        let mut drives = Drives::open(peer).unwrap();
        assert_eq!(drives.devices.iter().map(|device| device.kind).collect::<Vec<_>>(), [8]);
        let file = drives.create(peer, "\\hello.txt", 1, 0).unwrap().unwrap();
        assert_eq!(drives.read(peer, file, 1, 100).unwrap().unwrap(), b"ello");
        assert_eq!(drives.close(peer, file).unwrap(), 0);

        let file = drives.create(peer, "\\made.bin", 5, 0).unwrap().unwrap();
        let data = vec![0xA5; 100_000];
        for (at, piece) in data.chunks(40_000).enumerate() {
            assert_eq!(drives.write(peer, file, u64::try_from(at).unwrap() * 40_000, piece).unwrap(), 0);
        }
        assert_eq!(drives.close(peer, file).unwrap(), 0);

        let root = drives.create(peer, "\\", 1, 1).unwrap().unwrap();
        let mut names = drives.list(peer, root, "\\*").unwrap();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        for path in ["\\..\\..\\etc\\passwd", "\\..", "\\nowhere.txt", "\\sub/../../etc/passwd"] {
            assert!(drives.create(peer, path, 1, 0).unwrap().is_err(), "{path}");
        }
        names
    });
    let mut viewer = Viewer::open(&params);
    viewer.until("the end", |viewer| viewer.ended).await;
    let names = ended(served).await;
    assert!(names.contains(&"hello.txt".to_owned()) && names.contains(&"made.bin".to_owned()), "{names:?}");
    assert_eq!(std::fs::read(home.path().join("made.bin")).unwrap(), vec![0xA5; 100_000]);
    assert!(viewer.text.contains("10.filesystem"), "{}", viewer.text);
}
