//! The `list` object: elements in order, added and taken at both ends.
//!
//! Every element has a position, a number that it keeps; neighbours share a field. So both ends, and any
//! index, are found without a look at the rest. `deque` has the layout, `chunk` the bytes of a field.
#![forbid(unsafe_code)]

mod chunk;
mod deque;

use cacheismo_sdk::{Error, Object, Reply, Rest, Stop, Word};
use chunk::Slot;
use deque::Span;

/// The answer when the list does not exist.
const ABSENT: Word = Word("ERROR_CACHE_MISS");
/// The answer when there is no element of that index.
const NOT_FOUND: Word = Word("NOT_FOUND");

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Where index 0 is.
    Left,
    /// Where index -1 is.
    Right,
}

impl End {
    fn named(word: &[u8], argument: &str) -> Result<Self, Error> {
        match word {
            b"left" => Ok(Self::Left),
            b"right" => Ok(Self::Right),
            _ => Err(Error::new([argument, " is not left or right"].concat())),
        }
    }
}

/// The type.
pub struct List;

/// Elements in order. A push makes the list, and when its last element leaves, the list ends with it; every other
/// function answers ERROR_CACHE_MISS when there is no list. An index counts from 0 at the left, or from -1 at the right.
/// Listings have CRLF behind each element.
#[cacheismo_sdk::object(
    name = "list",
    example = "get list:rpush:jobs:wash:dry list:lpop:jobs list:range:jobs:0:-1",
    value = true
)]
impl List {
    /// Adds elements at the left, one after the other, so that the last one given comes first. The new length.
    fn lpush(o: &mut Object, element: &[u8], elements: Rest) -> Result<u64, Stop> {
        push(o, End::Left, element, elements)
    }

    /// Adds elements at the right. The new length.
    fn rpush(o: &mut Object, element: &[u8], elements: Rest) -> Result<u64, Stop> {
        push(o, End::Right, element, elements)
    }

    /// Takes the element at the left; with a count, lists up to so many.
    fn lpop(o: &mut Object, count: Option<u64>, out: &mut Reply) -> Result<(), Stop> {
        pop(o, End::Left, count, out)
    }

    /// Takes the element at the right; with a count, lists up to so many.
    fn rpop(o: &mut Object, count: Option<u64>, out: &mut Reply) -> Result<(), Stop> {
        pop(o, End::Right, count, out)
    }

    /// Takes an element from one end of this list, adds it at an end of the other, which may be the same list, and
    /// answers it. Ends are left or right.
    fn r#move(
        o: &mut Object,
        other: &[u8],
        from: &[u8],
        to: &[u8],
        out: &mut Reply,
    ) -> Result<(), Stop> {
        let (from, to) = (End::named(from, "from")?, End::named(to, "to")?);
        let mut span = existing(o)?;
        let mut element = Vec::new();
        deque::pop(o, &mut span, from, 1, |o, position, slot| {
            match slot {
                Slot::Short(bytes) => element.extend_from_slice(bytes),
                Slot::Long => element = deque::long(o, position)?.into_vec(),
            }
            Ok(())
        })?;
        let elements = [&element[..]].into_iter();
        if other == o.key() {
            deque::push(o, &mut span, to, elements)?;
        } else {
            let mut other = o.open_mut("list", other);
            let mut span = Span::load(&other)?.unwrap_or_default();
            deque::push(&mut other, &mut span, to, elements)?;
            deque::keep(&mut other, span);
        }
        deque::keep(o, span);
        out.write(&element);
        Ok(())
    }

    /// Number of elements.
    fn len(o: &Object) -> Result<u64, Stop> {
        Ok(existing(o)?.length)
    }

    /// The element of an index, or NOT_FOUND.
    fn index(o: &Object, index: i64, out: &mut Reply) -> Result<(), Stop> {
        let span = existing(o)?;
        let position = span.position(index).ok_or(NOT_FOUND)?;
        deque::with(o, span, position, |slot| write(o, position, slot, out))
    }

    /// Puts another element in the place of an index. SUCCESS, or NOT_FOUND when there is no such index.
    fn set(o: &mut Object, index: i64, element: &[u8]) -> Result<Word, Stop> {
        let span = existing(o)?;
        let position = span.position(index).ok_or(NOT_FOUND)?;
        deque::set(o, span, position, element)?;
        Ok(Word("SUCCESS"))
    }

    /// Lists the elements from one index to another, both included; those that are not there are left out.
    fn range(o: &Object, from: i64, to: i64, out: &mut Reply) -> Result<(), Stop> {
        let span = existing(o)?;
        deque::each(o, span, span.range(from, to), |position, slot| {
            write(o, position, slot, out)?;
            out.write(b"\r\n");
            Ok(())
        })
    }

    /// Keeps the elements from one index to another, both included, and removes all others. SUCCESS.
    fn trim(o: &mut Object, from: i64, to: i64) -> Result<Word, Stop> {
        let mut span = existing(o)?;
        let kept = span.range(from, to);
        let (left, right) = (kept.start - span.first, span.end() - kept.end);
        if kept.is_empty() {
            o.delete();
            return Ok(Word("SUCCESS"));
        }
        deque::pop(o, &mut span, End::Left, left, |_, _, _| Ok(()))?;
        deque::pop(o, &mut span, End::Right, right, |_, _, _| Ok(()))?;
        deque::keep(o, span);
        Ok(Word("SUCCESS"))
    }
}

fn existing(o: &Object) -> Result<Span, Stop> {
    Ok(Span::load(o)?.ok_or(ABSENT)?)
}

// One copy for both ends: the module is half as large.
#[inline(never)]
fn push(o: &mut Object, end: End, first: &[u8], others: Rest) -> Result<u64, Stop> {
    let mut span = Span::load(o)?.unwrap_or_default();
    deque::push(o, &mut span, end, [first].into_iter().chain(others))?;
    deque::keep(o, span);
    Ok(span.length)
}

#[inline(never)]
fn pop(o: &mut Object, end: End, count: Option<u64>, out: &mut Reply) -> Result<(), Stop> {
    let mut span = existing(o)?;
    deque::pop(
        o,
        &mut span,
        end,
        count.unwrap_or(1),
        |o, position, slot| {
            write(o, position, slot, out)?;
            if count.is_some() {
                out.write(b"\r\n");
            }
            Ok(())
        },
    )?;
    deque::keep(o, span);
    Ok(())
}

/// Answers an element; a long one does not pass through the module.
#[inline]
fn write(o: &Object, position: u64, slot: Slot<'_>, out: &mut Reply) -> Result<(), Stop> {
    match slot {
        Slot::Short(element) => out.write(element),
        Slot::Long if out.field(o, &deque::long_name(position), &[]) => {}
        Slot::Long => return Err(deque::DAMAGED.into()),
    }
    Ok(())
}
