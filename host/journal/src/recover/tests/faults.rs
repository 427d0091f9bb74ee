//! Lives on a disk that loses what was not synced, and on which operations fail.

use rustix::io::Errno;

use super::life::Life;
use crate::Error;
use crate::files::sim::{Operation, Random};

/// Seeds when nobody says how many.
const SEEDS: u64 = 300;

fn seeds() -> u64 {
    let asked = std::env::var("CACHEISMO_DISK_SEEDS");
    asked.map_or(SEEDS, |asked| asked.parse().expect("a number of seeds"))
}

/// Starts until it works. Faults end a start with an error of the system, and nothing else does.
fn start(life: &mut Life) {
    let mut attempts = 0;
    while let Err(error) = life.start() {
        let system = matches!(error, Error::System { .. });
        assert!(system, "seed {}: {error}", life.seed);
        attempts += 1;
        if attempts > 3 {
            life.disk.mend();
        }
        life.end();
    }
}

fn fail_sometimes(random: &mut Random, life: &Life) {
    let one_in = 10 + random.below(100);
    let mut dice = Random::new(random.number());
    life.disk.fail_when(move |_| {
        let errno = [Errno::IO, Errno::NOSPC][dice.below(2) as usize];
        dice.one_in(one_in).then_some(errno)
    });
}

/// From some operation on all fail: a crash in the midst of whatever goes on.
fn die_at_some_operation(random: &mut Random, life: &Life) {
    let last = life.disk.operations() + random.below(150);
    let dies = move |operation: &Operation| (operation.number >= last).then_some(Errno::IO);
    life.disk.fail_when(dies);
}

fn random_life(seed: u64) -> u64 {
    let mut random = Random::new(seed ^ 0x1234_5678);
    let mut life = Life::new(seed);
    for _ in 0..1 + random.below(5) {
        match random.below(3) {
            0 => fail_sometimes(&mut random, &life),
            1 => die_at_some_operation(&mut random, &life),
            _ => {}
        }
        start(&mut life);
        for _ in 0..random.below(60) {
            life.step();
        }
        life.end();
        if random.one_in(2) {
            life.disk.mend();
        }
    }
    life.disk.mend();
    start(&mut life);
    life.snapshots
}

#[test]
fn a_crash_loses_nothing_that_was_synced_and_gives_what_was_there_once() {
    let snapshots: u64 = (0..seeds()).map(random_life).sum();
    assert!(snapshots > seeds() / 2, "{snapshots} snapshots only");
}

/// Writes, rotates, takes snapshots, stops, starts: each operation in turn fails once.
fn story(seed: u64, failing: Option<u64>) -> u64 {
    let mut life = Life::new(seed);
    life.disk.fail_when(move |operation| {
        let errno = [Errno::IO, Errno::NOSPC][(seed % 2) as usize];
        (Some(operation.number) == failing).then_some(errno)
    });
    for part in 0..4 {
        start(&mut life);
        for round in 0..4 {
            life.append();
            life.sync();
            life.append();
            if round == 1 {
                life.snapshot_begin();
                for _ in 0..13 {
                    life.snapshot_on();
                }
            }
            life.step();
        }
        match part {
            0 | 3 => life.end(),
            _ => drop(life.finish()),
        }
    }
    let operations = life.disk.operations();
    start(&mut life);
    operations
}

#[test]
fn each_operation_may_fail_once() {
    for seed in 0..4 {
        let operations = story(seed, None);
        assert!(operations > 150, "{operations}");
        for failing in 0..operations {
            story(seed, Some(failing));
        }
    }
}
