//! A table of slots: the default ring.
//!
//! The top bits of a key's hash are its *slot*. Each slot belongs to a node, and the table says to which, so a lookup is
//! one read of memory. The table is a pure function of the ids and weights of the nodes, whatever their order.
//!
//! A slot's preference comes from *rendezvous hashing*: every node runs a race for every slot, its time is a random number
//! that only node and slot decide, and the fastest node is preferred. So a node that leaves gives its slots to the next
//! in each race, and nothing else changes. Luck gives some nodes more slots than others, so there is a *load bound*: a
//! node takes no more than so much over its share, and keeps the slots where it is fastest. `assign` has the details.

mod assign;
mod race;
#[cfg(test)]
mod tests;

use crate::{NODES_MAX, Node, RingError};
use race::{Finish, Race};

pub use assign::LOAD_BOUND_PER_MILLE;

/// Fewest bits of a slot's number.
pub const SLOT_BITS_MIN: u32 = 16;
/// Most bits of a slot's number.
pub const SLOT_BITS_MAX: u32 = 20;

/// Nodes behind the owner that the table holds for each slot. The rest of a preference is computed when it is asked for.
const AFTER: usize = 3;

/// Most nodes of a ring with [`SLOT_BITS`] unless told otherwise.
const NODES_OF_SLOT_BITS: usize = 256;
/// Bits of a slot's number for most clusters.
///
/// With 2^16 slots, one in eight new nodes drew 0.2 points more than its share at 3 to 4 nodes; with 2^18 none of 100 did.
const SLOT_BITS: u32 = 18;

/// How many bits number the slots of a ring of `nodes` nodes, so that each node has a thousand slots or more.
///
/// Tables of different bits have nothing in common: where a cluster grows over the limit of 256 nodes, nearly all keys
/// would move. So a cluster keeps the bits that it began with; the load bound holds with fewer slots, too.
pub fn slot_bits(nodes: usize) -> u32 {
    match nodes {
        0..=NODES_OF_SLOT_BITS => SLOT_BITS,
        _ => SLOT_BITS_MAX,
    }
}

/// A table of slots. Nodes are told by their index in the list that the table was built from.
#[derive(Clone, Debug)]
pub struct Slots {
    bits: u32,
    owners: Vec<u16>,
    /// The nodes after the owner; of them only as many count as there are other nodes.
    after: Vec<[u16; AFTER]>,
    race: Race,
}

impl Slots {
    /// Builds a table of 2^`bits` slots. `bits` is brought between [`SLOT_BITS_MIN`] and [`SLOT_BITS_MAX`].
    ///
    /// With 2^18 slots that takes about 0.1 s of a processor for 10 nodes and 0.3 s for 100.
    ///
    /// # Errors
    /// When there are no nodes or too many, and when two have the same id.
    pub fn build(nodes: &[Node], bits: u32) -> Result<Self, RingError> {
        match nodes.len() {
            0 => return Err(RingError::Empty),
            1..=NODES_MAX => (),
            count => return Err(RingError::TooMany(count)),
        }
        let bits = bits.clamp(SLOT_BITS_MIN, SLOT_BITS_MAX);
        let race = Race::new(nodes)?;
        let (owners, after) = assign::assign(&race, 1 << bits);
        Ok(Self {
            bits,
            owners,
            after,
            race,
        })
    }

    /// How many slots there are.
    #[expect(clippy::len_without_is_empty, reason = "a table is never empty")]
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// The slot of a key with this hash.
    #[inline]
    pub fn slot(&self, hash: u64) -> usize {
        (hash >> (u64::BITS - self.bits)) as usize
    }

    /// The node that a key with this hash belongs to.
    #[inline]
    pub fn owner(&self, hash: u64) -> usize {
        usize::from(self.owners[self.slot(hash)])
    }

    /// The node that a slot belongs to.
    ///
    /// # Panics
    /// When there is no such slot.
    pub fn owner_of_slot(&self, slot: usize) -> usize {
        usize::from(self.owners[slot])
    }

    /// The nodes that a key with this hash may go to: its owner, then the others in the order in which they stand in.
    pub fn preference(&self, hash: u64) -> Preference<'_> {
        self.preference_of_slot(self.slot(hash))
    }

    /// The nodes that keys of a slot may go to.
    ///
    /// # Panics
    /// When there is no such slot.
    pub fn preference_of_slot(&self, slot: usize) -> Preference<'_> {
        assert!(slot < self.len(), "slot {slot} of {}", self.len());
        Preference {
            table: self,
            slot,
            given: 0,
            last: None,
        }
    }

    /// How many slots each node owns.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.race.nodes()];
        for owner in &self.owners {
            counts[usize::from(*owner)] += 1;
        }
        counts
    }
}

/// The nodes of a slot, each once, in order of preference. The first four come from the table, each further one costs a
/// pass over the nodes.
#[derive(Clone, Debug)]
pub struct Preference<'a> {
    table: &'a Slots,
    slot: usize,
    given: usize,
    /// The last finish that was given, behind those of the table.
    last: Option<Finish>,
}

impl Iterator for Preference<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let Self { table, slot, .. } = *self;
        if self.given == table.race.nodes() {
            return None;
        }
        let owner = table.owners[slot];
        let node = match self.given {
            0 => owner,
            given if given <= AFTER => table.after[slot][given - 1],
            _ => {
                let last = self.last.unwrap_or_else(|| {
                    let node = table.after[slot][AFTER - 1];
                    table.race.finish(slot, node)
                });
                let next = table
                    .race
                    .finishes(slot)
                    .filter(|finish| *finish > last && finish.node != owner)
                    .min()?;
                self.last = Some(next);
                next.node
            }
        };
        self.given += 1;
        Some(usize::from(node))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.table.race.nodes() - self.given;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Preference<'_> {}
