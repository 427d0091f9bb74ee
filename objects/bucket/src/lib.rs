//! The `bucket` object: a token bucket. Tokens are taken, and come back at a rate up to a capacity.
//!
//! The state is one opaque value: `state` has its bytes and the arithmetic.
#![forbid(unsafe_code)]

mod state;

use cacheismo_sdk::{Error, Object, Stop, Word, now_ms};
use state::State;

/// The answer when the bucket does not exist.
const ABSENT: Word = Word("ERROR_CACHE_MISS");
/// The answer when the tokens were there and are taken.
const OK: Word = Word("OK");
/// The answer when there are too few, and none is taken.
const LIMITED: Word = Word("LIMITED");

/// The type.
pub struct Bucket;

/// Tokens that are taken, and come back at a rate of so many each second up to a capacity. All numbers may have fractions.
/// Every function but new and limit answers ERROR_CACHE_MISS when there is no bucket.
#[cacheismo_sdk::object(
    name = "bucket",
    example = "get bucket:limit:login/ann:5:0.1 bucket:new:api:100:20 bucket:take:api:3",
    value = true
)]
impl Bucket {
    /// Makes a full bucket, replacing one that exists. CREATED.
    fn new(o: &mut Object, capacity: f64, rate: f64) -> Result<Word, Stop> {
        let state = State::full(
            checked(capacity, "capacity")?,
            checked(rate, "rate")?,
            now_ms(),
        );
        o.delete();
        state.store(o, true);
        Ok(Word("CREATED"))
    }

    /// Takes so many tokens, 1 when not given. OK, or LIMITED when they are not there; none is taken then.
    fn take(o: &mut Object, amount: Option<f64>) -> Result<Word, Stop> {
        let state = existing(o)?;
        take(o, state, true, amount)
    }

    /// Takes so many tokens, 1 when not given, from a bucket of that capacity and rate, which is made when it is not
    /// there and leaves by itself when it is full again. OK or LIMITED.
    fn limit(o: &mut Object, capacity: f64, rate: f64, amount: Option<f64>) -> Result<Word, Stop> {
        let (capacity, rate) = (checked(capacity, "capacity")?, checked(rate, "rate")?);
        match State::load(o)? {
            Some(state) => take(o, state.with(capacity, rate, now_ms()), true, amount),
            None => {
                let state = State::full(capacity, rate, now_ms()).leaving();
                take(o, state, false, amount)
            }
        }
    }

    /// How many whole tokens there are.
    fn left(o: &Object) -> Result<u64, Stop> {
        Ok(existing(o)?.at(now_ms()).whole())
    }

    /// Milliseconds until so many tokens are there, 1 when not given; NEVER when the bucket does not hold as many.
    fn wait(o: &Object, amount: Option<f64>) -> Result<u64, Stop> {
        let amount = checked_amount(amount)?;
        let state = existing(o)?.at(now_ms());
        Ok(state.ms_until(amount).ok_or(Word("NEVER"))?)
    }
}

fn existing(o: &Object) -> Result<State, Stop> {
    Ok(State::load(o)?.ok_or(ABSENT)?)
}

#[inline]
fn take(o: &mut Object, state: State, exists: bool, amount: Option<f64>) -> Result<Word, Stop> {
    let amount = checked_amount(amount)?;
    let mut state = state.at(now_ms());
    if !state.take(amount) {
        // Nothing to remember: the tokens that came back meanwhile come back again.
        return Ok(LIMITED);
    }
    state.store(o, exists);
    Ok(OK)
}

/// What a bucket is made of: a number above 0, and not so large that tokens are lost in it.
fn checked(number: f64, name: &str) -> Result<f64, Error> {
    if number > 0.0 && number <= state::NUMBER_MAX {
        Ok(number)
    } else {
        Err(Error::new(
            [name, " is not above 0 and at most 1e15"].concat(),
        ))
    }
}

fn checked_amount(amount: Option<f64>) -> Result<f64, Error> {
    match amount.unwrap_or(1.0) {
        amount if amount >= 0.0 => Ok(amount),
        _ => Err("amount is below 0".into()),
    }
}
