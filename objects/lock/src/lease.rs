//! What is known of a lock.
//!
//! ```text
//!  ┌──────────────┬──────────────────┬───────┐
//!  │ token        │ held until       │ owner │
//!  │ u64          │ i64, Unix ms     │ bytes │
//!  └──────────────┴──────────────────┴───────┘
//! ```
//! Numbers are little endian. A lock that was given back has 0 and no owner.

use cacheismo_sdk::{Object, Stop, Ttl};

/// Longest owner. All of a lock fits the value cell then, and a call needs no host call to read it.
pub(crate) const OWNER_BYTES_MAX: usize = 100;

const DAMAGED: &str = "the state of this lock is damaged; delete it";

const HEAD_BYTES: usize = 16;
const BYTES_MAX: usize = HEAD_BYTES + OWNER_BYTES_MAX;

/// Tokens that a millisecond has room for.
const TOKENS_PER_MS: u64 = 1000;
/// How long a token is remembered after its lease has ended: a clock that is set back by less gives no token twice.
const REMEMBERED_MS: u64 = 60 * 60 * 1000;

/// The token behind `last`. It is also above every token of an earlier millisecond, so that tokens rise even when the
/// object was evicted and `last` is not known.
pub(crate) fn next_token(last: u64, now_ms: i64) -> u64 {
    let of_now = u64::try_from(now_ms)
        .unwrap_or(0)
        .saturating_mul(TOKENS_PER_MS);
    of_now.max(last.saturating_add(1))
}

/// A lease, perhaps one that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) token: u64,
    until_ms: i64,
    owner: [u8; OWNER_BYTES_MAX],
    owner_bytes: usize,
}

impl Lease {
    /// A lease from now on. The owner's length was checked.
    pub(crate) fn new(token: u64, now_ms: i64, lease_ms: u64, owner: &[u8]) -> Self {
        let mut lease = Self::released(token);
        lease.until_ms = now_ms.saturating_add_unsigned(lease_ms);
        lease.owner_bytes = owner.len().min(OWNER_BYTES_MAX);
        lease.owner[..lease.owner_bytes].copy_from_slice(&owner[..lease.owner_bytes]);
        lease
    }

    /// Nobody's, after a lease of that token.
    pub(crate) fn released(token: u64) -> Self {
        Self {
            token,
            until_ms: 0,
            owner: [0; OWNER_BYTES_MAX],
            owner_bytes: 0,
        }
    }

    pub(crate) fn load(o: &Object) -> Result<Option<Self>, Stop> {
        let mut bytes = [0; BYTES_MAX];
        let Some(length) = o.value_read(0, &mut bytes) else {
            return Ok(None);
        };
        let Some(owner_bytes) = length
            .checked_sub(HEAD_BYTES)
            .filter(|_| length <= BYTES_MAX)
        else {
            return Err(DAMAGED.into());
        };
        Ok(Some(Self {
            token: u64::from_le_bytes(std::array::from_fn(|i| bytes[i])),
            until_ms: i64::from_le_bytes(std::array::from_fn(|i| bytes[8 + i])),
            owner: std::array::from_fn(|i| bytes[HEAD_BYTES + i]),
            owner_bytes,
        }))
    }

    /// Stores it, in place of an earlier one if there is one, for as long as its token is remembered.
    pub(crate) fn store(&self, o: &mut Object, replaces: bool, lease_ms: u64) {
        let ttl = Ttl::Ms(lease_ms + REMEMBERED_MS);
        let mut bytes = [0; BYTES_MAX];
        bytes[..8].copy_from_slice(&self.token.to_le_bytes());
        bytes[8..HEAD_BYTES].copy_from_slice(&self.until_ms.to_le_bytes());
        bytes[HEAD_BYTES..].copy_from_slice(&self.owner);
        let value = &bytes[..HEAD_BYTES + self.owner_bytes];
        // What has a lifetime has to be there. If it is, a value that is set last takes no host call.
        if replaces {
            o.set_ttl(ttl);
            o.set_value(value);
        } else {
            o.set_value(value);
            o.set_ttl(ttl);
        }
    }

    pub(crate) fn owner(&self) -> &[u8] {
        &self.owner[..self.owner_bytes]
    }

    pub(crate) fn is_held(&self, now_ms: i64) -> bool {
        self.until_ms > now_ms
    }

    pub(crate) fn left_ms(&self, now_ms: i64) -> u64 {
        u64::try_from(self.until_ms.saturating_sub(now_ms)).unwrap_or(0)
    }
}
