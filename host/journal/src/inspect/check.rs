//! Looking at every byte of a directory.

use std::fmt;

use crate::Error;
use crate::files::Files;
use crate::recover::{Base, Log, Step, check_reached, choose};
use crate::segment::{self, Before, Position, number_aside};
use crate::snapshot::{self, SnapshotReader};

/// What is known of a directory.
#[derive(Clone, Debug)]
pub struct Report {
    /// Each file of a log or snapshot.
    pub files: Vec<FileReport>,
    /// What a start would recover, in a sentence; or why it would refuse.
    pub start: Result<String, String>,
}

/// What is known of a file.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// Its name.
    pub name: String,
    /// What is in it: records of a segment, items of a snapshot.
    pub count: u64,
    /// How it is.
    pub health: Health,
}

/// How a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// All of it is right.
    Good,
    /// All of it is right, and the log before does not lead to it.
    AfterGap,
    /// A crash interrupted the last write, of which so many bytes are there.
    Torn {
        /// How many.
        bytes: u64,
    },
    /// It never became what it should; the next start removes it.
    Unfinished,
    /// It was put aside, and nobody reads it.
    Aside,
    /// What is wrong.
    Damaged(String),
}

impl Report {
    /// Whether a start works and no file is damaged.
    pub fn is_good(&self) -> bool {
        let damaged = |file: &FileReport| matches!(file.health, Health::Damaged(_));
        self.start.is_ok() && !self.files.iter().any(damaged)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            writeln!(f, "{file}")?;
        }
        match &self.start {
            Ok(found) => write!(f, "A start recovers {found}."),
            Err(why) => write!(f, "A start refuses: {why}"),
        }
    }
}

impl fmt::Display for FileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FileReport {
            name,
            count,
            health,
        } = self;
        match health {
            Health::Good => write!(f, "{name}: good, {count} entries"),
            Health::AfterGap => write!(f, "{name}: good, {count} entries, begins after a gap"),
            Health::Torn { bytes } => write!(
                f,
                "{name}: {count} entries, then {bytes} bytes of a write that was interrupted"
            ),
            Health::Unfinished => write!(f, "{name}: not finished; the next start removes it"),
            Health::Aside => write!(f, "{name}: put aside"),
            Health::Damaged(what) => write!(f, "{name}: DAMAGED after {count} entries: {what}"),
        }
    }
}

/// Looks at every byte, and changes nothing.
///
/// # Errors
/// When the disk fails. Damage is no error here.
pub fn verify<F: Files>(files: &F) -> Result<Report, Error> {
    let mut names = files
        .list()
        .map_err(Error::system(files, "", "list the directory"))?;
    names.sort_unstable();
    let mut reports = Vec::new();
    for name in names {
        let mut count = 0;
        let health = if let Some(number) = segment::number(&name) {
            verify_segment(files, number, &mut count)
        } else if let Some(number) = snapshot::number(&name) {
            verify_snapshot(files, number, &mut count)
        } else if snapshot::number_unfinished(&name).is_some() {
            Ok(Health::Unfinished)
        } else if snapshot::number_of_other(&name)
            .or(number_aside(&name))
            .is_some()
        {
            Ok(Health::Aside)
        } else {
            continue;
        };
        let health = match health {
            Err(error @ (Error::Damaged { .. } | Error::Version { .. })) => {
                Health::Damaged(error.to_string())
            }
            other => other?,
        };
        reports.push(FileReport {
            name,
            count,
            health,
        });
    }
    let start = match try_start(files) {
        Err(error @ Error::System { .. }) => return Err(error),
        other => other.map_err(|error| error.to_string()),
    };
    Ok(Report {
        files: reports,
        start,
    })
}

fn verify_segment<F: Files>(files: &F, number: u64, count: &mut u64) -> Result<Health, Error> {
    if segment::reader::SegmentReader::open(files, number)?.is_none() {
        return Ok(Health::Unfinished);
    }
    let mut health = Health::Good;
    let end = Log::of_one(number).replay(files, Position::default(), &mut |step| {
        match step {
            Step::Segment(header) if header.before == Before::Gap => health = Health::AfterGap,
            Step::Record { .. } => *count += 1,
            Step::Segment(_) | Step::Time(_) => {}
        }
        Ok(true)
    })?;
    Ok(match end.map_or(0, |end| end.torn_bytes()) {
        0 => health,
        bytes => Health::Torn { bytes },
    })
}

fn verify_snapshot<F: Files>(files: &F, number: u64, count: &mut u64) -> Result<Health, Error> {
    let reader = SnapshotReader::open(files, number)?;
    reader.each(&mut |_, _, _| {
        *count += 1;
        Ok(())
    })?;
    Ok(Health::Good)
}

/// Reads what a start would read.
pub(super) fn try_start<F: Files>(files: &F) -> Result<String, Error> {
    let choice = choose(files)?;
    let mut found = match &choice.base {
        Base::Snapshot(reader) => {
            reader.verify()?;
            let about = reader.about();
            format!("snapshot {} with {} items", about.number, about.items)
        }
        Base::Empty => "no snapshot".to_owned(),
    };
    let mut records = 0;
    let from = choice.base.position();
    let end = choice.survey.log.replay(files, from, &mut |step| {
        records += u64::from(matches!(step, Step::Record { .. }));
        Ok(true)
    })?;
    check_reached(files, &choice.base, end.as_ref())?;
    found += &format!(" and {records} records of the log");
    if let Some(end) = &end {
        found += &format!(", up to {}", end.position());
    }
    for number in &choice.survey.behind_a_gap {
        found += &format!("; not {}, which is behind a gap", segment::name(*number));
    }
    for note in &choice.notes {
        found += &format!("; {note}");
    }
    Ok(found)
}
