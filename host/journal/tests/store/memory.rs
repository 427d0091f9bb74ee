//! A disk in memory.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use cacheismo_journal::log::Sink;
use cacheismo_journal::segment::Position;

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    /// How many bytes are on disk.
    pub(crate) synced: usize,
}

pub(crate) struct Memory(Arc<Mutex<Written>>);

impl Memory {
    pub(crate) fn new(written: Arc<Mutex<Written>>) -> Memory {
        Memory(written)
    }
}

impl Sink for Memory {
    type Error = Infallible;

    fn append(&mut self, sealed: &[u8]) -> Result<Position, Infallible> {
        let mut written = self.0.lock().expect("nobody panicked");
        written.bytes.extend_from_slice(sealed);
        drop(written);
        Ok(self.position())
    }

    fn sync(&mut self) -> Result<(), Infallible> {
        let mut written = self.0.lock().expect("nobody panicked");
        written.synced = written.bytes.len();
        Ok(())
    }

    fn position(&self) -> Position {
        Position {
            segment: 1,
            offset: self.0.lock().expect("nobody panicked").bytes.len() as u64,
        }
    }

    fn begin_after_gap(&mut self) -> Result<Position, Infallible> {
        unreachable!("nothing fails")
    }

    fn finish(&mut self) -> Result<(), Infallible> {
        self.sync()
    }
}
