//! The fields of a topk.
//!
//! | where | what |
//! | --- | --- |
//! | opaque value | all additions (u64), slots (u32), slots in use (u32), little endian |
//! | field `e`, element | its count and the error of that (u64 each, little endian) |
//! | field `c`, count (u64, big endian), element | nothing: these fields are the order of counts |

use cacheismo_sdk::{Object, Scan, Stop};

/// The refusal when the state is not what this module writes.
pub(crate) const DAMAGED: &str = "the state of this topk is damaged; delete it";

const ELEMENT: u8 = b'e';
const ORDER: u8 = b'c';

/// How often an element was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// At most.
    pub(crate) times: u64,
    /// How much that may be too high.
    error: u64,
}

impl Count {
    const BYTES: usize = 16;

    /// How often at least.
    pub(crate) fn least(self) -> u64 {
        self.times.saturating_sub(self.error)
    }
}

/// What the opaque value says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) total: u64,
    slots: u32,
    used: u32,
}

impl Head {
    const BYTES: usize = 16;

    pub(crate) fn new(slots: u32) -> Self {
        Self {
            total: 0,
            slots,
            used: 0,
        }
    }

    /// Reads it; `None` when there is no topk.
    pub(crate) fn load(o: &Object) -> Result<Option<Self>, Stop> {
        let mut bytes = [0; Self::BYTES];
        let Some(length) = o.value_read(0, &mut bytes) else {
            return Ok(None);
        };
        let half = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let head = Self {
            total: u64::from_le_bytes(std::array::from_fn(|i| bytes[i])),
            slots: half(8),
            used: half(12),
        };
        let sound = length == Self::BYTES && head.slots > 0 && head.used <= head.slots;
        sound.then_some(Some(head)).ok_or(DAMAGED.into())
    }

    pub(crate) fn store(&self, o: &mut Object) {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.total.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.slots.to_le_bytes());
        bytes[12..].copy_from_slice(&self.used.to_le_bytes());
        o.set_value(&bytes);
    }

    /// Makes room for a new element, and answers with which count it begins: that of the element whose slot it takes.
    pub(crate) fn room(&mut self, o: &mut Object) -> Result<Count, Stop> {
        if self.used < self.slots {
            self.used += 1;
            return Ok(Count::default());
        }
        let name = lowest(o).next_key().ok_or(DAMAGED)?.to_vec();
        let (times, element) = split(&name).ok_or(DAMAGED)?;
        o.remove(&name);
        o.remove(&element_name(element));
        Ok(Count {
            times,
            error: times,
        })
    }
}

fn element_name(element: &[u8]) -> Vec<u8> {
    [&[ELEMENT], element].concat()
}

fn order_name(count: Count, element: &[u8]) -> Vec<u8> {
    [&[ORDER], &count.times.to_be_bytes()[..], element].concat()
}

/// Count and element of a field of the order.
pub(crate) fn split(name: &[u8]) -> Option<(u64, &[u8])> {
    let (times, element) = name.get(1..)?.split_first_chunk()?;
    Some((u64::from_be_bytes(*times), element))
}

fn lowest<'o>(o: &'o Object) -> Scan<'o> {
    o.scan().prefix(&[ORDER]).limit(1)
}

/// The order from the highest count down.
pub(crate) fn highest<'o>(o: &'o Object) -> Scan<'o> {
    o.scan().reverse().prefix(&[ORDER])
}

/// The count of an element, if it has a slot.
pub(crate) fn count(o: &Object, element: &[u8]) -> Result<Option<Count>, Stop> {
    let mut bytes = [0; Count::BYTES];
    let word = |bytes: &[u8; Count::BYTES], at: usize| {
        u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
    };
    match o.get_into(&element_name(element), &mut bytes) {
        None => Ok(None),
        Some(Count::BYTES) => Ok(Some(Count {
            times: word(&bytes, 0),
            error: word(&bytes, 8),
        })),
        Some(_) => Err(DAMAGED.into()),
    }
}

/// Takes an element out of the order.
pub(crate) fn leave(o: &mut Object, count: Count, element: &[u8]) {
    o.remove(&order_name(count, element));
}

/// Stores an element's count and its place in the order.
pub(crate) fn put(o: &mut Object, count: Count, element: &[u8]) {
    let bytes = [count.times.to_le_bytes(), count.error.to_le_bytes()].concat();
    o.put(&element_name(element), &bytes);
    o.put(&order_name(count, element), b"");
}
