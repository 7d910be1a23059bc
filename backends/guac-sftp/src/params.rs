//! Parameters that say where a machine is, who logs in, and what users get of its files.

use std::time::Duration;

use guac_session::{Params, Targets};
use secrecy::SecretString;

/// Longest keep-alive interval and timeout: a day.
const MAX_SECONDS: u64 = 86_400;

/// Where to connect.
#[derive(Debug, Clone)]
pub struct Target {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Which machines may be reached at all.
    pub targets: Targets,
    /// How long finding the machine and opening a socket may take.
    pub timeout: Duration,
    /// Keys of the machine, as lines of `known_hosts` or in base64 alone; without any the store decides.
    pub host_key: Option<String>,
    /// Time between two questions whether the machine is still there.
    pub alive_interval: Option<Duration>,
}

impl Target {
    /// From the parameters whose names begin with `prefix`, which is empty for SSH itself and `sftp-` beside a desktop.
    #[must_use]
    pub fn from_params(params: &Params, prefix: &str) -> Self {
        let name = |name: &str| format!("{prefix}{name}");
        let seconds = |of: &str, default: u64| params.number::<u64>(&name(of), default).min(MAX_SECONDS);
        // guacd's library turns 1 into 2, so that it does not spin.
        let alive = Some(seconds("server-alive-interval", 0)).filter(|seconds| *seconds > 0);
        Self {
            host: params.get(&name("hostname")).unwrap_or_default().to_owned(),
            port: params.number(&name("port"), 22),
            targets: params.targets().clone(),
            timeout: Duration::from_secs(seconds("timeout", 10).max(1)),
            host_key: params.get(&name("host-key")).map(str::to_owned),
            alive_interval: alive.map(|seconds| Duration::from_secs(seconds.max(2))),
        }
    }
}

/// What to log in with. What is missing is asked for, if somebody is there.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// Account on the machine.
    pub username: Option<String>,
    /// Its password, or the answer to the one hidden question that machines ask instead.
    pub password: Option<SecretString>,
    /// Private key in any format of OpenSSH, PKCS #8 or PKCS #1.
    pub private_key: Option<SecretString>,
    /// What opens the key.
    pub passphrase: Option<SecretString>,
    /// A certificate for the key; a bare public key is not needed.
    pub public_key: Option<String>,
}

impl Credentials {
    /// From the parameters whose names begin with `prefix`, as for [`Target::from_params`].
    #[must_use]
    pub fn from_params(params: &Params, prefix: &str) -> Self {
        let name = |name: &str| format!("{prefix}{name}");
        Self {
            username: params.get(&name("username")).map(str::to_owned),
            password: params.secret(&name("password")),
            private_key: params.secret(&name("private-key")),
            passphrase: params.secret(&name("passphrase")),
            public_key: params.get(&name("public-key")).map(str::to_owned),
        }
    }
}

/// Which files users get to see, and which they may read and write.
#[derive(Debug, Clone)]
pub struct FileRules {
    /// The directory that is shown; nothing above it can be named.
    pub root: String,
    /// Files may be read. Directories are listed in any case.
    pub download: bool,
    /// Files may be written.
    pub upload: bool,
    /// Where files go that are just dropped: below the directory after the login, unless it is absolute.
    pub drop_directory: String,
    /// Files that are just dropped come here, and not to something else of the session.
    pub takes_dropped: bool,
}

impl FileRules {
    /// From the parameters that SSH has as well as desktops. Dropped files go to the directory after the login.
    #[must_use]
    pub fn from_params(params: &Params) -> Self {
        Self {
            root: params.get("sftp-root-directory").unwrap_or("/").to_owned(),
            download: !params.bool("sftp-disable-download", false),
            upload: !params.bool("sftp-disable-upload", false),
            drop_directory: ".".to_owned(),
            takes_dropped: true,
        }
    }
}

/// SFTP beside a desktop (CM-001).
#[derive(Debug, Clone)]
pub struct SftpParams {
    /// The machine with the files.
    pub target: Target,
    /// Who logs in there. Nobody is asked for what is missing.
    pub credentials: Credentials,
    /// What users get.
    pub rules: FileRules,
}

impl SftpParams {
    /// The parameters, if `enable-sftp` is set. `host` and `username` are those of the desktop, for where SFTP has none
    /// of its own.
    #[must_use]
    pub fn from_params(params: &Params, host: &str, username: Option<&str>) -> Option<Self> {
        if !params.bool("enable-sftp", false) {
            return None;
        }
        let mut target = Target::from_params(params, "sftp-");
        if target.host.is_empty() {
            host.clone_into(&mut target.host);
        }
        let mut credentials = Credentials::from_params(params, "sftp-");
        credentials.username.get_or_insert_with(|| username.unwrap_or_default().to_owned());
        let mut rules = FileRules::from_params(params);
        if let Some(directory) = params.get("sftp-directory") {
            directory.clone_into(&mut rules.drop_directory);
        }
        Some(Self { target, credentials, rules })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside_a_desktop(pairs: &[(&str, &str)]) -> SftpParams {
        let all = [("enable-sftp", "true")].iter().chain(pairs).copied().collect();
        SftpParams::from_params(&all, "desk", Some("ann")).unwrap()
    }

    #[test]
    fn without_the_switch_there_is_no_sftp_beside_a_desktop() {
        let params = [("sftp-hostname", "files")].into_iter().collect();
        assert!(SftpParams::from_params(&params, "desk", None).is_none());
    }

    #[test]
    fn defaults_beside_a_desktop_are_guacds_and_the_desktops() {
        let SftpParams { target, credentials, rules } = beside_a_desktop(&[]);
        assert_eq!((target.host.as_str(), target.port, target.timeout.as_secs()), ("desk", 22, 10));
        assert!(target.host_key.is_none() && target.alive_interval.is_none());
        assert_eq!(credentials.username.as_deref(), Some("ann"));
        assert!(credentials.password.is_none() && credentials.private_key.is_none());
        assert_eq!((rules.root.as_str(), rules.drop_directory.as_str()), ("/", "."));
        assert!(rules.download && rules.upload && rules.takes_dropped);
        let nameless = [("enable-sftp", "true")].into_iter().collect();
        let credentials = SftpParams::from_params(&nameless, "desk", None).unwrap().credentials;
        assert_eq!(credentials.username.as_deref(), Some(""), "nobody is asked for a name");
    }

    #[test]
    fn what_is_set_for_sftp_is_not_the_desktops() {
        let SftpParams { target, credentials, rules } = beside_a_desktop(&[
            ("hostname", "not this"),
            ("password", "nor this"),
            ("sftp-hostname", "files"),
            ("sftp-port", "2222"),
            ("sftp-username", "bob"),
            ("sftp-passphrase", "sesame"),
            ("sftp-directory", "/srv/in"),
            ("sftp-root-directory", "/srv"),
            ("sftp-server-alive-interval", "1"),
            ("sftp-disable-upload", "true"),
        ]);
        assert_eq!((target.host.as_str(), target.port), ("files", 2222));
        assert_eq!(target.alive_interval, Some(Duration::from_secs(2)));
        assert_eq!(credentials.username.as_deref(), Some("bob"));
        assert!(credentials.password.is_none() && credentials.passphrase.is_some());
        assert_eq!((rules.root.as_str(), rules.drop_directory.as_str()), ("/srv", "/srv/in"));
        assert!(rules.download && !rules.upload);
    }
}
