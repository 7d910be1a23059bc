//! The client against real servers behind a real daemon, and against scripted ones that break the rules.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a failed step is a failed test, and numbers in tests are small"
)]

mod errors;
#[path = "../../examples/login.rs"]
#[expect(dead_code, reason = "an example's main is for those who run it")]
mod example;
mod files;
mod scripted;
mod ssh;
mod vnc;

use std::time::Duration;

use guac_client::{Client, Guacd, Options};
use testsuite::{Daemon, PATIENCE};

/// How long a screen has to rest. Tests check what is on it afterwards, so that a machine that is slower than this
/// makes them wait again and not fail.
const QUIET: Duration = Duration::from_millis(150);

/// A session over the guacd port.
async fn open(daemon: &Daemon, protocol: &str, params: Vec<(String, String)>) -> Client {
    let target = Guacd::open("127.0.0.1", daemon.guacd.port(), protocol).params(params);
    let client = Client::connect(target, Options::with_size(640, 480)).await.unwrap();
    client.wait_frame(0, PATIENCE).await.unwrap();
    client
}
