//! The `topk` object: the most frequent elements of a stream, however many different ones it has. Space-Saving.
//!
//! A fixed number of elements is counted. A new one takes the place of the one with the lowest count, and begins with
//! that count, as it may have been seen before so often at most: that is its error. `table` has the fields.
#![forbid(unsafe_code)]

mod table;

use cacheismo_sdk::number::Integer;
use cacheismo_sdk::{Error, Object, Reply, Stop, Word};
use table::{Count, DAMAGED, Head};

/// The answer when the topk does not exist.
const ABSENT: Word = Word("ERROR_CACHE_MISS");
/// The answer when an element is not among those that are counted.
const NOT_FOUND: Word = Word("NOT_FOUND");
/// Elements listed when no number is given.
const LISTED: u64 = 10;
/// Most elements that are counted.
const SLOTS_MAX: u32 = 1_000_000;
/// Longest element: it is part of names, and those are kept whole.
const ELEMENT_BYTES_MAX: usize = 64 * 1024;

/// The type.
pub struct Topk;

/// The most frequent elements of a stream. Of so many slots, each counts an element; a count may be too high by its
/// error, and never too low. An element that was seen more often than all additions divided by the slots is among them.
/// Every function but new answers ERROR_CACHE_MISS when there is no topk.
#[cacheismo_sdk::object(
    name = "topk",
    example = "get topk:new:pages:1000 topk:add:pages:/home topk:top:pages:10",
    value = true
)]
impl Topk {
    /// Makes an empty topk of so many slots, 1 to 1000000, replacing one that exists. Ten times as many slots as elements
    /// that are asked for are good. CREATED.
    fn new(o: &mut Object, slots: u32) -> Result<Word, Stop> {
        if !(1..=SLOTS_MAX).contains(&slots) {
            return Err("slots is not 1 to 1000000".into());
        }
        o.delete();
        Head::new(slots).store(o);
        Ok(Word("CREATED"))
    }

    /// Counts an element once, or so many times. Its count.
    fn add(o: &mut Object, element: &[u8], times: Option<u64>) -> Result<u64, Stop> {
        let mut head = existing(o)?;
        let (element, times) = (checked(element)?, times.unwrap_or(1));
        let old = table::count(o, element)?;
        let mut count = match old {
            Some(old) => old,
            None => head.room(o)?,
        };
        if let Some(old) = old {
            table::leave(o, old, element);
        }
        count.times = count.times.saturating_add(times);
        table::put(o, count, element);
        head.total = head.total.saturating_add(times);
        head.store(o);
        Ok(count.times)
    }

    /// Lists the elements of the highest counts, ten when no number is given: count, a space, element, CRLF.
    fn top(o: &Object, elements: Option<u64>, out: &mut Reply) -> Result<(), Stop> {
        existing(o)?;
        let mut highest = table::highest(o).limit(elements.unwrap_or(LISTED));
        while let Some(name) = highest.next_key() {
            let (times, element) = table::split(name).ok_or(DAMAGED)?;
            out.write(Integer::from(times).text());
            out.write(b" ");
            out.line(element);
        }
        Ok(())
    }

    /// How often an element was seen at most, or NOT_FOUND when it is not among those that are counted.
    fn count(o: &Object, element: &[u8]) -> Result<u64, Stop> {
        Ok(counted(o, element)?.times)
    }

    /// How often an element was seen at least, or NOT_FOUND when it is not among those that are counted.
    fn least(o: &Object, element: &[u8]) -> Result<u64, Stop> {
        Ok(counted(o, element)?.least())
    }

    /// How many elements were added, every time counted.
    fn total(o: &Object) -> Result<u64, Stop> {
        Ok(existing(o)?.total)
    }
}

fn existing(o: &Object) -> Result<Head, Stop> {
    Ok(Head::load(o)?.ok_or(ABSENT)?)
}

fn counted(o: &Object, element: &[u8]) -> Result<Count, Stop> {
    existing(o)?;
    Ok(table::count(o, element)?.ok_or(NOT_FOUND)?)
}

fn checked(element: &[u8]) -> Result<&[u8], Error> {
    if element.len() <= ELEMENT_BYTES_MAX {
        Ok(element)
    } else {
        Err("element is longer than 65536 bytes".into())
    }
}
