//! Which snapshot is used, and which log.

use super::log::{End, Survey};
use crate::Error;
use crate::files::Files;
use crate::segment::header::HEADER_BYTES;
use crate::segment::reader::SegmentReader;
use crate::segment::{self, Before, Position};
use crate::snapshot::{self, SnapshotReader};

/// What the log is applied to.
#[derive(Debug)]
pub(crate) enum Base<'f, F: Files> {
    Snapshot(SnapshotReader<'f, F>),
    /// An empty store: the log is there from its beginning.
    Empty,
}

/// What is recovered from.
#[derive(Debug)]
pub(crate) struct Choice<'f, F: Files> {
    pub(crate) base: Base<'f, F>,
    pub(crate) survey: Survey,
    /// Numbers of newer snapshots that are damaged.
    pub(crate) rejected: Vec<u64>,
    /// What is wrong with them.
    pub(crate) notes: Vec<String>,
}

impl<F: Files> Base<'_, F> {
    /// Where the log is applied from.
    pub(crate) fn position(&self) -> Position {
        match self {
            Base::Snapshot(reader) => reader.about().position,
            Base::Empty => Position::default(),
        }
    }

    /// Bytes of what is in the snapshot.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Base::Snapshot(reader) => reader.about().bytes,
            Base::Empty => 0,
        }
    }
}

/// Chooses the newest snapshot. Where there is another way, each is read once before it is used, so that a damaged one
/// can be passed over.
pub(crate) fn choose<F: Files>(files: &F) -> Result<Choice<'_, F>, Error> {
    let names = files.list();
    let names = names.map_err(Error::system(files, "", "list the directory"))?;
    let mut snapshots: Vec<u64> = names
        .iter()
        .filter_map(|name| snapshot::number(name))
        .collect();
    snapshots.sort_unstable_by(|a, b| b.cmp(a));
    let first_segment = names.iter().filter_map(|name| segment::number(name)).min();
    let complete = snapshots.is_empty() || first_segment.is_some_and(|first| begins(files, first));
    let another_way = snapshots.len() + usize::from(complete) > 1;

    let mut bases: Vec<Option<u64>> = snapshots.into_iter().map(Some).collect();
    bases.extend(complete.then_some(None));
    let (mut rejected, mut notes, mut newest_error) = (Vec::new(), Vec::new(), None);
    for base in bases {
        match attempt(files, base, another_way) {
            // What is behind a gap needs the snapshot that is damaged.
            Ok((_, survey)) if newest_error.is_some() && !survey.behind_a_gap.is_empty() => break,
            Ok((base, survey)) => {
                return Ok(Choice {
                    base,
                    survey,
                    rejected,
                    notes,
                });
            }
            Err(error @ Error::Damaged { .. }) => {
                rejected.extend(base);
                notes.push(format!("not used, since there is another way: {error}"));
                newest_error.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(newest_error.expect("there is a base, and none was right"))
}

/// Whether the log begins with that segment.
fn begins<F: Files>(files: &F, number: u64) -> bool {
    let opened = SegmentReader::open(files, number);
    matches!(opened, Ok(Some(reader)) if reader.header.before == Before::Nothing)
}

fn attempt<F: Files>(
    files: &F,
    base: Option<u64>,
    thoroughly: bool,
) -> Result<(Base<'_, F>, Survey), Error> {
    let base = match base {
        Some(number) => Base::Snapshot(SnapshotReader::open(files, number)?),
        None => Base::Empty,
    };
    let by_snapshot = matches!(base, Base::Snapshot(_));
    let survey = Survey::new(files, base.position(), by_snapshot)?;
    if thoroughly {
        if let Base::Snapshot(reader) = &base {
            reader.verify()?;
        }
        let end = survey
            .log
            .replay(files, base.position(), &mut |_| Ok(true))?;
        check_reached(files, &base, end.as_ref())?;
    }
    Ok((base, survey))
}

/// A snapshot that was taken while the log went on is of use only with that log.
pub(crate) fn check_reached<F: Files>(
    files: &F,
    base: &Base<'_, F>,
    end: Option<&End<'_, F>>,
) -> Result<(), Error> {
    let Base::Snapshot(reader) = base else {
        return Ok(());
    };
    let about = reader.about();
    let nothing = Position {
        segment: about.position.segment,
        offset: HEADER_BYTES as u64,
    };
    let reached = end.map_or(nothing, End::position);
    if about.end <= reached {
        return Ok(());
    }
    let name = snapshot::name(about.number);
    let what = format!(
        "it needs the log up to {}, and the log ends at {reached}",
        about.end
    );
    Err(Error::damaged(files, &name, 0, what))
}
