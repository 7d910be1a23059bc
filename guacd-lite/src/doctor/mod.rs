//! `guacd-lite doctor`: looks at everything a start needs, and says what to do. It changes nothing and prints no secret.

mod report;

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use futures_util::{StreamExt as _, stream};
use guac_auth_mysql::{Access, Connection, Store};
use guac_session::{TargetError, Targets};
use tokio::time::{Instant, timeout, timeout_at};

use crate::certificate::Files;
use crate::cli::Settings;
use crate::config::{Config, GuacdListen};
use crate::probe::Probe;
use crate::secret;
use crate::x509::Facts;

use report::{Level, Report};

/// How long our own port may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// How long one target may take, and all of them.
const TARGET: Duration = Duration::from_secs(4);
const ALL_TARGETS: Duration = Duration::from_secs(30);

/// Targets looked for at once.
const AT_ONCE: usize = 16;

/// Days that a certificate should have left.
const SOON_DAYS: u64 = 14;

/// Looks at everything and prints it. An error if anything fails.
pub(crate) async fn run(settings: &Settings, targets: bool, json: bool) -> Result<()> {
    let mut report = Report::default();
    examine(settings, targets, &mut report).await;
    if json {
        println!("{}", serde_json::to_string_pretty(&report).context("the report is not JSON")?);
    } else {
        print!("{}", report.table());
    }
    match report.count(Level::Fail) {
        0 => Ok(()),
        failed => bail!("{failed} of the checks failed"),
    }
}

async fn examine(settings: &Settings, targets: bool, report: &mut Report) {
    let config = match Config::load(settings, std::env::vars()) {
        Ok(config) => config,
        Err(error) => return report.add(Level::Fail, "config", format!("{error:#}")),
    };
    match config.validate() {
        Ok(()) => report.add(Level::Ok, "config", "every setting is understood"),
        Err(error) => report.add(Level::Fail, "config", format!("{error:#}")),
    }
    files(settings, &config, report);
    for (what, certificate, key) in [
        ("web certificate", &config.web.tls_certificate_file, &config.web.tls_key_file),
        ("guacd certificate", &config.guacd.tls_certificate_file, &config.guacd.tls_key_file),
    ] {
        if let (Some(certificate), Some(key)) = (certificate, key) {
            match examine_certificate(certificate, key) {
                Ok((level, text)) => report.add(level, what, text),
                Err(error) => report.add(Level::Fail, what, format!("{error:#}")),
            }
        }
    }
    ports(&config, report).await;
    if let Some(store) = database(&config, report).await {
        if targets {
            connections(&config, &store, report).await;
        }
        store.close().await;
    }
}

/// Files with secrets: there, not empty, and for nobody else.
fn files(settings: &Settings, config: &Config, report: &mut Report) {
    let keys = [&config.web.tls_key_file, &config.guacd.tls_key_file];
    let secrets = [&config.admin_password_file, &config.database.password_file, &config.cluster.secret_file];
    for path in secrets.into_iter().flatten() {
        if let Err(error) = secret::from_file(path) {
            report.add(Level::Fail, "secret file", format!("{error:#}; write it, or correct its name and owner"));
        }
    }
    let all = secrets.into_iter().chain(keys).flatten().chain(settings.config.iter());
    for path in all {
        // Containers' engines hand secrets over like that, where nobody else is; so this is no failure.
        if std::fs::metadata(path).is_ok_and(|found| found.mode() & 0o007 != 0) {
            let text = format!("{} may be read by every user of this machine; chmod o= it", path.display());
            report.add(Level::Warn, "permissions", text);
        }
    }
    match std::fs::metadata(&config.data_dir) {
        Err(_) => {
            report.add(Level::Warn, "data_dir", format!("{} is not there; a start makes it", show(&config.data_dir)))
        }
        Ok(found) if found.mode() & 0o007 != 0 => {
            let text = format!("{} is open to every user of this machine; chmod o= it", show(&config.data_dir));
            report.add(Level::Warn, "data_dir", text);
        }
        Ok(_) => report.add(Level::Ok, "data_dir", show(&config.data_dir)),
    }
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

fn examine_certificate(certificate: &Path, key: &Path) -> Result<(Level, String)> {
    let read = Files::new(certificate, key).read()?;
    let first = read.cert.first().context("there is no certificate in it")?;
    let facts = Facts::of(first)?;
    let days =
        facts.days_left(SystemTime::now()).with_context(|| format!("the certificate in {}", show(certificate)))?;
    let level = if days < SOON_DAYS { Level::Warn } else { Level::Ok };
    let text = format!("for {}, by {}, {days} days left", facts.names.join(", "), facts.issuer);
    Ok((level, text))
}

/// Ports are free, or ours.
async fn ports(config: &Config, report: &mut Report) {
    let tls = config.web.tls_certificate_file.is_some() || !config.acme.domains.is_empty();
    let running = match Probe::new(config.web.listen, tls) {
        Ok(probe) => matches!(timeout(ANSWER, probe.answers()).await, Ok(Ok(()))),
        Err(_) => false,
    };
    let guacd = match config.guacd.listen {
        GuacdListen::On(address) => Some(address),
        GuacdListen::Off => None,
    };
    let listens: [(&str, Option<SocketAddr>); 4] = [
        ("web port", Some(config.web.listen)),
        ("http port", config.web.http_listen),
        ("guacd port", guacd),
        ("peer port", config.cluster.listen),
    ];
    for (what, address) in listens {
        let Some(address) = address else { continue };
        match TcpListener::bind(address) {
            Ok(_) => report.add(Level::Ok, what, format!("{address} is free")),
            Err(_) if running => report.add(Level::Ok, what, format!("{address} is in use while our server runs")),
            Err(error) => {
                let text = format!("cannot listen on {address}: {error}; stop what uses it, or choose another");
                report.add(Level::Fail, what, text);
            }
        }
    }
}

async fn database(config: &Config, report: &mut Report) -> Option<Store> {
    // Where it can not be read, validation has said so.
    let Ok(settings) = config.store() else { return None };
    let server = settings.server().ok().flatten();
    // Opening would make it.
    if let Ok(Some(file)) = settings.file()
        && !file.exists()
    {
        match config.database.url {
            None => report.add(Level::Ok, "database", "SQLite; a start makes it"),
            Some(_) => {
                let text = format!("{} is not there; a start makes it, unless its name is wrong", show(&file));
                report.add(Level::Warn, "database", text);
            }
        }
        return None;
    }
    match Store::connect(&settings).await {
        Ok(store) => {
            match server {
                Some(server) if server.is_perhaps_plaintext() => {
                    let text = format!("{} answers; ssl_mode {} may be in clear", server.host, server.ssl_mode);
                    report.add(Level::Warn, "database", text);
                }
                Some(server) => {
                    let text = format!("{}:{} answers over TLS ({})", server.host, server.port, server.ssl_mode);
                    report.add(Level::Ok, "database", text);
                }
                None => report.add(Level::Ok, "database", "it opens"),
            }
            Some(store)
        }
        Err(error) => {
            report.add(Level::Fail, "database", format!("{:#}", anyhow::Error::from(error)));
            None
        }
    }
}

/// Whether the machines behind are there. One that is switched off is nothing wrong with us.
async fn connections(config: &Config, store: &Store, report: &mut Report) {
    let Ok(policy) = config.targets() else { return };
    let operator = Access::operator();
    let found = match store.connections(&operator, &[]).await {
        Ok(found) => found,
        Err(error) => {
            let text = format!("connections cannot be read: {error}; a start makes missing tables");
            return report.add(Level::Warn, "targets", text);
        }
    };
    let deadline = Instant::now() + ALL_TARGETS;
    let total = found.len();
    let looks = found.into_iter().map(|connection| look(connection, store, &operator, &policy, deadline));
    let missing: Vec<(String, String)> =
        stream::iter(looks).buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await;
    report.add(Level::Ok, "targets", format!("{} of {total} connections without a finding", total - missing.len()));
    for (name, why) in missing {
        report.add(Level::Warn, format!("target {name}"), why);
    }
}

/// Nothing where it answers, or where its address is only known to a user's session.
async fn look(
    connection: Connection,
    store: &Store,
    operator: &Access,
    policy: &Targets,
    deadline: Instant,
) -> Option<(String, String)> {
    let parameters = store.parameters(operator, connection.key).await.ok()?;
    let default = match connection.protocol.as_str() {
        "ssh" => 22,
        "vnc" => 5900,
        "rdp" => 3389,
        _ => return None,
    };
    let host = parameters.value("hostname").filter(|host| !host.contains("${"))?;
    let port = parameters.value("port").and_then(|port| port.parse().ok()).unwrap_or(default);
    let until = deadline.min(Instant::now() + TARGET);
    let why = match timeout_at(until, policy.connect(host, port)).await {
        Ok(Ok(_)) => return None,
        Ok(Err(TargetError::Refused)) => "is refused; [targets] allow would permit it".to_owned(),
        Ok(Err(error)) => format!("{error}; check its name, port and firewall"),
        Err(_) => "did not answer in time; check its address and firewall".to_owned(),
    };
    Some((connection.name, format!("{host}:{port}: {why}")))
}
