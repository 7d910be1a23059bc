//! Log lines and complaints, both on standard error.

use std::io::IsTerminal as _;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Log, LogFormat};

/// Libraries that write at trace level what passes through them: keys, clipboards, passwords. No filter turns that on.
const TALKATIVE: [&str; 2] = ["russh", "tungstenite"];

/// Starts logging.
pub(crate) fn start(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(&log.filter).map_err(|error| {
        anyhow::anyhow!(
            "[log]: filter \"{}\" is not one, such as \"info\" or \"info,guac_web=debug\": {error}",
            log.filter
        )
    })?;
    let filter = filter.and(filter_fn(|event| {
        *event.level() < Level::TRACE || !TALKATIVE.iter().any(|library| event.target().starts_with(library))
    }));
    // Colours are for people; files and journals would keep the escape sequences.
    let colours = std::io::stderr().is_terminal();
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let layer = match log.format {
        LogFormat::Text => layer.with_filter(filter).boxed(),
        LogFormat::Json => layer.json().with_filter(filter).boxed(),
    };
    let started = tracing_subscriber::registry().with(layer).try_init();
    started.map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))
}

/// Says why the program ends.
#[expect(clippy::print_stderr, reason = "the program's last words")]
pub(crate) fn complain(text: &str) {
    eprintln!("guacd-lite: {text}");
}
