//! What one thread tells, until it hands it over.

use std::sync::Arc;

use super::intake::{Gap, Handed};
use super::slot::Slot;
use crate::log::Shared;
use crate::record::{self, Open};

/// A thread's side of the log.
#[derive(Debug)]
pub(crate) struct Local {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    /// Records of the turn.
    records: Vec<u8>,
    /// Tick of the last record.
    last: u64,
    in_turn: bool,
    commit: Commit,
    /// Highest tick told since somebody asked.
    told: Option<u64>,
}

/// Changes that are told between the two ends of a commit are one record.
#[derive(Debug)]
enum Commit {
    /// Each change is a record.
    None,
    /// No change was told yet.
    Begun,
    /// A record that began at this byte.
    Open(usize, Open),
}

impl Local {
    pub(crate) fn new(shared: Arc<Shared>) -> Local {
        Local {
            slot: shared.intake.slot(),
            shared,
            records: Vec::new(),
            last: 0,
            in_turn: false,
            commit: Commit::None,
            told: None,
        }
    }

    pub(crate) fn is_of(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    /// Whether nobody writes what is told.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.intake.gap() == Gap::Closed
    }

    pub(crate) fn turn_begins(&mut self, tick: u64) {
        self.in_turn = true;
        self.slot.begin(tick);
    }

    pub(crate) fn turn_ends(&mut self) {
        // A panic may have left one open.
        self.commit_ends();
        let handed = self.hand_over();
        self.in_turn = false;
        self.slot.end();
        self.shared.intake.turn_ended(handed);
    }

    pub(crate) fn commit_begins(&mut self) {
        self.commit = Commit::Begun;
    }

    pub(crate) fn commit_ends(&mut self) {
        if let Commit::Open(start, open) = std::mem::replace(&mut self.commit, Commit::None) {
            self.end(start, open);
        }
    }

    /// Takes a change with this tick, which `write` adds to the record. `key` is the one that it changes, `None` for
    /// all keys.
    #[inline]
    pub(crate) fn change(
        &mut self,
        tick: u64,
        key: Option<&[u8]>,
        write: impl FnOnce(&mut Vec<u8>, &mut Open),
    ) {
        self.told = Some(tick);
        if let Some(undurable) = &self.shared.undurable {
            if self.records.is_empty() {
                undurable.turn_writes();
            }
            undurable.written(key, tick);
        }
        match &mut self.commit {
            Commit::Open(_, open) => write(&mut self.records, open),
            commit => {
                let start = self.records.len();
                let mut open = record::begin(&mut self.records, tick);
                write(&mut self.records, &mut open);
                self.last = tick;
                match commit {
                    Commit::None => self.end(start, open),
                    _ => *commit = Commit::Open(start, open),
                }
            }
        }
    }

    /// Highest tick that this thread told since this was asked last.
    pub(crate) fn take_told(&mut self) -> Option<u64> {
        self.told.take()
    }

    #[inline]
    fn end(&mut self, start: usize, open: Open) {
        record::end(&mut self.records, open);
        if record::whole_bytes(&self.records[start..]).is_none() {
            self.refuse(start);
        } else if !self.in_turn {
            // A turn that began before anybody listened.
            let handed = self.hand_over();
            self.shared.intake.turn_ended(handed);
        }
    }

    /// A record that no log can hold.
    #[cold]
    fn refuse(&mut self, start: usize) {
        self.records.truncate(start);
        if start == 0 {
            self.shared.drop_turns(1);
        }
        self.shared.break_off(Gap::TooLong);
    }

    fn hand_over(&mut self) -> Option<Handed> {
        if self.records.is_empty() {
            return None;
        }
        let intake = &self.shared.intake;
        let handed = intake.hand_over(&self.slot, &mut self.records, self.last);
        match handed {
            Handed::Behind(_) => {}
            Handed::Dropped => self.shared.drop_turns(1),
            Handed::Full => {
                self.shared.drop_turns(1);
                self.shared.break_off(Gap::Full);
            }
        }
        Some(handed)
    }
}

impl Drop for Local {
    /// The thread ends. What it has told is handed over, whether its turn has ended or not.
    fn drop(&mut self) {
        self.turn_ends();
        self.slot.leave();
    }
}
