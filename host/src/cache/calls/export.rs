//! The state of an object as a person reads it: what `get type$key` answers.

use super::transaction::Transaction;
use super::{Calls, there};
use crate::runtime::{Handle, ObjectHost, Scan, Stop};
use crate::store::{Key, Now};
use cacheismo_abi::{SCAN_AFTER, SCAN_ENTRY_HEAD};

/// Bytes of fields read at a time.
const BATCH_BYTES: usize = 16 * 1024;
const LINE_END: &[u8] = b"\r\n";
/// Last line of a state that is longer than an item may be.
const MORE: &[u8] = b"...\r\n";

impl Calls {
    /// The state of an object as text: a client's `get type$key`. `None` when the object is gone.
    pub(in crate::cache) fn export(&mut self, now: Now, key: Key<'_>) -> Option<&[u8]> {
        let transaction = there(&mut self.transaction);
        transaction.begin(now, key, false, true);
        self.reply.clear();
        let found = loop {
            transaction.lock();
            match write(transaction, self.shared.item_bytes_max, &mut self.reply) {
                Err(Stop::Conflict) => {
                    self.reply.clear();
                    transaction.abandon();
                }
                Ok(found) => break found,
                Err(_) => break false,
            }
        };
        transaction.abandon();
        found.then_some(self.reply.as_slice())
    }
}

/// Appends the opaque value, if any, as `= value`, and each field as `field : value`, a line each, bytes that are no
/// ASCII escaped. At most about `bytes_max` bytes; a last line `...` says that there is more. False when there is no
/// object.
fn write(transaction: &mut Transaction, bytes_max: usize, out: &mut Vec<u8>) -> Result<bool, Stop> {
    if !transaction.exists(Handle::OWN)? {
        return Ok(false);
    }
    if let Some(len) = transaction.value_get(Handle::OWN, 0, &mut [])? {
        let mut value = vec![0; len];
        transaction.value_get(Handle::OWN, 0, &mut value)?;
        out.extend_from_slice(b"= ");
        out.extend(value.escape_ascii());
        if out.len() + LINE_END.len() + MORE.len() > bytes_max {
            out.truncate(bytes_max.saturating_sub(LINE_END.len() + MORE.len()));
            out.extend_from_slice(LINE_END);
            out.extend_from_slice(MORE);
            return Ok(true);
        }
        out.extend_from_slice(LINE_END);
    }
    let mut batch = vec![0; BATCH_BYTES];
    let (mut from, mut flags) = (Vec::new(), 0);
    loop {
        let filled = match transaction.field_scan(Handle::OWN, &from, flags, &mut batch)? {
            Scan::Filled(0) => return Ok(true),
            Scan::Filled(filled) => filled,
            Scan::Needs(bytes) => {
                batch.resize(bytes, 0);
                continue;
            }
        };
        let mut rest = &batch[..filled];
        while let Some((field, value, after)) = entry(rest) {
            if out.len() + 4 * (field.len() + value.len()) + 16 > bytes_max {
                out.extend_from_slice(MORE);
                return Ok(true);
            }
            out.extend(field.escape_ascii());
            out.extend_from_slice(b" : ");
            out.extend(value.escape_ascii());
            out.extend_from_slice(LINE_END);
            rest = after;
            if rest.is_empty() {
                from = field.to_vec();
                flags = SCAN_AFTER;
            }
        }
    }
}

/// The first entry of a scanned batch, as field and value, and the entries behind it.
fn entry(batch: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (head, rest) = batch.split_first_chunk::<SCAN_ENTRY_HEAD>()?;
    let number =
        |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes")) as usize;
    let (field, rest) = rest.split_at_checked(number(0))?;
    let (value, rest) = rest.split_at_checked(number(4))?;
    Some((field, value, rest))
}
