//! An item in the making: its shape, and how it is written into fresh or old extents.

use crate::item::stream::Stream;
use crate::item::{BIG, Item, OPTIONAL, flag, stream_at, stream_len};
use crate::memory::alloc::{Chain, Kind, Plan};
use crate::memory::arena::Arena;

/// Everything about a new item but its value's bytes and place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft<'a> {
    pub key: &'a [u8],
    pub value_len: usize,
    pub client_flags: u32,
    /// When the item expires, in Unix seconds.
    pub expiry: Option<u32>,
    pub cas: Option<u64>,
    /// Marks of the item: any of `FETCHED | OBJECT | STALE | TOKEN_SENT`.
    pub marks: u64,
}

impl Draft<'_> {
    fn word0(&self) -> u64 {
        let second = self.key.get(1).copied().unwrap_or(0);
        let optional = |on: bool, flag: u64| if on { flag } else { 0 };
        self.marks
            | optional(self.expiry.is_some(), flag::EXPIRES)
            | optional(self.client_flags != 0, flag::FLAGGED)
            | optional(self.cas.is_some(), flag::CAS)
            | (self.key.len() as u64) << 24
            | (self.value_len as u64).min(BIG) << 32
            | u64::from(self.key[0]) << 48
            | u64::from(second) << 56
    }

    /// What to ask of the allocator.
    pub(crate) fn plan(&self) -> Plan {
        let word0 = self.word0();
        Plan {
            kind: Kind::Head,
            word0,
            header: stream_at(word0),
            stream: stream_len(word0, self.value_len),
            chained: flag::CHAINED,
        }
    }

    /// Fills a fresh chain and returns the item with a writer standing at the value.
    pub(crate) fn write<'m>(&self, arena: &'m Arena, chain: Chain) -> (Item<'m>, Stream<'m>) {
        let item = Item::at(arena, chain.head);
        // A chain may turn out to be one piece; the field is there all the same.
        if item.has(flag::CHAINED) {
            arena.set_half(chain.head, OPTIONAL, chain.next);
        }
        let stream = self.fill(arena, &item);
        (item, stream)
    }

    /// Writes fields and key into an item of the right shape and returns a writer standing at the value.
    pub(crate) fn fill<'m>(&self, arena: &'m Arena, item: &Item<'m>) -> Stream<'m> {
        self.fill_fields(arena, item);
        let mut stream = item.stream();
        stream.write(self.key.get(2..).unwrap_or_default());
        stream
    }

    /// Writes fields into an item of the right shape and with this key, and returns a writer standing at the value.
    pub(crate) fn refill<'m>(&self, arena: &'m Arena, item: &Item<'m>) -> Stream<'m> {
        self.fill_fields(arena, item);
        item.value()
    }

    fn fill_fields<'m>(&self, arena: &'m Arena, item: &Item<'m>) {
        let mut i = OPTIONAL + usize::from(item.has(flag::CHAINED));
        let mut put = |value: u32| {
            arena.set_half(item.addr(), i, value);
            i += 1;
        };
        if self.value_len as u64 >= BIG {
            put(self.value_len as u32);
        }
        if let Some(expiry) = self.expiry {
            put(expiry);
        }
        if self.client_flags != 0 {
            put(self.client_flags);
        }
        if let Some(cas) = self.cas {
            put(cas as u32);
            put((cas >> 32) as u32);
        }
    }
}
