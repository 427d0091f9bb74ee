//! What the store holds and how steadily it works: bytes per item, stalls, pauses, threads, hit ratios, lifetimes.
//!
//! `cargo bench -p cacheismo-store --bench store_report [memory|stalls|pauses|moves|threads|restore|hits|lifetimes]`

mod restore;
mod traces;

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use cacheismo_store::{
    Announced, Config, DeleteOptions, Eviction, Expiry, GetOptions, Now, SetMode, Store, Upload,
    Write,
};

const NOW: Now = Now {
    unix_s: 1_000_000,
    millis: 0,
};

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let all: [(&str, fn()); 8] = [
        ("memory", memory),
        ("stalls", stalls),
        ("pauses", pauses),
        ("moves", moves),
        ("threads", threads),
        ("restore", restore::restore),
        ("hits", traces::hits),
        ("lifetimes", traces::lifetimes),
    ];
    for (name, report) in all {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            report();
        }
    }
}

fn store(memory_bytes_max: usize, eviction: Eviction) -> Store {
    sharded(memory_bytes_max, eviction, 16)
}

fn sharded(memory_bytes_max: usize, eviction: Eviction, shards: usize) -> Store {
    Store::new(&Config {
        memory_bytes_max,
        item_bytes_max: 1 << 20,
        shards,
        eviction,
        hash_seed: 1,
    })
}

fn put(store: &Store, name: &[u8], len: usize) {
    put_until(store, NOW, name, len, None);
}

fn put_until(store: &Store, now: Now, name: &[u8], len: usize, expiry_s: Option<u32>) {
    static VALUE: [u8; 1 << 16] = [7; 1 << 16];
    let write = Write {
        flags: 0,
        expiry: Expiry(expiry_s.map(|at| u64::from(at) * 1000)),
        value: &VALUE[..len],
        mode: SetMode::Set,
        cas_compare: None,
        stale_if_older: false,
        cas_override: None,
        want_cas: false,
        vivify: None,
    };
    store.set(store.key(name), now, &write);
}

fn hit(store: &Store, name: &[u8], out: &mut Vec<u8>) -> bool {
    hit_at(store, NOW, name, out)
}

fn hit_at(store: &Store, now: Now, name: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let found = |_: &_, value: cacheismo_store::ValueRef<'_>| value.append_to(out);
    store
        .get(store.key(name), now, &GetOptions::default(), found)
        .is_some()
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    fn unit(&mut self) -> f64 {
        unit(self.next())
    }
}

fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn unit(x: u64) -> f64 {
    ((x >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// Resident set of this process.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or(0)
        * 4096
}

fn memory() {
    let before = resident_bytes();
    let store = store(256 << 20, Eviction::Lru);
    for i in 0..1_000_000 {
        put(&store, digits(i, &mut [0; 10]), 100);
    }
    let stats = store.stats();
    println!(
        "memory: 1 000 000 items of 10 + 100 bytes: {:.2} bytes over payload each by count, {:.2} by resident set",
        (stats.resident_bytes - stats.payload_bytes) as f64 / 1e6,
        (resident_bytes() - before - stats.payload_bytes) as f64 / 1e6,
    );
}

/// Nanoseconds this thread had a processor, waited for one, and how often it was given one.
fn schedule() -> [u64; 3] {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let mut fields = schedstat.split_whitespace().map(|field| field.parse());
    [(); 3].map(|()| fields.next().and_then(Result::ok).unwrap_or(0))
}

/// Sets in a row after which it is asked whether the thread was interrupted meanwhile.
const ROW: usize = 64;

/// Steps that are timed, after as many as fill the store.
const TIMED: usize = 2_000_000;
const UNTIMED: usize = 1_000_000;

/// Times of steps in nanoseconds, sorted; those left out during which another thread had the processor.
fn times(mut step: impl FnMut(&mut Random)) -> Vec<u32> {
    let mut random = Random(1);
    let mut times = Vec::with_capacity(TIMED);
    for row in 0..(UNTIMED + TIMED) / ROW {
        let (before, kept) = (schedule()[2], times.len());
        for _ in 0..ROW {
            let start = Instant::now();
            step(&mut random);
            if row * ROW >= UNTIMED {
                times.push(start.elapsed().as_nanos() as u32);
            }
        }
        if schedule()[2] != before {
            times.truncate(kept);
        }
    }
    times.sort_unstable();
    times
}

fn print_times(what: &str, times: &[u32]) {
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "stalls: {what}: p50 {} p99 {} p99.9 {} ({:.1}x) p99.99 {} max {} ns; {:.1} % left out as preempted",
        at(0.5),
        at(0.99),
        at(0.999),
        f64::from(at(0.999)) / f64::from(at(0.5)),
        at(0.9999),
        at(1.0),
        100.0 * (1.0 - times.len() as f64 / TIMED as f64),
    );
}

/// How steady sets are that evict, and the machine itself.
fn stalls() {
    let mut chain = 0u64;
    let machine = times(|random| {
        (0..100).for_each(|_| chain = mix(chain ^ random.0));
        std::hint::black_box(chain);
    });
    print_times("a computation that is always the same", &machine);
    for (what, len_max) in [("100", 0), ("0 to 999", 1000)] {
        let store = store(64 << 20, Eviction::Lru);
        let sets = times(|random| {
            let mut name = [0; 10];
            let name = digits(random.next() % 10_000_000_000, &mut name);
            let len = match len_max {
                0 => 100,
                max => (random.next() % max) as usize,
            };
            put(&store, name, len);
        });
        print_times(&format!("a set that evicts, values of {what} bytes"), &sets);
    }
    let store = store(1 << 30, Eviction::Lru);
    let mut next = 0;
    let sets = times(|_| {
        put(&store, digits(next, &mut [0; 10]), 100);
        next += 1;
    });
    print_times("a set of a new key while memory and index grow", &sets);
}

/// Bytes of the one value whose end others may notice.
const HUGE: usize = 1 << 30;
/// Tries of each operation. The least time is the operation's; the rest is taken by others on the machine.
const TRIES: usize = 5;

fn huge_store() -> Arc<Store> {
    Arc::new(Store::new(&Config {
        memory_bytes_max: 3 * HUGE,
        item_bytes_max: HUGE,
        shards: 1,
        eviction: Eviction::Lru,
        hash_seed: 1,
    }))
}

/// A huge value of which all but the last `missing` bytes have come.
fn huge_upload(store: &Arc<Store>, missing: usize) -> Upload {
    let part = vec![7; 1 << 20];
    let announced = Announced {
        flags: 0,
        expiry: Expiry(None),
        len: HUGE,
        want_cas: false,
    };
    let upload = store.upload(store.key(b"huge"), announced);
    let mut upload = upload.expect("it has room");
    while upload.left() > missing {
        let now = part.len().min(upload.left() - missing);
        upload.write(&part[..now]).expect("it has room");
    }
    upload
}

/// Prints how long something takes that ends a huge value.
fn pause(what: &str, mut prepare: impl FnMut(&Arc<Store>), mut end: impl FnMut(&Arc<Store>)) {
    let store = huge_store();
    let times = (0..TRIES).map(|_| {
        prepare(&store);
        let start = Instant::now();
        end(&store);
        let time = start.elapsed();
        while store.maintain(NOW, 1000) > 0 {}
        time
    });
    let least = times.min().unwrap_or_default();
    println!("pauses: {what}: {:.3} ms", least.as_secs_f64() * 1e3);
}

/// How long one thread has all others wait when a value of a gibibyte is no more.
fn pauses() {
    let publish = |store: &Arc<Store>| {
        huge_upload(store, 0).publish(NOW);
    };
    let delete = |store: &Store| {
        store.delete(store.key(b"huge"), NOW, &DeleteOptions::default());
    };
    pause("a value of 1 GiB is deleted", publish, |store| {
        delete(store)
    });
    pause("it is overwritten", publish, |store| {
        put(store, b"huge", 10);
    });
    pause("it is evicted", publish, |store| store.evict(1));
    let pinned = Cell::new(None);
    let pin = |store: &Arc<Store>| {
        publish(store);
        let key = store.key(b"huge");
        pinned.set(store.get(key, NOW, &GetOptions::default(), |_, value| {
            store.pin(&value, &mut Vec::new())
        }));
        delete(store);
    };
    pause("its last pin ends after that", pin, |_| drop(pinned.take()));
    let upload = Cell::new(None);
    pause(
        "an upload ends early",
        |store| upload.set(Some(huge_upload(store, 1))),
        |_| drop(upload.take()),
    );
    let whole = Cell::new(None);
    pause(
        "its upload is published",
        |store| whole.set(Some(huge_upload(store, 0))),
        |_| {
            whole.take().map(|upload| upload.publish(NOW));
        },
    );
    let mut filled = false;
    let among_small = |store: &Arc<Store>| {
        for i in 0..if filled { 1_000_000 } else { 12_000_000 } {
            put(store, digits(i, &mut [0; 10]), (mix(i) % 500) as usize);
        }
        filled = true;
        publish(store);
    };
    pause(
        "it is deleted, in the holes small ones left",
        among_small,
        |store| {
            delete(store);
        },
    );
}

/// How long a get waits while a huge value moves out of memory that is given back.
fn moves() {
    let store = huge_store();
    let filler: Vec<_> = (0..1500).map(|i: u32| i.to_le_bytes()).collect();
    let fill = |name: &[u8]| {
        let announced = Announced {
            flags: 0,
            expiry: Expiry(None),
            len: 1 << 20,
            want_cas: false,
        };
        let mut upload = store.upload(store.key(name), announced).expect("room");
        upload.write(&vec![7; 1 << 20]).expect("room");
        upload.publish(NOW);
    };
    filler.iter().for_each(|name| fill(name));
    huge_upload(&store, 0).publish(NOW);
    for name in &filler {
        store.delete(store.key(name), NOW, &DeleteOptions::default());
    }
    put(&store, b"small", 10);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let (mut out, mut longest) = (Vec::new(), Duration::ZERO);
            while !done.load(Relaxed) {
                // The time in which this thread waited for a processor is taken by others on the machine.
                let (before, start) = (schedule()[1], Instant::now());
                hit(&store, b"small", &mut out);
                let time = start.elapsed();
                let processor = Duration::from_nanos(schedule()[1] - before);
                longest = longest.max(time.saturating_sub(processor));
            }
            longest
        });
        let start = Instant::now();
        store.set_memory_limit(HUGE + HUGE / 4);
        while store.maintain(NOW, 1000) > 0 {}
        let took = start.elapsed();
        done.store(true, Relaxed);
        println!(
            "moves: a value of 1 GiB moves to other memory, {:.0} ms in all: a get waits {:.3} ms at most; resident {} MiB, evictions {}",
            took.as_secs_f64() * 1e3,
            waiting.join().expect("it ends").as_secs_f64() * 1e3,
            store.stats().resident_bytes >> 20,
            store.stats().evictions,
        );
    });
}

fn digits(mut rest: u64, name: &mut [u8; 10]) -> &[u8] {
    for digit in name.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    name
}

/// Keys of a turn, as a pipelining client sends them.
const TURN: usize = 32;
const TURNS: u64 = 62_500;

/// How threads work on the store.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// One operation after the other.
    Single,
    /// In turns.
    Turns,
    /// In turns whose memory is prefetched at their beginning.
    Prefetched,
}

/// Gets and sets of one of several threads. Returns for how many nanoseconds it had a processor, and for how many it
/// waited for one.
fn ninety_gets_ten_sets(store: &Store, thread: u64, style: Style) -> [u64; 2] {
    let mut random = Random(thread << 40);
    let mut out = Vec::new();
    let before = schedule();
    let mut operation = 0;
    for _ in 0..TURNS {
        let mut names = [[0; 10]; TURN];
        for name in &mut names {
            digits(random.next() % 1_000_000, name);
        }
        if style != Style::Single {
            store.begin_turn();
        }
        let hashes = names.each_ref().map(|name| store.hash(name));
        for (at, name) in names.iter().enumerate() {
            if style == Style::Prefetched {
                store.prefetch_ahead(&hashes, at);
            }
            operation += 1;
            if operation % 10 == 0 {
                put(store, name, 100);
            } else {
                hit(store, name, &mut out);
            }
        }
        if style != Style::Single {
            store.end_turn();
        }
    }
    let after = schedule();
    [after[0] - before[0], after[1] - before[1]]
}

/// Processor time of an operation when so many threads work at once, each on one of `stores`; and how much of the time
/// they had a processor.
fn time_with(threads: usize, stores: &[Store], style: Style) -> (f64, f64) {
    let start = Barrier::new(threads);
    let (mut ran, mut waited) = (0, 0);
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|thread| {
                let (store, start) = (&stores[thread % stores.len()], &start);
                scope.spawn(move || {
                    start.wait();
                    ninety_gets_ten_sets(store, thread as u64, style)
                })
            })
            .collect();
        for one in all {
            let times = one.join().expect("it ends");
            ran += times[0];
            waited += times[1];
        }
    });
    let operations = threads as u64 * TURNS * TURN as u64;
    (
        ran as f64 / operations as f64,
        100.0 * ran as f64 / (ran + waited) as f64,
    )
}

/// What two threads do in the time of one, by processor time. Threads that had to wait for a processor did not run at
/// the same time, and did not disturb each other: such a row says nothing.
fn threads() {
    // Shards as a server with two workers has.
    let stores = [(); 2].map(|()| sharded(256 << 20, Eviction::Lru, 256));
    for store in &stores {
        for i in 0..1_000_000 {
            put(store, digits(i, &mut [0; 10]), 100);
        }
    }
    for _ in 0..3 {
        for (style, what) in [
            (Style::Single, "one by one"),
            (Style::Turns, "in turns of 32"),
            (Style::Prefetched, "in turns, prefetched"),
        ] {
            let (one, _) = time_with(1, &stores[..1], style);
            let (shared, at_once) = time_with(2, &stores[..1], style);
            let (own, _) = time_with(2, &stores, style);
            println!(
                "threads: 90/10, {what}: {one:.0} ns with one, {shared:.0} ns with two: {:.2}x ({at_once:.0} % at \
                 once); with a store each {own:.0} ns: {:.2}x",
                2.0 * one / shared,
                2.0 * one / own
            );
        }
    }
}
