//! Getting the peers: from their registries into a directory of ours, or by compiling the user's sources.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Drivers of the peers, our own.
const DRIVERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// Files of libguac that its parser and writer consist of.
const LIBGUAC_FILES: &str =
    "parser socket socket-fd protocol unicode mem error timestamp proctitle wait-fd string palette";

/// What is there.
pub(super) struct Peers {
    /// The compiled driver.
    pub(super) libguac: Option<String>,
    modules: Option<PathBuf>,
    python: Option<PathBuf>,
}

/// Installs whatever is missing. What cannot be had is reported and left out.
pub(super) fn peers(out: &Path, libguac: Option<&Path>) -> Peers {
    Peers { libguac: libguac.and_then(|sources| compile(out, sources)), modules: npm(out), python: pip(out) }
}

impl Peers {
    pub(super) fn node(&self, which: &str) -> Option<Vec<String>> {
        let modules = self.modules.as_ref()?.display().to_string();
        Some(vec!["node".into(), format!("{DRIVERS}/parse.cjs"), which.into(), modules])
    }

    pub(super) fn python(&self, which: &str) -> Option<Vec<String>> {
        let python = self.python.as_ref()?.display().to_string();
        Some(vec![python, format!("{DRIVERS}/parse.py"), which.into()])
    }
}

/// Compiles the parser and writer into a shared library with the flags of libguac's own build, and our driver to it.
fn compile(out: &Path, sources: &Path) -> Option<String> {
    let library = out.join("libguac-peer.so");
    let program = out.join("libguac");
    let directory = sources.join("src/libguac");
    let compiler = || {
        let mut command = Command::new("cc");
        command.args(["-g", "-O2", "-w", &format!("-I{}", directory.display())]).args(flags("--cflags"));
        command.args(["-DHAVE_LIBPTHREAD", "-DHAVE_CLOCK_GETTIME", "-DHAVE_NANOSLEEP", "-DHAVE_POLL"]);
        command
    };
    let mut shared = compiler();
    shared.args(["-fPIC", "-DPIC", "-shared", "-o"]).arg(&library);
    shared.args(LIBGUAC_FILES.split(' ').map(|name| directory.join(name).with_extension("c")));
    shared.args(flags("--libs")).arg("-lpthread");
    let mut driver = compiler();
    driver.arg(format!("{DRIVERS}/libguac.c")).arg(&library).arg("-o").arg(&program).args(flags("--libs"));
    (succeeds(&mut shared, "libguac") && succeeds(&mut driver, "libguac")).then(|| program.display().to_string())
}

/// Compiler flags for cairo, which libguac's headers name.
fn flags(which: &str) -> Vec<String> {
    let output = Command::new("pkg-config").args([which, "cairo"]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

fn npm(out: &Path) -> Option<PathBuf> {
    let modules = out.join("node_modules");
    let mut command = Command::new("npm");
    command.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]).arg(out);
    command.args(["guacamole-common-js@1.5.0", "guacamole-lite@1.2.0"]);
    (modules.join("guacamole-lite").is_dir() || succeeds(&mut command, "npm packages")).then_some(modules)
}

fn pip(out: &Path) -> Option<PathBuf> {
    let python = out.join("venv/bin/python");
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(out.join("venv"));
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "guapy", "pyguacamole"]);
    ((python.exists() || succeeds(&mut venv, "Python environment")) && succeeds(&mut install, "PyPI packages"))
        .then_some(python)
}

fn succeeds(command: &mut Command, what: &str) -> bool {
    let done = command.status().is_ok_and(|status| status.success());
    if !done {
        eprintln!("peers: {what} cannot be had here and is left out");
    }
    done
}
