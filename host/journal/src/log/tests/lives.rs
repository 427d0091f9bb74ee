//! Random lives of a log: writes, open turns, faults, time, snapshots and waiters in any order.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Act {
    Write,
    Begin(usize),
    Tell(usize),
    End(usize),
    Wait,
    Step,
    Pass(u64),
    Fault(bool, bool, bool),
    Mend,
    SnapshotStarts,
    SnapshotIsDurable,
    Flush,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Write),
        3 => (0..2usize).prop_map(Act::Begin),
        4 => (0..2usize).prop_map(Act::Tell),
        3 => (0..2usize).prop_map(Act::End),
        3 => Just(Act::Wait),
        8 => Just(Act::Step),
        3 => (1..1500u64).prop_map(Act::Pass),
        1 => any::<(bool, bool, bool)>().prop_map(|(a, b, c)| Act::Fault(a, b, c)),
        1 => Just(Act::Mend),
        2 => Just(Act::SnapshotStarts),
        2 => Just(Act::SnapshotIsDurable),
        1 => Just(Act::Flush),
    ]
}

/// A world, and what it must not forget.
struct Life {
    world: World,
    locals: Vec<(Local, bool)>,
    told: Vec<u64>,
    /// A snapshot under way, with how many ticks were told when it began, and in which segment the log was.
    snapshot: Option<(SnapshotStart, usize, usize)>,
    /// What is on disk by a snapshot, and which segments count.
    saved: (usize, usize),
    waiters: Vec<(u64, Arc<Calls>, Waker)>,
    flushes: Vec<std::sync::mpsc::Receiver<Result<Position, NotDurable>>>,
}

impl Life {
    fn new(fsync: Fsync) -> Life {
        let world = World::new(fsync);
        Life {
            locals: (0..2).map(|_| (world.other(), false)).collect(),
            world,
            told: Vec::new(),
            snapshot: None,
            saved: (0, 1),
            waiters: Vec::new(),
            flushes: Vec::new(),
        }
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Write => {
                let tick = self.world.write();
                self.told.push(tick);
            }
            Act::Begin(number) => {
                let (local, open) = &mut self.locals[number];
                if !*open {
                    local.turn_begins(self.world.clock.load(SeqCst));
                    *open = true;
                }
            }
            Act::Tell(number) => {
                let (local, open) = &mut self.locals[number];
                if *open {
                    self.told.push(self.world.tell(local));
                }
            }
            Act::End(number) => self.end(number),
            Act::Wait => self.wait(),
            Act::Step => drop(self.world.machine.step()),
            Act::Pass(millis) => self.world.pass(millis),
            Act::Fault(append, sync, begin) => {
                let mut disk = self.world.disk.borrow_mut();
                (disk.fail_append, disk.fail_sync, disk.fail_begin) = (append, sync, begin);
            }
            Act::Mend => self.world.disk.borrow_mut().mend(),
            Act::SnapshotStarts => {
                let segments = self.world.disk.borrow().segments.len();
                self.snapshot = Some((self.world.snapshot(), self.told.len(), segments));
            }
            Act::SnapshotIsDurable => self.snapshot_is_durable(),
            Act::Flush => self.flushes.push(self.world.shared.requests.flush()),
        }
    }

    fn end(&mut self, number: usize) {
        let (local, open) = &mut self.locals[number];
        if std::mem::take(open) {
            local.turn_ends();
        }
    }

    fn wait(&mut self) {
        if let Some(tick) = self.told.last() {
            let (calls, waker) = calls();
            if self.world.poll(*tick, &waker).is_pending() {
                self.waiters.push((*tick, calls, waker));
            }
        }
    }

    /// As the one who makes snapshots does: the log must reach the end of the snapshot before that counts.
    fn snapshot_is_durable(&mut self) {
        if let Some((start, told, segment)) = self.snapshot.take() {
            self.saved = self.saved.max((told, segment));
            self.world.shared.requests.snapshot_is_durable(start);
        }
    }

    /// What is called durable is on disk: in a snapshot, or in segments that follow the last one without a gap.
    fn check(&mut self) {
        let disk = self.world.disk.borrow();
        let (saved, segment) = self.saved;
        let on_disk = &disk.segments[segment - 1];
        let on_disk = &on_disk.ticks[..on_disk.synced];
        let below = self.world.durable();
        for (number, tick) in self
            .told
            .iter()
            .enumerate()
            .filter(|(_, tick)| **tick < below)
        {
            let kept = number < saved || on_disk.contains(tick);
            assert!(kept, "{tick} is called durable");
        }
        drop(disk);
        let world = &self.world;
        self.waiters
            .retain(|(tick, calls, waker)| match calls.count() {
                // Nobody has called, so there is nothing to know yet.
                0 => {
                    let known = *tick < world.durable() || world.shared.durable.has_failed();
                    assert!(!known, "{tick} is forgotten");
                    true
                }
                _ => world.poll(*tick, waker).is_pending(),
            });
    }

    /// All faults are mended and all turns end: the log becomes whole and everybody has an answer.
    fn finish(&mut self) {
        self.world.disk.borrow_mut().mend();
        (0..2).for_each(|number| self.end(number));
        for _ in 0..5 {
            self.world.run();
            self.check();
            self.act(&Act::SnapshotStarts);
            self.snapshot_is_durable();
            self.world.run();
            self.check();
            self.world.pass(1000);
        }
        assert!(self.world.is_ok(), "{:?}", self.world.state());
        let all = self
            .told
            .last()
            .is_none_or(|last| *last < self.world.durable());
        assert!(all || self.world.shared.fsync == Fsync::Off);
        assert!(self.waiters.is_empty() || self.world.shared.fsync == Fsync::Off);
        for flush in &self.flushes {
            assert!(flush.try_recv().is_ok(), "a flush is forgotten");
        }
        assert_eq!(self.world.shared.intake.waiting(), 0);
        if let Some(undurable) = &self.world.shared.undurable {
            assert_eq!(
                undurable.must_wait_for(KEY[0].into(), || 0),
                None,
                "a turn is left"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]
    #[test]
    fn what_is_called_durable_is_on_disk_and_nobody_is_forgotten(
        acts in proptest::collection::vec(act(), 0..80),
        fsync in prop_oneof![Just(Fsync::Always), Just(Fsync::EverySecond), Just(Fsync::Off)],
    ) {
        let mut life = Life::new(fsync);
        for act in &acts {
            life.act(act);
            life.check();
        }
        life.finish();
    }
}
