//! Two nodes behind a balancer, as deployed on Azure, on this machine.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::{package, setup, shell};

const HELP: &str = "cargo xtask rehearsal [--deb FILE]

Builds the package, or takes FILE, and rehearses a deployment with it: namespaces for a balancer, two nodes, a MariaDB
with TLS, two machines and a person with a browser. Takes root, and about three minutes. REHEARSAL_OUTAGE_S (120) is
how long the database is away.";

/// Runs it for people, who see all of what it prints.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let deb = match arguments {
        [] => {
            setup::web()?;
            package::build_quickly()?
        }
        [flag, file] if flag == "--deb" => PathBuf::from(file),
        [flag] if flag == "--help" => {
            println!("{HELP}");
            return Ok(());
        }
        _ => bail!("{HELP}"),
    };
    let (succeeded, _) = rehearse(&deb)?;
    if succeeded { Ok(()) } else { bail!("the rehearsal failed; see web/test-results/rehearsal-*") }
}

/// Rehearses with a package; gives whether it went well, and what was printed.
pub(crate) fn rehearse(deb: &std::path::Path) -> Result<(bool, String)> {
    let deb = deb.canonicalize().with_context(|| format!("there is no package {}", deb.display()))?;
    let deb = format!("GUACD_LITE_DEB={}", deb.display());
    shell::run_and_read(
        "web",
        "env",
        &[&deb, "node", "--test", "--test-reporter=tap", "tests/rehearsal/rehearsal.test.mjs"],
    )
}
