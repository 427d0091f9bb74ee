//! Attacks on a server by many sockets, one after the other and all at once: the memory stays bounded and comes back, and
//! whoever does nothing bad is answered as fast as the machine allows.
//!
//! Each attack lasts for half a second, with a fifth of the connections. In a campaign it lasts for `CACHEISMO_ATTACK_SECONDS`,
//! with all of them, and gets must be fast. On a machine that does much else, a get is judged by how long the workers ran until it
//! was answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cacheismo_tests::server::{Server, wait_until};
use cacheismo_tests::tools;

mod beside;
mod loads;
mod peer;
mod target;

use beside::{Beside, Latencies};
use loads::LOADS;
use target::Target;

const MIB: u64 = 1 << 20;
/// What the server may have of the machine's: items, clients, and 16 MiB.
const RESIDENT_BYTES_MAX: u64 = (64 + 64 + 16) * MIB;
/// What stays when the attackers have gone.
const KEPT_BYTES_MAX: u64 = (64 + 40) * MIB;
/// After an attack the memory is back within this time, on a machine that does much else.
const SOON: Duration = Duration::from_secs(60);
/// Plain gets take no longer beside any load, for 99 of 100, where the machine is quiet.
const PLAIN_GET_MAX: Duration = Duration::from_millis(2);
/// The kernel's accounts of a thread that runs on another processor may be so old.
const TICK: Duration = Duration::from_millis(4);
/// Calls that are timed for how late they are stopped, so many at once: as many as there are lane threads.
const STOPPED: usize = 8;
const DEADLINE: Duration = Duration::from_millis(100);
/// How late a call may be stopped, where the machine is quiet.
const LATE_MAX: Duration = Duration::from_millis(10);
/// How much later on a machine that does much else: lanes have the lowest priority.
const SLACK: Duration = Duration::from_secs(1);

/// Of how many connections one attacks, unless somebody asked for a campaign.
const SHORT_RUN_DIVISOR: usize = 5;

/// How long each attack lasts, if somebody asked for a campaign.
fn asked() -> Option<Duration> {
    let seconds = std::env::var("CACHEISMO_ATTACK_SECONDS").ok()?;
    Some(Duration::from_secs(
        seconds.parse().expect("a number of seconds"),
    ))
}

#[test]
fn under_every_attack_memory_is_bounded_and_others_are_served() {
    let target = Target::start(if asked().is_some() { 20 } else { 4 });
    let quiet = beside(&target, &[], Duration::from_millis(500));
    report("no load", &quiet, target.server.peak_bytes());
    let mut slow = Vec::new();
    for number in 0..LOADS.len() {
        slow.extend(attack(&target, &[number]));
    }
    let all: Vec<usize> = (0..LOADS.len()).collect();
    attack(&target, &all);
    assert!(slow.is_empty(), "plain gets are slow beside {slow:?}");
    assert_eq!(target.server.log().matches("panicked").count(), 0);
}

/// Carries out these attacks at once. Names them if plain gets are slow beside them.
fn attack(target: &Target, numbers: &[usize]) -> Option<String> {
    let name = match numbers {
        [number] => LOADS[*number].name,
        _ => "all at once",
    };
    target.server.forget_peak();
    let lasts = asked().unwrap_or(Duration::from_millis(500));
    let latencies = beside(target, numbers, lasts);
    let peak = target.server.peak_bytes();
    report(name, &latencies, peak);
    assert!(
        peak <= RESIDENT_BYTES_MAX,
        "{name}: {} MiB resident",
        peak / MIB
    );
    gives_back(target, name);
    let (get, ran) = (latencies.get(99), latencies.ran(99));
    // A short run has too few gets to judge by, and a server that is hardly optimised.
    let slow = asked().is_some() && get > PLAIN_GET_MAX && ran > PLAIN_GET_MAX + TICK;
    slow.then(|| format!("{name}: 99 % of gets within {get:?}, of which workers ran {ran:?}"))
}

/// How fast others are served while these attacks last.
fn beside(target: &Target, numbers: &[usize], lasts: Duration) -> Latencies {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in numbers {
            let stop = &stop;
            scope.spawn(move || LOADS[*number].carry_out(target, stop));
        }
        let latencies = Beside::new(&target.server).measure(lasts);
        stop.store(true, Ordering::Relaxed);
        latencies
    })
}

fn gives_back(target: &Target, name: &str) {
    let mut client = target.server.connect();
    for held in ["client_memory_input", "client_memory_answers"] {
        let back = wait_until(SOON, || client.stat(held) == "0");
        assert!(back, "{name}: {held} is {}", client.stat(held));
    }
    let back = wait_until(SOON, || target.server.resident_bytes() < KEPT_BYTES_MAX);
    let stays = target.server.resident_bytes() / MIB;
    assert!(back, "{name}: {stays} MiB stay");
    assert_eq!(client.call("plain"), "value");
    let healthy = client.call("counter:add:healthy").parse::<u64>();
    assert!(healthy.is_ok_and(|count| count > 0), "{name}");
}

fn report(name: &str, latencies: &Latencies, peak: u64) {
    println!(
        "{name}: {} gets, half within {:?}, 99 % {:?} (workers ran {:?}, {:?}); at most {} MiB resident",
        latencies.count(),
        latencies.get(50),
        latencies.get(99),
        latencies.ran(50),
        latencies.ran(99),
        peak / MIB
    );
}

#[test]
fn calls_are_stopped_soon_after_their_deadline() {
    let target = Target::start(0);
    let rounds = asked().map_or(4, |seconds| seconds.as_secs().clamp(4, 100));
    let late = |at_once: usize| {
        let late = (0..rounds).flat_map(|round| stop_late(&target, at_once, round));
        let mut late: Vec<Duration> = late.collect();
        late.sort_unstable();
        let (median, most) = (late[late.len() / 2], late[late.len() - 1]);
        println!(
            "deadline of {DEADLINE:?}: {} calls, {at_once} at a time, were stopped late by {median:?} in the median, {most:?} at most",
            late.len()
        );
        median
    };
    let (alone, among_others) = (late(1), late(STOPPED));
    let bound = LATE_MAX + SLACK;
    assert!(
        alone <= bound && among_others <= bound,
        "{alone:?}, {among_others:?}"
    );
    assert_eq!(target.server.connect().call("plain"), "value");
}

/// How long after their deadline endless calls are stopped, several at a time.
fn stop_late(target: &Target, at_once: usize, round: u64) -> Vec<Duration> {
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..at_once)
            .map(|number| {
                scope.spawn(move || {
                    let mut client = target.server.connect();
                    // A success between them keeps the function from being paused.
                    client.call(&format!("hostile:busy:x{at_once}-{number}-{round}:1"));
                    let begun = Instant::now();
                    let key = format!("hostile:busy:x{at_once}-{number}-{round}:99999999999999");
                    let reply = client.call(&key);
                    assert!(reply.contains("stopped at its deadline"), "{reply}");
                    begun.elapsed().saturating_sub(DEADLINE)
                })
            })
            .collect();
        let joined = calls.into_iter().map(|call| call.join());
        joined.map(|late| late.expect("it is answered")).collect()
    })
}

#[test]
fn who_has_not_logged_in_takes_no_memory() {
    let file = tools::scratch("attack-login").join("users");
    std::fs::write(&file, "ann:secret\n").expect("the directory is ours");
    let server = Server::start(&[
        "-m",
        "64",
        "-t",
        "2",
        "-c",
        "2000",
        "--client-memory",
        "64",
        "-Y",
        file.to_str().expect("the repository's path is UTF-8"),
    ]);
    let before = server.resident_bytes();
    server.forget_peak();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| loads::strangers().carry_out_on(server.address(), &stop));
        let lasts = asked().unwrap_or(Duration::from_millis(500));
        let latencies = Beside::logged_in(&server, "ann secret").measure(lasts);
        stop.store(true, Ordering::Relaxed);
        report("before login", &latencies, server.peak_bytes());
    });
    let grown = server.peak_bytes().saturating_sub(before);
    assert!(grown < 16 * MIB, "{} MiB", grown / MIB);
}
