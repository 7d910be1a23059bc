//! `peers`: our codec and those of others over the same corpora in the same run, as a table.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command that prints a table")]

mod install;
mod table;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use benches::codec;
use benches::corpus::Corpus;

const HELP: &str = "peers [--libguac-src DIR] [--rounds N] [--out DIR]

  --libguac-src DIR  sources of a guacamole-server; its parser and writer are compiled and measured
  --rounds N         how often each is measured; the median counts (default 5)
  --out DIR          where peers are installed and corpora written (default target/peers)";

/// What was asked for.
struct Options {
    libguac: Option<PathBuf>,
    rounds: usize,
    out: PathBuf,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["measure", way, file, passes] => measure(way, file, passes),
        ["--help" | "help"] => {
            println!("{HELP}");
            Ok(())
        }
        _ => options(&words).and_then(|options| compare(&options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn options(words: &[&str]) -> Result<Options> {
    let mut options = Options { libguac: None, rounds: 5, out: PathBuf::from("target/peers") };
    for pair in words.chunks(2) {
        match pair {
            ["--libguac-src", dir] => options.libguac = Some(PathBuf::from(dir)),
            ["--rounds", rounds] => options.rounds = rounds.parse().context("--rounds takes a number")?,
            ["--out", dir] => options.out = PathBuf::from(dir),
            _ => bail!("unknown arguments {pair:?}\n\n{HELP}"),
        }
    }
    Ok(options)
}

/// The child's side: some passes over a file, then bytes, instructions, elements and CPU seconds.
fn measure(way: &str, file: &str, passes: &str) -> Result<()> {
    let passes: u64 = passes.parse()?;
    let bytes = std::fs::read(file)?;
    let mut seen = codec::Seen::default();
    let owned = if way == "encode" { codec::owned(&bytes)? } else { Vec::new() };
    let jobs = codec::jobs(&owned)?;
    let mut out = Vec::with_capacity(64 * 1024);
    let before = cpu_seconds();
    for _ in 0..passes {
        seen = match way {
            "parser" => codec::parse(&bytes)?,
            "decoder" => codec::decode(&bytes)?,
            "typed" => codec::parse_typed(&bytes)?,
            "encode" => {
                if codec::encode(&jobs, &mut out) != bytes.len() as u64 {
                    bail!("what was written is not what was read");
                }
                codec::Seen { instructions: jobs.len() as u64, elements: 0 }
            }
            unknown => bail!("unknown way {unknown}"),
        };
    }
    let cpu = cpu_seconds() - before;
    println!("{} {} {} {cpu}", bytes.len() as u64 * passes, seen.instructions * passes, seen.elements * passes);
    Ok(())
}

/// User and system time of this process so far.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    std::time::Duration::try_from(time).unwrap_or_default().as_secs_f64()
}

/// One line of a table: whose codec, and how to run it over a corpus.
struct Contender {
    name: &'static str,
    /// Nothing if it could not be built or installed.
    command: Option<Vec<String>>,
    /// Passes are divided by this: slow ones get less to do.
    share: usize,
}

fn contender(name: &'static str, command: Option<Vec<String>>, share: usize) -> Contender {
    Contender { name, command, share }
}

/// Bytes of a corpus at full share. It fits a processor's second-level cache: what is parsed was copied there by the
/// kernel a moment ago. With more, the memory is measured and not the parser.
const CORPUS_BYTES: usize = 1_000_000;

/// Passes over a corpus at full share: some hundred milliseconds for the slowest that get one.
const PASSES: usize = 200;

fn compare(options: &Options) -> Result<()> {
    std::fs::create_dir_all(&options.out)?;
    let peers = install::peers(&options.out, options.libguac.as_deref());
    let own = std::env::current_exe()?.display().to_string();
    let ours = |way: &str| Some(vec![own.clone(), "measure".into(), way.into()]);
    let libguac = |way: &str| peers.libguac.clone().map(|program| vec![program, way.into()]);
    println!(
        "Corpora of {} MB, reads of {} bytes, medians of {} rounds; MB/s of CPU time.\n\
         We and libguac see a window over the corpus that grows by a read at a time; neither copies. JavaScript gets\n\
         text made before the clock starts. Writing: we into a buffer, libguac by its own buffered socket to /dev/null.\n",
        CORPUS_BYTES / 1_000_000,
        codec::READ_BYTES,
        options.rounds
    );
    let parse = [
        contender("libguac (C)", libguac("parse"), 1),
        contender("guac-protocol, Parser", ours("parser"), 1),
        contender("guac-protocol, Decoder", ours("decoder"), 1),
        contender("guac-protocol, typed", ours("typed"), 1),
        contender("guacamole-common-js 1.5.0", peers.node("common"), 4),
        contender("guacamole-lite 1.2.0", peers.node("lite"), 4),
        contender("guapy", peers.python("guapy"), 64),
        contender("pyguacamole", peers.python("pyguacamole"), 64),
    ];
    let encode = [contender("libguac (C)", libguac("encode"), 1), contender("guac-protocol", ours("encode"), 1)];
    table::print("parse", &parse, &Corpus::ALL, options)?;
    table::print("encode", &encode, &[Corpus::Draw, Corpus::Small], options)
}

/// One measurement: megabytes per CPU second, or why there is none.
fn run(contender: &Contender, corpus: Corpus, options: &Options) -> Result<f64, &'static str> {
    let command = contender.command.as_ref().ok_or("absent")?;
    let len = CORPUS_BYTES;
    let file = options.out.join(format!("{}-{len}.guac", corpus.name()));
    let expected = expected(&file, corpus, len).map_err(|_| "no corpus")?;
    let passes = (PASSES / contender.share).max(1);
    let (program, arguments) = command.split_first().ok_or("absent")?;
    let output =
        Command::new(program).args(arguments).arg(&file).arg(passes.to_string()).output().map_err(|_| "absent")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let fields: Vec<f64> = text.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    let [bytes, instructions, _, cpu] = *fields.as_slice() else { return Err("fails") };
    if instructions < expected * passes as f64 {
        return Err("wrong");
    }
    Ok(bytes / 1e6 / cpu)
}

/// Writes the corpus unless it is there. Returns how many instructions are in it.
fn expected(file: &std::path::Path, corpus: Corpus, len: usize) -> Result<f64> {
    let count = file.with_extension("count");
    if !count.exists() {
        let stream = corpus.generate(len);
        std::fs::write(file, &stream.bytes)?;
        std::fs::write(&count, stream.instructions.to_string())?;
    }
    Ok(std::fs::read_to_string(count)?.parse()?)
}
