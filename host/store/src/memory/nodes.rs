//! The blobs of large objects' trees in the arena.
//!
//! ```text
//! piece   word 0   tag | 19 chained | bits 32..64 next piece, of the last one the first; 0 when alone
//!         byte 8   bytes of the blob
//! ```
//!
//! Blobs are rounded up so that a leaf that grows by a field mostly stays where it is.

use std::sync::atomic::Ordering::Relaxed;

use crate::Store;
use crate::fields::{NODE_BYTES_MAX, NoRoom, NodeId, Nodes};
use crate::item::flag;
use crate::memory::alloc::{Chain, Kind, PIECE_HEAD, Plan, grains_of};
use crate::memory::arena::{Addr, REGION_GRAINS};
use crate::shard::Locked;

/// Blobs of at least this size are rounded up to a multiple of `ROUND`.
const ROUND_FROM: usize = 256;
const ROUND: usize = 32;
/// Bytes a blob may leave unused before it is moved to a smaller extent.
const SLACK_MAX: usize = 64;
/// Blobs up to this size are put together on the stack.
const STACK_BYTES: usize = NODE_BYTES_MAX + 256;

/// Reads blobs; the caller holds the shard of the object they belong to.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(pub &'a Store);

/// Reads and writes blobs, evicting others for new ones.
pub(crate) struct Writer<'a, 'h> {
    pub store: &'a Store,
    /// Whether others leave when there is no room.
    pub evicts: bool,
    /// Shards locked by this thread, if it may evict.
    pub held: &'h mut [Locked<'a>],
    /// Items that must not leave.
    pub spared: &'h [Addr],
}

fn plan(len: usize) -> Plan {
    let stream = if len < ROUND_FROM {
        len
    } else {
        len.next_multiple_of(ROUND)
    };
    Plan {
        kind: Kind::Node,
        word0: 0,
        header: PIECE_HEAD,
        stream,
        chained: flag::CHAINED,
    }
}

impl Store {
    fn blob_chain(&self, addr: Addr) -> Chain {
        Chain {
            head: addr,
            next: (self.arena.word0(addr).load(Relaxed) >> 32) as Addr,
        }
    }

    /// True when some piece of a blob lies in region `from` or above.
    pub(super) fn blob_reaches(&self, addr: Addr, from: u32) -> bool {
        let mut reaches = false;
        self.blob_pieces(addr, |piece, _| {
            reaches = piece / REGION_GRAINS >= from;
            !reaches
        });
        reaches
    }

    /// Visits the pieces of a blob: address and payload bytes, until `visit` says false.
    fn blob_pieces(&self, addr: Addr, mut visit: impl FnMut(Addr, usize) -> bool) {
        let mut piece = addr;
        loop {
            let word0 = self.arena.word0(piece).load(Relaxed);
            let room = grains_of(word0) as usize * self.arena.grain_bytes() - PIECE_HEAD;
            let next = (word0 >> 32) as Addr;
            if !visit(piece, room) || next == 0 || next == addr {
                return;
            }
            piece = next;
        }
    }

    fn blob_room(&self, addr: Addr) -> usize {
        let mut sum = 0;
        self.blob_pieces(addr, |_, room| {
            sum += room;
            true
        });
        sum
    }

    fn blob_write(&self, addr: Addr, mut bytes: &[u8]) {
        self.blob_pieces(addr, |piece, room| {
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.arena.write(piece, PIECE_HEAD, now);
            bytes = later;
            !bytes.is_empty()
        });
    }

    fn blob_read(&self, addr: Addr, mut len: usize, sink: &mut impl FnMut(&[u8])) {
        self.blob_pieces(addr, |piece, room| {
            let now = room.min(len);
            self.arena.read(piece, PIECE_HEAD, now, sink);
            len -= now;
            len > 0
        });
    }

    fn blob_see<R>(&self, addr: Addr, see: impl FnOnce(&[u8]) -> R) -> R {
        let room = self.blob_room(addr);
        if room > STACK_BYTES {
            let mut bytes = Vec::with_capacity(room);
            self.blob_read(addr, room, &mut |run| bytes.extend_from_slice(run));
            return see(&bytes);
        }
        let mut bytes = [0; STACK_BYTES];
        let mut at = 0;
        self.blob_read(addr, room, &mut |run| {
            bytes[at..at + run.len()].copy_from_slice(run);
            at += run.len();
        });
        see(&bytes[..room])
    }
}

impl Nodes for Reader<'_> {
    fn alloc(&mut self, _: &[u8]) -> Result<NodeId, NoRoom> {
        Err(NoRoom)
    }

    fn read<R>(&self, id: NodeId, see: impl FnOnce(&[u8]) -> R) -> R {
        self.0.blob_see(id.0, see)
    }

    fn append_to(&self, id: NodeId, len: usize, out: &mut Vec<u8>) {
        out.reserve(len);
        self.0
            .blob_read(id.0, len, &mut |run| out.extend_from_slice(run));
    }

    fn fits(&self, _: NodeId, _: usize) -> bool {
        false
    }

    fn overwrite(&mut self, _: NodeId, _: &[u8]) {
        unreachable!("a reader's fits is never true");
    }

    fn free(&mut self, _: NodeId) {}
}

impl Nodes for Writer<'_, '_> {
    fn alloc(&mut self, bytes: &[u8]) -> Result<NodeId, NoRoom> {
        let plan = plan(bytes.len());
        if !self.store.can_ever_hold(&plan) {
            return Err(NoRoom);
        }
        loop {
            let taken = self.store.try_take(&plan);
            if let Ok(chain) = taken {
                if chain.next != 0 {
                    self.store.arena.set_tagged_link(chain.head, chain.next);
                }
                self.store.blob_write(chain.head, bytes);
                return Ok(NodeId(chain.head));
            }
            if !self.evicts || !self.store.evict_held(self.held, self.spared) {
                return Err(NoRoom);
            }
        }
    }

    fn read<R>(&self, id: NodeId, see: impl FnOnce(&[u8]) -> R) -> R {
        self.store.blob_see(id.0, see)
    }

    fn append_to(&self, id: NodeId, len: usize, out: &mut Vec<u8>) {
        Reader(self.store).append_to(id, len, out);
    }

    fn fits(&self, id: NodeId, len: usize) -> bool {
        let room = self.store.blob_room(id.0);
        room >= len && room - len <= SLACK_MAX
    }

    fn overwrite(&mut self, id: NodeId, bytes: &[u8]) {
        self.store.blob_write(id.0, bytes);
    }

    fn free(&mut self, id: NodeId) {
        let chain = self.store.blob_chain(id.0);
        self.store.free(chain);
    }
}
