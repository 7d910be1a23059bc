//! Configuration: file, then environment, then flags. Unknown keys are refused, wherever they come from.

mod acme;
mod cluster;
pub(crate) mod maintenance;
mod targets;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use guac_auth_mysql::{PasswordHashing, SslMode, StoreConfig};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::cli::{Serve, Settings};
use crate::secret;

/// Begins every variable that is a setting.
const ENVIRONMENT_PREFIX: &str = "GUACD_LITE_";

/// Variables of that prefix that are not settings of the file.
const OTHER_VARIABLES: [&str; 1] = ["GUACD_LITE_CONFIG"];

/// Everything that can be set, with its defaults. The shipped example file documents each.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    pub(crate) drain_timeout_s: u64,
    pub(crate) drain_notice_s: u64,
    pub(crate) admin_password_file: Option<PathBuf>,
    pub(crate) web: Web,
    pub(crate) acme: acme::Acme,
    pub(crate) guacd: Guacd,
    pub(crate) outside_guacd: OutsideGuacd,
    pub(crate) database: Database,
    pub(crate) cluster: cluster::ClusterSettings,
    pub(crate) maintenance: maintenance::Maintenance,
    pub(crate) targets: targets::TargetRules,
    pub(crate) log: Log,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Web {
    pub(crate) listen: SocketAddr,
    pub(crate) tls_certificate_file: Option<PathBuf>,
    pub(crate) tls_key_file: Option<PathBuf>,
    pub(crate) base_path: String,
    pub(crate) http_listen: Option<SocketAddr>,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) session_timeout_min: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Guacd {
    pub(crate) listen: GuacdListen,
    pub(crate) tls_certificate_file: Option<PathBuf>,
    pub(crate) tls_key_file: Option<PathBuf>,
}

/// How guacds elsewhere are talked to, which connections may name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OutsideGuacd {
    pub(crate) verify: bool,
    pub(crate) ca_file: Option<PathBuf>,
}

impl Default for OutsideGuacd {
    fn default() -> Self {
        Self { verify: true, ca_file: None }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Database {
    pub(crate) url: Option<Blanked>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) ssl_mode: Option<String>,
    pub(crate) ssl_ca_file: Option<PathBuf>,
    pub(crate) password_hashing: Hashing,
    pub(crate) allow_plaintext: bool,
    pub(crate) shared: bool,
    pub(crate) time_zone: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    pub(crate) filter: String,
    pub(crate) format: LogFormat,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq, Default)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Hashing {
    #[default]
    Stock,
    Argon2id,
}

/// An address, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum GuacdListen {
    On(SocketAddr),
    Off,
}

impl FromStr for GuacdListen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse()
            .map(Self::On)
            .map_err(|_| format!("\"{text}\" is neither \"off\" nor an address such as 127.0.0.1:4822"))
    }
}

impl TryFrom<String> for GuacdListen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<GuacdListen> for String {
    fn from(listen: GuacdListen) -> Self {
        match listen {
            GuacdListen::On(address) => address.to_string(),
            GuacdListen::Off => "off".to_owned(),
        }
    }
}

/// A database URL: printed without its password.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub(crate) struct Blanked(SecretString);

impl From<String> for Blanked {
    fn from(url: String) -> Self {
        Self(SecretString::from(url))
    }
}

impl Blanked {
    fn is_sqlite(&self) -> bool {
        self.0.expose_secret().starts_with("sqlite:")
    }

    /// The URL up to its scheme and what follows the last `@`: user and password lie between.
    fn shown(&self) -> String {
        let url = self.0.expose_secret();
        match (url.split_once("://"), url.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://***@{rest}"),
            _ => url.to_owned(),
        }
    }
}

impl std::fmt::Debug for Blanked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Serialize for Blanked {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: default_data_dir(),
            drain_timeout_s: 5,
            drain_notice_s: 0,
            admin_password_file: None,
            web: Web::default(),
            acme: acme::Acme::default(),
            guacd: Guacd::default(),
            outside_guacd: OutsideGuacd::default(),
            database: Database::default(),
            cluster: cluster::ClusterSettings::default(),
            maintenance: maintenance::Maintenance::default(),
            targets: targets::TargetRules::default(),
            log: Log::default(),
        }
    }
}

impl Default for Web {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls_certificate_file: None,
            tls_key_file: None,
            http_listen: None,
            base_path: String::new(),
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
            session_timeout_min: 60,
        }
    }
}

impl Default for Guacd {
    fn default() -> Self {
        let listen = GuacdListen::On(SocketAddr::from(([127, 0, 0, 1], 4822)));
        Self { listen, tls_certificate_file: None, tls_key_file: None }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

/// `$XDG_DATA_HOME`, `~/.local/share`, or for root and homeless users the system's place.
fn default_data_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    match (set("XDG_DATA_HOME"), set("HOME").filter(|home| home != Path::new("/root"))) {
        (Some(data), _) => data.join("guacd-lite"),
        (None, Some(home)) => home.join(".local/share/guacd-lite"),
        (None, None) => PathBuf::from("/var/lib/guacd-lite"),
    }
}

impl Config {
    /// Reads all sources for `serve`.
    pub(crate) fn for_serve(serve: &Serve) -> Result<Self> {
        let mut config = Self::load(&serve.settings, std::env::vars())?;
        if let Some(listen) = serve.web_listen {
            config.web.listen = listen;
        }
        if let Some(listen) = serve.guacd_listen {
            config.guacd.listen = listen;
        }
        config.validate()?;
        Ok(config)
    }

    /// Reads file, environment and the flags that every command has.
    pub(crate) fn load(settings: &Settings, environment: impl Iterator<Item = (String, String)>) -> Result<Self> {
        let mut table = match &settings.config {
            None => Table::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the config file {}", path.display()))?;
                text.parse().with_context(|| format!("the config file {} is not TOML", path.display()))?
            }
        };
        overlay_environment(&mut table, environment)?;
        let mut config: Self = table.try_into().context("the configuration is wrong")?;
        if let Some(dir) = &settings.data_dir {
            config.data_dir.clone_from(dir);
        }
        if let Some(url) = &settings.database {
            config.database.url = Some(Blanked(SecretString::from(url.clone())));
        }
        Ok(config)
    }

    /// Checks what types cannot: combinations, and files that must be there.
    pub(crate) fn validate(&self) -> Result<()> {
        for (section, certificate, key) in [
            ("web", &self.web.tls_certificate_file, &self.web.tls_key_file),
            ("guacd", &self.guacd.tls_certificate_file, &self.guacd.tls_key_file),
        ] {
            match (certificate, key) {
                (None, None) => {}
                (Some(certificate), Some(key)) => {
                    for path in [certificate, key] {
                        std::fs::File::open(path)
                            .with_context(|| format!("[{section}]: cannot read {}", path.display()))?;
                    }
                }
                _ => bail!("[{section}]: tls_certificate_file and tls_key_file belong together; set both or none"),
            }
        }
        if self.acme.wanted()?.is_some() && self.web.tls_certificate_file.is_some() {
            bail!(
                "[acme]: domains and [web] tls_certificate_file both say where the certificate comes from; remove one"
            );
        }
        self.maintenance.validate()?;
        if self.web.session_timeout_min == 0 {
            bail!("[web]: session_timeout_min is 0, so every login would end at once; set at least 1");
        }
        self.refuse_plaintext()?;
        self.targets()?;
        if self.cluster.wanted()?.is_some() && self.database.url.is_none() {
            bail!("[cluster]: nodes share a database; set [database] url to it");
        }
        Ok(())
    }

    /// Refuses to send passwords over a network in clear, where a database elsewhere is not made to use TLS.
    fn refuse_plaintext(&self) -> Result<()> {
        match self.store()?.server()? {
            Some(server) if server.is_perhaps_plaintext() && !server.is_local() && !self.database.allow_plaintext => {
                bail!(
                    "[database]: with ssl_mode {} everything may go to {} in clear; set ssl_mode to verify-identity (or at \
                 least required), or allow_plaintext = true if nobody else is on that network",
                    server.ssl_mode,
                    server.host
                )
            }
            _ => Ok(()),
        }
    }

    /// How to open the database.
    pub(crate) fn store(&self) -> Result<StoreConfig> {
        let mut store = match &self.database.url {
            Some(url) => StoreConfig::new(url.0.clone()),
            None => StoreConfig::sqlite(&self.data_dir.join("guacd-lite.sqlite3")),
        };
        if let Some(path) = &self.database.password_file {
            if self.database.url.as_ref().is_none_or(Blanked::is_sqlite) {
                bail!("[database]: password_file needs a url that begins with mysql://; SQLite has no password");
            }
            store.password = Some(secret::from_file(path).context("[database]: password_file")?);
        }
        if let Some(mode) = &self.database.ssl_mode {
            let parsed = SslMode::from_str(mode).ok();
            store.ssl_mode = Some(parsed.with_context(|| {
                format!("[database]: ssl_mode \"{mode}\" is none of disabled, preferred, required, verify-ca, verify-identity")
            })?);
        }
        store.ssl_ca.clone_from(&self.database.ssl_ca_file);
        // What a node of a cluster left open is closed by its tables, not by the next start of any.
        store.shared = self.database.shared || self.cluster.listen.is_some();
        store.time_zone.clone_from(&self.database.time_zone);
        store.password_hashing = match self.database.password_hashing {
            Hashing::Stock => PasswordHashing::Stock,
            Hashing::Argon2id => PasswordHashing::Argon2id,
        };
        Ok(store)
    }

    /// What is in force, as TOML, secrets blanked.
    pub(crate) fn shown(&self) -> Result<String> {
        toml::to_string_pretty(self).context("the configuration cannot be written as TOML")
    }
}

/// Puts `GUACD_LITE_SECTION_KEY` into `table` as `section.key`.
fn overlay_environment(table: &mut Table, environment: impl Iterator<Item = (String, String)>) -> Result<()> {
    let keys = known_keys()?;
    for (name, text) in environment {
        let Some(key) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
        if OTHER_VARIABLES.contains(&name.as_str()) {
            continue;
        }
        let Some((section, key)) = keys.get(key) else {
            bail!(
                "environment variable {name} is not a setting; remove it or see the example config file for the names"
            );
        };
        let target = match section {
            None => &mut *table,
            Some(section) => {
                let entry = table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
                entry.as_table_mut().with_context(|| format!("\"{section}\" in the config file must be a section"))?
            }
        };
        target.insert(key.clone(), environment_value(key, text));
    }
    Ok(())
}

/// Numbers and truth values as such, lists at commas, everything else as text.
fn environment_value(key: &str, text: String) -> Value {
    if ["trusted_proxies", "allowed_origins", "domains", "allow", "deny"].contains(&key) {
        return Value::Array(text.split(',').map(|item| Value::String(item.trim().to_owned())).collect());
    }
    match (text.parse::<bool>(), text.parse::<i64>()) {
        (Ok(value), _) => Value::Boolean(value),
        (_, Ok(value)) => Value::Integer(value),
        _ => Value::String(text),
    }
}

/// Every setting by its variable's name without the prefix.
fn known_keys() -> Result<BTreeMap<String, (Option<String>, String)>> {
    // A value for each optional setting, so that serialising names them all.
    let blank = || Some(PathBuf::new());
    let mut config = Config { admin_password_file: blank(), ..Config::default() };
    (config.web.tls_certificate_file, config.web.tls_key_file) = (blank(), blank());
    (config.guacd.tls_certificate_file, config.guacd.tls_key_file) = (blank(), blank());
    config.outside_guacd.ca_file = blank();
    config.cluster.listen = Some(config.web.listen);
    (config.cluster.address, config.cluster.name) = (Some(String::new()), Some(String::new()));
    config.cluster.secret_file = blank();
    config.maintenance.azure_machine_name = Some(String::new());
    config.web.http_listen = Some(config.web.listen);
    (config.acme.email, config.acme.ca_file) = (Some(String::new()), blank());
    config.database = Database {
        url: Some(Blanked(SecretString::from(String::new()))),
        password_file: blank(),
        ssl_mode: Some(String::new()),
        ssl_ca_file: blank(),
        time_zone: Some(String::new()),
        ..Database::default()
    };
    let mut keys = BTreeMap::new();
    for (name, value) in Table::try_from(&config).context("the configuration cannot be listed")? {
        match value {
            Value::Table(section) => {
                for key in section.keys() {
                    keys.insert(format!("{name}_{key}").to_uppercase(), (Some(name.clone()), key.clone()));
                }
            }
            _ => {
                keys.insert(name.to_uppercase(), (None, name));
            }
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("config.toml");
        std::fs::write(&path, file)?;
        let settings = Settings { config: Some(path), ..Settings::default() };
        Config::load(&settings, environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let file = "drain_timeout_s = 3\n[web]\nlisten = \"127.0.0.1:1\"\n[guacd]\nlisten = \"off\"\n";
        let environment = [
            ("GUACD_LITE_WEB_LISTEN", "127.0.0.1:2"),
            ("GUACD_LITE_WEB_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
            ("PATH", "x"),
        ];
        let config = load(file, &environment).unwrap();
        assert_eq!(config.web.listen.port(), 2);
        assert_eq!(config.web.trusted_proxies, ["10.0.0.0/8", "::1"]);
        assert_eq!(config.guacd.listen, GuacdListen::Off);
        assert_eq!(config.drain_timeout_s, 3);
    }

    #[test]
    fn both_ports_are_on_loopback_unless_told_otherwise() {
        let config = load("", &[]).unwrap();
        assert!(config.web.listen.ip().is_loopback());
        assert!(matches!(config.guacd.listen, GuacdListen::On(address) if address.ip().is_loopback()));
    }

    #[test]
    fn unknown_keys_are_refused_by_name_wherever_they_stand() {
        let error = format!("{:#}", load("[web]\nlisten_port = 1\n", &[]).unwrap_err());
        assert!(error.contains("listen_port"), "{error}");
        let error = format!("{:#}", load("colour = 1\n", &[]).unwrap_err());
        assert!(error.contains("colour"), "{error}");
        let error = format!("{:#}", load("", &[("GUACD_LITE_WEB_COLOUR", "x")]).unwrap_err());
        assert!(error.contains("GUACD_LITE_WEB_COLOUR"), "{error}");
    }

    #[test]
    fn what_is_shown_has_no_password() {
        let config = load("[database]\nurl = \"mysql://guac:p@ss:w0rd@db.example/guac\"\n", &[]).unwrap();
        let shown = config.shown().unwrap();
        assert!(shown.contains("mysql://***@db.example/guac"), "{shown}");
        assert!(!shown.contains("w0rd") && !format!("{config:?}").contains("w0rd"));
    }

    #[test]
    fn a_database_password_comes_from_a_file_or_is_missed_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        let config = |url: &str, file: &Path| {
            load(&format!("[database]\nurl = \"{url}\"\npassword_file = \"{}\"\n", file.display()), &[]).unwrap()
        };
        let wrong = |config: &Config| format!("{:#}", config.validate().unwrap_err());
        let found = config("mysql://u@h/d", &file);
        assert!(wrong(&found).contains("password_file: cannot read"));
        std::fs::write(&file, "\n").unwrap();
        assert!(wrong(&found).contains("password_file: "));
        std::fs::write(&file, "canary\nnot this\n").unwrap();
        assert_eq!(found.store().unwrap().password.unwrap().expose_secret(), "canary");
        assert!(!found.shown().unwrap().contains("canary"));
        assert!(wrong(&config("sqlite:///x", &file)).contains("SQLite has no password"));
    }

    #[test]
    fn half_a_tls_pair_and_a_missing_file_are_refused() {
        let config = load("[web]\ntls_key_file = \"/nowhere/key.pem\"\n", &[]).unwrap();
        assert!(format!("{:#}", config.validate().unwrap_err()).contains("belong together"));
        let config =
            load("[guacd]\ntls_key_file = \"/nowhere/k\"\ntls_certificate_file = \"/nowhere/c\"\n", &[]).unwrap();
        assert!(format!("{:#}", config.validate().unwrap_err()).contains("/nowhere/c"));
        let both = "[web]\ntls_certificate_file = \"Cargo.toml\"\ntls_key_file = \"Cargo.toml\"\n[acme]\ndomains = [\"a.example\"]\nagree_terms = true\n";
        assert!(format!("{:#}", load(both, &[]).unwrap().validate().unwrap_err()).contains("remove one"));
        let config = load("[database]\nssl_mode = \"maybe\"\n", &[]).unwrap();
        assert!(format!("{:#}", config.validate().unwrap_err()).contains("maybe"));
    }

    #[test]
    fn the_shipped_example_parses_and_names_every_setting() {
        let example = include_str!("../../guacd-lite.example.toml");
        load(example, &[]).unwrap().store().unwrap();
        for (section, key) in known_keys().unwrap().into_values() {
            assert!(example.contains(&format!("{key} =")), "{section:?}.{key} is not in the example file");
        }
        // With every comment sign before a setting taken away it must still parse.
        let all: String = example
            .lines()
            .map(|line| format!("{}\n", line.strip_prefix("#").filter(|rest| !rest.starts_with(' ')).unwrap_or(line)))
            .collect();
        load(&all, &[]).unwrap();
    }
}
