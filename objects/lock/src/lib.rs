//! The `lock` object: a lease that one owner holds for some time, with a fencing token.
//!
//! The state is one opaque value: `lease` has its bytes.
#![forbid(unsafe_code)]

mod lease;

use cacheismo_sdk::{Error, Object, Reply, Stop, Word, now_ms};
use lease::{Lease, OWNER_BYTES_MAX};

/// The answer when nobody holds the lock.
const ABSENT: Word = Word("ERROR_CACHE_MISS");
/// The answer when another owner holds it.
const NOT_OWNER: Word = Word("NOT_OWNER");
/// Longest lease: 30 days.
const LEASE_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1000;

/// The type.
pub struct Lock;

/// A lease that one owner holds for some milliseconds. An owner is a text of the client's choice, as unique as what must
/// not run twice. Every lease has a token, a number above those of all leases before it: who is written to by owners
/// refuses a token below one that it has seen, and so an owner that does not know yet that its lease has ended.
#[cacheismo_sdk::object(
    name = "lock",
    example = "get lock:acquire:report:worker7:30000 lock:release:report:worker7",
    value = true
)]
impl Lock {
    /// Takes the lock and answers the token, or LOCKED when another owner holds it. The owner that holds it gets
    /// the same token once more, and the lease begins anew.
    fn acquire(o: &mut Object, owner: &[u8], lease_ms: u64) -> Result<u64, Stop> {
        let (owner, lease_ms, now_ms) = (checked_owner(owner)?, checked_lease(lease_ms)?, now_ms());
        let known = Lease::load(o)?;
        let token = match &known {
            Some(lease) if lease.owner() == owner && lease.is_held(now_ms) => lease.token,
            Some(lease) if lease.is_held(now_ms) => return Err(Word("LOCKED").into()),
            known => lease::next_token(known.as_ref().map_or(0, |lease| lease.token), now_ms),
        };
        Lease::new(token, now_ms, lease_ms, owner).store(o, known.is_some(), lease_ms);
        Ok(token)
    }

    /// Lets the lease begin anew, and answers the token; NOT_OWNER when another owner holds the lock, ERROR_CACHE_MISS
    /// when nobody does: a lease that has ended has to be acquired.
    fn extend(o: &mut Object, owner: &[u8], lease_ms: u64) -> Result<u64, Stop> {
        let (lease_ms, now_ms) = (checked_lease(lease_ms)?, now_ms());
        let lease = held(o, now_ms)?;
        if lease.owner() != owner {
            return Err(NOT_OWNER.into());
        }
        Lease::new(lease.token, now_ms, lease_ms, owner).store(o, true, lease_ms);
        Ok(lease.token)
    }

    /// Gives the lock back. SUCCESS; NOT_OWNER when another owner holds it, ERROR_CACHE_MISS when nobody does.
    fn release(o: &mut Object, owner: &[u8]) -> Result<Word, Stop> {
        let lease = held(o, now_ms())?;
        if lease.owner() != owner {
            return Err(NOT_OWNER.into());
        }
        Lease::released(lease.token).store(o, true, 0);
        Ok(Word("SUCCESS"))
    }

    /// Who holds the lock: token, milliseconds left and owner, with a space between them; ERROR_CACHE_MISS when nobody
    /// does.
    fn get(o: &Object, out: &mut Reply) -> Result<(), Stop> {
        let now_ms = now_ms();
        let lease = held(o, now_ms)?;
        for number in [lease.token, lease.left_ms(now_ms)] {
            out.write(cacheismo_sdk::number::Integer::from(number).text());
            out.write(b" ");
        }
        out.write(lease.owner());
        Ok(())
    }

    /// Milliseconds that the lease of a token has left; NOT_OWNER when the lock is held with another token,
    /// ERROR_CACHE_MISS when nobody holds it.
    fn check(o: &Object, token: u64) -> Result<u64, Stop> {
        let now_ms = now_ms();
        let lease = held(o, now_ms)?;
        if lease.token == token {
            Ok(lease.left_ms(now_ms))
        } else {
            Err(NOT_OWNER.into())
        }
    }
}

fn held(o: &Object, now_ms: i64) -> Result<Lease, Stop> {
    let lease = Lease::load(o)?.filter(|lease| lease.is_held(now_ms));
    Ok(lease.ok_or(ABSENT)?)
}

fn checked_owner(owner: &[u8]) -> Result<&[u8], Error> {
    match owner.len() {
        1..=OWNER_BYTES_MAX => Ok(owner),
        _ => Err("owner is not 1 to 100 bytes".into()),
    }
}

fn checked_lease(lease_ms: u64) -> Result<u64, Error> {
    match lease_ms {
        1..=LEASE_MS_MAX => Ok(lease_ms),
        _ => Err("lease_ms is not 1 to 2592000000".into()),
    }
}
