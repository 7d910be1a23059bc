//! Relays side by side: `guac-tunnel` over WebSocket, socat and haproxy over TCP, all in front of the same fake guacd.
//!
//! `cargo build --release -p guac-tunnel --example gateway && cargo run --release -p benches --bin relay`
//! prints one table. CPU time and memory are the relay process's own, as the kernel counts them; what the fake guacd and
//! the clients cost is not in them. `relay cpu`, `relay idle`, `relay slow` and `relay latency` do a part.
#![expect(clippy::print_stdout, reason = "a table is the point")]
#![expect(clippy::cast_precision_loss, reason = "figures are rounded for people")]

mod client;
mod guacd;
mod process;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use crate::client::{Client, Way};
use crate::process::Relay;

/// Bytes of one CPU measurement, all clients together.
const FLOOD_BYTES: u64 = 3_000_000_000;

/// Idle tunnels; socat has a process for each.
const IDLE_TUNNELS: usize = 1000;
const IDLE_PROCESSES: usize = 50;

/// Latency is measured anew this often, each time with a new process, and the median counts: where the scheduler puts
/// a process decides more than what the process does.
const LATENCY_ROUNDS: usize = 15;
const ROUND_TRIPS: usize = 2000;

/// The slow reader's speed, and for how long it is watched.
const SLOW_BYTES_PER_S: u64 = 1_000_000;
const SLOW_FOR: Duration = Duration::from_secs(10);
const FAST_CLIENTS: usize = 3;

/// A measurement and its column of the table.
type Part = (&'static str, &'static str, fn(Relay) -> Result<Option<String>>);

fn main() -> Result<()> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised)
        .context("cannot raise the number of files")?;
    let chosen = std::env::args().nth(1);
    let parts: [Part; 5] = [
        ("cpu", "CPU s/GB, 1 client", |relay| cpu(relay, 1)),
        ("cpu", "CPU s/GB, 20 clients", |relay| cpu(relay, 20)),
        ("idle", "KB per idle tunnel", idle),
        ("slow", "slow reader: memory before > after, MB/s of 3 others without > with", slow),
        ("latency", "added p50 / p99, us", latency),
    ];
    let parts: Vec<Part> =
        parts.into_iter().filter(|part| chosen.as_ref().is_none_or(|chosen| chosen == part.0)).collect();
    println!("| relay | {} |", parts.iter().map(|part| part.1).collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "---|".repeat(parts.len()));
    for relay in Relay::ALL {
        let cells = parts.iter().map(|part| Ok(part.2(relay)?.unwrap_or_else(|| "not installed".to_owned())));
        let cells: Vec<String> = cells.collect::<Result<_>>()?;
        println!("| {} | {} |", relay.name(), cells.join(" | "));
    }
    Ok(())
}

fn cpu(relay: Relay, clients: usize) -> Result<Option<String>> {
    let guacd = guacd::start(FLOOD_BYTES / clients as u64);
    let Some(running) = relay.start(guacd, "flood")? else { return Ok(None) };
    let before = running.cpu_s();
    let readers: Vec<_> = (0..clients)
        .map(|_| {
            let (way, port) = (relay.way(), running.port);
            thread::spawn(move || Client::open(way, port, "flood")?.drain(None, None))
        })
        .collect();
    let mut total = 0;
    for reader in readers {
        total += reader.join().map_err(|_| anyhow!("a client panicked"))??;
    }
    // socat's processes are counted once they have ended.
    thread::sleep(Duration::from_secs(1));
    anyhow::ensure!(total >= FLOOD_BYTES, "{} lost bytes: {total}", relay.name());
    Ok(Some(format!("{:.2}", (running.cpu_s() - before) / (total as f64 / 1e9))))
}

fn idle(relay: Relay) -> Result<Option<String>> {
    let guacd = guacd::start(0);
    let Some(running) = relay.start(guacd, "idle")? else { return Ok(None) };
    let tunnels = if relay == Relay::Socat { IDLE_PROCESSES } else { IDLE_TUNNELS };
    let mut all = vec![Client::open(relay.way(), running.port, "idle")?];
    thread::sleep(Duration::from_secs(1));
    let before = running.pss_kb();
    for _ in 0..tunnels {
        all.push(Client::open(relay.way(), running.port, "idle")?);
    }
    // Two rounds of what idle tunnels do: a nop from guacd, a ping from the browser and its echo.
    for _ in 0..6 {
        thread::sleep(Duration::from_secs(2));
        for client in &mut all {
            client.skim()?;
            client.say("0.,4.ping,13.1700000000000;")?;
        }
    }
    thread::sleep(Duration::from_millis(500));
    Ok(Some(format!("{:.1} (of {tunnels})", (running.pss_kb() - before) / tunnels as f64)))
}

fn slow(relay: Relay) -> Result<Option<String>> {
    let guacd = guacd::start(u64::MAX);
    let Some(running) = relay.start(guacd, "flood")? else { return Ok(None) };
    let (way, port) = (relay.way(), running.port);
    let fast = || -> Result<u64> {
        let until = Instant::now() + SLOW_FOR;
        let readers: Vec<_> = (0..FAST_CLIENTS)
            .map(|_| thread::spawn(move || Client::open(way, port, "flood")?.drain(None, Some(until))))
            .collect();
        let mut total = 0;
        for reader in readers {
            total += reader.join().map_err(|_| anyhow!("a client panicked"))??;
        }
        Ok(total / SLOW_FOR.as_secs() / 1_000_000)
    };
    let without = fast()?;
    let until = Instant::now() + SLOW_FOR * 2;
    let slow = thread::spawn(move || Client::open(way, port, "flood")?.drain(Some(SLOW_BYTES_PER_S), Some(until)));
    thread::sleep(Duration::from_secs(2));
    let before = running.pss_kb();
    let with = fast()?;
    thread::sleep(Duration::from_secs(2));
    let after = running.pss_kb();
    slow.join().map_err(|_| anyhow!("a client panicked"))??;
    Ok(Some(format!("{:.1} > {:.1} MB, {without} > {with}", before / 1000.0, after / 1000.0)))
}

fn latency(relay: Relay) -> Result<Option<String>> {
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..LATENCY_ROUNDS {
        let Some((direct, relayed)) = round_trips(relay)? else { return Ok(None) };
        p50.push(percentile(&relayed, 50).saturating_sub(percentile(&direct, 50)));
        p99.push(percentile(&relayed, 99).saturating_sub(percentile(&direct, 99)));
    }
    p50.sort_unstable();
    p99.sort_unstable();
    let median_us = |sorted: &[Duration]| percentile(sorted, 50).as_secs_f64() * 1e6;
    Ok(Some(format!("+{:.1} / +{:.1}", median_us(&p50), median_us(&p99))))
}

/// Round trips to the fake guacd, directly and through a relay, both sorted.
fn round_trips(relay: Relay) -> Result<Option<(Vec<Duration>, Vec<Duration>)>> {
    let guacd = guacd::start(0);
    let Some(running) = relay.start(guacd, "echo")? else { return Ok(None) };
    let (mut direct, mut relayed) = (Vec::new(), Vec::new());
    let mut near = Client::open(Way::Tcp, guacd, "echo")?;
    let mut far = Client::open(relay.way(), running.port, "echo")?;
    far.hello()?;
    // In turn, so that both see the same machine.
    for _ in 0..ROUND_TRIPS / 100 {
        for _ in 0..100 {
            direct.push(round_trip(&mut near)?);
        }
        for _ in 0..100 {
            relayed.push(round_trip(&mut far)?);
        }
    }
    direct.sort_unstable();
    relayed.sort_unstable();
    Ok(Some((direct, relayed)))
}

/// Of a sorted list.
fn percentile(sorted: &[Duration], share: usize) -> Duration {
    sorted.get(sorted.len() * share / 100).copied().unwrap_or_default()
}

fn round_trip(client: &mut Client) -> Result<Duration> {
    let begin = Instant::now();
    client.say("3.key,5.65293,1.1;")?;
    client.read()?.context("the session ended")?;
    Ok(begin.elapsed())
}
