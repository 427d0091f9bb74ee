//! The `counter` object: a whole number that is added to, and may have an end.
//!
//! The state is one opaque value of 8 bytes, the number. The end is the object's own expiry.
#![forbid(unsafe_code)]

use cacheismo_sdk::{Error, Object, Ttl, Word};

/// The answer when the counter does not exist.
const ABSENT: Word = Word("ERROR_CACHE_MISS");

/// Seconds in as many milliseconds as there can be.
const SECONDS_MAX: u64 = u64::MAX / 1000;

/// The type.
pub struct Counter;

/// A whole number of 64 bits that is added to. It may have an end, so many seconds after it was made.
#[cacheismo_sdk::object(
    name = "counter",
    example = "get counter:add:visits counter:add:login/ann:1:60",
    value = true
)]
impl Counter {
    /// Makes a counter that starts at a number, 0 when not given, and ends after so many seconds, or never.
    /// One that exists is replaced. CREATED.
    fn new(o: &mut Object, number: Option<i64>, seconds: Option<u64>) -> Word {
        o.delete();
        make(o, number.unwrap_or(0), seconds);
        Word("CREATED")
    }

    /// Adds an amount, 1 when not given, and answers the sum. A counter that does not exist is made, starting
    /// at 0; only then the seconds count, after which it ends. Refused when the sum is beyond 64 bits.
    fn add(o: &mut Object, amount: Option<i64>, seconds: Option<u64>) -> Result<i64, Error> {
        let amount = amount.unwrap_or(1);
        let Some(number) = read(o) else {
            make(o, amount, seconds);
            return Ok(amount);
        };
        let sum = number
            .checked_add(amount)
            .ok_or("the sum is beyond 64 bits")?;
        o.set_value(&sum.to_le_bytes());
        Ok(sum)
    }

    /// Adds an amount if the sum is from least to most, and answers the sum; else LIMITED, and the number stays. A counter
    /// that does not exist is made, starting at 0; only then the seconds count, after which it ends.
    fn addwithin(
        o: &mut Object,
        amount: i64,
        least: i64,
        most: i64,
        seconds: Option<u64>,
    ) -> Result<i64, Word> {
        let old = read(o);
        let sum = old
            .unwrap_or(0)
            .checked_add(amount)
            .filter(|sum| (least..=most).contains(sum))
            .ok_or(Word("LIMITED"))?;
        match old {
            Some(_) => o.set_value(&sum.to_le_bytes()),
            None => make(o, sum, seconds),
        }
        Ok(sum)
    }

    /// The number; ERROR_CACHE_MISS when there is no counter.
    fn get(o: &Object) -> Result<i64, Word> {
        read(o).ok_or(ABSENT)
    }

    /// Sets the number to 0 and answers what it was; its end stays. ERROR_CACHE_MISS when there is no counter.
    fn reset(o: &mut Object) -> Result<i64, Word> {
        let number = read(o).ok_or(ABSENT)?;
        o.set_value(&0i64.to_le_bytes());
        Ok(number)
    }
}

fn read(o: &Object) -> Option<i64> {
    let mut bytes = [0; 8];
    o.value_read(0, &mut bytes)?;
    Some(i64::from_le_bytes(bytes))
}

fn make(o: &mut Object, number: i64, seconds: Option<u64>) {
    o.set_value(&number.to_le_bytes());
    if let Some(seconds) = seconds {
        // No `saturating_mul`: in wasm it is a multiplication of 128 bits, and done even when there are no seconds.
        o.set_ttl(Ttl::Ms(seconds.min(SECONDS_MAX) * 1000));
    }
}
