//! Puts what many threads told into one order: by tick.
//!
//! Each thread's records come in the order of their ticks, but the threads hand them over whenever a turn ends. The
//! sequencer merges them up to the watermark ([`Intake::look`](crate::tap::intake::Intake::look)): no record below it
//! is still to come. So all that it emits, over all calls, is in the order of ticks.
//!
//! **Why that is the order of what happened.** Two changes of one key were made under the lock of the key's shard, in
//! which ticks rise; a flush is above all that was told before it and below all that is told after it; all ticks of a
//! commit of several keys are above what its shards had before, so its record may stand at its first tick. And if a
//! change was answered before another began, it was published on the store's clock before the other's turn read it. So
//! wherever the log is cut, what stands before the cut is what had happened at some moment, as far as anybody could
//! tell.
//!
//! Cost: a record is copied once. While only one thread has records, they are copied in one run.

#[cfg(test)]
mod tests;

use crate::record::{u64_at, whole_bytes};
use crate::tap::intake::empty;
use crate::tap::slot::Queue;

/// Where the tick stands in a record.
const TICK_AT: usize = 8;

/// Records on their way to the log.
#[derive(Debug, Default)]
pub(crate) struct Sequencer {
    runs: Vec<Run>,
    /// Records with a lower tick may be emitted.
    watermark: u64,
    /// Records with a lower tick are dropped.
    floor: u64,
    /// Turns whose records have all been emitted, since this was asked last.
    turns_emitted: u64,
    dropped_bytes: u64,
}

/// Records of one thread, in the order of ticks.
#[derive(Debug, Default)]
struct Run {
    slot: u64,
    records: Vec<u8>,
    /// Where the first one begins that was not emitted.
    at: usize,
    /// Tick of that one.
    front: u64,
    /// Tick of the last one.
    last: u64,
    /// How many turns they are of.
    turns: u64,
}

impl Sequencer {
    /// Takes what a thread has handed over.
    pub(crate) fn take(&mut self, slot: u64, queue: &mut Queue) {
        let known = self.runs.iter().position(|run| run.slot == slot);
        let known = known.or_else(|| self.runs.iter().position(Run::is_empty));
        let at = known.unwrap_or_else(|| {
            self.runs.push(Run::default());
            self.runs.len() - 1
        });
        let run = &mut self.runs[at];
        run.slot = slot;
        run.take(queue);
    }

    /// No record below this tick is still to come.
    pub(crate) fn raise(&mut self, watermark: u64) {
        self.watermark = self.watermark.max(watermark);
    }

    /// No record below this tick is still to be taken, and those that were may be emitted.
    pub(crate) fn watermark(&self) -> u64 {
        self.watermark
    }

    /// Whether all that was taken has been emitted.
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.iter().all(Run::is_empty)
    }

    /// Appends records to `out`, which are the next in order, until it has `bytes_max` bytes or more, or there are no
    /// more below the watermark. Returns how many bytes left the sequencer.
    pub(crate) fn emit(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> usize {
        let mut left = 0;
        while out.len() < bytes_max {
            let Some((first, bound)) = self.next() else {
                break;
            };
            let run = &mut self.runs[first];
            let end = run.end(bound, bytes_max - out.len());
            let records = &run.records[run.at..end];
            left += records.len();
            if bound <= self.floor {
                self.dropped_bytes += records.len() as u64;
            } else {
                out.extend_from_slice(records);
            }
            self.turns_emitted += run.advance(end);
        }
        left
    }

    /// The run with the next record, and the tick up to which others have none.
    fn next(&self) -> Option<(usize, u64)> {
        let (mut first, mut least, mut bound) = (None, self.watermark, self.watermark);
        for (number, run) in self.runs.iter().enumerate() {
            if run.is_empty() {
                continue;
            }
            if run.front < least {
                bound = least;
                (first, least) = (Some(number), run.front);
            } else {
                bound = bound.min(run.front);
            }
        }
        if least < self.floor {
            bound = bound.min(self.floor);
        }
        // Of several with the same tick each has its turn, as they are of different keys.
        first.map(|first| (first, bound.max(least + 1)))
    }

    /// How many turns were emitted since this was asked last.
    pub(crate) fn take_turns_emitted(&mut self) -> u64 {
        std::mem::take(&mut self.turns_emitted)
    }

    /// How many bytes were below the floor since this was asked last.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped_bytes)
    }

    /// Drops all records. Returns how many bytes they had, and of how many turns they were.
    pub(crate) fn drop_all(&mut self) -> (usize, u64) {
        let runs = self.runs.drain(..);
        let dropped = runs.map(|run| (run.records.len() - run.at, run.turns));
        let add = |all: (usize, u64), run: (usize, u64)| (all.0 + run.0, all.1 + run.1);
        let (bytes, turns) = dropped.fold((0, 0), add);
        (bytes, turns + self.take_turns_emitted())
    }

    /// Records with a lower tick are dropped.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    /// Records with a lower tick than this that come later are dropped.
    pub(crate) fn set_floor(&mut self, floor: u64) {
        self.floor = floor;
    }
}

impl Run {
    fn is_empty(&self) -> bool {
        self.at == self.records.len()
    }

    fn take(&mut self, queue: &mut Queue) {
        if self.is_empty() {
            std::mem::swap(&mut self.records, &mut queue.records);
            self.front = tick_at(&self.records, 0);
        } else {
            self.records.drain(..self.at);
            self.at = 0;
            self.records.extend_from_slice(&queue.records);
            empty(&mut queue.records);
        }
        self.last = queue.last;
        self.turns += std::mem::take(&mut queue.turns);
    }

    /// Where the records end that have ticks below `bound`. Those behind the first do not end behind `bytes_max` bytes.
    fn end(&self, bound: u64, bytes_max: usize) -> usize {
        if self.last < bound && self.records.len() - self.at <= bytes_max {
            return self.records.len();
        }
        let mut end = self.at;
        while end < self.records.len() && (end == self.at || tick_at(&self.records, end) < bound) {
            let record = whole_bytes(&self.records[end..]).expect("threads hand over records");
            if end > self.at && end + record - self.at > bytes_max {
                break;
            }
            end += record;
        }
        end
    }

    /// The records before `end` are done with. Returns of how many turns they were, if they were all there were.
    fn advance(&mut self, end: usize) -> u64 {
        self.at = end;
        if !self.is_empty() {
            self.front = tick_at(&self.records, end);
            return 0;
        }
        self.at = 0;
        empty(&mut self.records);
        std::mem::take(&mut self.turns)
    }
}

fn tick_at(records: &[u8], at: usize) -> u64 {
    u64_at(records, at + TICK_AT)
}
