//! Figures of several rounds as one row, and rows as a table.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::load::Outcome;

/// One round.
pub(crate) struct Sample {
    pub(crate) cpu: Duration,
    pub(crate) outcome: Outcome,
}

/// One participant's figures in one workload: medians over the rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    workload: String,
    system: String,
    requests_per_s: f64,
    /// Half the distance between the best and the worst round, in percent of the median.
    noise_percent: f64,
    p50_us: f64,
    p99_us: f64,
    /// CPU seconds of the server per million requests.
    cpu_s_per_million: f64,
    resident_bytes: u64,
    /// Throughput, and CPU time per request, as multiples of the first row's.
    throughput_ratio: f64,
    cpu_ratio: f64,
    pub(crate) errors: u64,
}

impl Row {
    pub(crate) fn of(
        workload: &str,
        system: &str,
        samples: &[Sample],
        resident_bytes: u64,
        first: Option<&Self>,
    ) -> Self {
        let rates = samples
            .iter()
            .map(|sample| sample.outcome.requests as f64 / sample.outcome.took.as_secs_f64());
        let rates: Vec<f64> = rates.collect();
        let requests_per_s = median(rates.iter().copied());
        let (low, high) = rates.iter().fold((f64::MAX, 0.0_f64), |(low, high), rate| {
            (low.min(*rate), high.max(*rate))
        });
        let cpu = samples
            .iter()
            .map(|sample| sample.cpu.as_secs_f64() * 1e6 / sample.outcome.requests as f64);
        let cpu_s_per_million = median(cpu);
        let quantile = |at| {
            median(
                samples
                    .iter()
                    .map(|s| s.outcome.latency_ns.value_at_quantile(at) as f64 / 1e3),
            )
        };
        Self {
            workload: workload.to_owned(),
            system: system.to_owned(),
            requests_per_s,
            noise_percent: (high - low) / 2.0 / requests_per_s * 100.0,
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            cpu_s_per_million,
            resident_bytes,
            throughput_ratio: first.map_or(1.0, |row| requests_per_s / row.requests_per_s),
            cpu_ratio: first.map_or(1.0, |row| cpu_s_per_million / row.cpu_s_per_million),
            errors: samples.iter().map(|sample| sample.outcome.errors).sum(),
        }
    }
}

/// The table; ratios are to the first row of each workload.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<36}{:<16}{:>10}{:>6}{:>9}{:>9}{:>10}{:>8}{:>7}{:>7}\n",
        "workload",
        "system",
        "req/s",
        "±%",
        "p50 µs",
        "p99 µs",
        "CPU s/M",
        "RSS MB",
        "ratio",
        "cpu-r"
    );
    for row in rows {
        let errors = if row.errors == 0 {
            String::new()
        } else {
            format!("  ERRORS {}", row.errors)
        };
        let _ = writeln!(
            text,
            "{:<36}{:<16}{:>10.0}{:>6.1}{:>9.0}{:>9.0}{:>10.2}{:>8}{:>7.2}{:>7.2}{errors}",
            row.workload,
            row.system,
            row.requests_per_s,
            row.noise_percent,
            row.p50_us,
            row.p99_us,
            row.cpu_s_per_million,
            row.resident_bytes >> 20,
            row.throughput_ratio,
            row.cpu_ratio
        );
    }
    text
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
