//! The licences of others' code in the binary, whose texts must go with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::shell;

/// Every crate and every package of the web app with its licence, then each licence text once.
pub(crate) fn collect() -> Result<String> {
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut list = String::new();
    for (name, licence, dir) in crates()?.into_iter().chain(web_packages()?) {
        writeln!(list, "{name}: {licence}")?;
        for text in texts_in(Path::new(&dir)) {
            texts.entry(text).or_default().insert(name.clone());
        }
    }
    let mut page = format!("Others' code in guacd-lite, with its licences.\n\n{list}");
    for (text, names) in texts {
        let names: Vec<_> = names.into_iter().collect();
        write!(page, "\n{}\n{}\n\n{text}\n", "=".repeat(78), names.join(", "))?;
    }
    Ok(page)
}

/// Name with version, licence and directory of each crate that is linked in.
fn crates() -> Result<Vec<(String, String, String)>> {
    let tree =
        ["tree", "--package", "guacd-lite", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--locked"];
    let tree = shell::read("cargo", &tree)?;
    // "name v1.2.3 (proc-macro)": the first two words are what it is.
    let linked: BTreeSet<String> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some(format!("{} {}", words.next()?, words.next()?.trim_start_matches('v')))
        })
        .collect();
    let metadata: Value =
        serde_json::from_str(&shell::read("cargo", &["metadata", "--format-version", "1", "--locked"])?)?;
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let mut found = Vec::new();
    for package in packages {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let name = format!("{} {}", text("name"), text("version"));
        // What has no source is ours.
        if package["source"].is_null() || !linked.contains(&name) {
            continue;
        }
        let dir = Path::new(text("manifest_path")).parent().context("a manifest is in a directory")?;
        found.push((name, text("license").to_owned(), dir.to_string_lossy().into_owned()));
    }
    found.sort();
    Ok(found)
}

/// The same of the web app's packages that come into its bundle.
fn web_packages() -> Result<Vec<(String, String, String)>> {
    let lock: Value = serde_json::from_str(&fs::read_to_string("web/package-lock.json")?)?;
    let packages = lock["packages"].as_object().context("the web app's lock file has no packages")?;
    // Compilers are development packages, but the run-time parts of Svelte and fonts are in the bundle: all that say a
    // licence and are installed are listed rather than too few.
    let mut found = Vec::new();
    for (path, package) in packages {
        let dir = Path::new("web").join(path);
        if let (Some(name), Some(licence)) = (path.strip_prefix("node_modules/"), package["license"].as_str())
            && dir.is_dir()
        {
            let name = format!("{name} {} (web)", package["version"].as_str().unwrap_or_default());
            found.push((name, licence.to_owned(), dir.to_string_lossy().into_owned()));
        }
    }
    Ok(found)
}

fn texts_in(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let wanted = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        ["LICENSE", "LICENCE", "COPYING", "NOTICE"].iter().any(|start| name.starts_with(start))
    };
    files
        .iter()
        .filter(|path| wanted(path) && path.is_file())
        .filter_map(|path| fs::read_to_string(path).ok())
        .map(|text| text.trim().replace("\r\n", "\n"))
        .collect()
}
