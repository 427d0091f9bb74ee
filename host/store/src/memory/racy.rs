//! Readers without a lock: what they meet may be in the making, be changing, or not be an item at all.

use std::sync::atomic::Ordering::Relaxed;

use crate::Store;
use crate::item::{Item, KEY_BYTES_MAX, stream_at};
use crate::memory::alloc::{PIECE_HEAD, grains_of};
use crate::memory::arena::Addr;
use crate::shard::{Found, Locked};

/// Grains of the fixed part of an item and its first optional field.
const ITEM_GRAINS_MIN: u32 = 3;

impl Store {
    /// Locks the shard of the item at `addr`, read without a lock, if there is such an item.
    pub(crate) fn lock_owner(&self, addr: Addr) -> Option<(Locked<'_>, Found<'_>)> {
        let mut buffer = [0; KEY_BYTES_MAX];
        let hash = self.hash(Item::at(&self.arena, addr).racy_key(&mut buffer)?);
        let locked = self.lock(hash);
        let slot = locked.slot_of(hash, addr)?;
        // The address is in the index, so there is an item, and it stays one while the lock is held.
        Some((
            locked,
            Found {
                slot,
                item: Item::at(&self.arena, addr),
            },
        ))
    }
}

impl Item<'_> {
    /// Copies the key out while the item may be changing; what comes out is to be verified under the lock. `None` when
    /// there is no key to be read. Every address and length is checked before it is followed, as all may be nonsense.
    pub(crate) fn racy_key<'b>(&self, buffer: &'b mut [u8; KEY_BYTES_MAX]) -> Option<&'b [u8]> {
        if !self.arena.holds(self.addr(), ITEM_GRAINS_MIN) {
            return None;
        }
        let len = self.key_len();
        let lead = (self.word0 >> 48).to_le_bytes();
        buffer[..2].copy_from_slice(&lead[..2]);
        let (mut piece, mut grains, mut byte) =
            (self.addr(), grains_of(self.word0), stream_at(self.word0));
        let (mut at, mut next) = (2.min(len), self.chain().next);
        while at < len {
            let room = (grains as usize * self.arena.grain_bytes()).checked_sub(byte)?;
            if !self.arena.holds(piece, grains) {
                return None;
            }
            let run = room.min(len - at);
            self.arena.read(piece, byte, run, &mut |bytes| {
                buffer[at..at + bytes.len()].copy_from_slice(bytes);
                at += bytes.len();
            });
            if at < len {
                if next == 0 || !self.arena.holds(next, 1) {
                    return None;
                }
                let word0 = self.arena.word0(next).load(Relaxed);
                (piece, grains, byte) = (next, grains_of(word0), PIECE_HEAD);
                if grains as usize * self.arena.grain_bytes() <= PIECE_HEAD {
                    return None;
                }
                next = (word0 >> 32) as Addr;
            }
        }
        (len > 0).then(|| &buffer[..len])
    }
}
