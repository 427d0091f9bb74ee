//! The value cell: a short value comes with the call and goes with its reply, without a host call.

use cacheismo_abi::{ABSENT, VALUE_BYTES, VALUE_CELL_BYTES, VALUE_ELSEWHERE};

use crate::runtime::object_host::{Handle, ObjectHost, Stop};
use crate::runtime::state::Guest;

/// Puts the value of the call's object into the cell.
#[inline(always)]
pub(super) fn give<H: ObjectHost>(memory: &mut [u8], at: usize, host: &mut H) -> Result<(), Stop> {
    let cell = &mut memory[at..][..VALUE_CELL_BYTES];
    let (head, value) = cell.split_at_mut(8);
    let length = match host.value_get(Handle::OWN, 0, value)? {
        None => ABSENT,
        Some(bytes) if bytes > VALUE_BYTES => VALUE_ELSEWHERE,
        Some(bytes) => bytes as i32,
    };
    let unchanged = u64::from(length as u32);
    head.copy_from_slice(&unchanged.to_le_bytes());
    Ok(())
}

/// Sets the value of the call's object to what the cell holds, if that changed.
#[inline(always)]
pub(super) fn take<H: ObjectHost>(
    memory: &[u8],
    at: usize,
    host: &mut H,
    guest: &mut Guest,
) -> Result<(), Stop> {
    let cell = &memory[at..][..VALUE_CELL_BYTES];
    let (head, value) = cell.split_at(8);
    let word = |at: usize| i32::from_le_bytes(std::array::from_fn(|i| head[at + i]));
    let (length, changed) = (word(0), word(4));
    if changed == 0 {
        return Ok(());
    }
    let value = usize::try_from(length)
        .ok()
        .and_then(|bytes| value.get(..bytes))
        .ok_or(Stop::Misuse("the value cell has no value of that length"))?;
    guest.spend_write(value.len())?;
    guest.spend_bytes(value.len())?;
    host.value_set(Handle::OWN, value)
}
