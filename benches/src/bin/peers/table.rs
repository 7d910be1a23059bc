//! The tables.

use anyhow::Result;
use benches::corpus::Corpus;

use super::{Contender, Options, run};

/// Measures every contender on every corpus, in turns, and prints medians and ratios to the first contender.
pub(super) fn print(title: &str, contenders: &[Contender], corpora: &[Corpus], options: &Options) -> Result<()> {
    let mut speeds = vec![vec![Err("absent"); corpora.len()]; contenders.len()];
    for (column, &corpus) in corpora.iter().enumerate() {
        let mut rounds = vec![Vec::new(); contenders.len()];
        // In turns, so that another load on the machine hits all alike.
        for _ in 0..options.rounds {
            for (all, contender) in rounds.iter_mut().zip(contenders) {
                if !all.iter().any(Result::is_err) {
                    all.push(run(contender, corpus, options));
                }
            }
        }
        for (row, all) in speeds.iter_mut().zip(rounds) {
            row[column] = median(all);
        }
    }
    let names: Vec<&str> = corpora.iter().map(|corpus| corpus.name()).collect();
    println!("| {title} | {} |\n|---|{}", names.join(" | "), "---|".repeat(corpora.len()));
    for (contender, row) in contenders.iter().zip(&speeds) {
        let cells: Vec<String> = row.iter().zip(&speeds[0]).map(|(cell, base)| show(cell, base)).collect();
        println!("| {} | {} |", contender.name, cells.join(" | "));
    }
    println!();
    Ok(())
}

fn median(all: Vec<Result<f64, &'static str>>) -> Result<f64, &'static str> {
    let mut all: Vec<f64> = all.into_iter().collect::<Result<_, _>>()?;
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().ok_or("absent")
}

fn show(cell: &Result<f64, &'static str>, base: &Result<f64, &'static str>) -> String {
    match (cell, base) {
        (Ok(speed), Ok(base)) => format!("{speed:.0} ({:.2}x)", speed / base),
        (Ok(speed), Err(_)) => format!("{speed:.0}"),
        (Err(why), _) => (*why).to_owned(),
    }
}
