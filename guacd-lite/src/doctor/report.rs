//! What was found, as a table or JSON.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Ok,
    Warn,
    Fail,
}

/// One finding: what was looked at, and what is to be said.
#[derive(Debug, Serialize)]
struct Finding {
    level: Level,
    what: String,
    finding: String,
}

/// All of them, in the order they were made.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    findings: Vec<Finding>,
}

impl Report {
    pub(crate) fn add(&mut self, level: Level, what: impl Into<String>, finding: impl Into<String>) {
        self.findings.push(Finding { level, what: what.into(), finding: finding.into() });
    }

    /// How many are that bad.
    pub(crate) fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// Lines for people.
    pub(crate) fn table(&self) -> String {
        let width = self.findings.iter().map(|finding| finding.what.len()).max().unwrap_or(0);
        let line = |finding: &Finding| {
            let level = match finding.level {
                Level::Ok => "ok",
                Level::Warn => "warn",
                Level::Fail => "FAIL",
            };
            format!("{level:<4}  {:<width$}  {}\n", finding.what, finding.finding)
        };
        self.findings.iter().map(line).collect()
    }
}
