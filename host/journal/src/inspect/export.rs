//! All that a directory holds as lines of JSON, and back.

use std::io::{self, BufRead, Read, Write};

use cacheismo_store::Effect;

use super::json::Line;
use crate::Error;
use crate::files::Files;
use crate::record;
use crate::recover::{Base, Step, check_reached, choose};
use crate::segment::{self, LogWriter, Next, Options};
use crate::snapshot;

/// The first line: what this is, and which version of it.
const FIRST_LINE: &[u8] = br#"{"format":"cacheismo export","version":1}"#;
/// Longest line in bytes: the longest record with each byte spelled in six letters.
const LINE_BYTES_MAX: u64 = 6 * record::LENGTH_MAX as u64;
/// Bytes of records after which they are appended.
const BATCH_BYTES: usize = 1 << 20;

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Items of the snapshot.
    pub items: u64,
    /// Records of the log.
    pub records: u64,
}

/// Writes lines, up to the first error.
struct Lines<'o> {
    out: &'o mut dyn Write,
    line: Vec<u8>,
    result: io::Result<()>,
}

impl Lines<'_> {
    fn put(&mut self, tick: u64, changes: &[Effect<'_>]) {
        if self.result.is_ok() {
            self.line.clear();
            Line::new(tick, changes).write(&mut self.line);
            self.result = self.out.write_all(&self.line);
        }
    }

    fn check(&mut self) -> Result<(), Error> {
        let result = std::mem::replace(&mut self.result, Ok(()));
        result.map_err(|source| Error::System {
            path: "export".into(),
            doing: "write",
            source,
        })
    }
}

/// Writes what a start would recover: a line for each item of the snapshot, and one for each record of the log. The
/// files stay as they are.
///
/// # Errors
/// When the disk or `out` fails, or something is damaged.
pub fn export<F: Files>(files: &F, out: &mut dyn Write) -> Result<Exported, Error> {
    let choice = choose(files)?;
    let mut exported = Exported::default();
    let mut lines = Lines {
        result: out.write_all(&[FIRST_LINE, b"\n"].concat()),
        out,
        line: Vec::new(),
    };
    if let Base::Snapshot(reader) = &choice.base {
        reader.read(u64::MAX, |tick, effect| {
            lines.put(tick, std::slice::from_ref(effect));
            exported.items += 1;
        })?;
    }
    lines.check()?;
    let from = choice.base.position();
    let end = choice.survey.log.replay(files, from, &mut |step| {
        if let Step::Record { tick, changes, .. } = step {
            lines.put(tick, &changes);
            exported.records += 1;
        }
        lines.check().map(|()| true)
    })?;
    check_reached(files, &choice.base, end.as_ref())?;
    Ok(exported)
}

/// What was imported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// How many lines, without the first.
    pub records: u64,
    /// How many changes.
    pub changes: u64,
}

/// Why lines cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The directory holds something already.
    #[error("{path}: there is a log or a snapshot already; import into an empty directory", path = path.display())]
    NotEmpty {
        /// The directory.
        path: std::path::PathBuf,
    },
    /// A line is not what an export writes. What was imported up to there is of no use.
    #[error("line {line}: {why}; nothing is imported: empty the directory before the next attempt")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// The disk fails.
    #[error(transparent)]
    Disk(#[from] Error),
}

/// Reads what [`export`] wrote, and makes a log of it.
///
/// # Errors
/// When the directory is not empty, a line is none, or the disk fails.
pub fn import<F: Files>(
    files: &F,
    options: Options,
    input: &mut dyn BufRead,
) -> Result<Imported, ImportError> {
    let names = files.list();
    let names = names.map_err(Error::system(files, "", "list the directory"))?;
    let holds = |name: &String| segment::number(name).or(snapshot::number(name)).is_some();
    if names.iter().any(holds) {
        let path = files.path("");
        return Err(ImportError::NotEmpty { path });
    }
    let (mut line, mut number) = (Vec::new(), 1);
    read_line(input, &mut line, number)?;
    if line.trim_ascii() != FIRST_LINE {
        let why = "this is no export of a version that is known".to_owned();
        return Err(ImportError::Line { line: 1, why });
    }
    let mut log = LogWriter::open_new(files.clone(), options, &mut { Next::FIRST })?;
    let mut imported = Imported::default();
    let mut batch = Vec::new();
    loop {
        number += 1;
        let more = read_line(input, &mut line, number)?;
        if !line.trim_ascii().is_empty() {
            imported.changes += add_line(&mut batch, &line, number)?;
            imported.records += 1;
        }
        if batch.len() >= BATCH_BYTES || !more {
            record::seal(&mut batch);
            log.append(&batch)?;
            batch.clear();
        }
        if !more {
            log.finish()?;
            return Ok(imported);
        }
    }
}

/// Reads a line. False says that there are no more.
fn read_line(
    input: &mut dyn BufRead,
    line: &mut Vec<u8>,
    number: u64,
) -> Result<bool, ImportError> {
    line.clear();
    let read = input.take(LINE_BYTES_MAX).read_until(b'\n', line);
    match read {
        Ok(bytes) if bytes as u64 == LINE_BYTES_MAX => Err(ImportError::Line {
            line: number,
            why: format!("it is longer than {LINE_BYTES_MAX} bytes"),
        }),
        Ok(bytes) => Ok(bytes > 0),
        Err(error) => Err(ImportError::Line {
            line: number,
            why: error.to_string(),
        }),
    }
}

/// Adds a line's record, and returns how many changes it has.
fn add_line(batch: &mut Vec<u8>, line: &[u8], number: u64) -> Result<u64, ImportError> {
    let refused = |why: String| ImportError::Line { line: number, why };
    let line = Line::parse(line).map_err(|error| refused(error.to_string()))?;
    let start = batch.len();
    let mut open = record::begin(batch, line.tick);
    let mut changes = 0;
    for change in line.changes() {
        record::add(batch, &mut open, &change);
        changes += 1;
    }
    record::end(batch, open);
    match record::whole_bytes(&batch[start..]) {
        Some(_) => Ok(changes),
        None => Err(refused(
            "a key is empty or longer than 255 bytes, or the record is too long".to_owned(),
        )),
    }
}
