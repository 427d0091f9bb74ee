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

/// The slots that a node holds, the slowest on top: its time and its number.
type Held = BinaryHeap<(u64, u32)>;

/// Owners of all slots, and the nodes behind each owner.
pub(super) fn assign(race: &Race, slots: usize) -> (Vec<u16>, Vec<[u16; AFTER]>) {
    let bounds = bounds(race, slots);
    let mut after = Vec::with_capacity(slots);
    let mut held: Vec<_> = bounds
        .iter()
        .map(|bound| Vec::with_capacity(*bound))
        .collect();
    let mut times = Vec::with_capacity(race.nodes());
    for slot in 0..slots {
        race.times(slot, &mut times);
        let fastest = fastest(race, slot, &times);
        held[usize::from(fastest[0].node)].push((fastest[0].time, slot as u32));
        after.push(fastest.map(|finish| finish.node));
    }
    let mut held: Vec<_> = held.into_iter().map(Held::from).collect();
    for node in 0..held.len() {
        while let Some(refused) = refuse(&mut held[node], bounds[node]) {
            ask_others(race, &mut held, &bounds, refused, node);
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

/// The slot that a node has over its bound, if it has one.
fn refuse(held: &mut Held, bound: usize) -> Option<u32> {
    if held.len() <= bound {
        return None;
    }
    held.pop().map(|(_, slot)| slot)
}

/// Finds a place for a slot that a node has refused. Whoever takes it may refuse another, which then asks on.
fn ask_others(race: &Race, held: &mut [Held], bounds: &[usize], mut slot: u32, mut node: usize) {
    loop {
        let refused = race.finish(slot as usize, node as u16);
        let next = race
            .finishes(slot as usize)
            .filter(|finish| *finish > refused)
            .min()
            .expect("the bounds add up to all slots or more, so a node has room");
        node = usize::from(next.node);
        held[node].push((next.time, slot));
        // Nodes that have not refused what they have too much of do so when their turn comes.
        match held[node].len() == bounds[node] + 1 {
            true => slot = refuse(&mut held[node], bounds[node]).expect("there is one too many"),
            false => return,
        }
    }
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
fn fastest(race: &Race, slot: usize, times: &[u64]) -> [Finish; AFTER + 1] {
    let mut best = [race.finish(slot, 0); AFTER + 1];
    let mut filled = 1;
    for (node, time) in (0..).zip(times).skip(1) {
        if filled == best.len() && *time > best[AFTER].time {
            continue;
        }
        let finish = race.finish(slot, node);
        let place = best[..filled].partition_point(|better| *better < finish);
        if place < best.len() {
            best.copy_within(place..AFTER, place + 1);
            best[place] = finish;
            filled = (filled + 1).min(best.len());
        }
    }
    best
}

/// The fastest nodes but for the owner, who need not be among them.
fn without(fastest: &[u16; AFTER + 1], owner: u16) -> [u16; AFTER] {
    let mut others = fastest.iter().copied().filter(|node| *node != owner);
    std::array::from_fn(|_| others.next().unwrap_or(owner))
}
