//! From the intake to the disk.

use std::time::Duration;

use super::{Machine, Phase};
use crate::log::{Fsync, Sink};
use crate::record::{self, whole_bytes};
use crate::segment::Position;
use crate::tap::intake::{Gap, empty};

/// Bytes of records that are appended at once.
const BATCH_BYTES: usize = 256 << 10;
/// Age of the oldest record at which a sync begins, where one is due each second. The rest of the second is the disk's.
const SYNC_AFTER: Duration = Duration::from_millis(800);
/// Bytes that are not synced at which a sync begins, so that none takes long.
const SYNC_BYTES: u64 = 16 << 20;

/// Why the log cannot go on.
pub(super) type Failure = (Gap, String);

impl<S: Sink, N: Fn() -> Duration> Machine<S, N> {
    /// Appends what may be, and syncs if that is due. Returns whether there was anything.
    pub(super) fn write(&mut self) -> Result<bool, Failure> {
        self.aim_flushes();
        let mut moved = self.look();
        self.check_gap()?;
        while self.append()? {
            moved = true;
            self.check_gap()?;
        }
        let appended_below = self.sequencer.watermark();
        let mut flushes = self.flushes.iter();
        let wanted = flushes.any(|flush| flush.is_for(appended_below)) || self.ends();
        if self.unsynced_bytes > 0 && (wanted || self.is_time(self.sync_at())) {
            self.sync()?;
        }
        if self.unsynced_bytes == 0 {
            self.synced(appended_below);
        }
        self.check_gap()?;
        self.ask_for_snapshot();
        if self.ends() {
            self.finish()?;
        }
        Ok(moved)
    }

    fn check_gap(&self) -> Result<(), Failure> {
        let gap = self.shared.intake.gap();
        let why = match gap {
            Gap::None => return Ok(()),
            Gap::Full => {
                "the disk is slower than the writes: more waited for it than is allowed".into()
            }
            Gap::TooLong => crate::Error::TooLong.to_string(),
            Gap::Disk | Gap::Closed => "the log was broken off".into(),
        };
        Err((gap, why))
    }

    /// Takes what threads have handed over. Returns whether there was anything.
    fn look(&mut self) -> bool {
        let now = (self.now)();
        let sequencer = &mut self.sequencer;
        let mut any = false;
        let watermark = self.shared.intake.look(&*self.clock, |slot, queue| {
            any = true;
            sequencer.take(slot, queue);
        });
        self.sequencer.raise(watermark);
        if any && self.oldest.is_none() {
            // What came since the last look may be as old as that.
            self.oldest = Some(if self.was_idle { now } else { self.looked_at });
        }
        self.looked_at = now;
        self.was_idle = false;
        any
    }

    /// Appends one batch. Returns whether there was any.
    fn append(&mut self) -> Result<bool, Failure> {
        empty(&mut self.batch);
        let left = self.sequencer.emit(&mut self.batch, BATCH_BYTES);
        self.unsynced_turns += self.sequencer.take_turns_emitted();
        let dropped = self.sequencer.take_dropped();
        self.lose(dropped);
        self.shared.intake.left(left);
        if !self.batch.is_empty() {
            record::seal(&mut self.batch);
            self.unsynced_bytes += self.batch.len() as u64;
            self.status.appended_bytes += self.batch.len() as u64;
            self.status.appended_records += count(&self.batch);
            let position = self.sink.append(&self.batch);
            self.set_position(position.map_err(disk)?);
        }
        Ok(left > 0)
    }

    /// When the next sync is due.
    pub(super) fn sync_at(&self) -> Option<Duration> {
        let unsynced = self.unsynced_bytes > 0 && self.is_writing();
        let oldest = self.oldest.filter(|_| unsynced)?;
        match self.shared.fsync {
            Fsync::Always => Some(oldest),
            Fsync::EverySecond if self.unsynced_bytes >= SYNC_BYTES => Some(oldest),
            Fsync::EverySecond => Some(oldest + SYNC_AFTER),
            Fsync::Off => None,
        }
    }

    pub(super) fn sync(&mut self) -> Result<(), Failure> {
        let begun = (self.now)();
        let synced = self.sink.sync();
        let took = (self.now)().saturating_sub(begun);
        synced.map_err(disk)?;
        self.status.syncs += 1;
        self.status.sync_last = took;
        self.status.sync_max = self.status.sync_max.max(took);
        self.set_position(self.sink.position());
        self.unsynced_bytes = 0;
        // What is held was told before the last look.
        self.oldest = (!self.sequencer.is_empty()).then_some(self.looked_at);
        Ok(())
    }

    /// All below this is on disk.
    pub(super) fn synced(&mut self, below: u64) {
        self.shared
            .drop_turns(std::mem::take(&mut self.unsynced_turns));
        if self.sequencer.is_empty() {
            self.oldest = None;
        }
        self.synced_below = below;
        if self.phase == Phase::Ok {
            self.shared.durable.publish(below);
        }
        let position = self.place.position;
        for flush in self.flushes.extract_if(.., |flush| flush.is_for(below)) {
            // Whoever asked may be gone.
            let _gone = flush.answer.send(Ok(position));
        }
    }

    /// What turns told that have ended by now is below the clock.
    pub(super) fn aim_flushes(&mut self) {
        let intake = &self.shared.intake;
        for flush in &mut self.flushes {
            if flush.target.is_none() && !intake.is_under_way(&flush.turns) {
                flush.target = Some((self.clock)());
            }
        }
    }

    pub(super) fn set_position(&mut self, position: Position) {
        self.place.position = position;
        self.shared.requests.place(self.place);
    }

    /// Whether the log ends now.
    pub(super) fn ends(&self) -> bool {
        let all = self.sequencer.is_empty() && self.shared.intake.waiting() == 0;
        self.stop_at.is_some() && (all || self.is_time(self.stop_at))
    }

    fn finish(&mut self) -> Result<(), Failure> {
        self.sink.finish().map_err(disk)?;
        self.set_position(self.sink.position());
        self.fail_flushes();
        self.phase = Phase::Over;
        Ok(())
    }
}

fn disk(error: impl std::error::Error) -> Failure {
    (Gap::Disk, error.to_string())
}

/// How many records there are.
fn count(records: &[u8]) -> u64 {
    let (mut rest, mut count) = (records, 0);
    while let Some(bytes) = whole_bytes(rest) {
        rest = &rest[bytes..];
        count += 1;
    }
    count
}
