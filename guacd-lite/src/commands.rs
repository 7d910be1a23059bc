//! What each command does.

use std::io::{BufRead as _, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use guac_auth_mysql::{Access, Holder, NewConnection, NewUser, Store};
use rand::Rng as _;
use secrecy::{ExposeSecret as _, SecretString};

use crate::cli::{Cli, Command, ConnectionCommand, DbCommand, PasswordSource, Serve, Settings, UserCommand};
use crate::config::{Config, Log};
use crate::maintenance::ScheduledEvents;
use crate::notify::{self, Notify};
use crate::probe::Probe;
use crate::signals::{Stop, Stopping};
use crate::supervisor::{Server, open_store};
use crate::{demo, doctor, logging, manual, secret};

/// The administrator that the first start makes.
const FIRST_ADMIN: &str = "admin";

/// Longest password on standard input.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// How long a health check waits. Containers' engines give up after 30 seconds, and want to hear why before that.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) async fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Serve(arguments) => serve(&arguments).await,
        Command::Demo { web_listen } => demo::run(web_listen).await,
        Command::Doctor { no_targets, json, settings } => doctor::run(&settings, !no_targets, json).await,
        Command::User { command: UserCommand::Add { name, admin, password, settings } } => {
            let store = store(&settings).await?;
            let secret = password.read()?;
            let made_up = add_user(&store, &name, admin, secret).await?;
            tell(&format!("user {name} added"), made_up.as_ref());
            store.close().await;
            Ok(())
        }
        Command::Passwd { name, password, settings } => {
            let store = store(&settings).await?;
            let secret = password.read()?;
            let made_up = secret.is_none().then(random_password);
            let secret = secret.as_ref().or(made_up.as_ref()).context("a password was read or made up")?;
            store.set_password(&Access::operator(), &name, secret, SystemTime::now()).await?;
            tell(&format!("password of {name} changed"), made_up.as_ref());
            store.close().await;
            Ok(())
        }
        Command::Connection {
            command: ConnectionCommand::Add { name, protocol, parameters, group, grants, settings },
        } => {
            let store = store(&settings).await?;
            let parameters = parameters.into_iter().map(read_parameter).collect::<Result<Vec<_>>>()?;
            let id = add_connection(&store, &name, &protocol, parameters, group.as_deref(), &grants).await?;
            println!("connection {id} ({name}) added");
            store.close().await;
            Ok(())
        }
        Command::Db { command: DbCommand::Migrate { settings } } => {
            store(&settings).await?.close().await;
            println!("the database is up to date");
            Ok(())
        }
        Command::Health { web_listen, settings } => health(&settings, web_listen).await,
        Command::Completions { shell } => {
            manual::completions(shell);
            Ok(())
        }
        Command::Manual { dir } => manual::pages(&dir),
    }
}

async fn store(settings: &Settings) -> Result<Store> {
    let config = Config::load(settings, std::env::vars())?;
    config.validate()?;
    open_store(&config).await
}

async fn serve(arguments: &Serve) -> Result<()> {
    let config = Config::for_serve(arguments)?;
    if arguments.check_config {
        print!("{}", config.shown()?);
        return Ok(());
    }
    logging::start(&config.log)?;
    // Taken over before anything is opened: a signal during the start still closes what was.
    let mut stop = Stop::new()?;
    let store = open_store(&config).await?;
    make_first_admin(&store, config.admin_password_file.as_deref()).await?;
    let mut server = Server::start(&config, store).await?;
    println!("guacd-lite is ready: {}", server.web_url());
    if let Some(address) = server.guacd_address() {
        println!("guacd protocol on {address}");
    }
    if let Some(events) = ScheduledEvents::new(&config.maintenance)? {
        server.beside(events.run(server.work()));
    }
    if let Some(notify) = Notify::from_environment() {
        notify.ready();
        let (address, tls) = server.web_port();
        server.beside(notify.report(server.work(), Probe::new(address, tls)?));
    }
    let how = stop.received().await;
    notify::stopping();
    if how == Stopping::Drain {
        server.drain(&mut stop).await;
    }
    server.stop().await;
    Ok(())
}

/// Fails where the server does not answer well, or not in time.
async fn health(settings: &Settings, web_listen: Option<SocketAddr>) -> Result<()> {
    let config = Config::load(settings, std::env::vars())?;
    let address = web_listen.unwrap_or(config.web.listen);
    let tls = config.web.tls_certificate_file.is_some() || config.acme.wanted()?.is_some();
    tokio::time::timeout(HEALTH_TIMEOUT, Probe::new(address, tls)?.answers())
        .await
        .with_context(|| format!("{address} does not answer in time"))?
        .with_context(|| format!("{address} does not answer"))
}

/// There is no default password: the first start makes one up, or takes the operator's.
async fn make_first_admin(store: &Store, password_file: Option<&Path>) -> Result<()> {
    if store.has_administrator().await? {
        return Ok(());
    }
    let secret = password_file.map(read_secret).transpose()?;
    let mut admin = NewUser::new(FIRST_ADMIN, secret);
    // A password that stood on a terminal or in a journal is good for one login, which must choose another.
    admin.attributes.expired = admin.password.is_none();
    let made_up = create_user(store, admin, true).await.context("cannot make the first administrator")?;
    if let Some(password) = &made_up {
        println!("First start: log in as {FIRST_ADMIN} with the password {}", password.expose_secret());
        println!("It is shown this once, and the first login asks for another.");
    }
    Ok(())
}

/// Adds a user; gives the password if one had to be made up.
pub(crate) async fn add_user(
    store: &Store,
    name: &str,
    admin: bool,
    password: Option<SecretString>,
) -> Result<Option<SecretString>> {
    create_user(store, NewUser::new(name, password), admin).await
}

async fn create_user(store: &Store, mut user: NewUser, admin: bool) -> Result<Option<SecretString>> {
    let made_up = user.password.is_none().then(random_password);
    user.password = user.password.or_else(|| made_up.clone());
    store.create_user(&Access::operator(), &user, SystemTime::now()).await?;
    if admin {
        store.grant_administration(&Access::operator(), &user.name).await?;
    }
    Ok(made_up)
}

/// Adds a connection and gives its identifier. Unknown users are refused before anything is written.
pub(crate) async fn add_connection(
    store: &Store,
    name: &str,
    protocol: &str,
    parameters: Vec<(String, String)>,
    group: Option<&str>,
    grants: &[String],
) -> Result<String> {
    let operator = Access::operator();
    if !["rdp", "ssh", "vnc"].contains(&protocol) {
        bail!("protocol \"{protocol}\" is not built in; this version has rdp, ssh and vnc");
    }
    for user in grants {
        store.user(&operator, user).await.with_context(|| format!("cannot grant to \"{user}\""))?;
    }
    let mut new = NewConnection::new(name, protocol);
    for (key, value) in parameters {
        new.parameters.insert(key, value);
    }
    if let Some(path) = group {
        new.parent = store.ensure_group_path(&operator, path).await?;
    }
    let key = store.create_connection(&operator, &new).await?;
    for user in grants {
        store.grant_connection(&operator, key, &Holder::User(user.clone())).await?;
    }
    Ok(key.to_string())
}

/// `@file` stands for the file's content.
fn read_parameter((key, value): (String, String)) -> Result<(String, String)> {
    match value.strip_prefix('@') {
        None => Ok((key, value)),
        Some(path) => Ok((key, secret::read_file(Path::new(path))?)),
    }
}

impl PasswordSource {
    fn read(&self) -> Result<Option<SecretString>> {
        self.password_file.as_deref().map(read_secret).transpose()
    }
}

/// The first line of a file, or of standard input for `-`.
fn read_secret(path: &Path) -> Result<SecretString> {
    if path != Path::new("-") {
        return secret::from_file(path);
    }
    let mut line = String::new();
    std::io::stdin().lock().take(MAX_LINE_BYTES).read_line(&mut line).context("cannot read standard input")?;
    secret::first_line(&line, path)
}

fn tell(done: &str, made_up: Option<&SecretString>) {
    match made_up {
        None => println!("{done}"),
        Some(password) => println!("{done}; the password is {}", password.expose_secret()),
    }
}

/// 20 letters and digits without look-alikes: about 116 bits.
pub(crate) fn random_password() -> SecretString {
    const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut rng = rand::rng();
    let pick = |_| char::from(*ALPHABET.get(rng.random_range(0..ALPHABET.len())).unwrap_or(&b'x'));
    SecretString::from((0..20).map(pick).collect::<String>())
}

/// Logging for commands that have no configuration.
pub(crate) fn quiet_log() -> Log {
    Log { filter: "warn".to_owned(), ..Log::default() }
}
