//! The `bloom` object: whether an element was added, in some bits for each element, with a small share of wrong yes.
//!
//! A Bloom filter in blocks: all bits of an element are in one block, so that a call reads and writes one field. `shape` says
//! how many blocks and bits that takes, `bits` which ones.
#![forbid(unsafe_code)]

mod bits;
mod shape;

use bits::{BLOCK_BYTES, Bits};
use cacheismo_sdk::number::Integer;
use cacheismo_sdk::{Object, Reply, Rest, Stop, Word, random};
use shape::{Filter, Shape};

/// The answer when the filter does not exist.
const ABSENT: Word = Word("ERROR_CACHE_MISS");
/// Share of wrong yes when none is given.
const ERROR_DEFAULT: f64 = 0.01;

/// The type.
pub struct Bloom;

/// Whether an element was added, in ten bits for each: a no is sure, a yes is wrong for a small share of the elements that
/// were never added. Every function but new answers ERROR_CACHE_MISS when there is no filter.
#[cacheismo_sdk::object(
    name = "bloom",
    example = "get bloom:new:seen:100000:0.001 bloom:add:seen:ann bloom:exist:seen:bob",
    value = true
)]
impl Bloom {
    /// Makes a filter for so many elements, replacing one that exists. Once as many were added, at most that share of
    /// others is taken for added, 0.01 when not given; of more elements, a larger share. CREATED.
    fn new(o: &mut Object, capacity: u64, error: Option<f64>) -> Result<Word, Stop> {
        let shape = Shape::of(capacity, error.unwrap_or(ERROR_DEFAULT))?;
        o.delete();
        Filter::new(shape, capacity, random()).store(o);
        Ok(Word("CREATED"))
    }

    /// Adds elements. How many of them are new for sure; of those that are not counted, a small share may be new as well.
    fn add(o: &mut Object, element: &[u8], elements: Rest) -> Result<u64, Stop> {
        let mut filter = existing(o)?;
        let mut new = 0;
        for element in [element].into_iter().chain(elements) {
            let bits = Bits::of(element, &filter);
            let mut block = bits.load(o)?;
            if bits.set(&mut block) {
                bits.store(o, &block);
                new += 1;
            }
        }
        if new > 0 {
            filter.added = filter.added.saturating_add(new);
            filter.store(o);
        }
        Ok(new)
    }

    /// Looks for an element. EXISTS, or NOT_FOUND when it was never added.
    fn exist(o: &Object, element: &[u8]) -> Result<Word, Stop> {
        let bits = Bits::of(element, &existing(o)?);
        let there = bits.are_set(&bits.load(o)?);
        if there {
            Ok(Word("EXISTS"))
        } else {
            Err(Word("NOT_FOUND").into())
        }
    }

    /// How many elements were added, without those that were there already.
    fn count(o: &Object) -> Result<u64, Stop> {
        Ok(existing(o)?.added)
    }

    /// Lists what the filter is like: capacity, count, bits for each element that is added, and bytes when full.
    fn info(o: &Object, out: &mut Reply) -> Result<(), Stop> {
        let filter = existing(o)?;
        let bytes = u64::from(filter.shape.blocks) * BLOCK_BYTES as u64;
        for (name, number) in [
            ("capacity", filter.capacity),
            ("count", filter.added),
            ("bits", filter.shape.bits.into()),
            ("bytes", bytes),
        ] {
            out.write(name.as_bytes());
            out.write(b" : ");
            out.line(Integer::from(number).text());
        }
        Ok(())
    }
}

fn existing(o: &Object) -> Result<Filter, Stop> {
    Ok(Filter::load(o)?.ok_or(ABSENT)?)
}
