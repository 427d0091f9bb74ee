//! What takes long. Sizes, lifetimes, objects, pins, uploads and limits change for as long as one likes:
//! `CACHEISMO_SOAK_SECONDS=3600 make soak`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Buf;

use super::concurrent::change_object;
use super::model::Random;
use super::*;

/// Largest memory limit there is meanwhile, and the smallest.
const LIMITS: (usize, usize) = (64 << 20, 16 << 20);
/// Resident memory beside the limit: buffers of the test, stacks, what the threads' allocators keep.
const BESIDE: usize = 4 << 20;
const OPERATIONS_PER_PHASE: u64 = 20_000;
/// Values pinned by one thread at a time, and values on their way in.
const HELD: usize = 4;
/// A limit is lowered or raised once in so many phases.
const PHASES_PER_LIMIT: u32 = 5;

/// Resident memory of this process in bytes, code left out, of which more and more comes to be used.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<usize>().ok())
        .expect("a number of KiB")
        * 1024
}

#[test]
#[ignore = "runs as long as it is told to"]
fn memory_stays_flat_whatever_the_sizes_do() {
    let seconds: u64 =
        std::env::var("CACHEISMO_SOAK_SECONDS").map_or(30, |s| s.parse().expect("seconds"));
    for eviction in [Eviction::Lru, Eviction::SizeIdle] {
        let base = resident();
        let store = Arc::new(Store::new(&Config {
            eviction,
            ..config(LIMITS.0, 64)
        }));
        let end = Instant::now() + Duration::from_secs(seconds / 2);
        std::thread::scope(|scope| {
            scope.spawn(|| churn(&store, 1, end, &mut |_, _| ()));
            let mut over = Overrun::default();
            let mut random = Random(2);
            churn(&store, 2, end, &mut |phase, now| {
                if phase.is_multiple_of(PHASES_PER_LIMIT) {
                    let range = (LIMITS.0 - LIMITS.1) as u64;
                    change_limit(&store, LIMITS.1 + random.below(range + 1) as usize, now);
                }
                over.note(&store, base, phase);
            });
            eprintln!("{eviction:?}: {over:?}, {:?}", store.stats());
        });
        store.audit();
    }
}

/// How far resident memory was over the limit, in bytes; more than [`BESIDE`] is a failure.
#[derive(Debug, Default)]
struct Overrun {
    phases: u32,
    most: isize,
    /// Bytes over the limit in the last phase.
    last: isize,
}

impl Overrun {
    fn note(&mut self, store: &Store, base: usize, phase: u32) {
        let limit = store.stats().limit_maxbytes as usize;
        self.last = resident().wrapping_sub(base + limit) as isize;
        assert!(
            self.last < BESIDE as isize,
            "{} bytes over the limit of {limit} in phase {phase}",
            self.last
        );
        self.most = self.most.max(self.last);
        self.phases = phase;
    }
}

/// Sets a limit, and waits until no more than that is used.
fn change_limit(store: &Store, limit: usize, now: Now) {
    const STEPS_MAX: usize = 1_000_000;
    store.set_memory_limit(limit);
    let mut steps = 0;
    while store.stats().resident_bytes as usize > limit {
        store.maintain(now, 1000);
        steps += 1;
        assert!(steps < STEPS_MAX, "it does not shrink: {:?}", store.stats());
    }
}

/// Phases with sizes of their own, from a few bytes to 64 KiB; `each` is called after each of them.
fn churn(store: &Arc<Store>, seed: u64, end: Instant, each: &mut dyn FnMut(u32, Now)) {
    let mut random = Random(seed);
    let value = vec![7; 1 << 17];
    let mut held = Held::default();
    for phase in 1.. {
        let size_max = 8 << random.below(14);
        for _ in 0..OPERATIONS_PER_PHASE {
            step(store, &mut random, at(phase), &value, size_max);
            if random.below(200) == 0 {
                held.turn_over(store, &mut random, at(phase), &value);
            }
        }
        // While values are held, a limit could not be reached.
        held = Held::default();
        while store.maintain(at(phase), 1000) >= 1000 {}
        each(phase, at(phase));
        if Instant::now() > end {
            return;
        }
    }
}

/// Values that are being sent, and values that are being received.
#[derive(Default)]
struct Held {
    pinned: VecDeque<Pinned>,
    uploads: VecDeque<Upload>,
}

impl Held {
    /// Pins one of a few big values, or begins a new one, and ends what was begun first.
    fn turn_over(&mut self, store: &Arc<Store>, random: &mut Random, now: Now, value: &[u8]) {
        let name = [b'b', random.below(50) as u8];
        let key = store.key(&name);
        let pinned = store.get(key, now, &GetOptions::default(), |_, value| {
            store.pin(&value, &mut Vec::new())
        });
        self.pinned.extend(pinned.flatten());
        let announced = Announced {
            flags: 0,
            expiry: NEVER,
            len: PINNED_BYTES_MIN + random.below((value.len() - PINNED_BYTES_MIN) as u64) as usize,
            want_cas: false,
        };
        self.uploads.extend(store.upload(key, announced));
        if self.pinned.len() > HELD {
            let oldest = self.pinned.pop_front();
            let mut oldest = oldest.expect("there are some");
            let len = oldest.remaining();
            assert!(
                oldest.copy_to_bytes(len) == value[..len],
                "a pinned value changed"
            );
        }
        for upload in &mut self.uploads {
            let part = random.below(upload.left() as u64 + 1) as usize;
            let _no_room = upload.write(&value[..part]);
        }
        if self.uploads.len() > HELD {
            let oldest = self.uploads.pop_front();
            let oldest = oldest.expect("there are some");
            if oldest.left() == 0 {
                oldest.publish(now);
            }
        }
    }
}

fn step(store: &Store, random: &mut Random, now: Now, value: &[u8], size_max: u64) {
    let name = random.below(400_000).to_le_bytes();
    let key = store.key(&name);
    match random.below(100) {
        0..50 => {
            let len = random.below(size_max) as usize;
            let lives = (random.below(3) == 0).then(|| 1 + random.below(60) as u32);
            let expiry = lives.map_or(NEVER, |lives| until(now.unix_s - NOW.unix_s + lives));
            let write = Write {
                expiry,
                ..write(&value[..len])
            };
            store.set(key, now, &write);
        }
        50..60 => drop(store.delete(key, now, &DeleteOptions::default())),
        60..62 => change_object(store, random, 200),
        62 if random.below(100_000) == 0 => store.flush_all(now, now),
        _ => drop(store.look(&name, now, &GetOptions::default())),
    }
}

#[test]
#[ignore = "takes a minute"]
fn many_millions_of_operations_are_forgotten_in_their_order() {
    super::order::lives(&Store::new(&config(8 << 20, 16)), 4, 1500, 4096);
    super::order::lives(&Store::new(&config(2 << 20, 1)), 3, 500, 2048);
    super::order::lives(&Store::new(&config(32 << 20, 64)), 8, 200, 4096);
    let store = Store::new(&config(2 << 20, 8));
    super::model::live(&store, 10_000_000, 50_000, 16 << 10, 3);
}
