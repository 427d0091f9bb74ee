//! The `queue` object: messages that are delivered again until somebody acknowledges them.
//!
//! `store` has the layout. A delivery is named by a receipt: `receipt` reads and writes it.
#![forbid(unsafe_code)]

mod receipt;
mod store;

use cacheismo_sdk::{Error, Object, Reply, Stop, Word, now_ms};
use receipt::Receipt;
use store::{DEAD_AT_ONCE, Head};

/// The answer when the queue does not exist.
const ABSENT: Word = Word("ERROR_CACHE_MISS");
/// The answer when there is no message, or the receipt is not that of its last delivery.
const NOT_FOUND: Word = Word("NOT_FOUND");
const SUCCESS: Word = Word("SUCCESS");
/// Longest delay and longest time to work on a message: 30 days.
const TIME_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1000;
/// Dead messages listed when no number is given.
const LISTED: u64 = 10;

/// The type.
pub struct Queue;

/// Messages, the oldest first. Whoever pops one has some time to work on it and acknowledge it; after that it is
/// delivered again. A message that was delivered so often without success is dead, and kept aside. push makes the queue,
/// with 30 seconds and 5 deliveries unless new said otherwise; every other function but new answers ERROR_CACHE_MISS
/// when there is none.
#[cacheismo_sdk::object(
    name = "queue",
    example = "get queue:push:jobs:wash queue:pop:jobs:60000",
    value = true
)]
impl Queue {
    /// Makes an empty queue, replacing one that exists: how long a popped message stays invisible, and how often it is
    /// delivered before it is dead, 0 for ever. CREATED.
    fn new(
        o: &mut Object,
        visibility_ms: Option<u64>,
        deliveries_max: Option<u32>,
    ) -> Result<Word, Stop> {
        let mut head = Head::default();
        head.visibility_ms = time(visibility_ms.unwrap_or(head.visibility_ms), 1)?;
        head.deliveries_max = deliveries_max.unwrap_or(head.deliveries_max);
        o.delete();
        head.store(o);
        Ok(Word("CREATED"))
    }

    /// Adds a message. Its number in the queue.
    fn push(o: &mut Object, message: &[u8]) -> Result<u64, Stop> {
        push(o, 0, message)
    }

    /// Adds a message that is not delivered for some milliseconds. Its number in the queue.
    fn pushlater(o: &mut Object, delay_ms: u64, message: &[u8]) -> Result<u64, Stop> {
        push(o, time(delay_ms, 0)?, message)
    }

    /// Delivers the oldest message: a receipt, a space, the message; NOT_FOUND when there is none to deliver. Unless
    /// acknowledged it is delivered again, after so many milliseconds or those of the queue.
    fn pop(o: &mut Object, visibility_ms: Option<u64>, out: &mut Reply) -> Result<(), Stop> {
        let (mut head, now_ms) = (existing(o)?, now_ms());
        let visibility_ms = time(visibility_ms.unwrap_or(head.visibility_ms), 1)?;
        for _ in 0..DEAD_AT_ONCE {
            let entry = store::first(o, now_ms)?.ok_or(NOT_FOUND)?;
            if head.deliveries_max != 0 && entry.deliveries >= head.deliveries_max {
                head.bury(o, entry);
                head.store(o);
                continue;
            }
            let delivered = entry.delivered(now_ms.saturating_add_unsigned(visibility_ms));
            store::replace(o, entry, delivered);
            let receipt = delivered.text();
            return match out.field(o, &store::message_name(delivered.id), &[&receipt, b" "]) {
                true => Ok(()),
                false => Err(store::DAMAGED.into()),
            };
        }
        Err(NOT_FOUND.into())
    }

    /// Acknowledges a delivery: the message is done and goes. SUCCESS, or NOT_FOUND when it was delivered again since.
    fn ack(o: &mut Object, receipt: &[u8]) -> Result<Word, Stop> {
        let entry = delivered(o, receipt)?;
        store::remove(o, entry);
        Ok(SUCCESS)
    }

    /// Gives a delivery back: the message is delivered again, at once or after so many milliseconds. SUCCESS or
    /// NOT_FOUND.
    fn nack(o: &mut Object, receipt: &[u8], delay_ms: Option<u64>) -> Result<Word, Stop> {
        let delay_ms = time(delay_ms.unwrap_or(0), 0)?;
        let entry = delivered(o, receipt)?;
        let later = Receipt {
            visible_ms: now_ms().saturating_add_unsigned(delay_ms),
            ..entry
        };
        store::replace(o, entry, later);
        Ok(SUCCESS)
    }

    /// Gives a delivery so many milliseconds from now on. The new receipt, or NOT_FOUND.
    fn extend(
        o: &mut Object,
        receipt: &[u8],
        visibility_ms: u64,
        out: &mut Reply,
    ) -> Result<(), Stop> {
        let visibility_ms = time(visibility_ms, 1)?;
        let entry = delivered(o, receipt)?;
        let later = Receipt {
            visible_ms: now_ms().saturating_add_unsigned(visibility_ms),
            ..entry
        };
        store::replace(o, entry, later);
        out.write(&later.text());
        Ok(())
    }

    /// Number of messages that are neither acknowledged nor dead, whether they wait or are delivered.
    fn len(o: &Object) -> Result<u64, Stop> {
        let head = existing(o)?;
        Ok(store::messages(o).saturating_sub(head.dead))
    }

    /// Number of dead messages.
    fn dead(o: &Object) -> Result<u64, Stop> {
        Ok(existing(o)?.dead)
    }

    /// Lists dead messages, ten when no number is given: its number in the queue, a space, the message, CRLF.
    fn listdead(o: &Object, count: Option<u64>, out: &mut Reply) -> Result<(), Stop> {
        existing(o)?;
        let mut dead = store::dead(o).limit(count.unwrap_or(LISTED));
        while let Some(name) = dead.next_key() {
            let id = store::dead_id(name)?;
            let number = cacheismo_sdk::number::Integer::from(id);
            if !out.field(o, &store::message_name(id), &[number.text(), b" "]) {
                return Err(store::DAMAGED.into());
            }
            out.write(b"\r\n");
        }
        Ok(())
    }

    /// Brings dead messages back, all or so many, as if they had never been delivered. How many.
    fn revive(o: &mut Object, count: Option<u64>) -> Result<u64, Stop> {
        let now_ms = now_ms();
        end_dead(o, count, |o, id| store::put(o, Receipt::new(id, now_ms)))
    }

    /// Removes dead messages, all or so many. How many.
    fn forget(o: &mut Object, count: Option<u64>) -> Result<u64, Stop> {
        end_dead(o, count, |o, id| {
            o.remove(&store::message_name(id));
        })
    }
}

fn existing(o: &Object) -> Result<Head, Stop> {
    Ok(Head::load(o)?.ok_or(ABSENT)?)
}

fn time(ms: u64, least: u64) -> Result<u64, Error> {
    if (least..=TIME_MS_MAX).contains(&ms) {
        return Ok(ms);
    }
    Err(match least {
        0 => "delay_ms is not 0 to 2592000000",
        _ => "visibility_ms is not 1 to 2592000000",
    }
    .into())
}

#[inline(never)]
fn push(o: &mut Object, delay_ms: u64, message: &[u8]) -> Result<u64, Stop> {
    let mut head = Head::load(o)?.unwrap_or_default();
    let id = head.next_id()?;
    head.store(o);
    store::put(
        o,
        Receipt::new(id, now_ms().saturating_add_unsigned(delay_ms)),
    );
    o.put(&store::message_name(id), message);
    Ok(id)
}

/// The delivery of a receipt, if it is its message's last.
#[inline(never)]
fn delivered(o: &Object, receipt: &[u8]) -> Result<Receipt, Stop> {
    let receipt = Receipt::parse(receipt).ok_or("receipt is not what pop answered")?;
    if store::is_there(o, receipt)? {
        return Ok(receipt);
    }
    existing(o)?;
    Err(NOT_FOUND.into())
}

/// Ends that dead messages are dead, the oldest first, and does to each what `each` does.
#[inline(never)]
fn end_dead(
    o: &mut Object,
    count: Option<u64>,
    mut each: impl FnMut(&mut Object, u64),
) -> Result<u64, Stop> {
    let mut head = existing(o)?;
    let ids = store::dead_ids(o, count.unwrap_or(u64::MAX))?;
    for id in &ids {
        head.exhume(o, *id)?;
        each(o, *id);
    }
    head.store(o);
    Ok(ids.len() as u64)
}
