//! Servers that mean harm: each ends its own session with a protocol error, or changes nothing.

use std::io::Write as _;
use std::net::TcpListener;

use rdp_peer::{Peer, RdpServer, Setup};

use crate::support::{Viewer, ended};

/// What a session may end with that a server has broken.
const BROKEN: [&str; 3] = ["3.515;", "3.519;", "3.520;"];

async fn until_broken(mut viewer: Viewer, what: &str) {
    viewer.until(what, |viewer| viewer.ended).await;
    assert!(BROKEN.iter().any(|status| viewer.text.contains(status)), "{what}: {}", viewer.text);
}

#[tokio::test]
async fn first_answers_that_are_not_rdp_end_the_session() {
    let answers: [&[u8]; 8] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        &[],
        // TPKT: too short for itself, and longer than what follows.
        &[3, 0, 0, 0],
        &[3, 0, 0, 3],
        &[3, 0, 0xFF, 0xFF, 6, 0xD0],
        // A confirmation that is cut, and one of a security that nobody offered.
        &[3, 0, 0, 7, 2, 0xD0, 0],
        &[3, 0, 0, 19, 14, 0xD0, 0, 0, 0x12, 0x34, 0, 2, 0, 8, 0, 0x10, 0, 0, 0],
    ];
    for answer in answers {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let answer_bytes = answer.to_vec();
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            socket.write_all(&answer_bytes).unwrap();
        });
        let params = [("hostname", "127.0.0.1"), ("port", port.as_str()), ("ignore-cert", "true")];
        let params = params.map(|(name, value)| (name.to_owned(), value.to_owned()));
        until_broken(Viewer::open(&params), &format!("{answer:02x?}")).await;
        server.join().unwrap();
    }
}

/// Runs `attack` on an open desktop; the session has to break.
async fn breaks(what: &str, attack: impl FnOnce(&mut Peer) -> std::io::Result<()> + Send + 'static) {
    let server = RdpServer::start();
    let params = server.params(&[]);
    let served = server.serve(Setup::default(), move |mut peer| {
        // The session may be over before all of it is said.
        let _ = attack(&mut peer);
        peer.until_closed();
    });
    until_broken(Viewer::open(&params), what).await;
    ended(served).await;
}

#[tokio::test]
async fn channel_messages_that_announce_gigabytes_end_the_session() {
    // CHANNEL_FLAG_FIRST, of the channel of dynamic channels.
    breaks("a static message of 4 GiB", |peer| peer.send_chunk("drdynvc", u32::MAX, 1, &[0x50; 64])).await;
    breaks("a dynamic message of 4 GiB", |peer| {
        let id = peer.open_dynamic(ironrdp_egfx::CHANNEL_NAME)?.ok_or(std::io::ErrorKind::NotFound)?;
        // DYNVC_DATA_FIRST with a length of four bytes.
        let number = u8::try_from(id).unwrap_or_default();
        peer.send_channel("drdynvc", &[0x28, number, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4])
    })
    .await;
}

#[tokio::test]
async fn fragments_without_end_end_the_session() {
    breaks("fragments above the limit", |peer| {
        // Surface commands: a first fragment, then next ones for as long as we are listened to.
        peer.send_fragment(0x24, None, &[0; 8192])?;
        for _ in 0..4096 {
            peer.send_fragment(0x34, None, &[0; 8192])?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_picture_from_outside_the_desktop_leaves_it_and_a_neighbour_as_they_are() {
    let neighbour = RdpServer::start();
    let neighbour_params = neighbour.params(&[]);
    let kept = neighbour.serve(Setup::default(), |mut peer| {
        peer.until_closed();
    });
    let mut beside = Viewer::open(&neighbour_params);
    beside.until("a desktop", |viewer| viewer.canvas.size() == (640, 480)).await;

    let server = RdpServer::start();
    let params = server.params(&[]);
    let served = server.serve(Setup::default(), |mut peer| {
        // One plain bitmap of 2 x 2 at 65,000, 65,000.
        let numbers = [1_u16, 1, 65_000, 65_000, 65_001, 65_001, 2, 2, 32, 0, 16].map(u16::to_le_bytes).concat();
        peer.send_update(1, &[numbers, vec![255; 16]].concat()).unwrap();
        let inside = [1_u16, 1, 8, 8, 9, 9, 2, 2, 32, 0, 16].map(u16::to_le_bytes).concat();
        peer.send_update(1, &[inside, [3, 2, 1, 0].repeat(4)].concat()).unwrap();
        peer.until_closed();
    });
    let mut viewer = Viewer::open(&params);
    viewer.until_pixel(9, 9, 0x01_0203).await;
    viewer.until_pixel(639, 479, 0).await;
    drop(viewer);
    ended(served).await;
    assert!(!beside.ended);
    drop(beside);
    ended(kept).await;
}
