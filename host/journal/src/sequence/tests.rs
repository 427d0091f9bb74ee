//! The sequencer against a list: random turns, commits, single changes and flushes, in random order of their steps.

use std::cell::Cell;
use std::sync::Arc;

use cacheismo_store::Effect;
use proptest::prelude::*;

use super::*;
use crate::record;
use crate::tap::intake::{Handed, Intake};
use crate::tap::slot::Slot;

const THREADS: usize = 4;
const KEYS: usize = 5;

/// What a thread does next, or the log.
#[derive(Clone, Debug)]
enum Step {
    /// Goes on with the turn that begins or ends, or begins one.
    Turn(usize),
    /// Changes a key, if the thread is in a turn.
    Change(usize, usize),
    /// Changes several keys at once, likewise.
    Commit(usize, [bool; KEYS]),
    /// Changes all keys, likewise.
    Flush(usize),
    /// The log looks, and emits so many bytes.
    Emit(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let thread = 0..THREADS;
    prop_oneof![
        8 => thread.clone().prop_map(Step::Turn),
        6 => (thread.clone(), 0..KEYS).prop_map(|(thread, key)| Step::Change(thread, key)),
        2 => (thread.clone(), any::<[bool; KEYS]>()).prop_map(|(thread, keys)| Step::Commit(thread, keys)),
        1 => thread.prop_map(Step::Flush),
        3 => (0..300usize).prop_map(Step::Emit),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between,
    /// The slot is open, the clock not read.
    Opened,
    InTurn,
    /// The clock is published.
    Published,
    /// The records are handed over.
    HandedOver,
}

struct Thread {
    slot: Arc<Slot>,
    state: State,
    next: u64,
    records: Vec<u8>,
    last: u64,
    /// Step at which the turn began.
    began: usize,
}

/// A record that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    tick: u64,
    id: u64,
    keys: Vec<usize>,
    turn: (usize, usize),
}

/// The store, as far as ticks go, and the log.
struct World {
    intake: Intake,
    sequencer: Sequencer,
    clock: Cell<u64>,
    /// Next tick of each key, which has a shard of its own.
    shards: [u64; KEYS],
    threads: Vec<Thread>,
    now: usize,
    told: Vec<Told>,
    /// When each turn that has ended did.
    ended: Vec<((usize, usize), usize)>,
    emitted: Vec<u64>,
}

impl World {
    fn new() -> World {
        let intake = Intake::new(usize::MAX);
        let thread = |_| Thread {
            slot: intake.slot(),
            state: State::Between,
            next: 0,
            records: Vec::new(),
            last: 0,
            began: 0,
        };
        World {
            threads: (0..THREADS).map(thread).collect(),
            intake,
            sequencer: Sequencer::default(),
            clock: Cell::new(1),
            shards: [0; KEYS],
            now: 0,
            told: Vec::new(),
            ended: Vec::new(),
            emitted: Vec::new(),
        }
    }

    fn turn(&mut self, number: usize) {
        let (now, clock) = (self.now, self.clock.get());
        let thread = &mut self.threads[number];
        thread.state = match thread.state {
            State::Between => {
                thread.began = now;
                thread.slot.begin(clock);
                State::Opened
            }
            State::Opened => {
                thread.next = clock;
                State::InTurn
            }
            State::InTurn => {
                self.clock.set(clock.max(thread.next));
                State::Published
            }
            State::Published => {
                if !thread.records.is_empty() {
                    let handed =
                        self.intake
                            .hand_over(&thread.slot, &mut thread.records, thread.last);
                    assert!(matches!(handed, Handed::Behind(_)));
                }
                State::HandedOver
            }
            State::HandedOver => {
                thread.slot.end();
                self.ended.push(((number, thread.began), now));
                State::Between
            }
        };
    }

    /// A record of some keys, whose ticks are above all that their shards have.
    fn change(&mut self, number: usize, keys: Vec<usize>) {
        let thread = &mut self.threads[number];
        if thread.state != State::InTurn || keys.is_empty() {
            return;
        }
        let shards = keys.iter().map(|key| self.shards[*key]);
        let first = shards.max().unwrap_or(0).max(thread.next);
        let id = self.told.len() as u64;
        let mut open = record::begin(&mut thread.records, first);
        record::add(
            &mut thread.records,
            &mut open,
            &Effect::Deleted {
                key: &id.to_le_bytes(),
            },
        );
        record::end(&mut thread.records, open);
        thread.next = first + keys.len() as u64;
        keys.iter().for_each(|key| self.shards[*key] = thread.next);
        thread.last = first;
        let turn = (number, thread.began);
        self.told.push(Told {
            tick: first,
            id,
            keys,
            turn,
        });
    }

    fn flush(&mut self, number: usize) {
        if self.threads[number].state == State::InTurn {
            let tick = self.shards.iter().copied().fold(self.clock.get(), u64::max);
            self.shards = [tick; KEYS];
            let thread = &mut self.threads[number];
            // In the store a turn's own ticks are in its shards, so the flush is above them.
            thread.next = thread.next.max(tick);
            self.change(number, (0..KEYS).collect());
            self.clock
                .set(self.clock.get().max(self.threads[number].next));
        }
    }

    /// What the naive model would emit: all below the clock and all open turns, by tick.
    fn due(&self) -> Vec<u64> {
        let open = self.threads.iter().map(|thread| thread.slot.open());
        let watermark = open.fold(self.clock.get(), u64::min);
        let mut due: Vec<&Told> = self
            .told
            .iter()
            .filter(|told| told.tick < watermark)
            .collect();
        due.sort_by_key(|told| told.tick);
        due.iter().map(|told| told.id).collect()
    }

    fn look(&mut self) {
        let (clock, sequencer) = (&self.clock, &mut self.sequencer);
        let watermark = self
            .intake
            .look(&|| clock.get(), |slot, queue| sequencer.take(slot, queue));
        self.sequencer.raise(watermark);
    }

    fn emit(&mut self, bytes_max: usize) {
        let mut out = Vec::new();
        let left = self.sequencer.emit(&mut out, bytes_max);
        assert_eq!(left, out.len());
        self.intake.left(left);
        record::seal(&mut out);
        for record in record::iter(&out) {
            let record = record.expect("whole records are emitted");
            let [Effect::Deleted { key }] = record.changes[..] else {
                panic!("{record:?}")
            };
            let id = u64::from_le_bytes(key.try_into().expect("eight bytes"));
            assert_eq!(self.told[id as usize].tick, record.tick);
            self.emitted.push(id);
        }
    }

    fn tick(&self, id: u64) -> u64 {
        self.told[id as usize].tick
    }

    /// Emitted is what is due, and in an order in which it may have happened.
    fn check(&self) {
        let mut due = self.due();
        let ticks = |ids: &[u64]| ids.iter().map(|id| self.tick(*id)).collect::<Vec<_>>();
        assert_eq!(ticks(&self.emitted), ticks(&due));
        let mut emitted = self.emitted.clone();
        emitted.sort_unstable();
        due.sort_unstable();
        assert_eq!(emitted, due);
        let end = |turn| {
            self.ended
                .iter()
                .find(|(ended, _)| *ended == turn)
                .map(|(_, at)| *at)
        };
        for (number, later) in self.emitted.iter().enumerate() {
            let later = &self.told[*later as usize];
            for earlier in &self.emitted[..number] {
                let earlier = &self.told[*earlier as usize];
                let same = earlier.keys.iter().any(|key| later.keys.contains(key));
                assert!(!same || earlier.id < later.id, "{earlier:?} {later:?}");
                let after = end(later.turn).is_some_and(|end| end < earlier.turn.1);
                assert!(!after, "{earlier:?} began after {later:?} was answered");
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_emitted_is_what_a_list_would_give(steps in proptest::collection::vec(step(), 0..250)) {
        let mut world = World::new();
        for step in steps {
            world.now += 1;
            match step {
                Step::Turn(thread) => world.turn(thread),
                Step::Change(thread, key) => world.change(thread, vec![key]),
                Step::Commit(thread, keys) => {
                    let keys = (0..KEYS).filter(|key| keys[*key]).collect();
                    world.change(thread, keys);
                }
                Step::Flush(thread) => world.flush(thread),
                Step::Emit(bytes_max) => {
                    // What does not fit now comes with the next bytes.
                    world.look();
                    world.emit(bytes_max);
                    world.emit(usize::MAX);
                    world.check();
                }
            }
        }
        for thread in 0..THREADS {
            while world.threads[thread].state != State::Between {
                world.turn(thread);
            }
        }
        world.look();
        world.emit(usize::MAX);
        world.check();
        prop_assert_eq!(world.emitted.len(), world.told.len());
        prop_assert!(world.sequencer.is_empty());
        prop_assert_eq!(world.intake.waiting(), 0);
    }
}

#[test]
fn what_is_below_the_floor_is_dropped() {
    let mut world = World::new();
    let turns = |world: &mut World, thread: usize, key: usize| {
        while world.threads[thread].state != State::InTurn {
            world.turn(thread);
        }
        world.change(thread, vec![key]);
        world.change(thread, vec![key + 1]);
        while world.threads[thread].state != State::Between {
            world.turn(thread);
        }
    };
    turns(&mut world, 0, 0);
    turns(&mut world, 1, 2);
    let floor = world.told[2].tick + 1;
    world.sequencer.set_floor(floor);
    turns(&mut world, 0, 1);
    world.look();
    let mut out = Vec::new();
    let left = world.sequencer.emit(&mut out, usize::MAX);
    record::seal(&mut out);
    let ticks: Vec<u64> = record::iter(&out)
        .map(|record| record.expect("whole").tick)
        .collect();
    let expected: Vec<u64> = world
        .told
        .iter()
        .map(|told| told.tick)
        .filter(|tick| *tick >= floor)
        .collect();
    assert_eq!(ticks, expected);
    assert_eq!(world.sequencer.take_dropped() as usize, left - out.len());
    assert_eq!(world.sequencer.take_turns_emitted(), 3);
}
