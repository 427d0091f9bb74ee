//! What happens when the log cannot go on, and until it can.

use std::time::Duration;

use super::{Machine, Phase};
use crate::log::{NotDurable, Sink};
use crate::tap::intake::Gap;

/// How long after an error the disk is tried again, and how long after that a snapshot is asked for again.
const RETRY: Duration = Duration::from_secs(1);

impl<S: Sink, N: Fn() -> Duration> Machine<S, N> {
    pub(super) fn fail(&mut self, gap: Gap, why: String) {
        let now = (self.now)();
        self.shared.intake.break_off(gap);
        self.shared.durable.fail();
        self.fail_flushes();
        if self.phase == Phase::Ok {
            self.failed_at = now;
        }
        let unsynced = std::mem::take(&mut self.unsynced_bytes);
        self.lose(unsynced);
        self.drop_waiting();
        self.status.gaps += 1;
        self.note_error(why);
        self.phase = Phase::Failed {
            retry_at: now + RETRY,
        };
    }

    /// Drops all that was not appended.
    pub(super) fn drop_waiting(&mut self) {
        let intake = &self.shared.intake;
        let (bytes, turns) = self.sequencer.drop_all();
        intake.left(bytes);
        let (more_bytes, more_turns) = intake.drop_all();
        self.lose((bytes + more_bytes) as u64);
        let turns = turns + more_turns + std::mem::take(&mut self.unsynced_turns);
        self.shared.drop_turns(turns);
    }

    /// Tries whether the disk takes a new segment.
    pub(super) fn begin_again(&mut self) {
        match self.sink.begin_after_gap() {
            Ok(position) => {
                let (bytes, turns) = self.shared.intake.resume();
                self.lose(bytes as u64);
                self.shared.drop_turns(turns);
                // All that was dropped is of turns that have ended, so it is below the clock.
                let floor = (self.clock)();
                self.sequencer.set_floor(floor);
                self.synced_below = floor;
                self.set_position(position);
                self.phase = Phase::Recovering { ask_at: None };
            }
            Err(error) => {
                self.note_error(error.to_string());
                let retry_at = (self.now)() + RETRY;
                self.phase = Phase::Failed { retry_at };
            }
        }
    }

    /// Asks for a snapshot when the store holds all that was dropped.
    pub(super) fn ask_for_snapshot(&mut self) {
        let Phase::Recovering { ask_at } = self.phase else {
            return;
        };
        if ask_at.is_none() {
            if self.sequencer.watermark() < self.sequencer.floor() {
                return;
            }
            self.place.round += 1;
            self.shared.requests.place(self.place);
        } else if !self.is_time(ask_at) {
            return;
        }
        (self.want_snapshot)();
        self.phase = Phase::Recovering {
            ask_at: Some((self.now)() + RETRY),
        };
    }

    pub(super) fn fail_flushes(&mut self) {
        for flush in self.flushes.drain(..) {
            let _gone = flush.answer.send(Err(NotDurable));
        }
    }

    /// So many bytes are in no log, or perhaps not.
    pub(super) fn lose(&mut self, bytes: u64) {
        self.lost_bytes += bytes;
        self.status.lost_bytes += bytes;
    }

    pub(super) fn note_error(&mut self, why: String) {
        self.status.errors += 1;
        self.status.last_error = Some(why);
    }
}
