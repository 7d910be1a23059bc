//! docs/compat: each row names its tests, and each test exists.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

const DIR: &str = "docs/compat";

/// The words of a row's status, best first.
const STATUSES: [&str; 3] = ["works", "partly", "not yet"];

/// Checks every page and prints its counts.
pub(crate) fn check() -> Result<()> {
    let mut pages: Vec<_> = fs::read_dir(DIR).context("docs/compat is missing")?.collect::<Result<_, _>>()?;
    pages.sort_by_key(fs::DirEntry::file_name);
    let (mut wrong, mut rows, mut files) = (Vec::new(), 0, BTreeMap::new());
    println!("{:<18} {:>6} {:>7} {:>8}", "page", "works", "partly", "not yet");
    for page in pages {
        let path = page.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_none_or(|extension| extension != "md") || name == "README" {
            continue;
        }
        let mut counts = [0_usize; STATUSES.len()];
        for line in fs::read_to_string(&path)?.lines() {
            let Some(row) = Row::parse(line) else { continue };
            rows += 1;
            match STATUSES.iter().position(|&status| status == row.status) {
                Some(index) => counts[index] += 1,
                None => wrong.push(format!("{name} {}: \"{}\" is no status", row.id, row.status)),
            }
            if row.tests.is_empty() && row.status == "works" {
                wrong.push(format!("{name} {}: works, but names no test", row.id));
            }
            for test in row.tests {
                if !exists(test, &mut files) {
                    wrong.push(format!("{name} {}: there is no test {test}", row.id));
                }
            }
        }
        println!("{name:<18} {:>6} {:>7} {:>8}", counts[0], counts[1], counts[2]);
    }
    if rows == 0 {
        bail!("docs/compat has no rows");
    }
    if !wrong.is_empty() {
        bail!("docs/compat is not true:\n  {}", wrong.join("\n  "));
    }
    println!("compat: {rows} rows, every named test exists");
    Ok(())
}

/// `| ID | what | status | tests |`, tests as `` `file#name` `` each.
struct Row<'a> {
    id: &'a str,
    status: &'a str,
    tests: Vec<&'a str>,
}

impl<'a> Row<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let inner = line.strip_prefix("| ")?.strip_suffix('|')?;
        let (id, rest) = inner.split_once(" | ")?;
        // The description may hold anything but the two last columns' separators.
        let (rest, tests) = rest.rsplit_once(" | ")?;
        let (_, status) = rest.rsplit_once(" | ")?;
        let is_id = id.contains('-') && id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-');
        let tests = tests.split('`').skip(1).step_by(2).collect();
        (is_id && id.len() > 2).then_some(Self { id, status: status.trim(), tests })
    }
}

/// Whether the file has a test of that name: a Rust function, or a TypeScript test's title.
fn exists(test: &str, files: &mut BTreeMap<String, Option<String>>) -> bool {
    let Some((file, name)) = test.split_once('#') else { return false };
    let text = files.entry(file.to_owned()).or_insert_with(|| fs::read_to_string(Path::new(file)).ok());
    text.as_deref().is_some_and(|text| {
        let rust = text.contains(&format!("fn {name}("));
        rust || ["\"", "'", "`"].iter().any(|quote| text.contains(&format!("{quote}{name}{quote}")))
    })
}
