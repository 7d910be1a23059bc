//! The whole system: the real daemon against real servers, used by real clients.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do, by panicking")]

mod certificates;
mod clients;
mod cluster;
mod crash;
mod database;
mod differential;
mod drain;
mod failures;
mod files;
mod hostile;
mod maintenance;
mod operation;
mod peers;
mod rdp_peers;
mod refusals;
mod secrets;
mod sessions;
mod supervised;
