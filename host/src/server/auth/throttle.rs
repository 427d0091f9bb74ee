//! How often an address may give a wrong password.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Instant;

use parking_lot::Mutex;

/// Wrong logins an address may give at once after silence.
const BURST: f32 = 50.0;
/// Wrong logins an address may give a second in the long run.
const PER_S: f32 = 5.0;
/// Counters for all addresses there are; addresses that meet in one count together.
const COUNTERS: usize = 4096;

/// Counts wrong logins by address, in a table that doesn't grow.
#[derive(Debug)]
pub(super) struct Throttle {
    counters: Mutex<Vec<Counter>>,
    started: Instant,
    /// A hasher with secret keys, so that nobody can choose to meet another's address.
    hasher: RandomState,
}

/// Wrong logins that are not forgotten yet, at this second since the start.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    wrong: f32,
    at_s: f32,
}

impl Throttle {
    pub(super) fn new(now: Instant) -> Throttle {
        Throttle {
            counters: Mutex::new(vec![Counter::default(); COUNTERS]),
            started: now,
            hasher: RandomState::new(),
        }
    }

    /// Whether a login from `host` may be tried now.
    pub(super) fn admits(&self, host: &str, now: Instant) -> bool {
        self.with_counter(host, now, |wrong| *wrong <= BURST - 1.0)
    }

    /// Notes that a login from `host` was wrong.
    pub(super) fn count_wrong(&self, host: &str, now: Instant) {
        self.with_counter(host, now, |wrong| *wrong += 1.0);
    }

    fn with_counter<R>(&self, host: &str, now: Instant, then: impl FnOnce(&mut f32) -> R) -> R {
        let at_s = now.saturating_duration_since(self.started).as_secs_f32();
        let mut counters = self.counters.lock();
        let counter = &mut counters[self.hasher.hash_one(network(host)) as usize % COUNTERS];
        counter.wrong = (counter.wrong - (at_s - counter.at_s) * PER_S).max(0.0);
        counter.at_s = at_s;
        then(&mut counter.wrong)
    }
}

/// What counts as one address: of IPv6 the network of 64 bits, which one machine may have to itself. 0 is this machine,
/// over a unix socket.
fn network(host: &str) -> u64 {
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.to_bits().into(),
        Ok(IpAddr::V6(address)) => (address.to_bits() >> 64) as u64,
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_address_that_guesses_is_slowed_down_and_others_are_not() {
        let start = Instant::now();
        let throttle = Throttle::new(start);
        let mut tried = 0;
        // A million guesses in ten seconds.
        for guess in 0..1_000_000 {
            let now = start + Duration::from_micros(guess * 10);
            if throttle.admits("10.0.0.1", now) {
                throttle.count_wrong("10.0.0.1", now);
                tried += 1;
            }
        }
        assert!((95..=100).contains(&tried), "{tried}");
        let later = start + Duration::from_secs(10);
        assert!(!throttle.admits("::ffff:10.0.0.1", later));
        let admitted = (2..250)
            .filter(|host| throttle.admits(&format!("10.0.0.{host}"), later))
            .count();
        assert!(admitted >= 245, "{admitted} of 248");
        assert!(throttle.admits("10.0.0.1", later + Duration::from_secs(1)));
    }

    #[test]
    fn a_network_of_64_bits_is_one_address() {
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("unix"), 0);
    }
}
