//! Sizes that change all the time, for as long as one likes: `CACHEISMO_SOAK_SECONDS=3600 make soak`.

use std::time::{Duration, Instant};

use super::model::Random;
use super::*;

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("a number of pages") * 4096
}

#[test]
#[ignore = "runs as long as it is told to"]
fn memory_stays_flat_whatever_the_sizes_do() {
    const LIMIT: usize = 64 << 20;
    /// What the test itself and the threads may take beside.
    const BASE: usize = 16 << 20;
    let seconds =
        std::env::var("CACHEISMO_SOAK_SECONDS").map_or(30, |s| s.parse().expect("seconds"));
    let end = Instant::now() + Duration::from_secs(seconds);
    let store = Store::new(&config(LIMIT, 8));
    std::thread::scope(|scope| {
        for thread in 0..2u64 {
            let store = &store;
            scope.spawn(move || {
                let mut random = Random(thread);
                let value = vec![7; 1 << 16];
                for phase in 0u32.. {
                    // Each phase has sizes of its own, from a few bytes to 64 KiB.
                    let size_max = 8 << random.below(14);
                    for _ in 0..20_000 {
                        let name = random.below(400_000).to_le_bytes();
                        let key = store.key(&name);
                        match random.below(10) {
                            0..5 => {
                                let len = random.below(size_max) as usize;
                                let ttl = 1 + random.below(60) as u32;
                                let expiry = if len.is_multiple_of(3) {
                                    until(phase + ttl)
                                } else {
                                    NEVER
                                };
                                store.set(
                                    key,
                                    at(phase),
                                    &Write {
                                        expiry,
                                        ..write(&value[..len])
                                    },
                                );
                            }
                            5 => drop(store.delete(key, at(phase), &DeleteOptions::default())),
                            _ => drop(store.look(&name, at(phase), &GetOptions::default())),
                        }
                    }
                    while store.maintain(at(phase), 1000) >= 1000 {}
                    assert!(
                        resident() < LIMIT + BASE,
                        "{} bytes in phase {phase}",
                        resident()
                    );
                    if Instant::now() > end {
                        return;
                    }
                }
            });
        }
    });
    store.audit();
}
