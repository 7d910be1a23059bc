//! Whole sessions: a user on one side, a real xrdp on the other.

use std::fs;

use testsuite::{Xrdp, XrdpDesktop, XrdpSetup};

use crate::support::Viewer;

/// 39 dB: the mean square error that is left of 255 squared.
const ALMOST_THE_SAME: u64 = 8;

/// A terminal that writes what is typed into a file of its own.
fn type_into(xrdp: &mut Xrdp, file: &str) -> std::path::PathBuf {
    let path = xrdp.home().join(file);
    let script = format!("stty -echo; cat > {}", path.display());
    xrdp.show("xterm", &["-geometry", "105x35+0+0", "-e", "sh", "-c", &script]);
    path
}

#[tokio::test]
async fn shows_what_xorgxrdp_shows_without_loss_where_asked() {
    let Some(mut xrdp) = Xrdp::start(XrdpSetup::default()) else { return };
    xrdp.draw(0);
    let mut viewer = Viewer::open(&xrdp.params(&[("force-lossless", "true")]));
    viewer.until_same_picture(&xrdp, 0).await;
    assert_eq!(viewer.canvas.size(), (640, 480));
}

#[tokio::test]
async fn shows_almost_what_xorgxrdp_shows() {
    let Some(mut xrdp) = Xrdp::start(XrdpSetup::default()) else { return };
    xrdp.draw(1);
    let mut viewer = Viewer::open(&xrdp.params(&[]));
    viewer.until_same_picture(&xrdp, ALMOST_THE_SAME).await;
}

#[tokio::test]
async fn shows_what_vnc_behind_xrdp_shows() {
    let setup = XrdpSetup { desktop: XrdpDesktop::Vnc, security_layer: "tls", ..XrdpSetup::default() };
    let Some(mut xrdp) = Xrdp::start(setup) else { return };
    xrdp.draw(2);
    let mut viewer = Viewer::open(&xrdp.params(&[("security", "tls"), ("color-depth", "32")]));
    // TigerVNC draws a pointer of its own until somebody moves the mouse.
    viewer.until_same_picture(&xrdp, ALMOST_THE_SAME).await;
    viewer.say(&["mouse", "5", "5", "0"]).await;
    viewer.until_same_picture(&xrdp, 0).await;
    // Windows that move.
    let id = xrdp.run("xdotool", &["search", "--class", "xterm"]);
    for (x, y) in [("30", "40"), ("110", "95")] {
        let _ = xrdp.run("xdotool", &["windowmove", id.trim(), x, y]);
        viewer.until_same_picture(&xrdp, 0).await;
    }
}

#[tokio::test]
async fn shows_fewer_colours_where_asked() {
    let setup = XrdpSetup { desktop: XrdpDesktop::Vnc, ..XrdpSetup::default() };
    let Some(mut xrdp) = Xrdp::start(setup) else { return };
    xrdp.draw(2);
    for (depth, tolerance) in [("24", 0), ("16", 60)] {
        let mut viewer = Viewer::open(&xrdp.params(&[("color-depth", depth)]));
        viewer.until_same_picture(&xrdp, tolerance.max(ALMOST_THE_SAME)).await;
        viewer.say(&["mouse", "5", "5", "0"]).await;
        viewer.until_same_picture(&xrdp, tolerance).await;
    }
}

#[tokio::test]
async fn keys_and_clicks_arrive() {
    let Some(mut xrdp) = Xrdp::start(XrdpSetup::default()) else { return };
    let typed = type_into(&mut xrdp, "typed");
    let mut viewer = Viewer::open(&xrdp.params(&[]));
    viewer.until("a desktop", |viewer| viewer.canvas.size() == (640, 480)).await;
    viewer.until("a terminal", |_| typed.exists()).await;
    viewer.say(&["mouse", "100", "100", "0"]).await;
    viewer
        .until("the pointer", |_| {
            let at = xrdp.run("xdotool", &["getmouselocation"]);
            at.starts_with("x:100 y:100")
        })
        .await;
    viewer.type_line("Hello, World! {[~@]} 42%").await;
    viewer.until("the line", |_| fs::read_to_string(&typed).unwrap_or_default() == "Hello, World! {[~@]} 42%\n").await;
}

#[tokio::test]
async fn german_keys_with_altgr_and_dead_keys_arrive_as_typed() {
    let Some(mut xrdp) = Xrdp::start(XrdpSetup::default()) else { return };
    let mut viewer = Viewer::open(&xrdp.params(&[("server-layout", "de-de-qwertz")]));
    viewer.until("a desktop", |viewer| viewer.canvas.size() == (640, 480)).await;
    let typed = type_into(&mut xrdp, "typed");
    viewer.until("a terminal", |_| typed.exists()).await;
    viewer.say(&["mouse", "100", "100", "0"]).await;
    viewer.until("the pointer", |_| xrdp.run("xdotool", &["getmouselocation"]).starts_with("x:100 y:100")).await;
    let line = "zyZY äöüß @[]{}|~\\ éèâ °§$%";
    viewer.type_line(line).await;
    let mut seen = String::new();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while seen != format!("{line}\n") {
        assert!(std::time::Instant::now() < end, "{seen:?} instead of {line:?}");
        viewer.turn().await;
        seen = String::from_utf8_lossy(&fs::read(&typed).unwrap_or_default()).into_owned();
    }
}

#[tokio::test]
async fn the_desktop_follows_the_window() {
    let Some(mut xrdp) = Xrdp::start(XrdpSetup::default()) else { return };
    for method in ["display-update", "reconnect"] {
        let parameters = [("resize-method", method), ("force-lossless", "true")];
        let mut viewer = Viewer::open(&xrdp.params(&parameters));
        viewer.until("a desktop", |viewer| viewer.canvas.size() == (640, 480)).await;
        xrdp.draw(2);
        viewer.say(&["size", "800", "600"]).await;
        viewer.until(method, |viewer| viewer.canvas.size() == (800, 600)).await;
        viewer.until_same_picture(&xrdp, 0).await;
        drop(viewer);
    }
}

#[tokio::test]
async fn text_is_copied_both_ways() {
    let Some(mut xrdp) = Xrdp::start(XrdpSetup::default()) else { return };
    if xrdp.drives().is_none() {
        return;
    }
    let mut viewer = Viewer::open(&xrdp.params(&[("normalize-clipboard", "unix")]));
    viewer.until("a desktop", |viewer| viewer.canvas.size() == (640, 480)).await;

    // A terminal takes the middle button's paste from the selection that it is told to: that of the clipboard.
    let pasted = xrdp.home().join("pasted");
    let script = format!("cat > {}", pasted.display());
    let paste = "*VT100*translations: #override <Btn2Down>: insert-selection(CLIPBOARD)";
    xrdp.show("xterm", &["-xrm", paste, "-geometry", "100x30+0+0", "-e", "sh", "-c", &script]);
    viewer.until("a terminal", |_| pasted.exists()).await;
    let text = "from the user: äöü €\n";
    viewer.say(&["clipboard", "1", "text/plain"]).await;
    viewer.say(&["blob", "1", &base64_simd::STANDARD.encode_to_string(text)]).await;
    viewer.say(&["end", "1"]).await;
    let end = std::time::Instant::now() + testsuite::PATIENCE;
    // Pressed again while xrdp still fetches the text, the terminal takes it in another encoding, and before the right.
    let arrived = || fs::read_to_string(&pasted).unwrap_or_default().contains(text);
    while !arrived() {
        assert!(std::time::Instant::now() < end, "{:?}", fs::read_to_string(&pasted));
        // The server may still be about to learn of the text: nothing is pasted then, and we press again.
        viewer.say(&["mouse", "100", "100", "2"]).await;
        viewer.say(&["mouse", "100", "100", "0"]).await;
        for _ in 0..10 {
            viewer.turn().await;
            if arrived() {
                break;
            }
        }
    }

    let script =
        "printf '\\033]52;c;%s\\007' $(printf 'from the desktop: \\303\\244\\nsecond' | base64 -w0); sleep 600";
    let allow = "*VT100*allowWindowOps: true";
    xrdp.show("xterm", &["-xrm", allow, "-geometry", "10x3+0+0", "-e", "sh", "-c", script]);
    let copied = viewer.until_stream("clipboard", |stream| stream.ended && !stream.data.is_empty()).await;
    assert_eq!(String::from_utf8(copied.data).unwrap(), "from the desktop: ä\nsecond");
}

#[tokio::test]
async fn a_server_that_dies_ends_the_session_as_lost() {
    let Some(xrdp) = Xrdp::start(XrdpSetup::default()) else { return };
    let mut viewer = Viewer::open(&xrdp.params(&[]));
    viewer.until("a desktop", |viewer| viewer.canvas.size() == (640, 480)).await;
    xrdp.kill_connections();
    viewer.until_error(guac_protocol::Status::UpstreamError).await;
}
