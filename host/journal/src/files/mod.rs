//! All access to files goes through one trait, so that a test can fail, hold up or forget any operation.
//!
//! The names are those of one directory, without any in between. A file is written by one thread and is private to the
//! user. What was written is on disk after [`Files::sync`]; that a name is there, or gone, after
//! [`Files::sync_directory`]. Nothing else is promised: until then a crash may keep any part of it.

mod directory;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::io;
use std::path::PathBuf;

pub use directory::{Directory, OpenError};

/// The files of one directory.
pub trait Files: Clone + Debug + Send + Sync + 'static {
    /// An open file.
    type File: Debug + Send + Sync;

    /// Makes a file that isn't there yet. Its first `bytes` bytes are zeros and have their place on the disk.
    ///
    /// # Errors
    /// The system's. After an error the file may be there or not.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Self::File>;

    /// Opens a file that is there.
    ///
    /// # Errors
    /// The system's.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Length of the file in bytes.
    ///
    /// # Errors
    /// The system's.
    fn length(&self, file: &Self::File) -> io::Result<u64>;

    /// Reads bytes from `offset` on, and returns how many: fewer than asked for only where the file ends.
    ///
    /// # Errors
    /// The system's.
    fn read_at(&self, file: &Self::File, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes all bytes at `offset`. The file grows if need be.
    ///
    /// # Errors
    /// The system's. After an error any part of the bytes may be written.
    fn write_at(&self, file: &Self::File, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file off at this length, which is not above its own.
    ///
    /// # Errors
    /// The system's.
    fn cut(&self, file: &Self::File, bytes: u64) -> io::Result<()>;

    /// Returns when all that was written and cut is on disk.
    ///
    /// # Errors
    /// The system's. What was not on disk may then never get there, even if a later call returns without an error: the
    /// system forgets what it could not write. So nobody calls this again for the same bytes.
    fn sync(&self, file: &Self::File) -> io::Result<()>;

    /// Gives a file another name, in place of the file that had it.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// All names, in no order.
    ///
    /// # Errors
    /// The system's.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Returns when all names made, given and removed are on disk.
    ///
    /// # Errors
    /// The system's.
    fn sync_directory(&self) -> io::Result<()>;

    /// What a message calls the file of that name, or the directory if the name is empty.
    fn path(&self, name: &str) -> PathBuf;
}
