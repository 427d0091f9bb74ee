//! Hit ratios: traces replayed on the store, and on an exact LRU of as many bytes beside it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cacheismo_store::{Eviction, Now, Store};

use super::{NOW, Random, hit_at, mix, put_until, store, unit};

/// A read-through trace: popularity by Zipf, sizes log-normal, the hot set turning over slowly.
struct Trace {
    name: &'static str,
    median: (f64, f64),
    sigma: f64,
    size_max: f64,
    churn: f64,
}

const TRACES: [Trace; 4] = [
    Trace {
        name: "mixed",
        median: (150.0, 600.0),
        sigma: 1.4,
        size_max: 65_000.0,
        churn: 0.25,
    },
    Trace {
        name: "small",
        median: (90.0, 200.0),
        sigma: 0.9,
        size_max: 8192.0,
        churn: 0.25,
    },
    Trace {
        name: "shift",
        median: (100.0, 1200.0),
        sigma: 0.3,
        size_max: 65_000.0,
        churn: 0.5,
    },
    Trace {
        name: "steady",
        median: (300.0, 300.0),
        sigma: 1.0,
        size_max: 65_000.0,
        churn: 0.0,
    },
];

const TRACE_KEYS: f64 = 1e6;
const TRACE_REQUESTS: u64 = 4_000_000;
const ZIPF: f64 = 0.9;

impl Trace {
    fn key(&self, t: u64, random: &mut Random) -> u64 {
        // The inverse of the integral of the density: good enough for a trace.
        let top = TRACE_KEYS.powf(1.0 - ZIPF);
        let rank = (1.0 + random.unit() * (top - 1.0)).powf(1.0 / (1.0 - ZIPF)) as u64;
        let place = mix(rank) % TRACE_KEYS as u64;
        let turned = t as f64 / TRACE_REQUESTS as f64 * self.churn;
        if unit(mix(place ^ 0x5eed)) < turned {
            place + TRACE_KEYS as u64
        } else {
            place
        }
    }

    fn size(&self, key: u64, t: u64) -> usize {
        let epoch = if self.median.0 == self.median.1 {
            0
        } else {
            t * 64 / TRACE_REQUESTS
        };
        let f = epoch as f64 / 63.0;
        let seed = mix(key ^ epoch << 40);
        let normal = (-2.0 * unit(mix(seed)).ln()).sqrt()
            * (std::f64::consts::TAU * unit(mix(seed ^ 1))).cos();
        let median = self.median.0.ln() * (1.0 - f) + self.median.1.ln() * f;
        (median + self.sigma * normal)
            .exp()
            .clamp(20.0, self.size_max) as usize
    }
}

/// An exact LRU that has no overhead, and in which nothing stays that has expired.
#[derive(Default)]
struct Oracle {
    /// Tick, bytes and expiry of each key.
    items: HashMap<u64, (u64, u64, u32)>,
    order: BTreeMap<u64, u64>,
    due: BTreeSet<(u32, u64)>,
    tick: u64,
    bytes: u64,
    evictions: u64,
}

impl Oracle {
    fn remove(&mut self, key: u64) {
        if let Some((tick, bytes, expiry_s)) = self.items.remove(&key) {
            self.order.remove(&tick);
            self.due.remove(&(expiry_s, key));
            self.bytes -= bytes;
        }
    }

    fn put(&mut self, key: u64, bytes: u64, expiry_s: Option<u32>) {
        self.remove(key);
        let expiry_s = expiry_s.unwrap_or(u32::MAX);
        self.tick += 1;
        self.items.insert(key, (self.tick, bytes, expiry_s));
        self.order.insert(self.tick, key);
        self.due.insert((expiry_s, key));
        self.bytes += bytes;
    }

    /// Makes the item the newest; returns its bytes.
    fn get(&mut self, key: u64) -> Option<u64> {
        let (tick, bytes, _) = self.items.get_mut(&key)?;
        self.order.remove(tick);
        self.tick += 1;
        *tick = self.tick;
        self.order.insert(self.tick, key);
        Some(*bytes)
    }

    fn leave(&mut self, now_s: u32, bytes_max: u64) {
        while let Some((expiry_s, key)) = self.due.first().copied()
            && expiry_s <= now_s
        {
            self.remove(key);
        }
        while self.bytes > bytes_max
            && let Some((_, key)) = self.order.first_key_value()
        {
            self.remove(*key);
            self.evictions += 1;
        }
    }
}

/// Hits of requests, and of their bytes.
#[derive(Default)]
struct Ratio {
    asked: (u64, u64),
    found: (u64, u64),
}

impl Ratio {
    fn add(&mut self, bytes: u64, hit: bool) {
        self.asked = (self.asked.0 + 1, self.asked.1 + bytes);
        if hit {
            self.found = (self.found.0 + 1, self.found.1 + bytes);
        }
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let objects = self.found.0 as f64 / self.asked.0 as f64;
        let bytes = self.found.1 as f64 / self.asked.1 as f64;
        write!(f, "{objects:.4} / {bytes:.4}")
    }
}

/// Memory limit of the traces' store in bytes.
const TRACE_BYTES: usize = 64 << 20;
/// Requests after which the oracle is told how many bytes of payload the store has.
const REQUESTS_PER_BUDGET: u64 = 100;

/// The results of one trace.
struct Replay {
    store: Store,
    /// Ratios of the second half.
    store_ratio: Ratio,
    oracle_ratio: Ratio,
    oracle_evictions: u64,
    /// Mean bytes of keys and values there in the second half.
    payload_bytes: f64,
}

/// Replays a trace against a store, and against an oracle that has as many bytes as the store has of keys and values at
/// any time. Keys live as long as `lives_s` says, if any.
fn replay(
    trace: &Trace,
    eviction: Eviction,
    requests_per_s: u64,
    lives_s: impl Fn(u64) -> Option<u32>,
) -> Replay {
    let store = store(TRACE_BYTES, eviction);
    let mut random = Random(9);
    let mut out = Vec::new();
    let mut oracle = Oracle::default();
    let (mut store_ratio, mut oracle_ratio) = (Ratio::default(), Ratio::default());
    let (mut budget, mut payload_bytes) = (0, 0.0);
    for t in 0..TRACE_REQUESTS {
        let now = Now {
            unix_s: NOW.unix_s + (t / requests_per_s) as u32,
            millis: 0,
        };
        let key = trace.key(t, &mut random);
        let name = format!("object:{key}");
        let late = t >= TRACE_REQUESTS / 2;
        if t % REQUESTS_PER_BUDGET == 0 {
            budget = store.stats().payload_bytes;
            if late {
                payload_bytes += budget as f64;
            }
        }
        oracle.leave(now.unix_s, budget);
        let size = trace.size(key, t);
        let bytes = (name.len() + size) as u64;
        let there = hit_at(&store, now, name.as_bytes(), &mut out);
        let oracles = oracle.get(key);
        if late {
            let found = (name.len() + out.len()) as u64;
            store_ratio.add(if there { found } else { bytes }, there);
            oracle_ratio.add(oracles.unwrap_or(bytes), oracles.is_some());
        }
        let expiry_s = lives_s(key).map(|lives| now.unix_s + lives);
        let changes = random.next().is_multiple_of(50);
        if !there || changes {
            put_until(&store, now, name.as_bytes(), size, expiry_s);
        }
        if oracles.is_none() || changes {
            oracle.put(key, bytes, expiry_s);
        }
    }
    Replay {
        store,
        store_ratio,
        oracle_ratio,
        oracle_evictions: oracle.evictions,
        payload_bytes: payload_bytes / (TRACE_REQUESTS / 2 / REQUESTS_PER_BUDGET) as f64,
    }
}

pub(super) fn hits() {
    for trace in &TRACES {
        for eviction in [Eviction::Lru, Eviction::SizeIdle] {
            let done = replay(trace, eviction, TRACE_REQUESTS, |_| None);
            let stats = done.store.stats();
            let limit = TRACE_BYTES as f64;
            println!(
                "hits: {} {eviction:?}: object / byte hit ratio {}, of an exact LRU with as many bytes of payload {}; payload {:.3} of the limit; at the end items {:.3}, index {:.3}, {:.0} bytes an item",
                trace.name,
                done.store_ratio,
                done.oracle_ratio,
                done.payload_bytes / limit,
                stats.bytes as f64 / limit,
                stats.hash_bytes as f64 / limit,
                stats.payload_bytes as f64 / stats.curr_items as f64,
            );
        }
    }
}

/// Seconds from a few to some hundred, by key; a quarter lives for ever.
fn mixed_lives_s(key: u64) -> Option<u32> {
    let seed = mix(key ^ 0x11fe);
    (!seed.is_multiple_of(4)).then(|| (5.0 * 100f64.powf(unit(mix(seed)))) as u32)
}

/// Whether expired items make room before live ones have to leave; nothing else removes expired items here.
pub(super) fn lifetimes() {
    const REQUESTS_PER_S: u64 = 10_000;
    for trace in &TRACES {
        let done = replay(trace, Eviction::Lru, REQUESTS_PER_S, mixed_lives_s);
        let stats = done.store.stats();
        println!(
            "lifetimes: {}, 5 to 500 s or for ever: object / byte hit ratio {}, of an exact LRU that drops what expires at once {}; evictions {}, its {}; expired {}",
            trace.name,
            done.store_ratio,
            done.oracle_ratio,
            stats.evictions,
            done.oracle_evictions,
            stats.reclaimed,
        );
    }
}
