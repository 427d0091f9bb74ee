//! Who gets which slot: the fastest node, unless it has its bound of slots already.
//!
//! Slots and nodes are matched as in the *stable marriage* algorithm of Gale and Shapley. Each slot asks its fastest node.
//! A node that is asked by more slots than its bound allows keeps those where its time is best, and the others ask their
//! next node. The outcome does not depend on the order in which slots ask, and no slot is with a slower node while a faster
//! one would rather have it than one of its own. So a change of the nodes displaces few slots that it does not concern.

use std::collections::BinaryHeap;

use super::AFTER;
use super::race::{Finish, Race};

/// Most slots of a node, in thousandths of its share.
///
/// Measured over 100 lists of nodes with 2^18 slots, at 3 to 4 and at 9 to 10 nodes: with a bound of 1050, up to 0.23 points
/// more keys than a new node's share moved, because luck gave it more than its share. With 1005 it was up to 0.15
/// points, and with 1000 up to 0.22, because old nodes then pass slots among themselves.
pub const LOAD_BOUND_PER_MILLE: u128 = 1005;

/// Owners of all slots, and the nodes behind each owner.
pub(super) fn assign(race: &Race, slots: usize) -> (Vec<u16>, Vec<[u16; AFTER]>) {
    let bounds = bounds(race, slots);
    let mut held: Vec<BinaryHeap<(Finish, u32)>> =
        bounds.iter().map(|_| BinaryHeap::new()).collect();
    let mut after = Vec::with_capacity(slots);
    for slot in 0..slots {
        let fastest = fastest(race, slot);
        after.push(fastest.map(|finish| finish.node));
        let mut asking = (fastest[0], slot as u32);
        loop {
            let node = usize::from(asking.0.node);
            held[node].push(asking);
            if held[node].len() <= bounds[node] {
                break;
            }
            let (refused, slot) = held[node].pop().expect("one was pushed just now");
            let next = race
                .finishes(slot as usize)
                .filter(|finish| *finish > refused)
                .min()
                .expect("the bounds add up to all slots or more, so a node has room");
            asking = (next, slot);
        }
    }
    let mut owners = vec![0; slots];
    for (node, held) in (0..).zip(held) {
        for (_, slot) in held {
            owners[slot as usize] = node;
        }
    }
    let after = after
        .iter()
        .zip(&owners)
        .map(|(fastest, owner)| without(fastest, *owner))
        .collect();
    (owners, after)
}

/// Most slots of each node. They add up to `slots` at least, because no bound is below a share rounded up.
pub(super) fn bounds(race: &Race, slots: usize) -> Vec<usize> {
    let (shares, whole) = race.shares(slots);
    shares
        .into_iter()
        .map(|share| {
            let bound = share * LOAD_BOUND_PER_MILLE / (whole * 1000);
            bound.max(share.div_ceil(whole)) as usize
        })
        .collect()
}

/// The fastest nodes of a slot in order. With fewer nodes than places the last places repeat the slowest.
fn fastest(race: &Race, slot: usize) -> [Finish; AFTER + 1] {
    let mut finishes = race.finishes(slot);
    let first = finishes.next().expect("there is a node");
    let mut best = [first; AFTER + 1];
    let mut filled = 1;
    for finish in finishes {
        if filled == best.len() && finish > best[AFTER] {
            continue;
        }
        let place = best[..filled].partition_point(|better| *better < finish);
        best.copy_within(place..AFTER, place + 1);
        best[place] = finish;
        filled = (filled + 1).min(best.len());
    }
    best
}

/// The fastest nodes but for the owner, who need not be among them.
fn without(fastest: &[u16; AFTER + 1], owner: u16) -> [u16; AFTER] {
    let mut others = fastest.iter().copied().filter(|node| *node != owner);
    std::array::from_fn(|_| others.next().unwrap_or(owner))
}
