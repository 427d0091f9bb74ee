//! The `hll` object: about how many different elements there were, in at most 12 KiB however many. HyperLogLog.
//!
//! `chunk` has the registers, `estimate` makes a number of them, `hash` says which register an element concerns.
#![forbid(unsafe_code)]

mod chunk;
mod estimate;
mod hash;

use cacheismo_sdk::{Object, Rest, Stop, Word};
use chunk::{CHUNKS, Chunk, SLOTS};
use estimate::Histogram;

/// The answer when the hll does not exist.
const ABSENT: Word = Word("ERROR_CACHE_MISS");
/// Registers.
pub(crate) const REGISTERS: usize = CHUNKS * SLOTS;

/// The type.
pub struct Hll;

/// About how many different elements there were, with a standard error of 0.81 %, in at most 12 KiB. add and merge make the
/// hll; count answers ERROR_CACHE_MISS when there is none.
#[cacheismo_sdk::object(
    name = "hll",
    example = "get hll:add:visitors/mon:ann:bob hll:count:visitors/mon:visitors/tue",
    value = true
)]
impl Hll {
    /// Counts elements. 1 when the estimate may have changed, else 0.
    fn add(o: &mut Object, element: &[u8], elements: Rest) -> Result<bool, Stop> {
        let mut histogram = Histogram::load(o)?.unwrap_or_else(Histogram::empty);
        let mut changed = false;
        for element in [element].into_iter().chain(elements) {
            let (register, rank) = hash::place(element);
            let (number, slot) = (register / SLOTS, register % SLOTS);
            let mut chunk = Chunk::load(o, number)?;
            let old = chunk.get(slot);
            if rank > old {
                chunk.set(slot, rank);
                chunk.store(o, number);
                histogram.change(old, rank)?;
                changed = true;
            }
        }
        if changed {
            histogram.store(o);
        }
        Ok(changed)
    }

    /// About how many different elements there were in this one, or in this one and the others together; others
    /// that do not exist count nothing.
    fn count(o: &Object, others: Rest) -> Result<u64, Stop> {
        let histogram = Histogram::load(o)?.ok_or(ABSENT)?;
        let mut others = others.peekable();
        if others.peek().is_none() {
            return Ok(histogram.estimate());
        }
        let mut registers = vec![0; REGISTERS];
        raise(&mut registers, o)?;
        for other in others {
            raise(&mut registers, &o.open("hll", other))?;
        }
        Ok(Histogram::of(&registers)?.estimate())
    }

    /// Counts what others have counted, too; others that do not exist count nothing. SUCCESS.
    fn merge(o: &mut Object, other: &[u8], others: Rest) -> Result<Word, Stop> {
        let mut registers = vec![0; REGISTERS];
        raise(&mut registers, o)?;
        for other in [other].into_iter().chain(others) {
            raise(&mut registers, &o.open("hll", other))?;
        }
        for (number, slots) in registers.chunks_exact(SLOTS).enumerate() {
            let chunk = Chunk::of(slots);
            if !chunk.is_empty() {
                chunk.store(o, number);
            }
        }
        Histogram::of(&registers)?.store(o);
        Ok(Word("SUCCESS"))
    }
}

/// Raises registers to those of an object.
fn raise(registers: &mut [u8], o: &Object) -> Result<(), Stop> {
    let mut chunks = o.scan();
    while let Some((name, bytes)) = chunks.next_entry() {
        let (number, chunk) = Chunk::read(name, bytes)?;
        for (slot, register) in registers[number * SLOTS..][..SLOTS].iter_mut().enumerate() {
            *register = chunk.get(slot).max(*register);
        }
    }
    Ok(())
}
