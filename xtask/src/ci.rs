//! Everything that must hold: the README's second command, and all that CI runs.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::shell::{self, has, run_and_read};
use crate::{compat, layers, package, python, rehearsal, setup, supply};

/// Tests passed and failed.
#[derive(Default, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

/// Sets up, then checks, lints and tests everything.
pub(crate) fn run() -> Result<()> {
    let start = Instant::now();
    let step = |name: &str| println!("\n[{:>4} s] {name}", start.elapsed().as_secs());
    let mut count = Count::default();

    step("set-up");
    setup::test_packages()?;
    setup::web()?;

    step("formatting, layers, compatibility list, supply");
    shell::run(".", "cargo", &["fmt", "--all", "--check"])?;
    layers::check()?;
    compat::check()?;
    supply::check()?;

    step("types and unit tests of the web app");
    shell::run("web", "npm", &["run", "check"])?;
    count.add("vitest", &run_and_read("web", "npm", &["test"])?, vitest);

    step("lints");
    shell::run(".", "cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"])?;

    step("optional features of the protocol");
    let features = ["--package", "guac-protocol", "--all-features", "--locked"];
    let lints = [&["clippy", "--all-targets"], &features[..], &["--", "--deny", "warnings"]].concat();
    shell::run(".", "cargo", &lints)?;
    count.add("tests of features", &run_and_read(".", "cargo", &[&["test"], &features[..]].concat())?, libtest);

    step("documentation");
    let strict = ["--config", "build.rustdocflags=[\"--deny\", \"warnings\"]"];
    shell::run(".", "cargo", &[&strict[..], &["doc", "--workspace", "--no-deps", "--locked", "--quiet"]].concat())?;

    step("interleavings of the broadcast ring, the registry and interceptions");
    let line = ["test", "--package", "guac-session", "--package", "guac-tunnel", "--locked", "--lib"];
    let models = ["--features", "guac-session/_loom,guac-tunnel/_loom", "model::"];
    count.add("model checks", &run_and_read(".", "cargo", &[&line[..], &models].concat())?, libtest);

    step("tests of the crates, real servers included");
    shell::run(".", "cargo", &["build", "--package", "guacd-lite", "--locked"])?;
    if has("cargo-nextest") {
        let line = ["nextest", "run", "--workspace", "--locked", "--no-fail-fast"];
        count.add("nextest", &run_and_read(".", "cargo", &line)?, nextest);
        count.add("doctests", &run_and_read(".", "cargo", &["test", "--workspace", "--locked", "--doc"])?, libtest);
    } else {
        let line = ["test", "--workspace", "--locked", "--no-fail-fast"];
        count.add("cargo test", &run_and_read(".", "cargo", &line)?, libtest);
    }

    step("the Python package");
    count.add("pytest", &python::test()?, pytest);

    step("the deployment to Azure, by the real Azure CLI against a stand-in");
    count.add("pytest of deploy/azure", &run_and_read(".", "deploy/azure/tests/run.sh", &["-q"])?, pytest);

    step("the Debian package, in a chroot");
    let deb = package::build_quickly()?;
    let checks = package::check(&deb)?;
    count.passed += checks.passed;
    count.failed += checks.failed;

    step("two nodes of that package behind a balancer");
    count.add("rehearsal", &rehearsal::rehearse(&deb)?, node);

    step("the whole system in a browser");
    count.add("browser tests", &run_and_read("web", "npm", &["run", "e2e"])?, node);

    step("done");
    println!("{} passed, {} failed", count.passed, count.failed);
    if count.failed > 0 || count.passed == 0 {
        bail!("{} tests failed", count.failed);
    }
    Ok(())
}

impl Count {
    /// Adds what a runner printed. One that failed without a failed test still counts as a failure.
    fn add(&mut self, runner: &str, (succeeded, output): &(bool, String), read: fn(&str) -> Count) {
        let mut read = read(output);
        if !succeeded && read.failed == 0 {
            println!("{runner} failed without saying which test");
            read.failed = 1;
        }
        self.passed += read.passed;
        self.failed += read.failed;
    }
}

/// The number before a word, such as 12 in "12 passed".
fn number_before(line: &str, word: &str) -> usize {
    let mut before = "";
    for part in
        line.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '(' | ')')).filter(|part| !part.is_empty())
    {
        if part == word {
            return before.parse().unwrap_or(0);
        }
        before = part;
    }
    0
}

fn sum(output: &str, wanted: impl Fn(&str) -> bool, passed: &str, failed: &str) -> Count {
    let mut count = Count::default();
    for line in output.lines().filter(|line| wanted(line)) {
        count.passed += number_before(line, passed);
        count.failed += number_before(line, failed);
    }
    count
}

/// `Summary [ 1.2s] 25 tests run: 25 passed, 0 skipped`
fn nextest(output: &str) -> Count {
    sum(output, |line| line.trim_start().starts_with("Summary ["), "passed", "failed")
}

/// `test result: ok. 3 passed; 0 failed; ...`
fn libtest(output: &str) -> Count {
    sum(output, |line| line.starts_with("test result:"), "passed", "failed")
}

/// `Tests  68 passed (68)`
fn vitest(output: &str) -> Count {
    sum(&without_colours(output), |line| line.trim_start().starts_with("Tests "), "passed", "failed")
}

/// `2 failed, 66 passed, 1 error in 44.33s`, between `=` or bare
fn pytest(output: &str) -> Count {
    let plain = without_colours(output);
    let summary =
        |line: &&str| line.contains(" in ") && [" passed", " failed", " error"].iter().any(|word| line.contains(word));
    let Some(line) = plain.lines().rfind(summary) else { return Count::default() };
    let failed = ["failed", "error", "errors"].iter().map(|word| number_before(line, word)).sum();
    Count { passed: number_before(line, "passed"), failed }
}

/// `# pass 12` and `# fail 0`, or with an information sign instead of the hash.
fn node(output: &str) -> Count {
    let mut count = Count::default();
    for line in without_colours(output).lines() {
        let mut words = line.split_whitespace().skip(1);
        match (words.next(), words.next().and_then(|number| number.parse::<usize>().ok())) {
            (Some("pass"), Some(number)) => count.passed += number,
            (Some("fail"), Some(number)) => count.failed += number,
            _ => {}
        }
    }
    count
}

/// Text without terminal colours.
fn without_colours(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split("\u{1b}[");
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        out.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_counts_of_every_runner() {
        assert_eq!(
            nextest("     Summary [   4.450s] 25 tests run: 24 passed, 1 failed, 0 skipped"),
            Count { passed: 24, failed: 1 }
        );
        assert_eq!(
            libtest("test result: ok. 3 passed; 0 failed; 0 ignored;\ntest result: ok. 2 passed; 1 failed;"),
            Count { passed: 5, failed: 1 }
        );
        assert_eq!(
            vitest("\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[32m68 passed\u{1b}[39m (68)"),
            Count { passed: 68, failed: 0 }
        );
        assert_eq!(pytest("...F [100%]\n2 failed, 66 passed, 1 error in 44.33s\n"), Count { passed: 66, failed: 3 });
        assert_eq!(
            pytest("\u{1b}[32m==== \u{1b}[1m68 passed\u{1b}[0m in 2.31s ====\n"),
            Count { passed: 68, failed: 0 }
        );
        assert_eq!(node("# tests 13\n# pass 12\n# fail 1\n"), Count { passed: 12, failed: 1 });
    }
}
