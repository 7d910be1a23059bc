//! What others' code the daemon is made of.

use anyhow::{Result, bail};

use crate::shell::{self, has, read};

/// Crates of C code that the daemon may link, and why. Nothing in C reads what a target or a browser sends.
const NATIVE: [(&str, &str); 2] = [
    ("libsqlite3-sys", "the embedded database, which reads its own file only"),
    ("linux-raw-sys", "numbers of the kernel's, no code"),
];

/// Checks that no other C library has come in, then asks cargo-deny where it is installed: licences, banned crates,
/// sources. It is not installed by us: building it takes longer than most of the tests.
pub(crate) fn check() -> Result<()> {
    let tree = ["tree", "--package", "guacd-lite", "--edges", "normal,build", "--prefix", "none", "--locked"];
    let tree = read("cargo", &tree)?;
    let strange: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| name.ends_with("-sys") && !NATIVE.iter().any(|(known, _)| known == name))
        .collect();
    if !strange.is_empty() {
        bail!("the daemon links C code that nobody has looked at: {}", strange.join(", "));
    }
    println!("supply: no C code but {}", NATIVE.map(|(name, why)| format!("{name} ({why})")).join(", "));
    if has("cargo-deny") {
        // The peer of tests has the server halves of IronRDP, whose dependencies are none of the daemon's.
        let line = ["deny", "--exclude", "rdp-peer", "--log-level", "error", "check", "bans", "licenses", "sources"];
        shell::run(".", "cargo", &line)
    } else {
        println!("supply: cargo-deny is not installed, licences and banned crates are not checked");
        Ok(())
    }
}
