//! The project's own checks and set-up. `cargo xtask help` lists them.
#![expect(clippy::print_stdout, reason = "a build tool talks to the terminal")]

mod ci;
mod compat;
mod layers;
mod package;
mod python;
mod rehearsal;
mod setup;
mod shell;
mod supply;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "cargo xtask COMMAND

  demo [ARGS]   build everything and run `guacd-lite demo`
  test          everything: set up, build, lint, all tests, real servers included
  ci            the same; what CI runs
  web           install and build the web app only
  python        build, check and test the Python package only
  package       build the Debian package; `package --help` tells more
  rehearsal     rehearse a deployment of two nodes with the package; `rehearsal --help` tells more
  bench [ARGS]  measure the codec beside its peers and print a table; `bench --help` tells more
  layers        check which crate depends on which
  compat        check docs/compat: every named test exists; counts per page
  supply        check what others' code the daemon is made of";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    match run(&command, &arguments.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("xtask {command}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &str, arguments: &[String]) -> Result<()> {
    std::env::set_current_dir(shell::root()?)?;
    match command {
        "demo" => setup::demo(arguments),
        "test" | "ci" => ci::run(),
        "web" => setup::web(),
        "python" => python::only(),
        "package" => package::run(arguments),
        "rehearsal" => rehearsal::run(arguments),
        "bench" => bench(arguments),
        "layers" => layers::check(),
        "compat" => compat::check(),
        "supply" => supply::check(),
        "help" | "--help" | "" => {
            println!("{HELP}");
            Ok(())
        }
        unknown => bail!("unknown command \"{unknown}\"\n\n{HELP}"),
    }
}

/// The comparison of `benches`, which is worth nothing without optimisation.
fn bench(arguments: &[String]) -> Result<()> {
    let line = ["run", "--quiet", "--release", "--locked", "--package", "benches", "--bin", "peers", "--"];
    let line: Vec<&str> = line.into_iter().chain(arguments.iter().map(String::as_str)).collect();
    shell::run(".", "cargo", &line)
}
