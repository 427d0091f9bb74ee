//! What a crash of the machine leaves.

use super::state::{Change, Random, State, apply_naming};

const SECTOR_BYTES: usize = 512;

/// How a crash treats what was not synced.
#[derive(Clone, Copy)]
enum Mood {
    KeepsAll,
    DropsAll,
    /// Keeps what was first.
    InOrder,
    AnyOrder,
}

pub(super) fn crash(state: &mut State) {
    let random = &mut state.random;
    for inode in &mut state.inodes {
        let mut pending = std::mem::take(&mut inode.pending);
        match mood(random) {
            Mood::KeepsAll => {}
            Mood::DropsAll => pending.clear(),
            Mood::InOrder => {
                pending.truncate(random.below(pending.len() as u64 + 1) as usize);
                if let Some(last) = pending.pop() {
                    pending.extend(torn(random, last));
                }
            }
            Mood::AnyOrder => {
                for last in (1..pending.len()).rev() {
                    pending.swap(last, random.below(last as u64 + 1) as usize);
                }
                pending.retain(|_| !random.one_in(3));
                let parts = pending.drain(..).map(|change| match random.one_in(3) {
                    true => torn(random, change),
                    false => vec![change],
                });
                pending = parts.flatten().collect();
            }
        }
        for change in pending {
            change.apply(&mut inode.durable);
        }
        inode.seen = inode.durable.clone();
    }
    let mood = mood(random);
    let first = random.below(state.pending_names.len() as u64 + 1) as usize;
    for (at, (naming, inode)) in state.pending_names.drain(..).enumerate() {
        let kept = match mood {
            Mood::KeepsAll => true,
            Mood::DropsAll => false,
            Mood::InOrder => at < first,
            Mood::AnyOrder => random.one_in(2),
        };
        if kept {
            apply_naming(&mut state.durable_names, &naming, inode);
        }
    }
    state.names = state.durable_names.clone();
}

fn mood(random: &mut Random) -> Mood {
    let moods = [
        Mood::KeepsAll,
        Mood::DropsAll,
        Mood::InOrder,
        Mood::AnyOrder,
        Mood::AnyOrder,
    ];
    moods[random.below(moods.len() as u64) as usize]
}

/// What a crash leaves of a change that it meets on its way to the disk.
fn torn(random: &mut Random, change: Change) -> Vec<Change> {
    let Change::Write(offset, mut bytes) = change else {
        return Vec::new();
    };
    if random.one_in(2) {
        bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
        return vec![Change::Write(offset, bytes)];
    }
    let mut sectors = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let sector_end = (offset + at + 1).next_multiple_of(SECTOR_BYTES) - offset;
        let end = sector_end.min(bytes.len());
        if random.one_in(2) {
            sectors.push(Change::Write(offset + at, bytes[at..end].to_vec()));
        }
        at = end;
    }
    sectors
}
