//! The `quota` object: counts up to a limit within an hour, a day or a month of local time.
//!
//! The state is one opaque value of 25 bytes: the limit and the used amount as doubles, the end of
//! the window in Unix seconds, and the kind of window.
#![forbid(unsafe_code)]

mod window;

use cacheismo_sdk::{Object, Word, now_ms, number};
use window::Window;

/// The answer when the quota does not exist.
const ABSENT: Word = Word("ERROR_CACHE_MISS");
/// The answer to what is not a number.
const BAD_ARGUMENT: Word = Word("ERROR_BAD_ARGUMENT");

/// The type.
pub struct Quota;

/// So much per calendar hour, day or month of the server's local time. Every function but new
/// answers ERROR_CACHE_MISS when the quota does not exist. Numbers are decimal with optional
/// fraction and exponent, or hexadecimal as 0x1f.
#[cacheismo_sdk::object(
    name = "quota",
    example = "get quota:new:api:1000:hour quota:addandcheck:api:1",
    value = true
)]
impl Quota {
    /// Makes a quota of so much per month, day or hour, replacing one that exists. CREATED, or
    /// NOT_CREATED when limit is not a number or window none of these; one that exists then stays.
    fn new(o: &mut Object, limit: &[u8], window: &[u8]) -> Result<Word, Word> {
        let refused = Word("NOT_CREATED");
        let limit = number::parse(limit).ok_or(refused)?;
        let window = Window::named(window).ok_or(refused)?;
        o.delete();
        State::fresh(limit, window).store(o);
        Ok(Word("CREATED"))
    }

    /// Uses an amount, 1 when not given. QUOTA_OK, or QUOTA_EXCEEDED when that would be more than
    /// the limit; it is then not counted. A negative amount gives back. ERROR_BAD_ARGUMENT when it is not a number.
    fn addandcheck(o: &mut Object, amount: Option<&[u8]>) -> Result<Word, Word> {
        let mut state = State::load(o)?;
        let amount = amount
            .map_or(Some(1.0), number::parse)
            .ok_or(BAD_ARGUMENT)?;
        if now_s() > state.ends_s {
            state = State::fresh(state.limit, state.window);
        }
        let used = state.used + amount;
        if !used.is_finite() {
            return Err(BAD_ARGUMENT);
        }
        let fits = used <= state.limit;
        if fits {
            state.used = used;
        }
        state.store(o);
        Ok(Word(if fits { "QUOTA_OK" } else { "QUOTA_EXCEEDED" }))
    }

    /// Forgets what was used. QUOTA_OK.
    fn reset(o: &mut Object) -> Result<Word, Word> {
        let State { limit, window, .. } = State::load(o)?;
        State::fresh(limit, window).store(o);
        Ok(Word("QUOTA_OK"))
    }
}

fn now_s() -> i64 {
    now_ms().div_euclid(1000)
}

/// What the opaque value says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct State {
    limit: f64,
    used: f64,
    /// The window's last second; the count starts again after it.
    ends_s: i64,
    window: Window,
}

impl State {
    const BYTES: usize = 25;

    fn fresh(limit: f64, window: Window) -> Self {
        Self {
            limit,
            used: 0.0,
            ends_s: window.ends_s(now_s(), cacheismo_sdk::utc_offset_s),
            window,
        }
    }

    fn load(o: &Object) -> Result<Self, Word> {
        let mut bytes = [0; Self::BYTES];
        // An object of this type always has its value: `new` writes both at once.
        o.value_read(0, &mut bytes).ok_or(ABSENT)?;
        let word = |at: usize| std::array::from_fn(|i| bytes[at + i]);
        Ok(Self {
            limit: f64::from_le_bytes(word(0)),
            used: f64::from_le_bytes(word(8)),
            ends_s: i64::from_le_bytes(word(16)),
            window: Window::from_byte(bytes[24]),
        })
    }

    fn store(&self, o: &mut Object) {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.limit.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.used.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.ends_s.to_le_bytes());
        bytes[24] = self.window as u8;
        o.set_value(&bytes);
    }
}
