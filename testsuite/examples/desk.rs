//! Starts an RDP desktop and keeps it until its standard input ends, to try or measure things by hand.
//!
//! `cargo run -p testsuite --example desk -- xorg|vnc|shadow` prints the port and the X display. The shadow server
//! wants NLA, as `tester` with the password `correct horse`.
#![expect(clippy::print_stdout, reason = "it prints where the desktop is")]

use std::io::Read as _;

use testsuite::{Desktop, Shadow, ShadowSetup, Xrdp, XrdpDesktop, XrdpSetup};

fn main() {
    let kind = std::env::args().nth(1).unwrap_or_default();
    if kind == "shadow" {
        let Some(desk) = Shadow::start(ShadowSetup::default()) else { return };
        keep(desk.port(), &desk);
    } else {
        let desktop = if kind == "vnc" { XrdpDesktop::Vnc } else { XrdpDesktop::Xorg };
        let Some(desk) = Xrdp::start(XrdpSetup { desktop, ..XrdpSetup::default() }) else { return };
        keep(desk.port(), &desk);
    }
}

fn keep(port: u16, desktop: &Desktop) {
    println!("port={port} display={} home={}", desktop.display(), desktop.home().display());
    // An end of the input is what is waited for, and an error of it is one.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
