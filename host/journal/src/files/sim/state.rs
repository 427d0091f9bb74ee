//! What is on a simulated disk, and what is only in the memory of its machine.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use super::{Fault, Kind, Operation};

/// Numbers that follow from a seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// A file, whatever its name.
#[derive(Debug, Default)]
pub(super) struct Inode {
    /// What whoever reads it sees.
    pub(super) seen: Vec<u8>,
    /// What is surely on the disk.
    pub(super) durable: Vec<u8>,
    /// What may be on the disk, too, or not.
    pub(super) pending: Vec<Change>,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Write(usize, Vec<u8>),
    Length(u64),
}

impl Change {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Write(offset, written) => {
                let end = offset + written.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*offset..end].copy_from_slice(written);
            }
            Change::Length(length) => bytes.resize(*length as usize, 0),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Naming {
    Named(String, usize),
    Renamed(String, String),
    Removed(String),
}

pub(super) struct State {
    pub(super) random: Random,
    /// Rises when a process ends.
    pub(super) generation: u64,
    pub(super) inodes: Vec<Inode>,
    /// The names that a process sees.
    pub(super) names: BTreeMap<String, usize>,
    /// The names that are surely on the disk.
    pub(super) durable_names: BTreeMap<String, usize>,
    /// What may be on the disk, too, or not, with the inode it is about.
    pub(super) pending_names: Vec<(Naming, usize)>,
    pub(super) operations: u64,
    pub(super) held: bool,
    pub(super) fault: Option<Fault>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("State");
        shown.field("names", &self.names).finish_non_exhaustive()
    }
}

impl State {
    pub(super) fn new(seed: u64) -> State {
        State {
            random: Random::new(seed),
            generation: 0,
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            operations: 0,
            held: false,
            fault: None,
        }
    }

    pub(super) fn operation(&mut self, kind: Kind, name: &str) -> io::Result<()> {
        let operation = Operation {
            number: self.operations,
            kind,
            name: name.to_owned(),
        };
        self.operations += 1;
        match self.fault.as_mut().and_then(|fault| fault(&operation)) {
            Some(errno) => Err(errno.into()),
            None => Ok(()),
        }
    }

    pub(super) fn add_inode(&mut self) -> usize {
        self.inodes.push(Inode::default());
        self.inodes.len() - 1
    }

    pub(super) fn change(&mut self, inode: usize, change: Change) {
        let inode = &mut self.inodes[inode];
        change.apply(&mut inode.seen);
        inode.pending.push(change);
    }

    pub(super) fn name(&mut self, naming: Naming) {
        let inode = match &naming {
            Naming::Named(_, inode) => *inode,
            Naming::Renamed(name, _) | Naming::Removed(name) => self.names[name],
        };
        apply_naming(&mut self.names, &naming, inode);
        self.pending_names.push((naming, inode));
    }

    /// What was written reaches the disk. If the sync fails, some of it never does.
    pub(super) fn sync(&mut self, inode: usize, works: bool) {
        let inode = &mut self.inodes[inode];
        for change in inode.pending.drain(..) {
            if works || self.random.one_in(2) {
                change.apply(&mut inode.durable);
            }
        }
    }

    /// Names reach the disk. If the sync fails, the first few do.
    pub(super) fn sync_names(&mut self, works: bool) {
        let all = self.pending_names.len();
        let synced = match works {
            true => all,
            false => self.random.below(all as u64 + 1) as usize,
        };
        for (naming, inode) in self.pending_names.drain(..synced) {
            apply_naming(&mut self.durable_names, &naming, inode);
        }
    }

    pub(super) fn put(&mut self, name: &str, bytes: &[u8]) {
        let inode = self.add_inode();
        self.inodes[inode].seen = bytes.to_vec();
        self.inodes[inode].durable = bytes.to_vec();
        self.names.insert(name.to_owned(), inode);
        self.durable_names.insert(name.to_owned(), inode);
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.names.remove(name);
        self.durable_names.remove(name);
    }
}

pub(super) fn apply_naming(names: &mut BTreeMap<String, usize>, naming: &Naming, inode: usize) {
    match naming {
        Naming::Named(name, _) => {
            names.insert(name.clone(), inode);
        }
        Naming::Renamed(from, to) => {
            names.remove(from);
            names.insert(to.clone(), inode);
        }
        Naming::Removed(name) => {
            names.remove(name);
        }
    }
}
