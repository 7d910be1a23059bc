//! Gateways and clients that others wrote, from their registries, against port 4822.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use testsuite::{Home, Sshd, find, missing};

/// Where what is installed for a test is kept between runs.
pub(crate) fn workshop(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.ancestors().nth(3).unwrap().join("testsuite-clients").join(name)
}

pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Runs `install` unless it was done before with this very list of packages.
pub(crate) fn installed(dir: &Path, list: &Path, install: impl FnOnce()) {
    let (stamp, wanted) = (dir.join(".installed"), fs::read_to_string(list).unwrap());
    if fs::read_to_string(&stamp).is_ok_and(|done| done == wanted) {
        return;
    }
    fs::create_dir_all(dir).unwrap();
    install();
    fs::write(stamp, wanted).unwrap();
}

/// Connection settings for a script, which reads them from its environment.
fn settings(params: &[(String, String)]) -> String {
    serde_json::to_string(&params.iter().cloned().collect::<std::collections::BTreeMap<_, _>>()).unwrap()
}

#[test]
fn guacamole_lite_from_npm_relays_a_session() {
    if find("node").is_none() || find("npm").is_none() {
        missing("Node.js with npm");
        return;
    }
    let Some(sshd) = Sshd::start() else { return };
    let (dir, source) = (workshop("guacamole-lite"), source("guacamole-lite"));
    installed(&dir, &source.join("package-lock.json"), || {
        for file in ["package.json", "package-lock.json", ".npmrc"] {
            fs::copy(source.join(file), dir.join(file)).unwrap();
        }
        run(Command::new("npm").arg("ci").current_dir(&dir));
    });
    // Modules are looked up from where the script lies.
    fs::copy(source.join("relay.cjs"), dir.join("relay.cjs")).unwrap();
    let home = Home::new();
    let daemon = home.start();
    let before = daemon.idle_usage();
    let said = run(Command::new("node")
        .arg(dir.join("relay.cjs"))
        .env("GUACD_PORT", daemon.guacd.port().to_string())
        .env("SETTINGS", settings(&sshd.command("echo rea''dy; cat"))));
    assert!(said.contains("picture drawn") && said.contains("joined"), "{said}");
    daemon.settles(&before);
    daemon.stops_clean();
}

#[test]
fn pyguacamole_from_pypi_opens_and_joins_a_session() {
    let Some(python) = find("python3") else {
        missing("python3");
        return;
    };
    let Some(sshd) = Sshd::start() else { return };
    let (dir, source) = (workshop("pyguacamole"), source("pyguacamole"));
    let list = source.join("requirements.txt");
    let venv = dir.join("venv");
    // Debian splits it off.
    let can_make = Command::new(&python).args(["-c", "import venv, ensurepip"]).stderr(Stdio::null()).status().unwrap();
    if !can_make.success() {
        missing("python3-venv");
        return;
    }
    installed(&dir, &list, || {
        run(Command::new(&python).args(["-m", "venv", "--clear"]).arg(&venv));
        run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "--no-deps", "-r"]).arg(&list));
    });
    let home = Home::new();
    let daemon = home.start();
    let before = daemon.idle_usage();
    let said = run(Command::new(venv.join("bin/python"))
        .arg(source.join("session.py"))
        .env("GUACD_PORT", daemon.guacd.port().to_string())
        .env("SETTINGS", settings(&sshd.command("echo rea''dy; cat"))));
    assert!(said.contains("picture drawn") && said.contains("joined"), "{said}");
    daemon.settles(&before);
    daemon.stops_clean();
}
