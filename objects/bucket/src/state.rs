//! The arithmetic of a bucket.
//!
//! ```text
//!  ┌──────────┬────────────┬────────┬────────────┬─────────┐
//!  │ capacity │ rate       │ tokens │ when       │ leaving │
//!  │ f64      │ f64, per s │ f64    │ i64, ms    │ 0 or 1  │
//!  └──────────┴────────────┴────────┴────────────┴─────────┘
//! ```
//! Numbers are little endian.

use cacheismo_sdk::{Object, Stop, Ttl};

/// Largest capacity and rate: up to here a double holds every whole number of tokens.
pub(crate) const NUMBER_MAX: f64 = 1e15;

/// What rounding may have lost: so little is not missed.
const EDGE: f64 = 1e-6;

const DAMAGED: &str = "the state of this bucket is damaged; delete it";

/// Longest lifetime that is set: ten years. A bucket that takes longer to fill is forgotten.
const LIFETIME_MS_MAX: f64 = 10.0 * 365.0 * 86_400_000.0;

/// A bucket as it was at a millisecond.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct State {
    capacity: f64,
    rate: f64,
    tokens: f64,
    at_ms: i64,
    /// The object expires when the bucket is full.
    leaving: bool,
}

impl State {
    const BYTES: usize = 33;

    pub(crate) fn full(capacity: f64, rate: f64, now_ms: i64) -> Self {
        Self {
            capacity,
            rate,
            tokens: capacity,
            at_ms: now_ms,
            leaving: false,
        }
    }

    /// The same, to expire when it is full.
    pub(crate) fn leaving(self) -> Self {
        Self {
            leaving: true,
            ..self
        }
    }

    pub(crate) fn load(o: &Object) -> Result<Option<Self>, Stop> {
        let mut bytes = [0; Self::BYTES];
        let Some(length) = o.value_read(0, &mut bytes) else {
            return Ok(None);
        };
        let word = |at: usize| std::array::from_fn(|i| bytes[at + i]);
        let state = Self {
            capacity: f64::from_le_bytes(word(0)),
            rate: f64::from_le_bytes(word(8)),
            tokens: f64::from_le_bytes(word(16)),
            at_ms: i64::from_le_bytes(word(24)),
            leaving: bytes[32] == 1,
        };
        let sound = length == Self::BYTES
            && [state.capacity, state.rate]
                .iter()
                .all(|number| *number > 0.0 && *number <= NUMBER_MAX)
            && (0.0..=state.capacity).contains(&state.tokens);
        sound.then_some(Some(state)).ok_or(DAMAGED.into())
    }

    pub(crate) fn store(&self, o: &mut Object, exists: bool) {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.capacity.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.rate.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.tokens.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.at_ms.to_le_bytes());
        bytes[32] = u8::from(self.leaving);
        // What has a lifetime has to be there. If it is, a value that is set last takes no host call.
        if self.leaving && exists {
            o.set_ttl(self.lifetime());
        }
        o.set_value(&bytes);
        if self.leaving && !exists {
            o.set_ttl(self.lifetime());
        }
    }

    /// Until the bucket is full. At least a millisecond: nothing lives for 0.
    fn lifetime(&self) -> Ttl {
        let ms = self.ms_to_gain(self.capacity - self.tokens);
        Ttl::Ms(ms.clamp(1.0, LIFETIME_MS_MAX) as u64)
    }

    /// The bucket later. A clock that was set back brings no tokens, and takes none.
    pub(crate) fn at(self, now_ms: i64) -> Self {
        let passed_ms = now_ms.saturating_sub(self.at_ms).max(0) as f64;
        let tokens = self.tokens + passed_ms * self.rate / 1000.0;
        Self {
            tokens: tokens.min(self.capacity),
            at_ms: now_ms,
            ..self
        }
    }

    /// The bucket with another capacity and rate from now on.
    pub(crate) fn with(self, capacity: f64, rate: f64, now_ms: i64) -> Self {
        let now = self.at(now_ms);
        Self {
            capacity,
            rate,
            tokens: now.tokens.min(capacity),
            ..now
        }
    }

    /// Takes so many tokens; false, and none is taken, when they are not there.
    pub(crate) fn take(&mut self, amount: f64) -> bool {
        let there = amount <= self.tokens + EDGE;
        if there {
            self.tokens = (self.tokens - amount).max(0.0);
        }
        there
    }

    /// Whole tokens.
    pub(crate) fn whole(&self) -> u64 {
        (self.tokens + EDGE) as u64
    }

    /// Milliseconds until so many tokens are there; `None` when they never are.
    pub(crate) fn ms_until(&self, amount: f64) -> Option<u64> {
        (amount <= self.capacity).then(|| self.ms_to_gain(amount - self.tokens - EDGE) as u64)
    }

    /// Whole milliseconds, 0 for what is there.
    fn ms_to_gain(&self, tokens: f64) -> f64 {
        (tokens * 1000.0 / self.rate).ceil().max(0.0)
    }
}
