//! The figures of several rounds as one row.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::load::Outcome;

/// One round.
pub(crate) struct Sample {
    pub(crate) cpu: Duration,
    pub(crate) outcome: Outcome,
}

/// One participant's figures in one workload: medians over the rounds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) workload: String,
    pub(crate) system: String,
    pub(crate) requests_per_s: f64,
    /// Half the distance between the best and the worst round, in percent of the median.
    pub(crate) noise_percent: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// 99.9 % of the requests took at most this long, in microseconds. Not measured in the first record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) p999_us: Option<f64>,
    /// CPU seconds of the server per million requests.
    pub(crate) cpu_s_per_million: f64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) errors: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Row {
    pub(crate) fn of(workload: &str, system: &str, samples: &[Sample]) -> Self {
        let rates: Vec<f64> = samples
            .iter()
            .map(|sample| sample.outcome.requests as f64 / sample.outcome.took.as_secs_f64())
            .collect();
        let requests_per_s = median(rates.iter().copied());
        let low = rates.iter().copied().fold(f64::MAX, f64::min);
        let high = rates.iter().copied().fold(0.0, f64::max);
        let cpu = samples
            .iter()
            .map(|sample| sample.cpu.as_secs_f64() * 1e6 / sample.outcome.requests as f64);
        let quantile = |at| {
            let latencies = samples.iter().map(|sample| &sample.outcome.latency_ns);
            rounded(median(
                latencies.map(|latency| latency.quantile(at) as f64 / 1e3),
            ))
        };
        Self {
            workload: workload.to_owned(),
            system: system.to_owned(),
            requests_per_s: requests_per_s.round(),
            noise_percent: rounded((high - low) / 2.0 / requests_per_s * 100.0),
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            p999_us: Some(quantile(0.999)),
            cpu_s_per_million: rounded(median(cpu)),
            errors: samples.iter().map(|sample| sample.outcome.errors).sum(),
        }
    }
}

/// A figure without the digits that mean nothing: three behind the point.
fn rounded(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
