//! What a run found, as it is kept: one file for each run, `tests/bench/record/<processor>/<date>.json`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use cacheismo_tests::tools;
use serde::{Deserialize, Serialize};

use crate::report::Row;

/// One run. A part that was not measured is empty.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// Day of the run, `YYYY-MM-DD`.
    pub(crate) date: String,
    /// What a reader of the figures must know besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    pub(crate) machine: Machine,
    pub(crate) run: Run,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) workloads: Vec<Row>,
    /// The same work with and without a log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) durability: Vec<Row>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) memory: Vec<Filled>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) beside: Vec<Beside>,
    /// What other programs measured, entered by hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tables: Vec<Table>,
}

/// Where the run was made, and with what.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) memcached: String,
    pub(crate) redis: String,
    /// The compiler of our server, and the commit it was built from.
    pub(crate) rustc: String,
    pub(crate) commit: String,
}

/// How the workloads were run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    pub(crate) round_s: f64,
    pub(crate) rounds: usize,
    pub(crate) connections: usize,
}

/// How much the resident set of one system grew by one kind of data.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filled {
    pub(crate) what: String,
    pub(crate) system: String,
    pub(crate) grown_bytes: u64,
    /// Bytes of names and values in the data.
    pub(crate) payload_bytes: u64,
}

/// One cost beside the load, as each system has it, with its unit.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Beside {
    pub(crate) what: String,
    pub(crate) memcached: String,
    pub(crate) cacheismo: String,
    pub(crate) redis: String,
}

/// A table that the page shows as it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    pub(crate) title: String,
    /// Paragraphs before the table.
    pub(crate) about: Vec<String>,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Machine {
    /// This machine.
    ///
    /// # Errors
    /// When a program that tells its version is missing.
    pub(crate) fn here() -> anyhow::Result<Self> {
        let processors = std::fs::read_to_string("/proc/cpuinfo")?;
        let model = processors
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .map(|rest| rest.trim_start_matches([' ', '\t', ':']));
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
        Ok(Self {
            processor: model.unwrap_or(std::env::consts::ARCH).to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            kernel: kernel.trim().to_owned(),
            memcached: version("memcached", "-V")?,
            redis: version("redis-server", "--version")?,
            rustc: version("rustc", "--version")?,
            commit: said(Command::new("git").args(["rev-parse", "--short", "HEAD"]))?,
        })
    }
}

/// Today, in UTC.
///
/// # Errors
/// When there is no program `date`.
pub(crate) fn today() -> anyhow::Result<String> {
    said(Command::new("date").args(["-u", "+%F"]))
}

/// The version that a program tells.
fn version(program: &str, option: &str) -> anyhow::Result<String> {
    let answer = said(Command::new(tools::program(program)).arg(option))?;
    Ok(version_in(&answer).to_owned())
}

/// The first word that begins with a digit, or all of the answer.
fn version_in(answer: &str) -> &str {
    answer
        .split_whitespace()
        .map(|word| word.trim_start_matches("v="))
        .find(|word| word.starts_with(|letter: char| letter.is_ascii_digit()))
        .unwrap_or(answer)
}

/// What a command prints, in the repository.
fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command.current_dir(tools::repository()).output();
    let output = output.with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

impl Record {
    /// Writes the file of this record; a later run of the same day takes its place.
    ///
    /// # Errors
    /// When the file can't be written.
    pub(crate) fn keep(&self) -> anyhow::Result<()> {
        let directory = directory().join(slug(&self.machine.processor));
        std::fs::create_dir_all(&directory)?;
        let path = directory.join(format!("{}.json", self.date));
        let json = serde_json::to_string_pretty(self)?;
        std::fs::write(&path, json + "\n").with_context(|| path.display().to_string())
    }
}

/// All records, the newest last.
///
/// # Errors
/// With its path, when a file isn't a record.
pub(crate) fn all() -> anyhow::Result<Vec<Record>> {
    let mut records = Vec::new();
    for machine in entries(&directory())? {
        for path in entries(&machine)? {
            let name = || path.display().to_string();
            let text = std::fs::read_to_string(&path).with_context(name)?;
            records.push(serde_json::from_str::<Record>(&text).with_context(name)?);
        }
    }
    records.sort_by(|a, b| a.date.cmp(&b.date));
    Ok(records)
}

fn directory() -> PathBuf {
    tools::repository().join("tests/bench/record")
}

/// Paths in a directory, by name.
fn entries(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let list = std::fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut paths = Vec::new();
    for entry in list {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

/// A processor's name as the name of a directory.
fn slug(name: &str) -> String {
    let words = name
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_names_a_directory() {
        assert_eq!(slug("AMD EPYC 9B14 @ 2.6GHz"), "amd-epyc-9b14-2-6ghz");
    }

    #[test]
    fn programs_tell_their_versions() {
        assert_eq!(version_in("memcached 1.6.18"), "1.6.18");
        assert_eq!(
            version_in("Redis server v=7.0.15 sha=0:0 bits=64"),
            "7.0.15"
        );
        assert_eq!(version_in("rustc 1.95.0 (59807616e 2026-04-14)"), "1.95.0");
    }

    #[test]
    fn a_record_with_a_word_nobody_knows_is_refused() {
        let text = r#"{"date": "2026-01-01", "load": []}"#;
        assert!(serde_json::from_str::<Record>(text).is_err());
    }
}
