//! BENCHMARKS.md, rendered from the records. Each section shows the newest record that has it; ratios are computed
//! here.

use std::fmt::Write as _;

use crate::record::{Beside, Filled, Record, Table};
use crate::report::Row;

/// What stands before the figures.
const HEAD: &str = include_str!("page/head.txt");

/// Depths of the workloads, in requests that a connection keeps in flight.
const DEPTHS: [&str; 3] = ["1", "16", "64"];

/// The whole page. `records` has the newest last.
pub(crate) fn render(records: &[Record]) -> String {
    let mut out = HEAD.to_owned();
    let latest = |has: &dyn Fn(&Record) -> bool| records.iter().rev().find(|record| has(record));
    if let Some(record) = latest(&|record| !record.workloads.is_empty()) {
        out += &machine(record);
        out += &glance(&record.workloads);
        out += &requests(&record.workloads);
    }
    if let Some(record) = latest(&|record| !record.durability.is_empty()) {
        out += &durability(record, &record.durability);
    }
    if let Some(record) = latest(&|record| !record.memory.is_empty()) {
        out += &memory(record, &record.memory);
    }
    if let Some(record) = latest(&|record| !record.beside.is_empty()) {
        out += &beside(record, &record.beside);
    }
    for title in titles(records) {
        let has = |record: &Record| record.tables.iter().any(|table| table.title == title);
        let newest = latest(&has).into_iter();
        let tables =
            newest.flat_map(|record| record.tables.iter().map(move |table| (record, table)));
        for (record, table) in tables.filter(|(_, table)| table.title == title) {
            out += &by_hand(record, table);
        }
    }
    out
}

/// Titles of the tables that were entered by hand, each once, in the order in which they came.
fn titles(records: &[Record]) -> Vec<&str> {
    let mut titles = Vec::new();
    for table in records.iter().flat_map(|record| &record.tables) {
        if !titles.contains(&table.title.as_str()) {
            titles.push(&table.title);
        }
    }
    titles
}

fn machine(record: &Record) -> String {
    let (machine, run) = (&record.machine, &record.run);
    let mut out = format!(
        "\n## The machine\n\n{} cores of an {}, Linux {}, loopback; memcached {}, Redis {}; cacheismo {} built by rustc {}; \
         {} rounds of {} s with {} connections, {}.\n",
        machine.cores,
        machine.processor,
        machine.kernel,
        machine.memcached,
        machine.redis,
        machine.commit,
        machine.rustc,
        run.rounds,
        run.round_s,
        run.connections,
        record.date,
    );
    for note in &record.notes {
        let _ = write!(out, "\n{note}\n");
    }
    out
}

/// Ratios of our server to the others, a line for each pair, a column for each depth.
fn glance(rows: &[Row]) -> String {
    let mut out = "\n## At a glance\n\nRequests per second and CPU time per request of cacheismo, divided by those of the other \
                   server. `depth` is the number of requests that each connection keeps in flight.\n\n"
        .to_owned();
    let mut columns = vec!["workload", "beside"];
    let heads = DEPTHS.map(|depth| format!("depth {depth}: requests/s, CPU"));
    columns.extend(heads.iter().map(String::as_str));
    header(&mut out, &columns);
    let mut seen = Vec::new();
    for row in rows {
        let (work, _) = split(&row.workload);
        let pair = (work, row.system.as_str());
        if is_ours(row) || seen.contains(&pair) {
            continue;
        }
        seen.push(pair);
        let cells = DEPTHS.map(|depth| ratio(rows, pair, depth).unwrap_or_default());
        line(
            &mut out,
            [work, pair.1]
                .into_iter()
                .chain(cells.iter().map(String::as_str)),
        );
    }
    out
}

/// Our figures over the other's, for one workload at one depth; `None` when one of them is missing.
fn ratio(rows: &[Row], (work, other): (&str, &str), depth: &str) -> Option<String> {
    let here = || {
        rows.iter()
            .filter(|row| split(&row.workload) == (work, depth))
    };
    let other = here().find(|row| row.system == other)?;
    let ours = here().find(|row| is_ours(row))?;
    Some(format!(
        "{:.2}, {:.2}",
        ours.requests_per_s / other.requests_per_s,
        ours.cpu_s_per_million / other.cpu_s_per_million
    ))
}

fn is_ours(row: &Row) -> bool {
    row.system.starts_with("cacheismo")
}

/// The name of a workload without its depth, and the depth, which is 1 when none is named.
fn split(workload: &str) -> (&str, &str) {
    workload
        .split_once(", depth ")
        .unwrap_or((workload, DEPTHS[0]))
}

fn requests(rows: &[Row]) -> String {
    let mut out = "\n## All figures\n\n± is half the distance between the best and the worst round, in percent of the median. CPU is \
                   the server's own, in seconds per million requests.\n\n"
        .to_owned();
    header(
        &mut out,
        &[
            "workload",
            "system",
            "requests/s",
            "± %",
            "p50 µs",
            "p99 µs",
            "p99.9 µs",
            "CPU s/M",
            "to the first",
        ],
    );
    let mut first: Option<&Row> = None;
    for row in rows {
        let base = first.filter(|base| base.workload == row.workload);
        let workload = base.map_or(row.workload.as_str(), |_| "");
        let base = base.unwrap_or(row);
        first = Some(base);
        let cells = [
            workload.to_owned(),
            row.system.clone(),
            thousands(row.requests_per_s),
            format!("{:.1}", row.noise_percent),
            format!("{:.0}", row.p50_us),
            format!("{:.0}", row.p99_us),
            row.p999_us
                .map_or_else(|| "–".to_owned(), |us| format!("{us:.0}")),
            format!("{:.2}", row.cpu_s_per_million),
            format!("{:.2}", row.requests_per_s / base.requests_per_s),
        ];
        line(&mut out, cells.iter().map(String::as_str));
    }
    out
}

/// Each system with a log beside itself without.
fn durability(record: &Record, rows: &[Row]) -> String {
    let mut out = format!(
        "\n## Keeping items\n\nThe same work with and without a log: `--fsync` here, `appendfsync` there. The last column is the \
         throughput beside the same system without a log. `make bench ARGS=\"--only durability\"`, {} rounds of {} s with {} \
         connections, {}.\n\n",
        record.run.rounds, record.run.round_s, record.run.connections, record.date
    );
    header(
        &mut out,
        &[
            "workload",
            "system",
            "requests/s",
            "± %",
            "p99 µs",
            "CPU s/M",
            "to the same without",
        ],
    );
    let mut without: Option<&Row> = None;
    for row in rows {
        let name = without.filter(|base| base.workload == row.workload);
        let base = name
            .filter(|base| row.system.starts_with(&base.system))
            .unwrap_or(row);
        let workload = name.map_or(row.workload.as_str(), |_| "");
        without = Some(base);
        let cells = [
            workload.to_owned(),
            row.system.clone(),
            thousands(row.requests_per_s),
            format!("{:.1}", row.noise_percent),
            format!("{:.0}", row.p99_us),
            format!("{:.2}", row.cpu_s_per_million),
            format!("{:.2}", row.requests_per_s / base.requests_per_s),
        ];
        line(&mut out, cells.iter().map(String::as_str));
    }
    out
}

fn memory(record: &Record, rows: &[Filled]) -> String {
    let mut out = format!(
        "\n## Memory\n\nHow much the resident set grows, and what of it is not payload, over the payload: the bytes of names and \
         values. `make bench ARGS=\"--only memory\"`, {}.\n\n",
        record.date
    );
    header(
        &mut out,
        &["memory of", "system", "MiB", "over payload", "to the first"],
    );
    let mut first: Option<&Filled> = None;
    for row in rows {
        let base = first.filter(|base| base.what == row.what);
        let what = base.map_or(row.what.as_str(), |_| "");
        let base = base.unwrap_or(row);
        first = Some(base);
        let grown = row.grown_bytes as f64;
        let cells = [
            what.to_owned(),
            row.system.clone(),
            format!("{:.1}", grown / f64::from(1 << 20)),
            format!("{:.2}", grown / row.payload_bytes as f64 - 1.0),
            format!("{:.2}", grown / base.grown_bytes as f64),
        ];
        line(&mut out, cells.iter().map(String::as_str));
    }
    out
}

fn beside(record: &Record, rows: &[Beside]) -> String {
    let mut out = format!(
        "\n## Beside the load\n\nThe first answer of cacheismo is a call of an object. `make bench ARGS=\"--only beside\"`, {}.\n\n",
        record.date
    );
    header(&mut out, &["what", "memcached", "cacheismo", "Redis"]);
    for row in rows {
        let cells = [&row.what, &row.memcached, &row.cacheismo, &row.redis];
        line(&mut out, cells.map(String::as_str));
    }
    out
}

fn by_hand(record: &Record, table: &Table) -> String {
    let mut out = format!("\n## {}\n", table.title);
    for paragraph in &table.about {
        let _ = write!(out, "\n{paragraph}\n");
    }
    let _ = write!(out, "\nRecorded on {}.\n\n", record.date);
    let columns: Vec<&str> = table.columns.iter().map(String::as_str).collect();
    header(&mut out, &columns);
    for row in &table.rows {
        line(&mut out, row.iter().map(String::as_str));
    }
    out
}

fn header(out: &mut String, columns: &[&str]) {
    line(out, columns.iter().copied());
    line(out, columns.iter().map(|_| "---"));
}

fn line<'a>(out: &mut String, cells: impl IntoIterator<Item = &'a str>) {
    let cells: Vec<&str> = cells.into_iter().collect();
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

/// A whole number with a comma before each three digits.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests;
