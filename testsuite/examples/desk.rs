//! Starts an RDP desktop and keeps it until its standard input ends, to try or measure things by hand.
//!
//! `cargo run -p testsuite --example desk -- xorg|vnc` prints the port and the X display.
#![expect(clippy::print_stdout, reason = "it prints where the desktop is")]

use std::io::Read as _;

use testsuite::{Xrdp, XrdpDesktop, XrdpSetup};

fn main() {
    let desktop = match std::env::args().nth(1).as_deref() {
        Some("vnc") => XrdpDesktop::Vnc,
        _ => XrdpDesktop::Xorg,
    };
    let Some(desk) = Xrdp::start(XrdpSetup { desktop, ..XrdpSetup::default() }) else { return };
    println!("port={} display={} home={}", desk.port(), desk.display(), desk.home().display());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
