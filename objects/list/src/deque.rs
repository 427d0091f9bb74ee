//! The fields of a list.
//!
//! | where | what |
//! | --- | --- |
//! | opaque value | position of the first element, number of elements: both u64, little endian |
//! | field `c`, number (u64) | the chunk of that number: positions `16 * number` to `16 * number + 15` |
//! | field `e`, position (u64) | an element longer than a chunk takes |
//!
//! Numbers in names are big endian, so that chunks are listed in order. Positions grow to the right, from the middle of
//! all numbers. A list always has an element: the object goes with the last one.

use std::ops::Range;

use cacheismo_sdk::{Object, Stop, Value};

use crate::End;
use crate::chunk::{Chunk, SLOTS, Slot, slots};

/// The refusal when the state is not what this module writes.
pub(crate) const DAMAGED: &str = "the state of this list is damaged; delete it";

/// Position of the first element of a new list.
const MIDDLE: u64 = 1 << 63;

const CHUNK: u8 = b'c';
const LONG: u8 = b'e';

/// Which positions the list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) length: u64,
}

impl Default for Span {
    fn default() -> Self {
        Self {
            first: MIDDLE,
            length: 0,
        }
    }
}

impl Span {
    const BYTES: usize = 16;

    /// Reads it; `None` when there is no list.
    #[inline]
    pub(crate) fn load(o: &Object) -> Result<Option<Self>, Stop> {
        let mut bytes = [0; Self::BYTES];
        let Some(length) = o.value_read(0, &mut bytes) else {
            return Ok(None);
        };
        let [first, count] =
            [0, 8].map(|at| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i])));
        let span = Self {
            first,
            length: count,
        };
        let sound = length == Self::BYTES && count > 0 && first.checked_add(count).is_some();
        sound.then_some(Some(span)).ok_or(DAMAGED.into())
    }

    pub(crate) fn end(self) -> u64 {
        self.first + self.length
    }

    /// The position of an index.
    pub(crate) fn position(self, index: i64) -> Option<u64> {
        let position = match u64::try_from(index) {
            Ok(index) => self.first.checked_add(index)?,
            Err(_) => self.end().checked_sub(index.unsigned_abs())?,
        };
        (self.first..self.end())
            .contains(&position)
            .then_some(position)
    }

    /// The positions from one index to another, both included, as far as they are there.
    pub(crate) fn range(self, from: i64, to: i64) -> Range<u64> {
        let bound = |index: i64, plus: u64| {
            let position = match u64::try_from(index) {
                Ok(index) => self.first.saturating_add(index),
                Err(_) => self.end().saturating_sub(index.unsigned_abs()),
            };
            position.saturating_add(plus).clamp(self.first, self.end())
        };
        let (start, end) = (bound(from, 0), bound(to, 1));
        start..end.max(start)
    }

    /// Adds a position at that end.
    fn grow(&mut self, end: End) -> Option<u64> {
        let position = match end {
            End::Left => self.first.checked_sub(1)?,
            // The end has to be a position, too.
            End::Right => self.end().checked_add(1)? - 1,
        };
        self.first = self.first.min(position);
        self.length += 1;
        Some(position)
    }

    /// The position at that end.
    fn at(self, end: End) -> u64 {
        match end {
            End::Left => self.first,
            End::Right => self.end() - 1,
        }
    }

    /// Takes the position away at that end.
    fn shrink(&mut self, end: End) {
        self.first += u64::from(end == End::Left);
        self.length -= 1;
    }

    /// How many elements a chunk has.
    fn slots_of(self, number: u64) -> usize {
        let first = number * SLOTS;
        let end = first.saturating_add(SLOTS).min(self.end());
        end.saturating_sub(first.max(self.first)) as usize
    }
}

fn name(kind: u8, number: u64) -> [u8; 9] {
    let mut name = [kind; 9];
    name[1..].copy_from_slice(&number.to_be_bytes());
    name
}

/// The field of a long element.
pub(crate) fn long_name(position: u64) -> [u8; 9] {
    name(LONG, position)
}

/// A long element.
pub(crate) fn long(o: &Object, position: u64) -> Result<Value, Stop> {
    Ok(o.get(&long_name(position)).ok_or(DAMAGED)?)
}

fn load(o: &Object, span: Span, number: u64) -> Result<Chunk, Stop> {
    let read = |out: &mut [u8]| o.get_into(&name(CHUNK, number), out);
    Ok(Chunk::read(span.slots_of(number), read).ok_or(DAMAGED)?)
}

fn store(o: &mut Object, number: u64, chunk: &Chunk) {
    if chunk.is_empty() {
        o.remove(&name(CHUNK, number));
    } else {
        o.put(&name(CHUNK, number), chunk.bytes());
    }
}

/// Stores which positions there are; ends the list when there are none.
#[inline]
pub(crate) fn keep(o: &mut Object, span: Span) {
    if span.length == 0 {
        o.delete();
        return;
    }
    let mut bytes = [0; Span::BYTES];
    bytes[..8].copy_from_slice(&span.first.to_le_bytes());
    bytes[8..].copy_from_slice(&span.length.to_le_bytes());
    o.set_value(&bytes);
}

/// Adds elements at an end, one after the other. The span is for [`keep`].
#[inline]
pub(crate) fn push<'e>(
    o: &mut Object,
    span: &mut Span,
    end: End,
    elements: impl Iterator<Item = &'e [u8]>,
) -> Result<(), Stop> {
    let mut open: Option<(u64, Chunk)> = None;
    for element in elements {
        let before = *span;
        let position = span.grow(end).ok_or("no room at this end of the list")?;
        let number = position / SLOTS;
        if open.as_ref().is_none_or(|(open, _)| *open != number) {
            if let Some((number, full)) = &open {
                store(o, *number, full);
            }
            let chunk = match before.slots_of(number) {
                0 => Chunk::empty(),
                _ => load(o, before, number)?,
            };
            open = Some((number, chunk));
        }
        let slot = Slot::of(element);
        if slot == Slot::Long {
            o.put(&long_name(position), element);
        }
        if let Some((_, chunk)) = &mut open {
            chunk.push(end, slot);
        }
    }
    if let Some((number, chunk)) = &open {
        store(o, *number, chunk);
    }
    Ok(())
}

/// Takes up to so many elements from an end, one after the other, and lends each to `take` before the element goes. The
/// span is for [`keep`].
#[inline]
pub(crate) fn pop(
    o: &mut Object,
    span: &mut Span,
    end: End,
    count: u64,
    mut take: impl FnMut(&Object, u64, Slot<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut left = count.min(span.length);
    while left > 0 {
        let number = span.at(end) / SLOTS;
        let mut chunk = load(o, *span, number)?;
        while let Some(slot) = chunk.slot_at(end).filter(|_| left > 0) {
            let position = span.at(end);
            take(o, position, slot)?;
            if slot == Slot::Long {
                o.remove(&long_name(position));
            }
            chunk.pop(end);
            span.shrink(end);
            left -= 1;
        }
        store(o, number, &chunk);
    }
    Ok(())
}

/// Lends the slot of a position.
#[inline]
pub(crate) fn with<R>(
    o: &Object,
    span: Span,
    position: u64,
    look: impl FnOnce(Slot<'_>) -> Result<R, Stop>,
) -> Result<R, Stop> {
    let number = position / SLOTS;
    let chunk = load(o, span, number)?;
    let index = (position - span.first.max(number * SLOTS)) as usize;
    let slot = chunk.slots().nth(index).ok_or(DAMAGED)?;
    look(slot)
}

/// Puts another element at a position.
pub(crate) fn set(o: &mut Object, span: Span, position: u64, element: &[u8]) -> Result<(), Stop> {
    let number = position / SLOTS;
    let mut chunk = load(o, span, number)?;
    let index = (position - span.first.max(number * SLOTS)) as usize;
    let (old, new) = (chunk.slots().nth(index), Slot::of(element));
    match (old, new) {
        (_, Slot::Long) => drop(o.put(&long_name(position), element)),
        (Some(Slot::Long), _) => drop(o.remove(&long_name(position))),
        _ => {}
    }
    chunk.set(index, new);
    store(o, number, &chunk);
    Ok(())
}

/// Lends the slots of some positions in order. Several chunks come with one host call.
#[inline]
pub(crate) fn each(
    o: &Object,
    span: Span,
    mut positions: Range<u64>,
    mut look: impl FnMut(u64, Slot<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut chunks = o.scan().at(&name(CHUNK, positions.start / SLOTS));
    while !positions.is_empty() {
        let number = positions.start / SLOTS;
        let (found, bytes) = chunks.next_entry().ok_or(DAMAGED)?;
        if found != name(CHUNK, number) {
            return Err(DAMAGED.into());
        }
        let first = span.first.max(number * SLOTS);
        let here = positions.start..(first + span.slots_of(number) as u64).min(positions.end);
        let before = (positions.start - first) as usize;
        for (position, slot) in here.zip(slots(bytes).skip(before)) {
            look(position, slot)?;
            positions.start = position + 1;
        }
    }
    Ok(())
}
