//! What is in a directory, in order, without a store.

use std::fmt;

use cacheismo_store::Effect;

use super::json::Line;
use crate::Error;
use crate::files::Files;
use crate::recover::{Log, Step, Survey, Target};
use crate::segment::{self, Before, Position};
use crate::snapshot::{self, About, SnapshotReader};

/// One thing that is in the files.
#[derive(Debug)]
pub enum Seen<'a> {
    /// An item in a snapshot.
    Item {
        /// The snapshot.
        snapshot: &'a About,
        /// When the item was used last.
        tick: u64,
        /// The item.
        effect: &'a Effect<'a>,
    },
    /// A segment begins.
    Segment {
        /// Its number.
        number: u64,
        /// When.
        unix_ms: u64,
        /// The log before does not lead here.
        after_gap: bool,
    },
    /// A record.
    Record {
        /// Where.
        position: Position,
        /// The record was written then or later.
        since_unix_ms: u64,
        /// Its tick.
        tick: u64,
        /// What changed, as far as it was asked for.
        changes: &'a [Effect<'a>],
    },
    /// What a crash left of the last write.
    Torn {
        /// Where.
        position: Position,
        /// How much.
        bytes: u64,
    },
    /// What follows in this file cannot be read.
    Damage(&'a Error),
}

impl Seen<'_> {
    /// A line of JSON, where there is something that a machine wants.
    pub fn json(&self, out: &mut Vec<u8>) {
        match self {
            Seen::Item { tick, effect, .. } => Line::new(*tick, &[(*effect).clone()]).write(out),
            Seen::Record { tick, changes, .. } => Line::new(*tick, changes).write(out),
            Seen::Segment { .. } | Seen::Torn { .. } | Seen::Damage(_) => {}
        }
    }
}

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::Item {
                snapshot,
                tick,
                effect,
            } => {
                write!(f, "snapshot {} tick {tick} ", snapshot.number)?;
                write_effect(f, effect)
            }
            Seen::Segment {
                number,
                unix_ms,
                after_gap,
            } => {
                write!(f, "segment {number} begun at unix ms {unix_ms}")?;
                match after_gap {
                    true => f.write_str(", after a gap"),
                    false => Ok(()),
                }
            }
            Seen::Record {
                position,
                since_unix_ms,
                tick,
                changes,
            } => {
                write!(f, "{position} since {since_unix_ms} tick {tick}")?;
                for (at, change) in changes.iter().enumerate() {
                    f.write_str(if at == 0 { " " } else { "; " })?;
                    write_effect(f, change)?;
                }
                Ok(())
            }
            Seen::Torn { position, bytes } => {
                write!(
                    f,
                    "{position} {bytes} bytes of a write that was interrupted"
                )
            }
            Seen::Damage(error) => write!(f, "damage: {error}"),
        }
    }
}

/// A change on one line: bytes as they are where they can be shown, and no more than a screen takes.
fn write_effect(f: &mut fmt::Formatter<'_>, effect: &Effect<'_>) -> fmt::Result {
    const SHOWN_BYTES: usize = 100;
    let mut line = Vec::new();
    Line::new(0, std::slice::from_ref(effect)).write(&mut line);
    let text = String::from_utf8_lossy(&line);
    let change = text
        .trim_end()
        .trim_start_matches(r#"{"tick":0,"changes":["#);
    let change = change.strip_suffix("]}").unwrap_or(change);
    match change.char_indices().nth(4 * SHOWN_BYTES) {
        Some((end, _)) => write!(f, "{}...", &change[..end]),
        None => f.write_str(change),
    }
}

fn is_of(effect: &Effect<'_>, wanted: Option<&[u8]>) -> bool {
    match effect {
        Effect::Stored { key, .. } | Effect::Deleted { key } => {
            wanted.is_none_or(|wanted| *key == wanted)
        }
        Effect::Flushed | Effect::FlushPlanned { .. } => true,
    }
}

/// Goes through the log, across gaps and damage, and through the snapshots if a key is asked for: what happened to this
/// key, in order. `visit` returns false when it wants no more.
///
/// # Errors
/// When the disk fails.
pub fn show<F: Files>(
    files: &F,
    key: Option<&[u8]>,
    visit: &mut dyn FnMut(&Seen<'_>) -> bool,
) -> Result<(), Error> {
    let mut names = files
        .list()
        .map_err(Error::system(files, "", "list the directory"))?;
    names.sort_unstable();
    let mut goes_on = true;
    if key.is_some() {
        for number in names.iter().filter_map(|name| snapshot::number(name)) {
            let shown = show_snapshot(files, number, key, visit);
            goes_on = goes_on && shown_or_damage(shown, visit)?;
        }
    }
    for number in names.iter().filter_map(|name| segment::number(name)) {
        if !goes_on {
            return Ok(());
        }
        let shown = show_segment(files, number, key, visit);
        goes_on = shown_or_damage(shown, visit)?;
    }
    Ok(())
}

fn shown_or_damage(
    shown: Result<bool, Error>,
    visit: &mut dyn FnMut(&Seen<'_>) -> bool,
) -> Result<bool, Error> {
    match shown {
        Err(error @ (Error::Damaged { .. } | Error::Version { .. })) => {
            Ok(visit(&Seen::Damage(&error)))
        }
        other => other,
    }
}

fn show_snapshot<F: Files>(
    files: &F,
    number: u64,
    key: Option<&[u8]>,
    visit: &mut dyn FnMut(&Seen<'_>) -> bool,
) -> Result<bool, Error> {
    let reader = SnapshotReader::open(files, number)?;
    let mut goes_on = true;
    reader.each(&mut |_, tick, effect| {
        if goes_on && is_of(effect, key) {
            let snapshot = reader.about();
            goes_on = visit(&Seen::Item {
                snapshot,
                tick,
                effect,
            });
        }
        Ok(())
    })?;
    Ok(goes_on)
}

fn show_segment<F: Files>(
    files: &F,
    number: u64,
    key: Option<&[u8]>,
    visit: &mut dyn FnMut(&Seen<'_>) -> bool,
) -> Result<bool, Error> {
    let (mut since, mut goes_on) = (0, true);
    let end = Log::of_one(number).replay(files, Position::default(), &mut |step| {
        let seen = match step {
            Step::Segment(header) => {
                since = header.unix_ms;
                Seen::Segment {
                    number,
                    unix_ms: header.unix_ms,
                    after_gap: header.before == Before::Gap,
                }
            }
            Step::Time(unix_ms) => {
                since = unix_ms;
                return Ok(true);
            }
            Step::Record {
                position,
                tick,
                mut changes,
                ..
            } => {
                changes.retain(|change| is_of(change, key));
                if changes.is_empty() {
                    return Ok(true);
                }
                goes_on = visit(&Seen::Record {
                    position,
                    since_unix_ms: since,
                    tick,
                    changes: &changes,
                });
                return Ok(goes_on);
            }
        };
        goes_on = visit(&seen);
        Ok(goes_on)
    })?;
    match end {
        Some(end) if end.torn_bytes() > 0 => Ok(visit(&Seen::Torn {
            position: end.position(),
            bytes: end.torn_bytes(),
        })),
        _ => Ok(goes_on),
    }
}

/// How far a log is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// All records with this tick or a lower one.
    Tick(u64),
    /// All records that were written before this time, in milliseconds since 1970, and up to a second more: the log
    /// tells the time once in a second.
    UnixMs(u64),
}

/// What was replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The snapshot that was begun with. None where the log is there from its beginning.
    pub snapshot: Option<About>,
    /// How many records.
    pub records: u64,
    /// The tick of the last one.
    pub last_tick: u64,
    /// Whether there was more that was not wanted.
    pub more: bool,
}

/// Replays the log up to a moment. If its beginning was removed, a snapshot from before that moment stands for it. The
/// files stay as they are.
///
/// # Errors
/// When the disk fails, when something is damaged, or when neither the beginning of the log nor such a snapshot is there.
pub fn replay<F: Files>(
    files: &F,
    until: Until,
    target: &mut dyn Target,
) -> Result<Replayed, Error> {
    let wanted = |about: &About| match until {
        Until::Tick(tick) => about.next_tick <= tick.saturating_add(1),
        Until::UnixMs(unix_ms) => about.ended_unix_ms <= unix_ms,
    };
    let (base, survey) = match Survey::new(files, Position::default(), false) {
        Ok(survey) => (None, survey),
        Err(error) => match newest(files, wanted)? {
            Some(reader) => {
                let survey = Survey::new(files, reader.about().position, true)?;
                (Some(reader), survey)
            }
            None => return Err(error),
        },
    };
    if let Some(reader) = &base {
        reader.read(u64::MAX, |tick, effect| target.item(tick, effect))?;
    }
    let snapshot = base.as_ref().map(|reader| *reader.about());
    let mut replayed = Replayed {
        snapshot,
        records: 0,
        last_tick: 0,
        more: false,
    };
    let position = snapshot.map_or(Position::default(), |about| about.position);
    survey.log.replay(files, position, &mut |step| {
        let over = match (&step, until) {
            (Step::Record { tick, .. }, Until::Tick(last)) => *tick > last,
            (Step::Time(unix_ms), Until::UnixMs(last)) => *unix_ms > last,
            (Step::Segment(header), Until::UnixMs(last)) => header.unix_ms > last,
            _ => false,
        };
        replayed.more |= over;
        if let (Step::Record { tick, changes, .. }, false) = (&step, over) {
            target.record(*tick, changes);
            replayed.records += 1;
            replayed.last_tick = *tick;
        }
        Ok(!over)
    })?;
    Ok(replayed)
}

/// The newest snapshot that is wanted and can be opened.
fn newest<F: Files>(
    files: &F,
    wanted: impl Fn(&About) -> bool,
) -> Result<Option<SnapshotReader<'_, F>>, Error> {
    let names = files.list();
    let names = names.map_err(Error::system(files, "", "list the directory"))?;
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| snapshot::number(name))
        .collect();
    numbers.sort_unstable();
    let mut readers = numbers
        .into_iter()
        .rev()
        .filter_map(|number| SnapshotReader::open(files, number).ok());
    Ok(readers.find(|reader| wanted(reader.about())))
}
