//! The Python package: built into a wheel, installed into an environment of its own, checked and tested there.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::setup;
use crate::shell::{read, root, run, run_and_read};

/// What the checks and tests need, with versions.
const REQUIREMENTS: &str = "bindings/requirements-test.txt";

/// The package alone, with the daemon that its tests start.
pub(crate) fn only() -> Result<()> {
    setup::test_packages()?;
    run(".", "cargo", &["build", "--package", "guacd-lite", "--locked"])?;
    let (succeeded, _) = test()?;
    if succeeded { Ok(()) } else { bail!("tests of the Python package failed") }
}

/// Builds, installs and checks the package; gives what its tests printed.
pub(crate) fn test() -> Result<(bool, String)> {
    let home = root()?.join("target/python");
    let python = environment(&home)?;
    let wheel = wheel(&home, &python)?;
    run(".", &python, &["-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", &wheel])?;
    // Of the installed package, because that is what people's own checks see.
    run("bindings", &python, &["-m", "mypy", "--package", "guac"])?;
    run("bindings", &python, &["-m", "mypy", "tests", "examples"])?;
    run("bindings", &python, &["-m", "mypy.stubtest", "guac"])?;
    run_and_read("bindings", &python, &["-m", "pytest"])
}

/// Makes the environment where it is missing or its requirements changed; gives its interpreter.
fn environment(home: &Path) -> Result<String> {
    let venv = home.join("venv");
    let python = text(&venv.join("bin/python"))?;
    let stamp = venv.join(".installed");
    let fresh = read("git", &["hash-object", REQUIREMENTS])?;
    if std::fs::read_to_string(&stamp).unwrap_or_default() != fresh {
        run(".", "python3", &["-m", "venv", "--clear", &text(&venv)?])?;
        run(".", &python, &["-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS])?;
        std::fs::write(stamp, fresh)?;
    }
    Ok(python)
}

/// Builds the one wheel; gives its path. Of the dev profile: its crates are built for the other tests already.
fn wheel(home: &Path, python: &str) -> Result<String> {
    let wheels = home.join("wheels");
    if wheels.exists() {
        std::fs::remove_dir_all(&wheels)?;
    }
    let out = text(&wheels)?;
    let line = ["-m", "maturin", "build", "--quiet", "--locked", "--interpreter", python, "--out", &out];
    run("bindings", python, &line)?;
    let built: Option<PathBuf> = std::fs::read_dir(&wheels)?.flatten().map(|entry| entry.path()).next();
    text(&built.context("maturin built no wheel")?)
}

fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).context("the path is not UTF-8")
}
