//! What the log's thread does, one step after the other, with time and disk handed in.
//!
//! ```text
//! Ok          -> Failed       the disk fails, or too much waits for it
//! Failed      -> Recovering   a new segment could be begun, which is tried each second
//! Recovering  -> Ok           a snapshot is on disk that was wanted since
//! Recovering  -> Failed       the disk fails again
//! ```
//! The store's clock at the beginning of the new segment is the *floor*. A record with a lower tick may come after
//! others that were dropped, so it is dropped, too. The snapshot makes up for all of them: it is wanted when the
//! watermark has reached the floor, as then all of them have been told, and the store holds what they changed. What is
//! appended while the log recovers is synced as always, but called durable only when the snapshot is.

mod gaps;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use super::requests::{Answer, SnapshotStart};
use super::{Fsync, Shared, Sink};
use crate::sequence::Sequencer;
use crate::status::{AtRisk, State, Status};
use crate::tap::intake::{Gap, Sleep};

/// How long records are gathered where nobody waits for them.
const GATHER: Duration = Duration::from_millis(4);
/// How long turns under way are waited for at the end.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// What to do after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// The next step.
    None,
    /// Sleep until then, or until somebody calls.
    Until {
        sleep: Sleep,
        until: Option<Duration>,
    },
    /// Nothing more.
    Over,
}

/// Where in the picture above the log is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Ok,
    Failed {
        retry_at: Duration,
    },
    /// A snapshot is asked for again at this time; `None` while turns from before are open.
    Recovering {
        ask_at: Option<Duration>,
    },
    Over,
}

/// A flush under way.
#[derive(Debug)]
struct Flush {
    /// Turns that were under way when it was asked for.
    turns: Vec<(u64, u64)>,
    /// All below this must be on disk; known when those turns have ended.
    target: Option<u64>,
    answer: Answer,
}

impl Flush {
    /// Whether all it is for has ticks below this one.
    fn is_for(&self, below: u64) -> bool {
        self.target.is_some_and(|target| target <= below)
    }
}

/// The state of the log's thread.
pub(super) struct Machine<S, N> {
    shared: Arc<Shared>,
    sink: S,
    clock: Box<dyn Fn() -> u64 + Send>,
    want_snapshot: Box<dyn FnMut() + Send>,
    now: N,
    sequencer: Sequencer,
    batch: Vec<u8>,
    phase: Phase,
    flushes: Vec<Flush>,
    stop_at: Option<Duration>,
    /// Turns that had ended when the slots were looked at last.
    turns_ended: u64,
    looked_at: Duration,
    /// Whether the thread slept because there was nothing to do.
    was_idle: bool,
    /// When the oldest record was told that is not on disk, as far as that is known.
    oldest: Option<Duration>,
    unsynced_bytes: u64,
    /// Turns whose records are appended and not on disk.
    unsynced_turns: u64,
    /// All below this is on disk, behind the last gap.
    synced_below: u64,
    /// Bytes in no log because of the last gap.
    lost_bytes: u64,
    failed_at: Duration,
    place: SnapshotStart,
    status: Status,
}

impl<S: Sink, N: Fn() -> Duration> Machine<S, N> {
    pub(super) fn new(
        shared: Arc<Shared>,
        sink: S,
        clock: Box<dyn Fn() -> u64 + Send>,
        want_snapshot: Box<dyn FnMut() + Send>,
        now: N,
    ) -> Machine<S, N> {
        let place = SnapshotStart {
            position: sink.position(),
            round: 0,
        };
        shared.requests.place(place);
        let mut machine = Machine {
            synced_below: shared.durable.below(),
            looked_at: now(),
            shared,
            sink,
            clock,
            want_snapshot,
            now,
            sequencer: Sequencer::default(),
            batch: Vec::new(),
            phase: Phase::Ok,
            flushes: Vec::new(),
            stop_at: None,
            turns_ended: 0,
            was_idle: true,
            oldest: None,
            unsynced_bytes: 0,
            unsynced_turns: 0,
            lost_bytes: 0,
            failed_at: Duration::ZERO,
            place,
            status: Status::default(),
        };
        machine.tell_status();
        machine
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn is_time(&self, until: Option<Duration>) -> bool {
        until.is_some_and(|until| (self.now)() >= until)
    }

    /// Whether nothing is there for which the thread would be woken.
    pub(super) fn may_sleep(&self, sleep: Sleep) -> bool {
        let intake = &self.shared.intake;
        let awaited = match sleep {
            Sleep::Held => intake.turns_ended() != self.turns_ended,
            Sleep::Idle => {
                // The slots are read, so that what was handed over before they were closed is seen.
                intake.turns_ended();
                intake.waiting() > 0
            }
            _ => false,
        };
        let broken = intake.gap() != Gap::None && self.is_writing();
        !awaited && !broken && !self.shared.requests.any()
    }

    fn is_writing(&self) -> bool {
        matches!(self.phase, Phase::Ok | Phase::Recovering { .. })
    }

    /// Does what is to be done now.
    pub(super) fn step(&mut self) -> Rest {
        self.take_requests();
        self.turns_ended = self.shared.intake.turns_ended();
        if let Phase::Failed { retry_at } = self.phase {
            self.fail_flushes();
            if self.stop_at.is_some() {
                self.phase = Phase::Over;
            } else if self.is_time(Some(retry_at)) {
                self.begin_again();
            }
        }
        let mut moved = false;
        if self.is_writing() {
            match self.write() {
                Ok(any) => moved = any,
                Err((gap, why)) => self.fail(gap, why),
            }
        }
        self.tell_status();
        self.rest(moved)
    }

    fn rest(&mut self, moved: bool) -> Rest {
        let now = (self.now)();
        let always = self.shared.fsync == Fsync::Always;
        let (sleep, until) = match self.phase {
            Phase::Over => return Rest::Over,
            Phase::Failed { retry_at } => (Sleep::Deep, Some(retry_at)),
            _ if moved && always => return Rest::None,
            _ if moved => (Sleep::Gathering, Some(now + GATHER)),
            _ if self.awaits_turns() => (Sleep::Held, None),
            _ => (Sleep::Idle, None),
        };
        let ask_at = match self.phase {
            Phase::Recovering { ask_at } => ask_at,
            _ => None,
        };
        self.was_idle = sleep == Sleep::Idle;
        let times = [until, self.sync_at(), ask_at, self.stop_at];
        let until = times.into_iter().flatten().min();
        Rest::Until { sleep, until }
    }

    /// Whether something is to be done when a turn ends.
    fn awaits_turns(&self) -> bool {
        let held = !self.sequencer.is_empty();
        let recovering = self.phase == Phase::Recovering { ask_at: None };
        held || recovering || !self.flushes.is_empty() || self.stop_at.is_some()
    }

    fn take_requests(&mut self) {
        let asked = self.shared.requests.take();
        for answer in asked.flushes {
            self.flushes.push(Flush {
                turns: self.shared.intake.turns_under_way(),
                target: None,
                answer,
            });
        }
        if asked.stop {
            self.stop_at = Some((self.now)() + STOP_WAIT);
        }
        let awaited = matches!(self.phase, Phase::Recovering { ask_at: Some(_) });
        let behind = |start: &SnapshotStart| start.round == self.place.round;
        if awaited && asked.snapshot.as_ref().is_some_and(behind) {
            self.phase = Phase::Ok;
            self.lost_bytes = 0;
            self.shared.durable.recover(self.synced_below);
        }
    }

    fn tell_status(&mut self) {
        let (since, why) = (self.failed_at, self.status.last_error.clone());
        let why = why.unwrap_or_default();
        self.status.state = match self.phase {
            Phase::Ok => State::Ok,
            Phase::Failed { .. } => State::Failed { since, why },
            Phase::Recovering { .. } => State::Recovering { since, why },
            Phase::Over => State::Stopped,
        };
        let dropped = self.shared.intake.take_dropped();
        self.lose(dropped);
        let waiting = self.shared.intake.waiting() as u64;
        let oldest = match self.lost_bytes {
            0 => self.oldest,
            _ => Some(self.failed_at),
        };
        let now = (self.now)();
        self.status.at_risk = AtRisk {
            bytes: waiting + self.unsynced_bytes + self.lost_bytes,
            age: oldest.map_or(Duration::ZERO, |oldest| now.saturating_sub(oldest)),
        };
        self.status.position = self.place.position;
        self.shared.status.lock().clone_from(&self.status);
    }
}
