//! Blobs on the heap that check how they are used, and run out of room on demand.

use std::collections::BTreeMap;

use super::super::{NoRoom, NodeId, Nodes};

/// Live blobs with their true bytes. Hands out garbage behind them, as a holder that rounds up would.
#[derive(Clone, Debug, Default)]
pub(super) struct Heap {
    pub(super) blobs: BTreeMap<u32, Vec<u8>>,
    next: u32,
    /// Blobs fit in place while they stay within the same multiple of this.
    pub(super) grain: usize,
    /// Allocations that still succeed.
    pub(super) allocs_left: Option<usize>,
    pub(super) allocs: usize,
}

impl Heap {
    pub(super) fn with_grain(grain: usize) -> Heap {
        Heap {
            grain,
            ..Heap::default()
        }
    }

    pub(super) fn blob(&self, id: NodeId) -> &[u8] {
        self.blobs.get(&id.0).expect("only live blobs are used")
    }
}

impl Nodes for Heap {
    fn alloc(&mut self, bytes: &[u8]) -> Result<NodeId, NoRoom> {
        assert!(!bytes.is_empty());
        if let Some(left) = &mut self.allocs_left {
            *left = left.checked_sub(1).ok_or(NoRoom)?;
        }
        self.allocs += 1;
        // Small ids come back soon, to find out who holds on to a freed one.
        while self.blobs.contains_key(&self.next) {
            self.next = (self.next + 1) % 5000;
        }
        self.blobs.insert(self.next, bytes.to_vec());
        Ok(NodeId(self.next))
    }

    fn read<R>(&self, id: NodeId, see: impl FnOnce(&[u8]) -> R) -> R {
        let mut bytes = self.blob(id).to_vec();
        bytes.extend_from_slice(&[1, 1, b'!', b'!', 9]);
        see(&bytes)
    }

    fn append_to(&self, id: NodeId, len: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.blob(id)[..len]);
    }

    fn fits(&self, id: NodeId, len: usize) -> bool {
        self.blob(id).len().div_ceil(self.grain) == len.div_ceil(self.grain)
    }

    fn overwrite(&mut self, id: NodeId, bytes: &[u8]) {
        assert!(self.fits(id, bytes.len()), "asked before");
        self.blobs.insert(id.0, bytes.to_vec());
    }

    fn free(&mut self, id: NodeId) {
        assert!(self.blobs.remove(&id.0).is_some(), "freed once");
    }
}
