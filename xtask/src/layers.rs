//! Which crate may depend on which: the table of ARCHITECTURE.md, checked.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::shell::read;

/// Each crate and the crates of ours that it may use. A new edge is a reviewed line here.
const MAY_USE: [(&str, &[&str]); 22] = [
    ("guac-protocol", &[]),
    ("guac-canvas", &["guac-protocol"]),
    ("guac-display", &["guac-protocol"]),
    ("guac-terminal", &["guac-display", "guac-protocol"]),
    ("guac-session", &["guac-display", "guac-protocol"]),
    ("guac-tls", &["guac-protocol"]),
    ("guac-tunnel", &["guac-tls", "guac-protocol"]),
    ("guac-client", &["guac-tls", "guac-canvas", "guac-protocol"]),
    ("guac-acme", &[]),
    ("guac-auth-mysql", &["guac-protocol"]),
    ("guac-rdp", &["guac-sftp", "guac-session", "guac-tls", "guac-display", "guac-protocol"]),
    ("guac-sftp", &["guac-session", "guac-display", "guac-protocol"]),
    ("guac-ssh", &["guac-sftp", "guac-session", "guac-terminal", "guac-display", "guac-protocol"]),
    ("guac-vnc", &["guac-sftp", "guac-session", "guac-tls", "guac-display", "guac-protocol"]),
    ("guac-web", &["guac-tunnel", "guac-auth-mysql", "guac-protocol"]),
    (
        "guacd-lite",
        &[
            "guac-protocol",
            "guac-session",
            "guac-tunnel",
            "guac-acme",
            "guac-auth-mysql",
            "guac-rdp",
            "guac-sftp",
            "guac-ssh",
            "guac-tls",
            "guac-vnc",
            "guac-web",
        ],
    ),
    ("bindings", &["guac-client", "guac-canvas", "guac-protocol"]),
    ("benches", &["guac-protocol", "guac-tunnel", "guac-canvas"]),
    ("fuzz", &["guac-protocol", "guac-rdp", "guac-tunnel", "guac-canvas"]),
    ("rdp-peer", &[]),
    ("testsuite", &["guac-canvas", "guac-protocol"]),
    ("xtask", &[]),
];

/// Crates without I/O: what must not be in their dependencies.
const CORE: [&str; 4] = ["guac-protocol", "guac-canvas", "guac-display", "guac-terminal"];
const NOT_IN_CORE: [&str; 4] = ["tokio", "mio", "socket2", "rustls"];

/// Checks the edges, the core crates' dependencies, and that ARCHITECTURE.md names every crate.
pub(crate) fn check() -> Result<()> {
    let metadata: Value = serde_json::from_str(&read("cargo", &["metadata", "--format-version", "1", "--locked"])?)?;
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        MAY_USE.iter().map(|&(name, uses)| (name, uses.iter().copied().collect())).collect();
    let members: BTreeSet<&str> = list(&metadata, "workspace_members")?.iter().filter_map(Value::as_str).collect();
    let architecture = std::fs::read_to_string("ARCHITECTURE.md").context("ARCHITECTURE.md is missing")?;
    let mut wrong = Vec::new();
    for package in list(&metadata, "packages")? {
        let name = package["name"].as_str().unwrap_or_default();
        if !package["id"].as_str().is_some_and(|id| members.contains(id)) {
            continue;
        }
        if !architecture.contains(&format!("`{name}`")) {
            wrong.push(format!("ARCHITECTURE.md does not name `{name}`"));
        }
        let Some(uses) = allowed.get(name) else {
            wrong.push(format!("{name} is not in the table of xtask/src/layers.rs"));
            continue;
        };
        for dependency in list(package, "dependencies")? {
            let used = dependency["name"].as_str().unwrap_or_default();
            let normal = dependency["kind"].is_null();
            if normal && allowed.contains_key(used) && !uses.contains(used) {
                wrong.push(format!("{name} may not depend on {used}"));
            }
        }
    }
    for name in CORE {
        let tree = read("cargo", &["tree", "--package", name, "--edges", "normal", "--prefix", "none", "--locked"])?;
        let found = tree.lines().filter_map(|line| line.split(' ').next()).find(|used| NOT_IN_CORE.contains(used));
        if let Some(used) = found {
            wrong.push(format!("{name} has no I/O, but {used} is among its dependencies"));
        }
    }
    if !wrong.is_empty() {
        bail!("layers are broken:\n  {}", wrong.join("\n  "));
    }
    println!("layers: {} crates, every edge allowed", MAY_USE.len());
    Ok(())
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value[key].as_array().with_context(|| format!("cargo metadata has no \"{key}\""))
}
