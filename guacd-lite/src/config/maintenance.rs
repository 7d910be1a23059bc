//! `[maintenance]`: who tells that the machine below is about to be stopped.

use anyhow::{Context as _, Result, bail};
use http::Uri;
use serde::{Deserialize, Serialize};

/// Every virtual machine of Azure finds it there, and nobody else does.
const AZURE_METADATA: &str = "http://169.254.169.254";

/// See the example file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Maintenance {
    pub(crate) azure_scheduled_events: bool,
    pub(crate) azure_metadata_url: String,
    pub(crate) azure_machine_name: Option<String>,
    pub(crate) poll_interval_s: u64,
}

impl Default for Maintenance {
    fn default() -> Self {
        Self {
            azure_scheduled_events: false,
            azure_metadata_url: AZURE_METADATA.to_owned(),
            azure_machine_name: None,
            poll_interval_s: 5,
        }
    }
}

impl Maintenance {
    /// Checks what types cannot.
    pub(crate) fn validate(&self) -> Result<()> {
        if self.poll_interval_s == 0 {
            bail!("[maintenance]: poll_interval_s is 0; set at least 1");
        }
        self.authority().map(drop)
    }

    /// Host and port of the metadata service.
    pub(crate) fn authority(&self) -> Result<String> {
        let url = &self.azure_metadata_url;
        let wrong = || format!("[maintenance]: azure_metadata_url \"{url}\" is no address such as {AZURE_METADATA}");
        let uri: Uri = url.parse().with_context(wrong)?;
        let plain = uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none();
        let authority = uri.authority().filter(|_| plain).with_context(wrong)?;
        Ok(format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_service_is_named_by_a_plain_address() {
        let authority = |url: &str| {
            let section = Maintenance { azure_metadata_url: url.to_owned(), ..Maintenance::default() };
            section.validate().and_then(|()| section.authority()).map_err(|error| format!("{error:#}"))
        };
        assert_eq!(authority(AZURE_METADATA).unwrap(), "169.254.169.254:80");
        assert_eq!(authority("http://127.0.0.1:8099/").unwrap(), "127.0.0.1:8099");
        for wrong in ["169.254.169.254", "https://169.254.169.254", "http://x/metadata", "http:// x", ""] {
            assert!(authority(wrong).unwrap_err().contains("azure_metadata_url"), "{wrong}");
        }
    }
}
