//! `cacheismo log`, `export` and `import`: what an operator does with a data directory that no server uses.

use std::ffi::OsString;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use cacheismo_journal::files::Directory;
use cacheismo_journal::inspect::{self, Until, json};
use cacheismo_journal::recover::Target;
use cacheismo_journal::segment;
use clap::{Parser, Subcommand};

use super::durability::{new_node, unix_ms};
use super::options::values;
use crate::store::{self, Effect, Eviction, Now, Store};

/// The first words of these commands.
const NAMES: [&str; 3] = ["log", "export", "import"];
/// What is said of a directory on which something is wrong.
const EXIT_DAMAGED: u8 = 1;

/// Works on the data directory of a server that does not run.
#[derive(Debug, Parser)]
#[command(name = "cacheismo", version, term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at the operation log and the snapshots of a data directory
    #[command(subcommand)]
    Log(LogCommand),
    /// Write all items of a data directory to standard output, as lines of JSON
    #[command(after_help = "Example:\n  cacheismo export /var/lib/cacheismo > items.jsonl")]
    Export {
        /// The data directory
        directory: PathBuf,
    },
    /// Make a data directory of lines of JSON on standard input
    #[command(after_help = "Example:\n  cacheismo import /var/lib/cacheismo < items.jsonl")]
    Import {
        /// The data directory, which is new or empty
        directory: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum LogCommand {
    /// Read every byte, say how each file is and what a start would recover; ends with status 1 if something is damaged
    Verify {
        /// The data directory
        directory: PathBuf,
    },
    /// Show what happened, in order
    #[command(after_help = "Example:\n  cacheismo log show /var/lib/cacheismo --key 'set$fruit'")]
    Show {
        /// The data directory
        directory: PathBuf,
        /// Only what happened to this key; an object's is TYPE$NAME
        #[arg(long)]
        key: Option<String>,
        /// Lines of JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Make a damaged directory start again, with as much as can be had; what is taken away is kept aside
    Repair {
        /// The data directory
        directory: PathBuf,
    },
    /// Replay the log up to a moment and write the items of that moment to standard output, as `export` does
    #[command(
        after_help = "Example:\n  cacheismo log replay /var/lib/cacheismo --until 2026-11-30T12:00:00Z | cacheismo import /tmp/then"
    )]
    Replay {
        /// The data directory
        directory: PathBuf,
        /// The moment: a time (2026-11-30T12:00:00Z), or the tick of a record as `show` prints it
        #[arg(long, value_parser = until)]
        until: Until,
        /// Memory for the items, in mebibytes or with k, m or g behind the number
        #[arg(short, long, value_name = "NUM", default_value = "1g", value_parser = values::mebibytes)]
        memory_limit: u64,
    },
}

fn until(text: &str) -> Result<Until, String> {
    if let Ok(tick) = text.parse() {
        return Ok(Until::Tick(tick));
    }
    let time: jiff::Timestamp = text.parse().map_err(|error| format!("{error}"))?;
    let unix_ms = u64::try_from(time.as_millisecond());
    unix_ms
        .map(Until::UnixMs)
        .map_err(|_| "a time before 1970".to_owned())
}

/// Runs a command on a data directory, if the arguments name one.
pub fn run(arguments: &[OsString]) -> Option<ExitCode> {
    let first = arguments.get(1)?.to_str()?;
    if !NAMES.contains(&first) {
        return None;
    }
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody is there to tell when this fails.
            let _printed = error.print();
            return Some(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1)));
        }
    };
    Some(match execute(arguments.command) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cacheismo: {}", sentence(&error));
            ExitCode::FAILURE
        }
    })
}

/// An error with its causes, each of which is said once: some errors name their cause themselves.
pub fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.ends_with(&cause) {
            let between = if text.is_empty() { "" } else { ": " };
            text = text + between + &cause;
        }
    }
    text
}

/// Whether whoever read the output has seen enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let source = cause.downcast_ref::<io::Error>();
        source.is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe)
    })
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    match command {
        Command::Log(LogCommand::Verify { directory }) => {
            let report = inspect::verify(&Directory::open_to_read(&directory)?)?;
            writeln!(out, "{report}")?;
            out.flush()?;
            if !report.is_good() {
                return Ok(ExitCode::from(EXIT_DAMAGED));
            }
        }
        Command::Log(LogCommand::Show {
            directory,
            key,
            json,
        }) => show(&directory, key.as_deref(), json, &mut out)?,
        Command::Log(LogCommand::Repair { directory }) => {
            let done = inspect::repair(&Directory::open(&directory)?)?;
            if done.is_empty() {
                writeln!(out, "nothing is damaged")?;
            }
            for sentence in done {
                writeln!(out, "{sentence}")?;
            }
        }
        Command::Log(LogCommand::Replay {
            directory,
            until,
            memory_limit,
        }) => replay(&directory, until, memory_limit, &mut out)?,
        Command::Export { directory } => {
            let exported = inspect::export(&Directory::open_to_read(&directory)?, &mut out)?;
            let (items, records) = (exported.items, exported.records);
            eprintln!("{items} items of the snapshot and {records} records of the log exported");
        }
        Command::Import { directory } => {
            let options = segment::Options {
                node: new_node(),
                segment_bytes: segment::Options::SEGMENT_BYTES,
                now_ms: unix_ms,
            };
            let files = Directory::open(&directory)?;
            let mut input = BufReader::new(io::stdin().lock());
            let imported = inspect::import(&files, options, &mut input)?;
            eprintln!("{} records imported", imported.records);
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn show(
    directory: &std::path::Path,
    key: Option<&str>,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut written = Ok(());
    let mut line = Vec::new();
    let files = Directory::open_to_read(directory)?;
    inspect::show(&files, key.map(str::as_bytes), &mut |seen| {
        line.clear();
        match json {
            true => seen.json(&mut line),
            false => line = format!("{seen}\n").into_bytes(),
        }
        written = out.write_all(&line);
        written.is_ok()
    })?;
    written.context("cannot write")
}

/// A store that is filled with what a log says.
struct Filled(Arc<Store>);

impl Target for Filled {
    fn item(&mut self, tick: u64, effect: &Effect<'_>) {
        self.0.apply(Now::BEFORE_ALL, tick, effect);
    }

    fn record(&mut self, tick: u64, changes: &[Effect<'_>]) {
        for (tick, change) in (tick..).zip(changes) {
            self.0.apply(Now::BEFORE_ALL, tick, change);
        }
    }
}

fn replay(
    directory: &std::path::Path,
    until: Until,
    memory_bytes: u64,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let memory_bytes_max = usize::try_from(memory_bytes).context("-m is too large")?;
    let store = Arc::new(Store::new(&store::Config {
        memory_bytes_max,
        item_bytes_max: memory_bytes_max / 2,
        shards: 1,
        eviction: Eviction::Lru,
        hash_seed: 0,
    }));
    let files = Directory::open_to_read(directory)?;
    let replayed = inspect::replay(&files, until, &mut Filled(Arc::clone(&store)))?;
    if store.stats().evictions > 0 {
        bail!("the items need more memory: say so by -m");
    }
    let mut written = json::write_first_line(out);
    let mut export = store.export(Now::BEFORE_ALL);
    let mut line = Vec::new();
    while written.is_ok()
        && export.step(Now::BEFORE_ALL, &mut |_, tick, effect| {
            line.clear();
            json::Line::new(tick, std::slice::from_ref(effect)).write(&mut line);
            if written.is_ok() {
                written = out.write_all(&line);
            }
        })
    {}
    written?;
    eprintln!(
        "{} records replayed, up to tick {}{}",
        replayed.records,
        replayed.last_tick,
        if replayed.more {
            "; there are more"
        } else {
            ""
        }
    );
    Ok(())
}
