//! The log on the simulated disk, which fails at random and crashes at the end: what was called durable is there.

use std::collections::BTreeSet;

use rustix::io::Errno;

use super::*;
use crate::files::sim::{self, Random};
use crate::log::Segments;
use crate::segment::header::{HEADER_BYTES, Header};
use crate::segment::{self, Before, Next};

struct Life {
    disk: sim::Disk,
    shared: Arc<Shared>,
    machine: Machine<Segments<sim::Disk>, Box<dyn Fn() -> Duration>>,
    clock: Arc<AtomicU64>,
    now: Rc<Cell<Duration>>,
    local: Local,
    random: Random,
    /// Ticks that were told, and ticks that were called durable.
    told: BTreeSet<u64>,
    durable: BTreeSet<u64>,
    /// What the newest snapshot has, and the segment it goes on with.
    saved: (BTreeSet<u64>, u64),
}

fn now_ms() -> u64 {
    1_000_000
}

impl Life {
    fn new(seed: u64) -> Life {
        let disk = sim::Disk::new(seed);
        let options = segment::Options {
            node: [7; 16],
            // Small, so that there are many.
            segment_bytes: 600,
            now_ms,
        };
        let sink = Segments::open(disk.clone(), options, Next::FIRST).expect("nothing fails yet");
        let clock = Arc::new(AtomicU64::new(1));
        let shared = Shared::new(Fsync::Always, usize::MAX, 1, Box::new(|_| 0));
        let shared = Arc::new(shared);
        let now = Rc::new(Cell::new(Duration::ZERO));
        let (read, time) = (Arc::clone(&clock), Rc::clone(&now));
        let machine = Machine::new(
            Arc::clone(&shared),
            sink,
            Box::new(move || read.load(SeqCst)),
            Box::new(|| {}),
            Box::new(move || time.get()) as Box<dyn Fn() -> Duration>,
        );
        Life {
            disk,
            local: Local::new(Arc::clone(&shared)),
            shared,
            machine,
            clock,
            now,
            random: Random::new(seed),
            told: BTreeSet::new(),
            durable: BTreeSet::new(),
            saved: (BTreeSet::new(), 1),
        }
    }

    fn write(&mut self) {
        let tick = self.clock.fetch_add(1, SeqCst);
        self.local.turn_begins(tick);
        self.local.change(tick, Some(KEY), |out, open| {
            record::add(out, open, &Effect::Deleted { key: KEY });
        });
        self.local.turn_ends();
        self.told.insert(tick);
    }

    fn act(&mut self) {
        match self.random.below(12) {
            0..5 => self.write(),
            5..8 => drop(self.machine.step()),
            8 => {
                let mut random = Random::new(self.random.number());
                let often = 1 + random.below(8);
                self.disk
                    .fail_when(move |_| random.one_in(often).then_some(Errno::IO));
            }
            9 => self.disk.mend(),
            10 => self.now.set(self.now.get() + Duration::from_secs(1)),
            _ => {
                // A snapshot, which takes no time and needs no disk.
                let start = self.shared.requests.snapshot_starts();
                self.machine.step();
                let state = self.shared.status.lock().state.clone();
                if !matches!(state, State::Failed { .. }) && self.disk_is_as_at(start) {
                    self.saved = (self.told.clone(), start.position.segment);
                    self.shared.requests.snapshot_is_durable(start);
                }
            }
        }
        let below = self.shared.durable.below();
        self.durable.extend(self.told.range(..below));
    }

    /// Whether the log was not broken off since the snapshot began.
    fn disk_is_as_at(&self, start: SnapshotStart) -> bool {
        self.shared.requests.snapshot_starts().position.segment == start.position.segment
    }

    /// Ticks that are in the log from that segment on, up to where it breaks off.
    fn logged(&self, from: u64) -> BTreeSet<u64> {
        let mut ticks = BTreeSet::new();
        for number in from.. {
            let Some(content) = self.disk.content(&segment::name(number)) else {
                break;
            };
            let Ok(header) = Header::read(&content) else {
                break;
            };
            if number > from && header.before == Before::Gap {
                break;
            }
            let records = record::iter(&content[HEADER_BYTES..]);
            ticks.extend(records.map_while(Result::ok).map(|record| record.tick));
        }
        ticks
    }
}

#[test]
fn what_was_called_durable_survives_the_machine() {
    let (mut durable, mut gaps) = (0, 0);
    for seed in 0..600 {
        let mut life = Life::new(seed);
        for _ in 0..80 {
            life.act();
        }
        gaps += life.shared.status.lock().gaps;
        durable += life.durable.len();
        life.disk.crash();
        let (saved, from) = &life.saved;
        let logged = life.logged(*from);
        for tick in &life.durable {
            let kept = saved.contains(tick) || logged.contains(tick);
            assert!(kept, "seed {seed}: {tick} was called durable");
        }
        for tick in &logged {
            assert!(
                life.told.contains(tick),
                "seed {seed}: {tick} was never told"
            );
        }
    }
    assert!(durable > 5_000 && gaps > 300, "{durable} {gaps}");
}
