//! What a fresh machine needs.

use anyhow::{Result, bail};

use crate::shell::{has, read, run};

/// Debian packages that the tests use: a program that tells whether each is there, and its package.
const TEST_PACKAGES: [(&str, &str); 27] = [
    ("/usr/sbin/sshd", "openssh-server"),
    ("ssh-keygen", "openssh-client"),
    ("Xvnc", "tigervnc-standalone-server"),
    ("vncpasswd", "tigervnc-tools"),
    ("/usr/sbin/xrdp", "xrdp"),
    ("/etc/X11/xrdp/xorg.conf", "xorgxrdp"),
    ("freerdp-shadow-cli", "freerdp2-shadow-x11"),
    ("winpr-hash", "winpr-utils"),
    ("xfreerdp", "freerdp2-x11"),
    ("xterm", "xterm"),
    ("openbox", "openbox"),
    ("xdotool", "xdotool"),
    ("xwd", "x11-apps"),
    ("xev", "x11-utils"),
    ("xsetroot", "x11-xserver-utils"),
    ("/usr/sbin/mariadbd", "mariadb-server"),
    ("pebble", "pebble"),
    ("chromium", "chromium"),
    ("jq", "jq"),
    ("dot", "graphviz"),
    ("cloud-init", "cloud-init"),
    ("/usr/sbin/debootstrap", "debootstrap"),
    ("/usr/sbin/haproxy", "haproxy"),
    ("ip", "iproute2"),
    ("curl", "curl"),
    ("lintian", "lintian"),
    ("systemd-analyze", "systemd"),
];

/// More packages without a program of their own to look for.
const COMPANIONS: [(&str, &str); 3] = [
    ("/usr/bin/convert-im6.q16", "imagemagick"),
    ("/usr/share/doc/python3-venv", "python3-venv"),
    ("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf", "fonts-dejavu-core"),
];

/// Builds the web app and the binary, then runs the demo.
pub(crate) fn demo(arguments: &[String]) -> Result<()> {
    web()?;
    let mut line = vec!["run", "--release", "--package", "guacd-lite", "--", "demo"];
    line.extend(arguments.iter().map(String::as_str));
    run(".", "cargo", &line)
}

/// Installs the web app's packages and builds it into `web/dist`, which the binary embeds.
pub(crate) fn web() -> Result<()> {
    if !has("npm") {
        bail!("npm is missing: install Node.js 20.19 or later (on Debian and Ubuntu: apt-get install nodejs npm)");
    }
    let fresh = read("git", &["hash-object", "web/package-lock.json"]).unwrap_or_default();
    let stamp = "web/node_modules/.installed";
    if fresh.is_empty() || std::fs::read_to_string(stamp).unwrap_or_default() != fresh {
        run("web", "npm", &["ci", "--no-fund", "--no-audit"])?;
        std::fs::write(stamp, fresh)?;
    }
    run("web", "npm", &["run", "build"])
}

/// Installs what the tests need when root; otherwise says the one line that does.
pub(crate) fn test_packages() -> Result<()> {
    let present =
        |program: &str| if program.starts_with('/') { std::path::Path::new(program).exists() } else { has(program) };
    let all = TEST_PACKAGES.iter().chain(&COMPANIONS);
    let missing: Vec<&str> = all.filter(|(program, _)| !present(program)).map(|&(_, package)| package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !has("apt-get") {
        bail!("the tests need programs that are missing here; on Debian and Ubuntu they are in: {}", missing.join(" "));
    }
    if read("id", &["-u"])?.trim() != "0" {
        bail!(
            "the tests need programs that are missing; install them with\n\n  sudo apt-get install -y --no-install-recommends {}\n",
            missing.join(" ")
        );
    }
    run(".", "apt-get", &["update", "-qq"])?;
    let line =
        [&["-o", "DPkg::Lock::Timeout=120", "install", "-y", "-qq", "--no-install-recommends"], missing.as_slice()]
            .concat();
    run(".", "env", &[&["DEBIAN_FRONTEND=noninteractive", "apt-get"], line.as_slice()].concat())
}
