//! Runs the same workloads against cacheismo, memcached and redis, by turns, and prints ratios.
//!
//! One server thread on one core, the load generator on another, every server fresh for each workload.
//! Rounds alternate the order of the servers, so that whoever else uses the machine disturbs all alike.
//! On shared cores CPU time per request is the steadier figure: throughput follows the neighbours.

mod beside;
mod load;
mod memory;
mod process;
mod replies;
mod report;
mod workload;

use std::time::Duration;

use anyhow::{Context, ensure};
use process::Running;
use report::{Row, Sample};
use workload::{Entry, Workload};

/// How to run.
struct Options {
    round: Duration,
    rounds: usize,
    connections: usize,
    only: Option<String>,
    system: Option<String>,
    json: Option<String>,
}

const USAGE: &str = "options: --secs S (per round, 2) --rounds N (3) --connections N (50) \
                     --only TEXT (workloads whose name contains it, memory or beside) \
                     --system TEXT (systems whose name contains it) --json FILE";

fn main() -> anyhow::Result<()> {
    let options = options(std::env::args().skip(1))?;
    process::pin_generator()?;
    let mut rows = Vec::new();
    for workload in workload::all() {
        if options
            .only
            .as_ref()
            .is_none_or(|text| workload.name.contains(text.as_str()))
        {
            eprintln!("{}", workload.name);
            rows.extend(run(&workload, &options).with_context(|| workload.name.clone())?);
        }
    }
    let memory = memory::is_wanted(options.only.as_deref());
    let beside = beside::is_wanted(options.only.as_deref());
    ensure!(
        memory || beside || !rows.is_empty(),
        "no workload is named like that"
    );
    if !rows.is_empty() {
        print!("{}", report::table(&rows));
    }
    if memory {
        print!("\n{}", memory::table()?);
    }
    if beside {
        print!("\n{}", beside::table()?);
    }
    let json = serde_json::to_string_pretty(&rows)?;
    match &options.json {
        Some(path) => std::fs::write(path, json + "\n")?,
        None => println!("\n{json}"),
    }
    ensure!(
        rows.iter().all(|row| row.errors == 0),
        "some requests were answered with errors"
    );
    Ok(())
}

/// All rounds of one workload; one row per system that takes part.
fn run(workload: &Workload, options: &Options) -> anyhow::Result<Vec<Row>> {
    let mut contestants = Vec::new();
    let wanted = |entry: &&Entry| {
        let system = options.system.as_deref();
        system.is_none_or(|text| entry.label.contains(text))
    };
    for entry in workload.entries.iter().filter(wanted) {
        let server = Running::start(entry.system)?;
        load::set_up(server.address(), entry)?;
        contestants.push((entry, server, Vec::<Sample>::new()));
    }
    for round in 0..options.rounds {
        if round % 2 == 1 {
            contestants.reverse();
        }
        for (entry, server, samples) in &mut contestants {
            let before = server.cpu()?;
            let outcome = load::run(
                server.address(),
                entry,
                options.connections,
                workload.depth,
                options.round,
            )?;
            samples.push(Sample {
                cpu: server.cpu()? - before,
                outcome,
            });
        }
        if round % 2 == 1 {
            contestants.reverse();
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    for (entry, server, samples) in &contestants {
        let memory = server.resident_bytes()?;
        rows.push(Row::of(
            &workload.name,
            &entry.label,
            samples,
            memory,
            rows.first(),
        ));
    }
    Ok(rows)
}

fn options(mut words: impl Iterator<Item = String>) -> anyhow::Result<Options> {
    let mut options = Options {
        round: Duration::from_secs(2),
        rounds: 3,
        connections: 50,
        only: None,
        system: None,
        json: None,
    };
    while let Some(name) = words.next() {
        let value = words
            .next()
            .with_context(|| format!("{name} needs a value; {USAGE}"))?;
        match name.as_str() {
            "--secs" => options.round = Duration::from_secs_f64(value.parse()?),
            "--rounds" => options.rounds = value.parse()?,
            "--connections" => options.connections = value.parse()?,
            "--only" => options.only = Some(value),
            "--system" => options.system = Some(value),
            "--json" => options.json = Some(value),
            _ => anyhow::bail!("unknown option {name}; {USAGE}"),
        }
    }
    ensure!(
        options.rounds > 0 && options.connections > 0,
        "nothing to run; {USAGE}"
    );
    Ok(options)
}
