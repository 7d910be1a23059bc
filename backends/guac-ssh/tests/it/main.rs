//! Whole SSH sessions, seen and driven as a browser does it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

mod files;
mod hostile;
mod login;
mod person;
mod shell;
mod sshd;
mod talker;
