//! The whole browser jump server in one binary: guacd, the web application, and an embedded database where no other is
//! named. This crate is wiring: command line, configuration, listeners, signals.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a command line program answers on standard output")]

mod certificate;
mod cli;
mod cluster;
mod commands;
mod config;
mod demo;
mod doctor;
mod drain;
mod host;
mod listener;
mod logging;
mod maintenance;
mod manual;
mod notify;
mod outside;
mod probe;
mod redirect;
mod secret;
mod signals;
mod supervisor;
mod tls;
mod x509;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    // Every TLS user of the process shares this one provider; libraries bring none of their own.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        println!("guacd-lite: a TLS provider is already installed");
        return ExitCode::FAILURE;
    }
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // All causes in one line: `{:#}` joins them with colons.
            logging::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: cli::Cli) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("guacd-lite")
        .build()?
        .block_on(commands::run(cli))
}
