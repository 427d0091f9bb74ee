//! Runs the same workloads against cacheismo, memcached and redis, by turns, and prints what BENCHMARKS.md shows.
//!
//! One server thread on one core, the load generator on another, every server fresh for each workload.
//! Rounds alternate the order of the servers, so that whoever else uses the machine disturbs all alike.
//! On shared cores CPU time per request is the steadier figure: throughput follows the neighbours.

mod beside;
mod durable;
mod histogram;
mod load;
mod memory;
mod page;
mod process;
mod record;
mod replies;
mod report;
mod workload;

use std::time::Duration;

use anyhow::{Context, ensure};
use cacheismo_tests::tools;
use process::Running;
use record::{Machine, Record, Run};
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
    /// Keep the record, and render BENCHMARKS.md anew.
    keep: bool,
    /// Render BENCHMARKS.md anew, and measure nothing.
    page_only: bool,
}

const USAGE: &str = "options: --secs S (per round, 2) --rounds N (3) --connections N (50) \
                     --only TEXT (workloads whose name contains it, memory, beside or durability) \
                     --system TEXT (systems whose name contains it) --json FILE (the record) \
                     --record (kept in tests/bench/record, and BENCHMARKS.md rendered) --page (rendered, nothing run)";

fn main() -> anyhow::Result<()> {
    let options = options(std::env::args().skip(1))?;
    if options.page_only {
        return write_page();
    }
    let record = measure(&options)?;
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&record)? + "\n")?;
    }
    print!("{}", page::render(std::slice::from_ref(&record)));
    let wrong = record.workloads.iter().filter(|row| row.errors > 0);
    let wrong: Vec<String> = wrong
        .map(|row| format!("{}, {}: {}", row.workload, row.system, row.errors))
        .collect();
    ensure!(
        wrong.is_empty(),
        "requests were answered with errors: {}",
        wrong.join("; ")
    );
    if options.keep {
        record.keep()?;
        write_page()?;
    }
    Ok(())
}

/// Renders BENCHMARKS.md from all records.
fn write_page() -> anyhow::Result<()> {
    let page = page::render(&record::all()?);
    std::fs::write(tools::repository().join("BENCHMARKS.md"), page).context("BENCHMARKS.md")
}

/// Runs what the options ask for.
fn measure(options: &Options) -> anyhow::Result<Record> {
    process::pin_generator()?;
    let mut rows = Vec::new();
    for workload in workload::all() {
        if options
            .only
            .as_ref()
            .is_none_or(|text| workload.name.contains(text.as_str()))
        {
            eprintln!("{}", workload.name);
            rows.extend(run(&workload, options).with_context(|| workload.name.clone())?);
        }
    }
    let wants_memory = memory::is_wanted(options.only.as_deref());
    let wants_beside = beside::is_wanted(options.only.as_deref());
    let mut durability = Vec::new();
    for workload in durable::all() {
        if durable::is_wanted(options.only.as_deref()) {
            eprintln!("{}", workload.name);
            durability.extend(run(&workload, options).with_context(|| workload.name.clone())?);
        }
    }
    ensure!(
        wants_memory || wants_beside || !rows.is_empty() || !durability.is_empty(),
        "no workload is named like that"
    );
    Ok(Record {
        date: record::today()?,
        notes: Vec::new(),
        machine: Machine::here()?,
        run: Run {
            round_s: options.round.as_secs_f64(),
            rounds: options.rounds,
            connections: options.connections,
        },
        workloads: rows,
        durability,
        memory: wants_memory
            .then(memory::measure)
            .transpose()?
            .unwrap_or_default(),
        beside: wants_beside
            .then(beside::measure)
            .transpose()?
            .unwrap_or_default(),
        tables: Vec::new(),
    })
}

/// All rounds of one workload; one row per system that takes part.
fn run(workload: &Workload, options: &Options) -> anyhow::Result<Vec<Row>> {
    let mut contestants = Vec::new();
    let wanted = |entry: &&Entry| {
        let system = options.system.as_deref();
        system.is_none_or(|text| entry.label.to_lowercase().contains(&text.to_lowercase()))
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
    let rows = contestants
        .iter()
        .map(|(entry, _, samples)| Row::of(&workload.name, &entry.label, samples));
    Ok(rows.collect())
}

fn options(mut words: impl Iterator<Item = String>) -> anyhow::Result<Options> {
    let mut options = Options {
        round: Duration::from_secs(2),
        rounds: 3,
        connections: 50,
        only: None,
        system: None,
        json: None,
        keep: false,
        page_only: false,
    };
    while let Some(name) = words.next() {
        let mut value = || {
            words
                .next()
                .with_context(|| format!("{name} needs a value; {USAGE}"))
        };
        match name.as_str() {
            "--secs" => options.round = Duration::from_secs_f64(value()?.parse()?),
            "--rounds" => options.rounds = value()?.parse()?,
            "--connections" => options.connections = value()?.parse()?,
            "--only" => options.only = Some(value()?),
            "--system" => options.system = Some(value()?),
            "--json" => options.json = Some(value()?),
            "--record" => options.keep = true,
            "--page" => options.page_only = true,
            _ => anyhow::bail!("unknown option {name}; {USAGE}"),
        }
    }
    ensure!(
        options.rounds > 0 && options.connections > 0,
        "nothing to run; {USAGE}"
    );
    ensure!(
        !options.keep || (options.only.is_none() && options.system.is_none()),
        "a record is of all workloads and systems: --record goes without --only and --system"
    );
    Ok(options)
}
