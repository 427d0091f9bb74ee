//! What the log's thread needs of the files.

use crate::Error;
use crate::files::Files;
use crate::segment::{LogWriter, Next, Options, Position};

/// Where the log goes. After an error nothing is called but [`Sink::begin_after_gap`].
pub trait Sink {
    /// Why it failed.
    type Error: std::error::Error;

    /// Appends records with right checksums. Returns where they end.
    ///
    /// # Errors
    /// When the disk fails.
    fn append(&mut self, sealed: &[u8]) -> Result<Position, Self::Error>;

    /// Returns when all that was appended is on disk.
    ///
    /// # Errors
    /// When the disk fails. Nobody knows then what is on disk.
    fn sync(&mut self) -> Result<(), Self::Error>;

    /// Where the next record goes, or before.
    fn position(&self) -> Position;

    /// Leaves what was written as it is, and begins anew; what is appended from now on is of use only with a snapshot
    /// that was taken after this call.
    ///
    /// # Errors
    /// When the disk fails again.
    fn begin_after_gap(&mut self) -> Result<Position, Self::Error>;

    /// Ends the log for now: all of it is on disk.
    ///
    /// # Errors
    /// When the disk fails.
    fn finish(&mut self) -> Result<(), Self::Error>;
}

/// The log in the segments of a directory.
#[derive(Debug)]
pub struct Segments<F: Files> {
    files: F,
    options: Options,
    /// The segment that is written; none while the log is broken off, and at the end.
    writer: Option<LogWriter<F>>,
    next: Next,
    /// Where the log ended last.
    ended: Position,
}

impl<F: Files> Segments<F> {
    /// Goes on with a log whose next segment is `next`.
    ///
    /// # Errors
    /// When the segment cannot be made.
    pub fn open(files: F, options: Options, mut next: Next) -> Result<Segments<F>, Error> {
        let writer = LogWriter::open_new(files.clone(), options, &mut next)?;
        Ok(Segments {
            ended: writer.position(),
            files,
            options,
            writer: Some(writer),
            next,
        })
    }

    fn writer(&mut self) -> Result<&mut LogWriter<F>, Error> {
        let files = &self.files;
        self.writer.as_mut().ok_or_else(|| Error::GivenUp {
            path: files.path(""),
        })
    }
}

impl<F: Files> Sink for Segments<F> {
    type Error = Error;

    fn append(&mut self, sealed: &[u8]) -> Result<Position, Error> {
        self.writer()?.append(sealed)
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.writer()?.sync()
    }

    fn position(&self) -> Position {
        self.writer.as_ref().map_or(self.ended, LogWriter::position)
    }

    fn begin_after_gap(&mut self) -> Result<Position, Error> {
        self.ended = self.position();
        if let Some(writer) = self.writer.take() {
            self.next = writer.give_up();
        }
        let writer = LogWriter::open_new(self.files.clone(), self.options, &mut self.next)?;
        Ok(self.writer.insert(writer).position())
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.ended = self.position();
        if let Some(writer) = self.writer.take() {
            self.next = writer.finish()?;
        }
        Ok(())
    }
}
