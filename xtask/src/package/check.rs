//! The package's life in a chroot, and what Debian's own tools say of it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::ci::Count;
use crate::shell;

/// The system that the package is for. Its files are kept, packed, for the next time.
const SUITE: &str = "bookworm";
/// What a machine on Azure has and a smallest Debian has not. The real package manager would fetch it.
const COMPANIONS: &str = "--include=ca-certificates,systemd-standalone-sysusers";
/// `systemd-analyze security`: 10 is without protection.
const LARGEST_EXPOSURE: f64 = 2.0;

/// Runs all checks; says each.
pub(crate) fn check(package: &Path) -> Result<Count> {
    let package = package.canonicalize().with_context(|| format!("there is no package {}", package.display()))?;
    let mut count = Count::default();
    let mut told = |name: &str, fault: Option<String>| {
        match &fault {
            None => println!("ok - {name}"),
            Some(fault) => println!("not ok - {name}\n{fault}"),
        }
        count.passed += usize::from(fault.is_none());
        count.failed += usize::from(fault.is_some());
    };

    let path = package.to_str().context("paths must be UTF-8")?;
    let (clean, said) =
        shell::run_and_read(".", "lintian", &["--allow-root", "--fail-on", "error,warning", "--info", path])?;
    told("lintian finds nothing that is not explained", (!clean).then_some(said));

    let unit = "packaging/systemd/guacd-lite.service";
    let (_, said) = shell::run_and_read(".", "systemd-analyze", &["security", "--offline=yes", "--no-pager", unit])?;
    let exposure = exposure(&said);
    let name = format!("the unit's exposure is at most {LARGEST_EXPOSURE} ({})", exposure.unwrap_or(f64::NAN));
    told(&name, exposure.is_none_or(|figure| figure > LARGEST_EXPOSURE).then_some(said));

    if shell::read("id", &["-u"])?.trim() != "0" {
        println!("the package is not installed in a chroot: that takes root");
        return Ok(count);
    }
    // Containers may keep even root from what debootstrap does first.
    let probe = package.with_file_name("probe");
    let device = probe.to_str().context("paths must be UTF-8")?;
    if shell::read("mknod", &[device, "c", "1", "3"]).is_err() {
        println!("the package is not installed in a chroot: no devices can be made here");
        return Ok(count);
    }
    fs::remove_file(probe)?;
    let root = Chroot::make()?;
    let older = older(&package)?;
    for (file, name) in
        [(package.as_path(), "new.deb"), (&older, "old.deb"), (Path::new("packaging/check-in-chroot.sh"), "check.sh")]
    {
        fs::copy(file, root.0.join(name))?;
    }
    let dir = root.0.to_str().context("paths must be UTF-8")?;
    let listen = format!("LISTEN={}", std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?);
    let line = [
        "env",
        "-i",
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        "DEBIAN_FRONTEND=noninteractive",
        &listen,
        "chroot",
        dir,
        "sh",
        "/check.sh",
    ];
    let (succeeded, said) = shell::run_and_read(".", line[0], &line[1..])?;
    count.passed += said.lines().filter(|line| line.starts_with("ok - ")).count();
    count.failed += said.lines().filter(|line| line.starts_with("not ok - ")).count();
    // The script ends early if a step without a name of its own fails.
    count.failed += usize::from(!succeeded && count.failed == 0);
    Ok(count)
}

/// `→ Overall exposure level for guacd-lite.service: 1.3 OK`
fn exposure(said: &str) -> Option<f64> {
    let line = said.lines().find(|line| line.contains("Overall exposure level"))?;
    line.rsplit_once(": ")?.1.split_whitespace().next()?.parse().ok()
}

/// The same package as an older version with another configuration, as something to upgrade from.
fn older(package: &Path) -> Result<PathBuf> {
    let work = package.with_file_name("older");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    let (from, to) = (package.to_str().context("UTF-8")?, work.to_str().context("UTF-8")?);
    shell::run(".", "dpkg-deb", &["--raw-extract", from, to])?;
    let control = work.join("DEBIAN/control");
    let text = fs::read_to_string(&control)?;
    let lines = text.lines().map(|line| if line.starts_with("Version: ") { "Version: 0.0.1-1" } else { line });
    fs::write(control, lines.collect::<Vec<_>>().join("\n") + "\n")?;
    let settings = work.join("etc/guacd-lite/guacd-lite.toml");
    fs::write(&settings, fs::read_to_string(&settings)? + "# of the older version\n")?;
    let deb = package.with_file_name("older.deb");
    shell::run(
        ".",
        "dpkg-deb",
        &["--root-owner-group", "-Zgzip", "-z1", "--build", to, deb.to_str().context("UTF-8")?],
    )?;
    fs::remove_dir_all(&work)?;
    Ok(deb)
}

/// A smallest Debian in a directory that goes with this value.
struct Chroot(PathBuf);

impl Chroot {
    fn make() -> Result<Self> {
        let packed = format!("target/package/{SUITE}.tar");
        let dir = PathBuf::from("target/package/root");
        let name = dir.to_str().context("a name of ours")?;
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        if !Path::new(&packed).exists() {
            let mirror = mirror()?;
            shell::run(".", "debootstrap", &["--variant=minbase", COMPANIONS, SUITE, name, &mirror])?;
            let part = format!("{packed}.part");
            shell::run(
                ".",
                "tar",
                &["--create", "--file", &part, "--directory", name, "--exclude=./var/cache/apt", "."],
            )?;
            fs::rename(part, packed)?;
        } else {
            fs::create_dir_all(&dir)?;
            shell::run(".", "tar", &["--extract", "--file", &packed, "--directory", name])?;
        }
        Ok(Self(dir))
    }
}

impl Drop for Chroot {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            println!("{} stays: {error}", self.0.display());
        }
    }
}

/// Where this machine's own packages come from, if that is Debian; else Debian's own.
fn mirror() -> Result<String> {
    if !shell::has("debootstrap") {
        bail!("debootstrap is missing: apt-get install debootstrap");
    }
    let sources = ["indextargets", "--format", "$(SITE) $(ORIGIN)", "Created-By: Packages"];
    let found = shell::read("apt-get", &sources).unwrap_or_default();
    let site = found.lines().find_map(|line| line.strip_suffix(" Debian").filter(|site| !site.contains("security")));
    Ok(site.unwrap_or("https://deb.debian.org/debian").to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_exposure_is_read_from_the_last_line() {
        let said =
            "✓ User=  Service runs under a static user\n\n→ Overall exposure level for guacd-lite.service: 1.3 OK 🙂\n";
        assert_eq!(super::exposure(said), Some(1.3));
        assert_eq!(super::exposure("nothing"), None);
    }
}
