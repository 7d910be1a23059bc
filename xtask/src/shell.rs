//! Running other programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// The repository's top directory: the one above this crate's.
pub(crate) fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(Path::to_owned).context("xtask has no parent directory")
}

/// Whether a program is on the PATH.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Runs a command line in a directory and fails if it fails. The line is shown first.
pub(crate) fn run(dir: &str, program: &str, arguments: &[&str]) -> Result<()> {
    println!("\n==> {program} {}", arguments.join(" "));
    let status = command(dir, program, arguments).status().with_context(|| format!("cannot run {program}"))?;
    if !status.success() {
        bail!("`{program} {}` failed ({status})", arguments.join(" "));
    }
    Ok(())
}

/// Runs a command line, shows its output, and gives it.
pub(crate) fn run_and_read(dir: &str, program: &str, arguments: &[&str]) -> Result<(bool, String)> {
    use std::io::{BufRead as _, BufReader};
    println!("\n==> {program} {}", arguments.join(" "));
    // One pipe for both streams, so that lines keep their order.
    let line = format!("exec \"$0\" \"$@\" 2>&1; # {program}");
    let mut child = command(dir, "sh", &[&["-c", &line, program], arguments].concat())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    let mut text = String::new();
    let output = child.stdout.take().context("the output was asked for")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        text.push_str(&line);
        text.push('\n');
    }
    Ok((child.wait()?.success(), text))
}

/// Output of a command line, which must succeed.
pub(crate) fn read(program: &str, arguments: &[&str]) -> Result<String> {
    let output = command(".", program, arguments).output().with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("`{program} {}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn command(dir: &str, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(dir).stdin(Stdio::null());
    command
}
