//! The `swcounter` object: the last `size` numbers of a series, and their least, greatest and mean.
//!
//! Each slot is a field, its name the slot's number in big endian and its value a double, so that
//! adding costs the same however long the window is; slots never written have no field. The opaque
//! value holds the size and the slot written last.
#![forbid(unsafe_code)]

use cacheismo_sdk::number::{self, Lua};
use cacheismo_sdk::{Object, Word};

/// The answer when the counter does not exist.
const ABSENT: Word = Word("ERROR_CACHE_MISS");
/// Slots of a counter made without a size.
const DEFAULT_SLOTS: u32 = 16;
/// Most slots: a mean over more would be read for longer than a call may take.
const SLOTS_MAX: u32 = 65_536;

/// The type.
pub struct Swcounter;

/// The last numbers of a series: a sliding window. Every function but new answers ERROR_CACHE_MISS
/// when the counter does not exist. Slots not yet written count as 0. Numbers are decimal with
/// optional fraction and exponent, or hexadecimal as 0x1f; answers have 14 significant digits.
#[cacheismo_sdk::object(
    name = "swcounter",
    example = "get swcounter:new:c:3 swcounter:add:c:100 swcounter:getavg:c",
    value = true
)]
impl Swcounter {
    /// Makes a counter of the last size numbers, 16 when not given, replacing one that exists.
    /// CREATED, or NOT_CREATED when size is not a whole number from 1 to 65536; one that exists then stays.
    fn new(o: &mut Object, size: Option<&[u8]>) -> Result<Word, Word> {
        let slots = size
            .map_or(Some(DEFAULT_SLOTS), slots)
            .ok_or(Word("NOT_CREATED"))?;
        o.delete();
        State { slots, last: None }.store(o);
        Ok(Word("CREATED"))
    }

    /// Adds a number, which replaces the oldest once all slots are in use. SUCCESS, or
    /// ERROR_BAD_ARGUMENT when it is not a number.
    fn add(o: &mut Object, number: &[u8]) -> Result<Word, Word> {
        let mut state = State::load(o)?;
        let number = number::parse(number).ok_or(Word("ERROR_BAD_ARGUMENT"))?;
        let slot = state.last.map_or(0, |last| (last + 1) % state.slots);
        state.last = Some(slot);
        o.put(&slot.to_be_bytes(), &number.to_le_bytes());
        state.store(o);
        Ok(Word("SUCCESS"))
    }

    /// The number added last, 0 when there is none.
    fn getlast(o: &Object) -> Result<Lua, Word> {
        let last = State::load(o)?
            .last
            .and_then(|slot| o.get(&slot.to_be_bytes()));
        Ok(Lua::from(last.map_or(0.0, |bytes| double(&bytes))))
    }

    /// The least number.
    fn getmin(o: &Object) -> Result<Lua, Word> {
        let state = State::load(o)?;
        let start = if state.is_full(o) { f64::INFINITY } else { 0.0 };
        Ok(Lua::from(numbers(o).fold(start, f64::min)))
    }

    /// The greatest number, or 0 when all are negative.
    fn getmax(o: &Object) -> Result<Lua, Word> {
        State::load(o)?;
        Ok(Lua::from(numbers(o).fold(0.0, f64::max)))
    }

    /// The sum of all divided by the size.
    fn getavg(o: &Object) -> Result<Lua, Word> {
        let state = State::load(o)?;
        Ok(Lua::from(
            numbers(o).fold(0.0, |sum, number| sum + number) / f64::from(state.slots),
        ))
    }
}

fn slots(size: &[u8]) -> Option<u32> {
    let size = number::parse(size)?;
    // The range is checked first, so the conversion cannot cut anything off.
    (size.fract() == 0.0 && (1.0..=f64::from(SLOTS_MAX)).contains(&size)).then_some(size as u32)
}

/// The numbers of the slots that were written, in order of the slots.
fn numbers(o: &Object) -> impl Iterator<Item = f64> {
    let mut slots = o.scan();
    std::iter::from_fn(move || slots.next_entry().map(|(_, number)| double(number)))
}

/// A slot's value; only `add` writes one, always eight bytes.
fn double(bytes: &[u8]) -> f64 {
    bytes
        .first_chunk()
        .map_or(0.0, |bytes| f64::from_le_bytes(*bytes))
}

/// What the opaque value says: size and last slot as `u32`, the latter counted from 1 so that 0 is
/// none.
struct State {
    slots: u32,
    last: Option<u32>,
}

impl State {
    fn load(o: &Object) -> Result<Self, Word> {
        let mut bytes = [0; 8];
        o.value_read(0, &mut bytes).ok_or(ABSENT)?;
        let [s0, s1, s2, s3, l0, l1, l2, l3] = bytes;
        // A size is never 0: `new` checks it.
        let slots = u32::from_le_bytes([s0, s1, s2, s3]).max(1);
        Ok(Self {
            slots,
            last: u32::from_le_bytes([l0, l1, l2, l3]).checked_sub(1),
        })
    }

    fn store(&self, o: &mut Object) {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&self.slots.to_le_bytes());
        bytes[4..].copy_from_slice(&self.last.map_or(0, |last| last + 1).to_le_bytes());
        o.set_value(&bytes);
    }

    /// Whether every slot was written.
    fn is_full(&self, o: &Object) -> bool {
        o.count() == u64::from(self.slots)
    }
}
