//! A simulated disk, which does all that a real one is allowed to do.
//!
//! Until a file is synced, a crash keeps or drops each write to it by itself, in any order, torn at any byte or sector.
//! Until the directory is synced, a crash keeps or drops each new name, renaming and removal. An operation can be made
//! to fail, and leaves then what a failed one may leave: part of a write, a file that was made all the same, bytes that
//! no later sync will bring to the disk. Syncs can be held up. All of it follows from a seed.

mod crash;
mod state;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use rustix::io::Errno;

use super::Files;
use state::{Change, Naming, State};

pub use state::Random;

/// A simulated disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct Disk {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Syncs are not held up any more.
    released: Condvar,
}

/// What somebody does with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Files::create`].
    Create,
    /// [`Files::open`].
    Open,
    /// [`Files::length`].
    Length,
    /// [`Files::read_at`].
    Read,
    /// [`Files::write_at`].
    Write,
    /// [`Files::cut`].
    Cut,
    /// [`Files::sync`].
    Sync,
    /// [`Files::rename`].
    Rename,
    /// [`Files::remove`].
    Remove,
    /// [`Files::list`].
    List,
    /// [`Files::sync_directory`].
    SyncDirectory,
}

/// An operation, told before it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// How many there were before.
    pub number: u64,
    /// What is done.
    pub kind: Kind,
    /// With which file; empty for the directory.
    pub name: String,
}

/// Decides which operations fail.
pub(crate) type Fault = Box<dyn FnMut(&Operation) -> Option<Errno> + Send>;

/// An open file. It is of no use after the crash of whoever opened it.
#[derive(Debug)]
pub struct SimFile {
    inode: usize,
    name: String,
    generation: u64,
}

impl Disk {
    /// An empty disk.
    pub fn new(seed: u64) -> Disk {
        Disk {
            shared: Arc::new(Shared {
                state: Mutex::new(State::new(seed)),
                released: Condvar::new(),
            }),
        }
    }

    /// From now on those operations fail of which `fault` says so.
    pub fn fail_when(&self, fault: impl FnMut(&Operation) -> Option<Errno> + Send + 'static) {
        self.state().fault = Some(Box::new(fault));
    }

    /// No operation fails any more.
    pub fn mend(&self) {
        self.state().fault = None;
    }

    /// Syncs of files wait from now on.
    pub fn hold_syncs(&self) {
        self.state().held = true;
    }

    /// Syncs go on.
    pub fn release_syncs(&self) {
        self.state().held = false;
        self.shared.released.notify_all();
    }

    /// How many operations there were.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The process ends. What it wrote stays, but a later [`Disk::crash`] may still take what was not synced.
    pub fn kill(&self) {
        self.state().generation += 1;
    }

    /// The machine ends: what was not synced is kept, dropped or torn.
    pub fn crash(&self) {
        let state = &mut *self.state();
        state.generation += 1;
        crash::crash(state);
    }

    /// What is in a file, for whoever looks from outside.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = *state.names.get(name)?;
        Some(state.inodes[inode].seen.clone())
    }

    /// Puts a file on the disk, in place of the one of that name.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        self.state().put(name, bytes);
    }

    /// Takes a file from the disk.
    pub fn take(&self, name: &str) {
        self.state().forget(name);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().expect("no test panics in here")
    }

    /// Begins an operation. The error is what it fails with.
    fn begin(&self, kind: Kind, name: &str) -> (MutexGuard<'_, State>, Result<(), io::Error>) {
        let mut state = self.state();
        while kind == Kind::Sync && state.held {
            state = self.shared.released.wait(state).expect("as above");
        }
        let result = state.operation(kind, name);
        (state, result)
    }

    /// Begins an operation with an open file.
    fn begin_with(
        &self,
        kind: Kind,
        file: &SimFile,
    ) -> io::Result<(MutexGuard<'_, State>, Result<(), io::Error>)> {
        let begun = self.begin(kind, &file.name);
        match begun.0.generation == file.generation {
            true => Ok(begun),
            false => Err(Errno::BADF.into()),
        }
    }
}

impl Files for Disk {
    type File = SimFile;

    fn create(&self, name: &str, bytes: u64) -> io::Result<SimFile> {
        let (mut state, result) = self.begin(Kind::Create, name);
        if state.names.contains_key(name) {
            return Err(Errno::EXIST.into());
        }
        if result.is_ok() || state.random.one_in(2) {
            let inode = state.add_inode();
            state.change(inode, Change::Length(bytes));
            state.name(Naming::Named(name.to_owned(), inode));
        }
        result?;
        Ok(SimFile {
            inode: state.names[name],
            name: name.to_owned(),
            generation: state.generation,
        })
    }

    fn open(&self, name: &str) -> io::Result<SimFile> {
        let (state, result) = self.begin(Kind::Open, name);
        result?;
        match state.names.get(name) {
            Some(inode) => Ok(SimFile {
                inode: *inode,
                name: name.to_owned(),
                generation: state.generation,
            }),
            None => Err(Errno::NOENT.into()),
        }
    }

    fn length(&self, file: &SimFile) -> io::Result<u64> {
        let (state, result) = self.begin_with(Kind::Length, file)?;
        result.map(|()| state.inodes[file.inode].seen.len() as u64)
    }

    fn read_at(&self, file: &SimFile, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let (state, result) = self.begin_with(Kind::Read, file)?;
        result?;
        let seen = &state.inodes[file.inode].seen;
        let rest = seen.get(offset as usize..).unwrap_or(&[]);
        let bytes = rest.len().min(into.len());
        into[..bytes].copy_from_slice(&rest[..bytes]);
        Ok(bytes)
    }

    fn write_at(&self, file: &SimFile, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (mut state, result) = self.begin_with(Kind::Write, file)?;
        let written = match result {
            Ok(()) => bytes.len(),
            Err(_) => state.random.below(bytes.len() as u64 + 1) as usize,
        };
        let change = Change::Write(offset as usize, bytes[..written].to_vec());
        state.change(file.inode, change);
        result
    }

    fn cut(&self, file: &SimFile, bytes: u64) -> io::Result<()> {
        let (mut state, result) = self.begin_with(Kind::Cut, file)?;
        if result.is_ok() || state.random.one_in(2) {
            state.change(file.inode, Change::Length(bytes));
        }
        result
    }

    fn sync(&self, file: &SimFile) -> io::Result<()> {
        let (mut state, result) = self.begin_with(Kind::Sync, file)?;
        state.sync(file.inode, result.is_ok());
        result
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (mut state, result) = self.begin(Kind::Rename, from);
        if !state.names.contains_key(from) {
            return Err(Errno::NOENT.into());
        }
        if result.is_ok() || state.random.one_in(2) {
            state.name(Naming::Renamed(from.to_owned(), to.to_owned()));
        }
        result
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let (mut state, result) = self.begin(Kind::Remove, name);
        if !state.names.contains_key(name) {
            return Err(Errno::NOENT.into());
        }
        if result.is_ok() || state.random.one_in(2) {
            state.name(Naming::Removed(name.to_owned()));
        }
        result
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let (state, result) = self.begin(Kind::List, "");
        result.map(|()| state.names.keys().cloned().collect())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let (mut state, result) = self.begin(Kind::SyncDirectory, "");
        state.sync_names(result.is_ok());
        result
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("disk").join(name)
    }
}
