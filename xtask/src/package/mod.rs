//! The Debian package: what goes in beside the binary is made here, the rest is `[package.metadata.deb]` of guacd-lite.

mod check;
#[cfg(test)]
mod dockerfile;
mod licences;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

pub(crate) use check::check;

use crate::{setup, shell};

const HELP: &str = "cargo xtask package [--profile PROFILE] [--out DIR] [--target TRIPLE] [--check]

Builds guacd-lite's Debian package into DIR (target/package). PROFILE is cargo's (release). TRIPLE is a target whose
linker is installed, such as aarch64-unknown-linux-gnu with gcc-aarch64-linux-gnu. --check installs, upgrades, removes
and purges it in a chroot of its own, which takes root, and asks lintian and systemd-analyze.";

/// Built from source, at one version, because no Debian release has it. It takes half a minute, once.
const CARGO_DEB: &str = "3.8.0";

/// Where all that is made for the package is; `[package.metadata.deb]` names it too. Not below `target`, because
/// cargo-deb takes what is there for programs.
const STAGE: &str = "packaging/staged";
/// Where the package itself comes to be, unless told otherwise.
const OUT: &str = "target/package";

#[derive(Debug)]
struct Options {
    profile: String,
    out: PathBuf,
    target: Option<String>,
    check: bool,
}

/// Builds the package as asked for.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut options = Options { profile: "release".to_owned(), out: PathBuf::from(OUT), target: None, check: false };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().cloned().with_context(|| format!("{argument} needs a value\n\n{HELP}"));
        match argument.as_str() {
            "--profile" => options.profile = value()?,
            "--out" => options.out = PathBuf::from(value()?),
            "--target" => options.target = Some(value()?),
            "--check" => options.check = true,
            "--help" => {
                println!("{HELP}");
                return Ok(());
            }
            unknown => bail!("unknown argument \"{unknown}\"\n\n{HELP}"),
        }
    }
    setup::web()?;
    let package = build(&options, Compression::Small)?;
    println!("\n{} ({} MB)", package.display(), fs::metadata(&package)?.len() / 1_000_000);
    if options.check && check(&package)?.failed > 0 {
        bail!("the package has faults, see above");
    }
    Ok(())
}

/// Builds it from the binary that the tests use, which is larger and slower than what is released and else the same.
pub(crate) fn build_quickly() -> Result<PathBuf> {
    let options = Options { profile: "dev".to_owned(), out: PathBuf::from(OUT), target: None, check: false };
    build(&options, Compression::Quick)
}

enum Compression {
    Small,
    Quick,
}

fn build(options: &Options, compression: Compression) -> Result<PathBuf> {
    let tool = cargo_deb()?;
    let profile = options.profile.as_str();
    let mut line = vec!["build", "--package", "guacd-lite", "--locked", "--profile", profile];
    if let Some(target) = &options.target {
        line.extend(["--target", target]);
    }
    shell::run(".", "cargo", &line)?;

    // Manual pages and completions come from a binary that runs here.
    let runs_here = if options.target.is_none() {
        target_dir().join(if profile == "dev" { "debug" } else { profile }).join("guacd-lite")
    } else {
        shell::run(".", "cargo", &["build", "--package", "guacd-lite", "--locked"])?;
        target_dir().join("debug/guacd-lite")
    };
    stage(&runs_here)?;

    fs::create_dir_all(&options.out)?;
    let out = options.out.canonicalize()?;
    let out = out.to_str().context("the output directory's name must be UTF-8")?;
    let mut line = vec!["deb", "--package", "guacd-lite", "--no-build", "--strip", "--locked"];
    line.extend(["--profile", profile, "--output", out]);
    if let Some(target) = &options.target {
        line.extend(["--target", target]);
    }
    if matches!(compression, Compression::Quick) {
        line.push("--fast");
    }
    let (succeeded, printed) = shell::run_and_read(".", &tool, &line)?;
    let package = printed.lines().rev().map(str::trim).find(|line| line.ends_with(".deb")).map(PathBuf::from);
    match package {
        Some(package) if succeeded => Ok(package),
        _ => bail!("cargo-deb made no package"),
    }
}

fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from)
}

/// The path of cargo-deb, which is built into `target/tools` if it is not there yet.
fn cargo_deb() -> Result<String> {
    let tool = "target/tools/bin/cargo-deb";
    let stamp = PathBuf::from("target/tools/cargo-deb.version");
    if !Path::new(tool).exists() || fs::read_to_string(&stamp).unwrap_or_default() != CARGO_DEB {
        let line = ["install", "cargo-deb", "--locked", "--version", CARGO_DEB, "--root", "target/tools", "--force"];
        shell::run(".", "cargo", &line)?;
        fs::write(stamp, CARGO_DEB)?;
    }
    let tool = Path::new(tool).canonicalize()?;
    Ok(tool.to_str().context("the path of this directory must be UTF-8")?.to_owned())
}

/// Makes what the binary, the example and the lock file say.
fn stage(binary: &Path) -> Result<()> {
    let binary = binary.to_str().context("paths must be UTF-8")?;
    let stage = Path::new(STAGE);
    fs::create_dir_all(stage)?;

    let example = fs::read_to_string("guacd-lite/guacd-lite.example.toml")?;
    fs::write(stage.join("guacd-lite.toml"), shipped(&example)?)?;

    let manual = stage.join("man");
    if manual.exists() {
        fs::remove_dir_all(&manual)?;
    }
    fs::create_dir_all(&manual)?;
    shell::read(binary, &["manual", &format!("{STAGE}/man")])?;
    fs::write(manual.join("guacd-lite.toml.5"), settings_page(&example))?;

    for (shell, file) in [("bash", "guacd-lite.bash"), ("zsh", "_guacd-lite"), ("fish", "guacd-lite.fish")] {
        fs::write(stage.join(file), shell::read(binary, &["completions", shell])?)?;
    }
    fs::write(stage.join("third-party.txt"), licences::collect()?)?;
    Ok(())
}

/// The example as the package's configuration: the state directory of its unit is where the data is, whoever runs the
/// commands.
fn shipped(example: &str) -> Result<String> {
    let (commented, set) = ("\n#data_dir = \"/var/lib/guacd-lite\"\n", "\ndata_dir = \"/var/lib/guacd-lite\"\n");
    if example.matches(commented).count() != 1 {
        bail!("the example no longer has the line {} once, which the package sets", commented.trim());
    }
    Ok(example.replacen(commented, set, 1))
}

/// guacd-lite.toml(5): the example says it all.
fn settings_page(example: &str) -> String {
    let mut page = String::from(
        ".TH guacd-lite.toml 5 \"\" guacd-lite\n.SH NAME\nguacd\\-lite.toml \\- settings of guacd\\-lite\n.SH DESCRIPTION\n\
         Every setting, with its default.\n.PP\n.nf\n",
    );
    for line in example.lines() {
        // A dot or a quote at the start of a line would be a request to roff.
        page.push_str("\\&");
        page.push_str(&line.replace('\\', "\\e").replace('-', "\\-"));
        page.push('\n');
    }
    page.push_str(".fi\n.SH SEE ALSO\n.BR guacd\\-lite (8)\n");
    page
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_shipped_configuration_keeps_its_data_where_the_unit_lets_it() {
        let example = include_str!("../../../guacd-lite/guacd-lite.example.toml");
        let shipped = super::shipped(example).unwrap();
        assert!(shipped.contains("\ndata_dir = \"/var/lib/guacd-lite\"\n"), "{shipped}");
        assert!(super::shipped(&shipped).is_err(), "a changed example must be noticed");
    }

    #[test]
    fn no_line_of_the_settings_page_is_a_request() {
        let page = super::settings_page(".hidden = \"a\\b-c\"\n'quoted'\n");
        assert!(page.contains("\n\\&.hidden = \"a\\eb\\-c\"\n\\&'quoted'\n"), "{page}");
    }
}
