//! The RDP servers of the fixtures, seen by a client that is not ours: they show what their displays show.

use std::process::{Command, Stdio};
use std::time::Instant;

use testsuite::{Desktop, PATIENCE, Running, Shadow, ShadowSetup, Xrdp, XrdpDesktop, XrdpSetup, Xvnc, find, missing};

/// FreeRDP's client, in full screen on a display of its own, shows the same as `desktop` after a while, but for an error
/// of `tolerance`: the mean square by which red, green and blue differ.
fn shows_the_same(desktop: &Desktop, port: u16, arguments: &[&str], tolerance: u64) {
    if find("xfreerdp").is_none() {
        missing("xfreerdp");
        return;
    }
    let Some(viewer) = Xvnc::start() else { return };
    let log = viewer.home().join("xfreerdp.log");
    let output = std::fs::File::create(&log).unwrap();
    let mut command: Command = viewer.program("xfreerdp");
    command.args([&format!("/v:127.0.0.1:{port}"), "/cert:ignore", "/f", "/log-level:WARN"]).args(arguments);
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    let mut client = Running::spawn(&mut command);
    let end = Instant::now() + PATIENCE;
    loop {
        let (theirs, shown) = (desktop.screenshot(), viewer.screenshot());
        let error = mean_square(&theirs.2, &shown.2);
        // A blank screen proves nothing.
        if error <= tolerance && theirs.2.iter().any(|pixel| *pixel != theirs.2[0]) {
            return;
        }
        let log = || std::fs::read_to_string(&log).unwrap();
        assert!(Instant::now() < end && !client.has_ended(), "an error of {error}: {}", log());
    }
}

fn mean_square(one: &[u32], other: &[u32]) -> u64 {
    if one.len() != other.len() {
        return u64::MAX;
    }
    let squares = one.iter().zip(other).flat_map(|(one, other)| {
        let pairs = one.to_be_bytes().into_iter().zip(other.to_be_bytes());
        pairs.map(|(one, other)| u64::from(one.abs_diff(other)).pow(2))
    });
    squares.sum::<u64>().div_ceil(u64::try_from(one.len() * 3).unwrap())
}

#[test]
fn xrdp_shows_its_own_x_server() {
    let Some(mut xrdp) = Xrdp::start(XrdpSetup::default()) else { return };
    xrdp.draw(1);
    shows_the_same(&xrdp, xrdp.port(), &["/u:tester", "/p:none", "/bpp:32"], 0);
}

#[test]
fn xrdp_shows_a_vnc_server() {
    let setup = XrdpSetup { desktop: XrdpDesktop::Vnc, security_layer: "tls", ..XrdpSetup::default() };
    let Some(mut xrdp) = Xrdp::start(setup) else { return };
    xrdp.draw(2);
    shows_the_same(&xrdp, xrdp.port(), &["/u:tester", "/p:none", "/bpp:32", "/sec:tls"], 0);
}

#[test]
fn the_shadow_server_shows_its_display_to_who_knows_the_password() {
    let Some(mut shadow) = Shadow::start(ShadowSetup::default()) else { return };
    shadow.draw(0);
    let arguments = ["/u:tester", "/p:correct horse", "/sec:nla", "/bpp:32"];
    shows_the_same(&shadow, shadow.port(), &arguments, 400);
}
