//! A chunk: up to [`SLOTS`] neighbours of a list in one field, so that a small element costs a byte and not a field.
//!
//! ```text
//!  ┌───────────────┬───────┐
//!  │ length 0..254 │ bytes │  a short element
//!  └───────────────┴───────┘
//!  ┌──────┐
//!  │ 0xff │                  a long element, which has a field of its own
//!  └──────┘
//! ```

use crate::End;

/// Positions that a chunk covers.
pub(crate) const SLOTS: u64 = 16;
/// A longer element has a field of its own, so that a chunk stays small whatever is in the list.
pub(crate) const SHORT_BYTES_MAX: usize = 254;
/// In place of the length of an element that is elsewhere.
const LONG: u8 = 0xff;
/// All slots full.
const BYTES_MAX: usize = SLOTS as usize * (1 + SHORT_BYTES_MAX);
/// Room to read a chunk into: most are shorter, and a longer one is read again.
const READ_BYTES: usize = 512;

/// A slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot<'c> {
    /// The element.
    Short(&'c [u8]),
    /// The element is in the field of its position.
    Long,
}

impl<'c> Slot<'c> {
    /// The slot of an element.
    pub(crate) fn of(element: &'c [u8]) -> Self {
        if element.len() <= SHORT_BYTES_MAX {
            Self::Short(element)
        } else {
            Self::Long
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Short(element) => 1 + element.len(),
            Self::Long => 1,
        }
    }

    /// The slot at the front of `bytes`; `None` when the bytes are no slot.
    fn read(bytes: &'c [u8]) -> Option<Self> {
        match *bytes.first()? {
            LONG => Some(Self::Long),
            length if usize::from(length) <= SHORT_BYTES_MAX => {
                bytes[1..].get(..usize::from(length)).map(Self::Short)
            }
            _ => None,
        }
    }

    fn write(self, out: &mut [u8]) {
        match self {
            Self::Short(element) => {
                out[0] = element.len() as u8;
                out[1..].copy_from_slice(element);
            }
            Self::Long => out[0] = LONG,
        }
    }
}

/// The slots of a chunk that are in use.
pub(crate) struct Chunk {
    /// At least as long as what is in it.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Chunk {
    pub(crate) fn empty() -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            end: 0,
        }
    }

    /// Reads a chunk of so many slots with `get`, which copies what fits and returns the full length. `None` when
    /// there is none, or not one of so many slots.
    pub(crate) fn read(slots: usize, get: impl Fn(&mut [u8]) -> Option<usize>) -> Option<Self> {
        let mut chunk = Self::empty();
        chunk.buffer.resize(READ_BYTES, 0);
        chunk.end = get(&mut chunk.buffer)?;
        if chunk.end > BYTES_MAX {
            return None;
        }
        if chunk.end > READ_BYTES {
            chunk.buffer.resize(chunk.end, 0);
            get(&mut chunk.buffer)?;
        }
        let sum = |(count, used), slot: Slot<'_>| (count + 1, used + slot.bytes());
        (chunk.slots().fold((0, 0), sum) == (slots, chunk.end)).then_some(chunk)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The slots in order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot<'_>> {
        slots(self.bytes())
    }

    /// The first or the last slot.
    pub(crate) fn slot_at(&self, end: End) -> Option<Slot<'_>> {
        match end {
            End::Left => self.slots().next(),
            End::Right => self.slots().last(),
        }
    }

    /// Adds a slot.
    pub(crate) fn push(&mut self, end: End, slot: Slot<'_>) {
        let at = match end {
            End::Left => 0,
            End::Right => self.end - self.start,
        };
        self.replace(at, 0, slot);
    }

    /// Removes the first or the last slot.
    pub(crate) fn pop(&mut self, end: End) {
        let Some(bytes) = self.slot_at(end).map(Slot::bytes) else {
            return;
        };
        match end {
            End::Left => self.start += bytes,
            End::Right => self.end -= bytes,
        }
    }

    /// Puts another element into a slot that is there.
    pub(crate) fn set(&mut self, index: usize, slot: Slot<'_>) {
        let at = self.slots().take(index).map(Slot::bytes).sum();
        let old = self.slots().nth(index).map_or(0, Slot::bytes);
        self.replace(at, old, slot);
    }

    /// Puts a slot in place of the `old` bytes at `at`, counted from the first slot.
    fn replace(&mut self, at: usize, old: usize, slot: Slot<'_>) {
        let used = self.end - self.start;
        let new = slot.bytes();
        self.buffer.copy_within(self.start..self.end, 0);
        self.buffer.resize(self.buffer.len().max(used + new), 0);
        self.buffer.copy_within(at + old..used, at + new);
        slot.write(&mut self.buffer[at..at + new]);
        (self.start, self.end) = (0, used - old + new);
    }
}

/// Walks slots; ends at bytes that are none.
pub(crate) fn slots(mut bytes: &[u8]) -> impl Iterator<Item = Slot<'_>> {
    std::iter::from_fn(move || {
        let slot = Slot::read(bytes)?;
        bytes = &bytes[slot.bytes()..];
        Some(slot)
    })
}
