//! A change of the store's state as a value: what the [`Journal`](crate::Journal) tells, without the store behind it.
//!
//! A log keeps effects and not commands, so that replay needs no clock, no random numbers and no guest. Effects of one
//! key, applied in the order of their ticks, give the item that the store had. Applied again from any earlier point,
//! they give it again, if all up to the newest are applied.

use std::collections::BTreeMap;

use crate::{Expiry, ItemInfo};

/// One change of the store's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect<'a> {
    /// The key holds an item now.
    Stored {
        /// The item's key.
        key: &'a [u8],
        /// What stands beside the content.
        head: Head,
        /// What is in the item.
        body: Body<'a>,
    },
    /// The key holds nothing now. It may have held nothing before.
    Deleted {
        /// The item's key.
        key: &'a [u8],
    },
    /// All keys hold nothing now, and no flush is to come.
    Flushed,
    /// There will be a flush at this second since 1970, and none before it.
    FlushPlanned {
        /// The second.
        at_s: u32,
    },
}

impl<'a> Effect<'a> {
    /// The key that changes; `None` when all do.
    pub fn key(&self) -> Option<&'a [u8]> {
        match *self {
            Effect::Stored { key, .. } | Effect::Deleted { key } => Some(key),
            Effect::Flushed | Effect::FlushPlanned { .. } => None,
        }
    }
}

/// What an item has beside its key and its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Client flags.
    pub flags: u32,
    /// When the item expires.
    pub expiry: Expiry,
    /// CAS token, 0 for none; that of an object is its version.
    pub cas: u64,
    /// Whether the item is marked stale.
    pub stale: bool,
    /// Whether somebody has the right to make the item anew.
    pub token_sent: bool,
    /// Whether the item is an object.
    pub object: bool,
}

impl From<&ItemInfo> for Head {
    fn from(info: &ItemInfo) -> Head {
        Head {
            flags: info.flags,
            expiry: info.expiry,
            cas: info.cas,
            stale: info.stale,
            token_sent: info.token_sent,
            object: info.object,
        }
    }
}

/// What is in an item, or how it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// The item's value is this.
    Value(&'a [u8]),
    /// The first `at` bytes of the former value, then these, and nothing behind them. What is put before a value is
    /// told as the whole value: put in twice it would be there twice.
    Appended {
        /// Length of the former value in bytes.
        at: u32,
        /// The bytes that were put behind it.
        bytes: &'a [u8],
    },
    /// The item's former content; flags, expiry, CAS or marks changed.
    Same,
    /// An object's whole state, as `fields::Small` encodes it. It may be of any length.
    State(&'a [u8]),
    /// The object's former state with these changes.
    Fields {
        /// Field name, new value or `None` for a field that is deleted.
        fields: BTreeMap<&'a [u8], Option<&'a [u8]>>,
        /// All fields not in `fields` are deleted.
        clear: bool,
        /// Nothing of what the key held stays, not even the opaque value. Implies `clear`.
        fresh: bool,
        /// New opaque value.
        value: Option<&'a [u8]>,
    },
}
