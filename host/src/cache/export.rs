//! The state of an object as a person reads it: what `get type$key` answers.

use super::transaction::Transaction;
use crate::runtime::{Handle, Scan, Stop, World};
use cacheismo_abi::{SCAN_AFTER, SCAN_ENTRY_HEAD};

const BATCH_BYTES: usize = 16 * 1024;

/// Appends the opaque value, if any, as `= value`, and each field as `field : value`, a line each, bytes that are no
/// ASCII escaped. At most about `bytes_max` bytes; a last line `...` says that there is more. False when there is no object.
pub(super) fn write(
    transaction: &mut Transaction,
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<bool, Stop> {
    if !transaction.exists(Handle::OWN)? {
        return Ok(false);
    }
    if let Some(len) = transaction.value_get(Handle::OWN, 0, &mut [])? {
        let mut value = vec![0; len];
        transaction.value_get(Handle::OWN, 0, &mut value)?;
        out.extend_from_slice(b"= ");
        out.extend(value.escape_ascii());
        out.extend_from_slice(b"\r\n");
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
                out.extend_from_slice(b"...\r\n");
                return Ok(true);
            }
            out.extend(field.escape_ascii());
            out.extend_from_slice(b" : ");
            out.extend(value.escape_ascii());
            out.extend_from_slice(b"\r\n");
            rest = after;
            if rest.is_empty() {
                from = field.to_vec();
                flags = SCAN_AFTER;
            }
        }
    }
}

/// First entry of a scanned batch, and what follows.
fn entry(batch: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (head, rest) = batch.split_first_chunk::<SCAN_ENTRY_HEAD>()?;
    let number =
        |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes")) as usize;
    let (field, rest) = rest.split_at_checked(number(0))?;
    let (value, rest) = rest.split_at_checked(number(4))?;
    Some((field, value, rest))
}
