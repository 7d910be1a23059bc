//! What packages ship beside the program, made from the definitions of the command line.

use std::io;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;

/// Section of the manual: commands for administrators.
const SECTION: &str = "8";

/// Prints what makes `shell` complete our commands and flags.
pub(crate) fn completions(shell: Shell) {
    clap_complete::generate(shell, &mut Cli::command(), "guacd-lite", &mut io::stdout());
}

/// Writes one page for the program and one for each command: `guacd-lite.8`, `guacd-lite-serve.8`, …
pub(crate) fn pages(dir: &Path) -> Result<()> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    page(&program, dir)
}

fn page(command: &clap::Command, dir: &Path) -> Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).replace(' ', "-");
    let path = dir.join(format!("{name}.{SECTION}"));
    let write = || -> io::Result<()> {
        let mut text = Vec::new();
        clap_mangen::Man::new(command.clone()).title(&name).section(SECTION).render(&mut text)?;
        std::fs::write(&path, text)
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    command.get_subcommands().filter(|command| !command.is_hide_set()).try_for_each(|command| page(command, dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_that_names_its_flags() {
        let dir = tempfile::tempdir().unwrap();
        pages(dir.path()).unwrap();
        let page = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(page("guacd-lite.8").contains("guacd\\-lite\\-serve(8)"), "{}", page("guacd-lite.8"));
        assert!(page("guacd-lite-serve.8").contains("web\\-listen"));
        assert!(page("guacd-lite-user-add.8").contains("password\\-file"));
        assert!(!dir.path().join("guacd-lite-manual.8").exists());
        assert!(!dir.path().join("guacd-lite-help.8").exists());
    }
}
