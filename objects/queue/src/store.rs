//! The fields of a queue.
//!
//! | where | what |
//! | --- | --- |
//! | opaque value | next number (u64), dead messages (u64), visibility in ms (u64), most deliveries (u32), little endian |
//! | field `m`, number | a message |
//! | field `v`, when visible (i64, Unix ms), number | deliveries so far (u32, little endian) |
//! | field `d`, number | nothing: the message is dead |
//!
//! Numbers in names are u64, big endian. One order holds what waits, what is delayed and what is delivered: it is the order
//! in which messages become visible. So the next one to deliver is always the first, and a delivery that nobody
//! acknowledged needs no one to look for it.

use cacheismo_sdk::{Object, Scan, Stop};

use crate::receipt::Receipt;

/// The refusal when the state is not what this module writes.
pub(crate) const DAMAGED: &str = "the state of this queue is damaged; delete it";

const MESSAGE: u8 = b'm';
const VISIBLE: u8 = b'v';
const DEAD: u8 = b'd';

/// How many messages one pop may find dead: as many calls of `remove` and `put` stay far from a call's deadline.
pub(crate) const DEAD_AT_ONCE: usize = 1000;

/// What the opaque value says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    next: u64,
    pub(crate) dead: u64,
    pub(crate) visibility_ms: u64,
    pub(crate) deliveries_max: u32,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            next: 1,
            dead: 0,
            visibility_ms: 30_000,
            deliveries_max: 5,
        }
    }
}

impl Head {
    const BYTES: usize = 28;

    pub(crate) fn load(o: &Object) -> Result<Option<Self>, Stop> {
        let mut bytes = [0; Self::BYTES];
        let Some(length) = o.value_read(0, &mut bytes) else {
            return Ok(None);
        };
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let head = Self {
            next: word(0),
            dead: word(8),
            visibility_ms: word(16),
            deliveries_max: u32::from_le_bytes(std::array::from_fn(|i| bytes[24 + i])),
        };
        (length == Self::BYTES)
            .then_some(Some(head))
            .ok_or(DAMAGED.into())
    }

    pub(crate) fn store(&self, o: &mut Object) {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.next.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.dead.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.visibility_ms.to_le_bytes());
        bytes[24..].copy_from_slice(&self.deliveries_max.to_le_bytes());
        o.set_value(&bytes);
    }

    /// The number of a new message.
    pub(crate) fn next_id(&mut self) -> Result<u64, Stop> {
        let id = self.next;
        self.next = id.checked_add(1).ok_or(DAMAGED)?;
        Ok(id)
    }

    /// Puts a message aside. The head is to be stored.
    pub(crate) fn bury(&mut self, o: &mut Object, entry: Receipt) {
        o.remove(&visible_name(entry));
        o.put(&named(DEAD, entry.id), b"");
        self.dead = self.dead.saturating_add(1);
    }

    /// Ends that a message is dead. The head is to be stored.
    pub(crate) fn exhume(&mut self, o: &mut Object, id: u64) -> Result<(), Stop> {
        o.remove(&named(DEAD, id));
        self.dead = self.dead.checked_sub(1).ok_or(DAMAGED)?;
        Ok(())
    }
}

fn named(kind: u8, id: u64) -> [u8; 9] {
    let mut name = [kind; 9];
    name[1..].copy_from_slice(&id.to_be_bytes());
    name
}

/// The field of a message.
pub(crate) fn message_name(id: u64) -> [u8; 9] {
    named(MESSAGE, id)
}

/// With the sign bit turned, times sort as their bytes do.
fn visible_name(entry: Receipt) -> [u8; 17] {
    let mut name = [VISIBLE; 17];
    name[1..9].copy_from_slice(&(entry.visible_ms ^ i64::MIN).to_be_bytes());
    name[9..].copy_from_slice(&entry.id.to_be_bytes());
    name
}

fn entry(name: &[u8], value: &[u8]) -> Option<Receipt> {
    let name = <&[u8; 17]>::try_from(name).ok()?;
    Some(Receipt {
        visible_ms: i64::from_be_bytes(std::array::from_fn(|i| name[1 + i])) ^ i64::MIN,
        id: u64::from_be_bytes(std::array::from_fn(|i| name[9 + i])),
        deliveries: u32::from_le_bytes(value.try_into().ok()?),
    })
}

/// The message that may be delivered now and has waited longest.
pub(crate) fn first(o: &Object, now_ms: i64) -> Result<Option<Receipt>, Stop> {
    let mut visible = o.scan().prefix(&[VISIBLE]).limit(1);
    let Some((name, value)) = visible.next_entry() else {
        return Ok(None);
    };
    let entry = entry(name, value).ok_or(DAMAGED)?;
    Ok(Some(entry).filter(|entry| entry.visible_ms <= now_ms))
}

/// Whether a message stands in the order just so.
pub(crate) fn is_there(o: &Object, entry: Receipt) -> Result<bool, Stop> {
    let mut deliveries = [0; 4];
    match o.get_into(&visible_name(entry), &mut deliveries) {
        None => Ok(false),
        Some(4) => Ok(entry.deliveries > 0 && deliveries == entry.deliveries.to_le_bytes()),
        Some(_) => Err(DAMAGED.into()),
    }
}

pub(crate) fn put(o: &mut Object, entry: Receipt) {
    o.put(&visible_name(entry), &entry.deliveries.to_le_bytes());
}

pub(crate) fn replace(o: &mut Object, old: Receipt, new: Receipt) {
    o.remove(&visible_name(old));
    put(o, new);
}

/// Removes a message.
pub(crate) fn remove(o: &mut Object, entry: Receipt) {
    o.remove(&visible_name(entry));
    o.remove(&message_name(entry.id));
}

/// Messages, dead ones too: each has two fields.
pub(crate) fn messages(o: &Object) -> u64 {
    o.count() / 2
}

/// The dead messages.
pub(crate) fn dead<'o>(o: &'o Object) -> Scan<'o> {
    o.scan().prefix(&[DEAD])
}

/// The number of a dead message.
pub(crate) fn dead_id(name: &[u8]) -> Result<u64, Stop> {
    let id = name
        .get(1..)
        .and_then(|id| id.try_into().ok())
        .ok_or(DAMAGED)?;
    Ok(u64::from_be_bytes(id))
}

/// The numbers of dead messages, the oldest first.
pub(crate) fn dead_ids(o: &Object, count: u64) -> Result<Vec<u64>, Stop> {
    let mut ids = Vec::new();
    let mut dead = dead(o).limit(count);
    while let Some(name) = dead.next_key() {
        ids.push(dead_id(name)?);
    }
    Ok(ids)
}
