//! From files to what the store held: the newest snapshot that is right, then the log behind it.
//!
//! What a crash may leave is mended without being asked: the torn end of the log is cut off and kept aside, unfinished
//! files are removed. All other damage is an error, since data that was safe once is not there any more, and somebody
//! has to know.

mod log;
mod plan;
#[cfg(test)]
pub(crate) mod tests;

use cacheismo_store::{Body, Effect};

use crate::Error;
use crate::files::Files;
use crate::segment::{Before, Next, number_aside};
use crate::snapshot::{self, About};

pub(crate) use log::{End, Log, Step, Survey};
pub(crate) use plan::{Base, Choice, check_reached, choose};

/// Whoever takes what is recovered, in order.
pub trait Target {
    /// A snapshot is read, before its items.
    fn snapshot(&mut self, _about: &About) {}
    /// An item of the snapshot, or that there is none of that key. Longest unused first. `tick` says when it was used last.
    fn item(&mut self, tick: u64, effect: &Effect<'_>);

    /// A record of the log. All of its changes happened at once.
    fn record(&mut self, tick: u64, changes: &[Effect<'_>]);

    /// So many bytes are read, of so many. The log's part is an upper bound.
    fn progress(&mut self, _done_bytes: u64, _all_bytes: u64) {}
}

/// What was recovered, and how it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The snapshot that was used.
    pub snapshot: Option<About>,
    /// Records of the log that were applied.
    pub records: u64,
    /// Where the log goes on.
    pub next: Next,
    /// Number of the next snapshot.
    pub next_snapshot: u64,
    /// Above all ticks and CAS tokens that were recovered.
    pub next_tick: u64,
    /// The log that goes on at `next` is of no use before a new snapshot is there.
    pub needs_snapshot: bool,
    /// What an operator should know, in sentences.
    pub notes: Vec<String>,
}

/// Bytes after which progress is told again.
const PROGRESS_BYTES: u64 = 1 << 20;

/// Recovers what the files hold. Of a snapshot of more than `bytes_max` bytes only the items used last are read. The
/// files are ready afterwards for a [`crate::segment::LogWriter`] at [`Recovered::next`].
///
/// # Errors
/// When the disk fails, or something is damaged. The target may have got a part.
pub fn recover<F: Files>(
    files: &F,
    bytes_max: u64,
    target: &mut dyn Target,
) -> Result<Recovered, Error> {
    let choice = choose(files)?;
    let Choice {
        base,
        survey,
        mut notes,
        rejected,
    } = choice;
    let mut counted = Counted {
        target,
        next_tick: 0,
        records: 0,
        done: 0,
        told: 0,
        all: survey.bytes() + base.bytes(),
    };
    if let Base::Snapshot(reader) = &base {
        counted.next_tick = reader.about().next_tick;
        counted.target.snapshot(reader.about());
        reader.read(bytes_max, |tick, effect| counted.item(tick, effect))?;
    }
    let mut end = survey.log.replay(files, base.position(), &mut |step| {
        counted.step(&step);
        Ok(true)
    })?;
    check_reached(files, &base, end.as_ref())?;
    counted.target.progress(counted.all, counted.all);
    let (next_tick, records) = (counted.next_tick, counted.records);
    let about = match &base {
        Base::Snapshot(reader) => Some(*reader.about()),
        Base::Empty => None,
    };
    mend(files, &survey, &rejected, end.as_mut(), &mut notes)?;
    let (next, needs_snapshot, next_snapshot) = go_on(files, about.as_ref(), end.as_ref())?;
    Ok(Recovered {
        snapshot: about,
        records,
        next,
        next_snapshot,
        next_tick,
        needs_snapshot,
        notes,
    })
}

/// A target, and what is counted beside.
struct Counted<'t> {
    target: &'t mut dyn Target,
    next_tick: u64,
    records: u64,
    done: u64,
    /// What `done` was when it was told last.
    told: u64,
    all: u64,
}

impl Counted<'_> {
    fn item(&mut self, tick: u64, effect: &Effect<'_>) {
        self.target.item(tick, effect);
        self.advance(effect_bytes(effect));
    }

    fn step(&mut self, step: &Step<'_>) {
        if let Step::Record {
            tick,
            changes,
            bytes,
            ..
        } = step
        {
            self.next_tick = self.next_tick.max(next_tick(*tick, changes));
            self.records += 1;
            self.target.record(*tick, changes);
            self.advance(*bytes);
        }
    }

    fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        if self.done - self.told >= PROGRESS_BYTES {
            self.told = self.done;
            self.target.progress(self.done.min(self.all), self.all);
        }
    }
}

/// Bytes that an effect takes on disk, about.
fn effect_bytes(effect: &Effect<'_>) -> u64 {
    const BESIDE: usize = 16;
    let bytes = match effect {
        Effect::Stored { key, body, .. } => {
            let body = match body {
                Body::Value(bytes) | Body::State(bytes) | Body::Appended { bytes, .. } => {
                    bytes.len()
                }
                Body::Same | Body::Fields { .. } => 0,
            };
            key.len() + body
        }
        Effect::Deleted { key } => key.len(),
        Effect::Flushed | Effect::FlushPlanned { .. } => 0,
    };
    (BESIDE + bytes) as u64
}

/// A tick above all that a record tells.
pub(crate) fn next_tick(tick: u64, changes: &[Effect<'_>]) -> u64 {
    let cas = changes.iter().map(|change| match change {
        Effect::Stored { head, .. } => head.cas,
        Effect::Deleted { .. } | Effect::Flushed | Effect::FlushPlanned { .. } => 0,
    });
    let cas = cas.max().unwrap_or(0).saturating_add(1);
    cas.max(tick.saturating_add(changes.len().max(1) as u64))
}

/// Puts aside, cuts off and removes what is of no use, so that the next start finds a log without a hole.
fn mend<F: Files>(
    files: &F,
    survey: &Survey,
    rejected: &[u64],
    end: Option<&mut End<'_, F>>,
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let rename = |from: &str, to: &str| {
        let renamed = files.rename(from, to).and_then(|()| files.sync_directory());
        renamed.map_err(Error::system(files, from, "put aside"))
    };
    // The newest first: what a crash leaves of this is a log with its end behind a gap, as before.
    for number in survey.behind_a_gap.iter().rev() {
        let name = crate::segment::name(*number);
        let aside = crate::segment::name_aside(*number, 0);
        rename(&name, &aside)?;
        notes.push(format!(
            "{}: begins after an error of the disk, and no snapshot was finished after it; kept as {aside}",
            files.path(&name).display(),
        ));
    }
    for number in rejected {
        let (name, aside) = (snapshot::name(*number), snapshot::name_aside(*number));
        rename(&name, &aside)?;
        notes.push(format!("{}: kept as {aside}", files.path(&name).display()));
    }
    for name in &survey.unfinished {
        let removed = files.remove(name);
        removed.map_err(Error::system(files, name, "remove"))?;
    }
    if let Some(end) = end {
        notes.extend(end.mend(files)?);
    }
    let synced = files.sync_directory();
    synced.map_err(Error::system(files, "", "sync the directory"))
}

/// Where log and snapshots go on, and whether a snapshot is needed for that.
fn go_on<F: Files>(
    files: &F,
    about: Option<&About>,
    end: Option<&End<'_, F>>,
) -> Result<(Next, bool, u64), Error> {
    let names = files.list();
    let names = names.map_err(Error::system(files, "", "list the directory"))?;
    let segments = names
        .iter()
        .filter_map(|name| crate::segment::number(name).or_else(|| number_aside(name)));
    let first_free = segments.max().map_or(1, |last| last.saturating_add(1));
    let snapshots = names
        .iter()
        .filter_map(|name| snapshot::number(name).or_else(|| snapshot::number_of_other(name)));
    let next_snapshot = snapshots.max().map_or(1, |last| last.saturating_add(1));
    let (number, before) = match (end, about) {
        (Some(end), _) => (first_free, Before::Segment(end.link)),
        (None, None) => (first_free, Before::Nothing),
        (None, Some(about)) => (first_free.max(about.position.segment), Before::Gap),
    };
    // A snapshot leads into a segment that begins after a gap only if it was taken at its beginning.
    let needs_snapshot =
        before == Before::Gap && about.is_some_and(|about| about.position.segment != number);
    Ok((Next { number, before }, needs_snapshot, next_snapshot))
}
