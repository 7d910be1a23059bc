//! A real xrdp in front of a desktop of its own: xorgxrdp's X server, as in most installations, or a VNC server.
//!
//! Neither its session manager nor PAM takes part: the desktop runs already, and whoever comes sees it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::{Deref, DerefMut};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::desktop::Desktop;
use crate::process::{Running, children_of, find, missing, on_free_port, until_listening, wait_until};
use crate::tls::Authority;
use crate::xvnc::Xvnc;

/// The X server behind; it has no window of its own.
const XORG: &str = "/usr/lib/xorg/Xorg";

/// Where xrdp's channel server has its sockets, whatever it is told.
const SOCKETS: &str = "/run/xrdp/sockdir";

/// What is behind xrdp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XrdpDesktop {
    /// xorgxrdp, which follows the size that clients ask for; with xrdp's channel server, which does clipboard, drive
    /// and sound.
    Xorg,
    /// TigerVNC, 640x480, with a clipboard of xrdp's VNC module.
    Vnc,
}

/// How xrdp is configured.
#[derive(Clone, Copy, Debug)]
pub struct XrdpSetup<'a> {
    /// What is behind it.
    pub desktop: XrdpDesktop,
    /// `negotiate`, `tls` or `rdp`.
    pub security_layer: &'a str,
    /// More lines for its section `Globals`.
    pub globals: &'a [&'a str],
}

impl Default for XrdpSetup<'_> {
    fn default() -> Self {
        Self { desktop: XrdpDesktop::Xorg, security_layer: "negotiate", globals: &[] }
    }
}

/// A running xrdp and its desktop.
#[derive(Debug)]
pub struct Xrdp {
    server: Running,
    channels: Option<Running>,
    behind: Behind,
    port: u16,
}

#[derive(Debug)]
enum Behind {
    Xorg { _server: Running, desktop: Desktop },
    Vnc(Xvnc),
}

impl Xrdp {
    /// Starts both. `None`, loudly, where something of it is not installed.
    #[must_use]
    pub fn start(setup: XrdpSetup<'_>) -> Option<Self> {
        if find("xrdp").is_none() {
            missing("xrdp");
            return None;
        }
        let (behind, channels) = match setup.desktop {
            XrdpDesktop::Xorg => {
                let behind = start_xorg()?;
                let channels = start_channels(behind.desktop());
                (behind, channels)
            }
            XrdpDesktop::Vnc => (Behind::Vnc(Xvnc::start()?), None),
        };
        let home = behind.desktop().home();
        let (certificate, key) = Authority::new("desktops").certify(home, "localhost");
        let module = match &behind {
            Behind::Xorg { desktop, .. } => {
                let number = desktop.display().trim_start_matches(':');
                let socket = home.join(format!("xrdp_display_{number}"));
                format!("lib=libxup.so\ncode=20\nport={}\nchansrvport=DISPLAY({number})\n", socket.display())
            }
            Behind::Vnc(vnc) => format!("lib=libvnc.so\nport={}\n", vnc.port()),
        };
        let (server, port) = on_free_port("xrdp", |port| {
            let config = format!(
                "[Globals]\nini_version=1\nfork=true\nport=tcp://127.0.0.1:{port}\ntcp_nodelay=true\n\
                 security_layer={}\ncrypt_level=high\ncertificate={}\nkey_file={}\nssl_protocols=TLSv1.2, TLSv1.3\n\
                 autorun=desk\nallow_channels=true\nallow_multimon=true\nbitmap_cache=true\nbitmap_compression=true\n\
                 bulk_compression=true\nmax_bpp=32\nnew_cursors=true\nuse_fastpath=both\n{}\n\
                 [Logging]\nLogFile={}\nLogLevel=INFO\nEnableSyslog=false\n\
                 [Channels]\nrdpdr=true\nrdpsnd=true\ndrdynvc=true\ncliprdr=true\n\
                 [desk]\nname=desk\nusername=tester\npassword=none\nip=127.0.0.1\n{module}",
                setup.security_layer,
                certificate.display(),
                key.display(),
                setup.globals.join("\n"),
                home.join("xrdp.log").display(),
            );
            Ok((launch(home, &config, port)?, port))
        });
        Some(Self { server, channels, behind, port })
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Parameters that say where, that the certificate is no matter, and `more`.
    #[must_use]
    pub fn params(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let port = self.port.to_string();
        // Without a password xrdp shows its own dialogue first, whatever the desktop wants.
        let own = [
            ("hostname", "127.0.0.1"),
            ("port", port.as_str()),
            ("ignore-cert", "true"),
            ("username", "tester"),
            ("password", "none"),
        ];
        own.iter().chain(more).map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Where the drives of who is connected appear, each under its name. `None` without a channel server.
    #[must_use]
    pub fn drives(&self) -> Option<PathBuf> {
        self.channels.as_ref().map(|_| self.home().join("thinclient_drives"))
    }

    /// Plays sound as the desktop's sound server would: 16 bits, two channels, 44,100 a second. Whoever is connected
    /// hears it; the connection must have been made before. Nothing without a channel server.
    pub fn play(&self, samples: &[u8]) {
        let Some(mut socket) = self.channel_socket("audio_out_socket") else { return };
        for chunk in samples.chunks(4096) {
            let whole = u32::try_from(chunk.len() + 8).unwrap();
            socket.write_all(&[&0_u32.to_le_bytes(), &whole.to_le_bytes()[..], chunk].concat()).unwrap();
        }
        socket.write_all(&[&1_u32.to_le_bytes(), &8_u32.to_le_bytes()[..]].concat()).unwrap();
    }

    fn channel_socket(&self, name: &str) -> Option<UnixStream> {
        self.channels.as_ref()?;
        let number = self.display().trim_start_matches(':');
        let path = format!("{SOCKETS}/xrdp_chansrv_{name}_{number}");
        let mut socket = None;
        wait_until("a socket of the channel server", || {
            socket = UnixStream::connect(&path).ok();
            socket.is_some()
        });
        socket
    }

    /// What it logged, and its channel server after it.
    #[must_use]
    pub fn log(&self) -> String {
        let logs = ["xrdp.log", "xrdp.out", "chansrv.out", "Xorg.out"].map(|name| self.home().join(name));
        let number = self.display().trim_start_matches(':').to_owned();
        let more = self.home().join(format!("xrdp-chansrv.{number}.log"));
        let read = |path: &PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        logs.iter().chain([&more]).map(read).collect()
    }

    /// Kills the processes that serve live connections, so that these just break.
    pub fn kill_connections(&self) {
        for pid in children_of(self.server.pid()) {
            // It may have ended between listing and killing.
            let _ = Command::new("kill").args(["-s", "KILL", &pid.to_string()]).stderr(Stdio::null()).status();
        }
    }
}

impl Drop for Xrdp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        // It has a process for each connection, which would outlive it.
        self.kill_connections();
        self.server.kill();
        if let Some(channels) = &mut self.channels {
            channels.kill();
            // It leaves its file system behind.
            let drives = self.behind.desktop().home().join("thinclient_drives");
            let _ = Command::new("fusermount").args(["-q", "-u", "-z"]).arg(drives).stderr(Stdio::null()).status();
            let number = self.behind.desktop().display().trim_start_matches(':').to_owned();
            for name in ["chansrv_socket", "chansrv_audio_out_socket", "chansrv_audio_in_socket"] {
                let _ = fs::remove_file(format!("{SOCKETS}/xrdp_{name}_{number}"));
            }
            let _ = fs::remove_file(format!("{SOCKETS}/xrdpapi_{number}"));
        }
    }
}

impl Deref for Xrdp {
    type Target = Desktop;

    fn deref(&self) -> &Desktop {
        self.behind.desktop()
    }
}

impl DerefMut for Xrdp {
    fn deref_mut(&mut self) -> &mut Desktop {
        match &mut self.behind {
            Behind::Xorg { desktop, .. } => desktop,
            Behind::Vnc(vnc) => vnc,
        }
    }
}

impl Behind {
    fn desktop(&self) -> &Desktop {
        match self {
            Self::Xorg { desktop, .. } => desktop,
            Self::Vnc(vnc) => vnc,
        }
    }
}

fn start_xorg() -> Option<Behind> {
    for file in [XORG, "/etc/X11/xrdp/xorg.conf"] {
        if !Path::new(file).exists() {
            missing(file);
            return None;
        }
    }
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(XORG);
    command
        .args(["-displayfd", "1", "-config", "xrdp/xorg.conf", "-noreset", "-nolisten", "tcp", "-logfile"])
        .arg(home.path().join("Xorg.log"))
        .env("HOME", home.path())
        .env("XRDP_SOCKET_PATH", home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(home.path().join("Xorg.out")).unwrap());
    let mut server = Running::spawn(&mut command);
    let mut number = String::new();
    BufReader::new(server.child().stdout.take().unwrap()).read_line(&mut number).unwrap();
    let said = || fs::read_to_string(home.path().join("Xorg.out")).unwrap_or_default();
    assert!(!number.trim().is_empty(), "Xorg does not start: {}", said());
    Some(Behind::Xorg { _server: server, desktop: Desktop::new(&number, home) })
}

/// Clipboard, drive and sound of xrdp. `None` where its directory for sockets is not ours to write to.
fn start_channels(desktop: &Desktop) -> Option<Running> {
    let program = find("xrdp-chansrv")?;
    if fs::create_dir_all(SOCKETS).is_err() {
        eprintln!("SKIPPED: xrdp's channel server needs {SOCKETS}");
        return None;
    }
    let number = desktop.display().trim_start_matches(':');
    let socket = format!("{SOCKETS}/xrdp_chansrv_socket_{number}");
    let _ = fs::remove_file(&socket);
    let output = fs::File::create(desktop.home().join("chansrv.out")).unwrap();
    let mut command = desktop.program(program);
    command
        .env("CHANSRV_LOG_PATH", desktop.home())
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output);
    let mut channels = Running::spawn(&mut command);
    wait_until("xrdp's channel server", || channels.has_ended() || Path::new(&socket).exists());
    if channels.has_ended() {
        eprintln!("SKIPPED: xrdp's channel server does not start here");
        return None;
    }
    Some(channels)
}

fn launch(home: &Path, config: &str, port: u16) -> Result<Running, String> {
    let file = home.join("xrdp.ini");
    fs::write(&file, config).unwrap();
    let output = fs::File::create(home.join("xrdp.out")).unwrap();
    let mut command = Command::new(find("xrdp").unwrap());
    command.arg("--nodaemon").arg("--config").arg(file).env("HOME", home).stdin(Stdio::null());
    command.stdout(output.try_clone().unwrap()).stderr(output);
    let mut server = Running::spawn(&mut command);
    let listening = until_listening(&mut server, port);
    listening.map_err(|error| format!("{error}: {}", fs::read_to_string(home.join("xrdp.out")).unwrap_or_default()))?;
    Ok(server)
}
