//! Values that stay where they are while somebody sends them.
//!
//! A pin keeps an item's memory, not the item: whatever removes or replaces it takes it out of index and list as
//! always, and its memory is freed when the last pin goes. Nothing is written over a pinned value, and its region is
//! not emptied. Until it is freed its memory counts as used, so pins take at most a share of the limit; who asks
//! for more copies.

use std::collections::HashMap;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use bytes::Buf;
use parking_lot::Mutex;

use crate::Store;
use crate::item::stream::Stream;
use crate::item::{BIG, Item};
use crate::memory::alloc::Chain;
use crate::memory::arena::Addr;
use crate::memory::os;
use crate::shard::ValueRef;

/// Shortest value that is pinned: copying shorter ones together into one write costs less. Values of this length have a
/// length field of their own, so that nobody needs the table to know that a shorter one isn't pinned.
pub const PINNED_BYTES_MIN: usize = BIG as usize;
/// One byte in so many may be pinned, so that the largest item still finds room beside what is pinned.
const PINNED_SHARE: usize = 2;

/// The pinned items. The table's lock is a leaf; `held` and `left_bytes` are changed under it.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    table: Mutex<Table>,
    /// Items that are pinned: while there are none, nobody looks at the table.
    held: AtomicUsize,
    /// Bytes of pinned items that left.
    left_bytes: AtomicUsize,
}

#[derive(Debug, Default)]
struct Table {
    /// Pinned items by their address.
    held: HashMap<Addr, Held>,
    /// Bytes of all pinned items.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Held {
    pins: usize,
    bytes: usize,
    /// Whether the item is gone: then the last pin frees its memory.
    left: bool,
}

impl Pins {
    /// Adds a pin to an item whose shard is locked, unless that would make more than `bytes_max` pinned bytes.
    pub(crate) fn add(&self, item: &Item<'_>, bytes_max: usize) -> bool {
        let mut table = self.table.lock();
        let Table { held, bytes } = &mut *table;
        if let Some(held) = held.get_mut(&item.addr()) {
            held.pins += 1;
            return true;
        }
        // Only the value counts, so that one of half of the limit can be pinned.
        if *bytes + item.value_len() > bytes_max {
            return false;
        }
        let more = item.footprint();
        *bytes += more;
        let new = Held {
            pins: 1,
            bytes: more,
            left: false,
        };
        held.insert(item.addr(), new);
        self.held.fetch_add(1, Relaxed);
        true
    }

    /// Takes a pin away. True when it was the last one of an item that left.
    pub(crate) fn remove(&self, addr: Addr) -> bool {
        let mut table = self.table.lock();
        let Some(held) = table.held.get_mut(&addr) else {
            debug_assert!(false, "a pin without an item");
            return false;
        };
        held.pins -= 1;
        if held.pins > 0 {
            return false;
        }
        let Held { bytes, left, .. } = table.held.remove(&addr).unwrap_or_default();
        table.bytes -= bytes;
        if left {
            self.left_bytes.fetch_sub(bytes, Relaxed);
        }
        // Whoever sees that nothing is pinned may write where this pin's owner has read.
        self.held.fetch_sub(1, Release);
        left
    }

    /// True when the item at `addr` is pinned. Nobody can pin it while its shard is locked.
    #[cold]
    pub(crate) fn holds(&self, addr: Addr) -> bool {
        self.held.load(Acquire) != 0 && self.table.lock().held.contains_key(&addr)
    }

    /// Whether `addr` is that of an item that left, whose memory only pins keep.
    pub(crate) fn holds_left(&self, addr: Addr) -> bool {
        let left = |held: &Held| held.left;
        self.held.load(Acquire) != 0 && self.table.lock().held.get(&addr).is_some_and(left)
    }

    /// Notes that an item leaves. False when it isn't pinned: then its memory is the caller's to free.
    #[cold]
    fn leave(&self, addr: Addr) -> bool {
        if self.held.load(Acquire) == 0 {
            return false;
        }
        let mut table = self.table.lock();
        let Some(held) = table.held.get_mut(&addr) else {
            return false;
        };
        held.left = true;
        self.left_bytes.fetch_add(held.bytes, Relaxed);
        true
    }

    /// Bytes of pinned items that left: no eviction can free them.
    pub(crate) fn left_bytes(&self) -> usize {
        self.left_bytes.load(Relaxed)
    }

    /// The pinned items that left.
    #[cfg(test)]
    pub(crate) fn left(&self) -> Vec<Addr> {
        let table = self.table.lock();
        let left = table.held.iter().filter(|(_, held)| held.left);
        left.map(|(addr, _)| *addr).collect()
    }
}

impl Store {
    /// Pins a value of at least `PINNED_BYTES_MIN`, as it is now. Its first bytes, less than a word of them, are
    /// appended to `lead`, because they share their word with fields that may change; the result has the others. `None`
    /// when so much is pinned that this value is to be copied.
    pub fn pin(self: &Arc<Store>, value: &ValueRef<'_>, lead: &mut Vec<u8>) -> Option<Pinned> {
        let bytes_max = self.limit.load(Relaxed) as usize / PINNED_SHARE;
        self.pin_within(value, lead, bytes_max)
    }

    /// As `pin`, up to so many bytes of pinned values.
    pub(crate) fn pin_within(
        self: &Arc<Store>,
        value: &ValueRef<'_>,
        lead: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Option<Pinned> {
        let item = value.item;
        // Words hold their bytes in the order of a little-endian machine.
        let can_be = cfg!(target_endian = "little")
            && item.is_big()
            && std::ptr::eq(item.arena, &raw const self.arena);
        if !can_be || !self.pins.add(&item, bytes_max) {
            return None;
        }
        let pin = Pin {
            store: Arc::clone(self),
            chain: item.chain(),
        };
        let mut stream = item.value();
        let shared = stream.byte.next_multiple_of(8) - stream.byte;
        stream.read(shared, &mut |run| lead.extend_from_slice(run));
        Some(Pinned {
            pin,
            piece: stream.piece,
            next: stream.next,
            byte: stream.byte,
            end: stream.end,
            left: value.len() - shared,
        })
    }

    /// Ends a pin of the item that has this memory, which is freed if the pin was the last and the item has left.
    pub(super) fn unpin(&self, chain: Chain) {
        if self.pins.remove(chain.head) {
            self.free(chain);
        }
    }

    /// The memory of an item that was taken out of index and list, to free; `None` when the last of its pins will.
    #[inline]
    pub(crate) fn chain_of_gone(&self, item: &Item<'_>) -> Option<Chain> {
        let kept = item.is_big() && self.pins.leave(item.addr());
        (!kept).then(|| item.chain())
    }

    /// True when nobody may write over an item's value, whose shard is locked.
    #[inline]
    pub(crate) fn is_pinned(&self, item: &Item<'_>) -> bool {
        item.is_big() && self.pins.holds(item.addr())
    }
}

/// Proof that the value of an item stays as it is: made under the lock of its shard, ended by its drop.
#[derive(Debug)]
pub(crate) struct Pin {
    store: Arc<Store>,
    chain: Chain,
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.store.unpin(self.chain);
    }
}

/// What is left to send of a pinned value, as slices of the arena.
#[derive(Debug)]
pub struct Pinned {
    pin: Pin,
    /// Where the rest begins, as in a [`Stream`].
    piece: Addr,
    next: Addr,
    byte: usize,
    end: usize,
    left: usize,
}

impl Pinned {
    fn stream(&self) -> Stream<'_> {
        Stream {
            arena: &self.pin.store.arena,
            piece: self.piece,
            next: self.next,
            byte: self.byte,
            end: self.end,
        }
    }

    /// The next run of at most `left` bytes, which `stream` steps over.
    fn run<'a>(&'a self, stream: &mut Stream<'a>, left: usize) -> &'a [u8] {
        stream.settle();
        let len = left.min(stream.end - stream.byte);
        let run = stream.arena.run(stream.piece, stream.byte, len);
        stream.byte += len;
        &os::still(run.words, &self.pin)[run.skip..][..len]
    }
}

impl Buf for Pinned {
    fn remaining(&self) -> usize {
        self.left
    }

    fn chunk(&self) -> &[u8] {
        self.run(&mut self.stream(), self.left)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let (mut stream, mut left) = (self.stream(), self.left);
        let mut count = 0;
        for slice in slices {
            if left == 0 {
                break;
            }
            let run = self.run(&mut stream, left);
            left -= run.len();
            *slice = IoSlice::new(run);
            count += 1;
        }
        count
    }

    fn advance(&mut self, bytes: usize) {
        let mut stream = self.stream();
        stream.skip(bytes);
        let Stream {
            piece,
            next,
            byte,
            end,
            ..
        } = stream;
        (self.piece, self.next, self.byte, self.end) = (piece, next, byte, end);
        self.left -= bytes;
    }
}
