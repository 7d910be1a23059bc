//! Log lines and complaints, both on standard error.

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts logging.
pub(crate) fn start(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(&log.filter).map_err(|error| {
        anyhow::anyhow!(
            "[log]: filter \"{}\" is not one, such as \"info\" or \"info,guac_web=debug\": {error}",
            log.filter
        )
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let result = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    result.map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))
}

/// Says why the program ends.
#[expect(clippy::print_stderr, reason = "the program's last words")]
pub(crate) fn complain(text: &str) {
    eprintln!("guacd-lite: {text}");
}
