//! The web application over an embedded database and a scripted session host.
#![expect(clippy::unwrap_used, reason = "helpers of tests are not tests themselves to the linter")]

mod cluster;
mod login;
mod pages;
mod peers;
mod readiness;
mod rest;
mod sharing;
mod streams;
mod support;
mod tunnels;
