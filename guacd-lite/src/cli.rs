//! The command line. Scripts and packages rely on it: add, do not change.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::GuacdListen;

/// A browser jump server: SSH terminals and desktops in a plain browser.
#[derive(Debug, Parser)]
#[command(name = "guacd-lite", version, about, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "Settings come from the config file, then GUACD_LITE_… variables, then flags; later ones win.\n\
    To look around without setting anything up: guacd-lite demo";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server.
    Serve(Serve),
    /// Try it out: a throw-away database, a login, and this machine as the target. Nothing is kept.
    Demo {
        /// Where the browser connects.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
        web_listen: SocketAddr,
    },
    /// Manage users.
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Set a user's password.
    Passwd {
        /// User name.
        name: String,
        #[command(flatten)]
        password: PasswordSource,
        #[command(flatten)]
        settings: Settings,
    },
    /// Manage connections.
    Connection {
        #[command(subcommand)]
        command: ConnectionCommand,
    },
    /// Look after the database.
    Db {
        #[command(subcommand)]
        command: DbCommand,
    },
    /// Check configuration, files, certificates, ports, the database and the machines behind, and say what to do.
    Doctor {
        /// Leave the machines of connections alone.
        #[arg(long)]
        no_targets: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Ask the server that runs with this configuration whether it lives. For the health checks of containers.
    Health {
        /// Where it listens, if a flag says so to it, too.
        #[arg(long, value_name = "ADDR")]
        web_listen: Option<SocketAddr>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Print the completions for a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Write the manual pages into a directory.
    #[command(hide = true)]
    Manual {
        /// The directory, which must be there.
        dir: PathBuf,
    },
}

/// Where settings come from; every command that opens the database takes them.
#[derive(Debug, Args, Default)]
pub(crate) struct Settings {
    /// Config file (TOML).
    #[arg(long, value_name = "FILE", env = "GUACD_LITE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where the embedded database, known host keys and the like are kept.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// `mysql://user:password@host/database` or `sqlite:///path`; without it SQLite in the data directory.
    /// A password here is visible to other users of this machine: prefer the config file or GUACD_LITE_DATABASE_URL.
    #[arg(long, value_name = "URL")]
    pub(crate) database: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Where browsers connect.
    #[arg(long, value_name = "ADDR")]
    pub(crate) web_listen: Option<SocketAddr>,
    /// Where other Guacamole gateways connect (the guacd port), or "off". It asks nobody for a password: keep it on
    /// loopback or behind TLS and a firewall.
    #[arg(long, value_name = "ADDR|off")]
    pub(crate) guacd_listen: Option<GuacdListen>,
    /// Check the configuration, print what is in force (secrets blanked) and exit.
    #[arg(long)]
    pub(crate) check_config: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PasswordSource {
    /// Read the password from the first line of this file, or of standard input for "-". Without it one is made up
    /// and printed.
    #[arg(long, value_name = "FILE|-")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user.
    Add {
        /// User name.
        name: String,
        /// Give all system permissions.
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        password: PasswordSource,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectionCommand {
    /// Add a connection.
    Add {
        /// Its name.
        name: String,
        /// ssh or vnc.
        #[arg(long)]
        protocol: String,
        /// A parameter, such as hostname=10.0.0.4. A value that begins with "@" is read from that file.
        #[arg(long = "parameter", value_name = "KEY=VALUE", value_parser = parse_parameter)]
        parameters: Vec<(String, String)>,
        /// Group to put it in, such as europe/web; made where missing.
        #[arg(long, value_name = "PATH")]
        group: Option<String>,
        /// User who may use it; may be given more than once.
        #[arg(long = "grant", value_name = "USER")]
        grants: Vec<String>,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Make the tables, or bring them up to date. `serve` does this by itself.
    Migrate {
        #[command(flatten)]
        settings: Settings,
    },
}

fn parse_parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, such as hostname=10.0.0.4".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn every_documented_form_parses() {
        for line in [
            "guacd-lite serve --config f --data-dir d --database sqlite:///x --web-listen 127.0.0.1:1 --guacd-listen off",
            "guacd-lite serve --guacd-listen 127.0.0.1:4822 --check-config",
            "guacd-lite demo --web-listen 127.0.0.1:0",
            "guacd-lite user add ann --admin --password-file -",
            "guacd-lite passwd ann --password-file f --data-dir d",
            "guacd-lite connection add web --protocol ssh --parameter hostname=h --parameter port=22 --group a/b --grant ann",
            "guacd-lite db migrate --data-dir d",
            "guacd-lite doctor --no-targets --json --config f",
            "guacd-lite health --config f --web-listen 127.0.0.1:1",
            "guacd-lite completions bash",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        assert!(
            Cli::try_parse_from("guacd-lite connection add x --protocol ssh --parameter nonsense".split(' ')).is_err()
        );
    }
}
