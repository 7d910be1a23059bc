//! What users are told when it ends.

use guac_protocol::Status;
use rdp_peer::{RdpServer, Setup};

use crate::support::Viewer;

/// Opens a session, lets the server say this error, and gives the user's view of the end.
async fn ended_with(code: u32) -> Viewer {
    let server = RdpServer::start();
    let params = server.params(&[]);
    let served = server.serve(Setup::default(), move |mut peer| {
        peer.send_error_info(code).unwrap();
        // MCS Disconnect Provider Ultimatum, user requested.
        peer.send_raw(&[3, 0, 0, 9, 2, 0xF0, 0x80, 0x21, 0x80]).unwrap();
    });
    let mut viewer = Viewer::open(&params);
    viewer.until("the end", |viewer| viewer.ended).await;
    served.join().unwrap().unwrap();
    viewer
}

#[tokio::test]
async fn errors_that_the_server_gives_are_told_by_their_status() {
    for (code, status) in [
        // Disconnected by an administrator, logged off by one, out of time.
        (0x0001, Status::SessionClosed),
        (0x0002, Status::SessionClosed),
        (0x0004, Status::SessionClosed),
        (0x0003, Status::SessionTimeout),
        (0x0005, Status::SessionConflict),
        (0x0007, Status::UpstreamUnavailable),
        (0x0009, Status::ClientForbidden),
        (0x000A, Status::ClientForbidden),
        // Out of memory.
        (0x0006, Status::UpstreamError),
        (0x10D0, Status::UpstreamError),
        (0xFFFF_FFFF, Status::UpstreamError),
    ] {
        let mut viewer = ended_with(code).await;
        let text = viewer.text.clone();
        let number = (status as u16).to_string();
        assert!(text.contains(&format!("{}.{number};", number.len())), "{code:#x}: {status:?} in {text}");
        viewer.until_error(status).await;
    }
}

#[tokio::test]
async fn a_user_who_logs_off_ends_the_session_without_an_error() {
    for code in [0x000B, 0x000C] {
        let viewer = ended_with(code).await;
        assert!(!viewer.text.contains("5.error"), "{code:#x}: {}", viewer.text);
    }
}

#[tokio::test]
async fn nobody_listening_is_told_as_such() {
    let port = {
        let server = RdpServer::start();
        server.port().to_string()
    };
    let params = [("hostname", "127.0.0.1"), ("port", port.as_str())].map(|(name, value)| (name.into(), value.into()));
    Viewer::open(&params).until_error(Status::UpstreamUnavailable).await;
}
