//! Random commands, told to our server and to Debian's memcached.
//!
//! `CACHEISMO_DIFFERENTIAL_COMMANDS` sets how many, `CACHEISMO_DIFFERENTIAL_SEED` where to begin.

use std::process::Command;

use cacheismo_tests::differential::compare;
use cacheismo_tests::server::{Memcached, Server};
use cacheismo_tests::tools;

/// Options of memcached without the thread that sorts its LRU lists: while that thread holds an item, memcached writes
/// a number into a new one and drops the padding and the fetched mark, at random.
const PLAIN: &[&str] = &["-o", "no_lru_maintainer,no_lru_crawler"];

/// Commands per seed: short enough that a failing sequence can be read.
const PER_SEED: usize = 1000;

#[test]
fn nothing_differs_from_memcached_without_a_reason() {
    let count = number("CACHEISMO_DIFFERENTIAL_COMMANDS", 6000);
    let first = number("CACHEISMO_DIFFERENTIAL_SEED", 1);
    let (ours, reference) = (Server::start(&[]), Memcached::start(PLAIN));
    let mut unexplained = Vec::new();
    for seed in first..first + count.div_ceil(PER_SEED) {
        let outcome = compare(ours.address(), reference.address(), seed as u64, PER_SEED);
        unexplained.extend(outcome.unexplained);
    }
    assert!(
        unexplained.is_empty(),
        "{} differences:\n{}",
        unexplained.len(),
        unexplained.join("\n")
    );
}

#[test]
fn nothing_differs_from_memcached_in_binary() {
    let count = number("CACHEISMO_DIFFERENTIAL_COMMANDS", 6000).to_string();
    let seed = number("CACHEISMO_DIFFERENTIAL_SEED", 1).to_string();
    let (ours, reference) = (Server::start(&[]), Memcached::start(PLAIN));
    let script = tools::repository().join("tests/clients/compare_binary.py");
    let addresses = [ours.address().to_string(), reference.address().to_string()];
    let _ = tools::run(
        Command::new(tools::python())
            .arg("-B")
            .arg(script)
            .args(addresses)
            .args([count, seed]),
    );
}

fn number(variable: &str, default: usize) -> usize {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={text} isn't a number")),
        Err(_) => default,
    }
}
