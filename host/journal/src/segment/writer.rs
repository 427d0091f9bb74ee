//! Writing the log.

use super::header::{HEADER_BYTES, Header, chain_on};
use super::{Before, Link, Next, NodeId, Position, name};
use crate::Error;
use crate::files::Files;
use crate::record::mark::{MARK_BYTES, Mark};
use crate::record::whole_bytes;

/// Milliseconds after which a mark tells the time again, if anything is appended.
const MARK_EVERY_MS: u64 = 1000;
/// Room for the marks that may come before the first record of a segment and behind its last.
const MARKS_BYTES: u64 = 4 * MARK_BYTES as u64;

/// What is the same for all segments of a log.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Who writes.
    pub node: NodeId,
    /// Length of a segment in bytes. One longer record gets a longer segment.
    pub segment_bytes: u64,
    /// Milliseconds since 1970, now.
    pub now_ms: fn() -> u64,
}

impl Options {
    /// Default length of a segment.
    pub const SEGMENT_BYTES: u64 = 64 << 20;
}

/// The end of the log, to which records are appended.
///
/// After an error the writer does nothing any more: call [`LogWriter::give_up`], and open a new one.
#[derive(Debug)]
pub struct LogWriter<F: Files> {
    files: F,
    options: Options,
    segment: Segment<F>,
    /// Where the log goes on after an error.
    next: Next,
    /// An operation failed.
    broken: bool,
}

/// The segment that is written.
#[derive(Debug)]
struct Segment<F: Files> {
    file: F::File,
    name: String,
    number: u64,
    /// Length of the file.
    bytes: u64,
    /// Where the next bytes go.
    end: u64,
    /// Where the last record ends. Marks may follow, which nobody waits for.
    records_end: u64,
    chain: u32,
    /// Where the bytes end that are known to be on disk.
    synced: u64,
    /// When the last mark was written.
    marked_ms: u64,
    /// Records were appended since the last sync.
    dirty: bool,
}

impl<F: Files> LogWriter<F> {
    /// Begins a segment, which is on disk when this returns.
    ///
    /// `next` says where the log goes on, and afterwards where it would after an error: whether this fails or not, it
    /// is what the next call is given, or what [`LogWriter::give_up`] returns.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open_new(files: F, options: Options, next: &mut Next) -> Result<LogWriter<F>, Error> {
        let segment = begin(&files, &options, next, options.segment_bytes)?;
        Ok(LogWriter {
            files,
            options,
            segment,
            next: *next,
            broken: false,
        })
    }

    /// Appends records. Their checksums are right: [`crate::record::seal`] was called. Returns where they end.
    ///
    /// # Errors
    /// When the disk fails. Any part of the records may be in the log then.
    pub fn append(&mut self, sealed: &[u8]) -> Result<Position, Error> {
        self.attempt(|writer| writer.append_all(sealed))?;
        Ok(self.position())
    }

    /// Returns when all that was appended is on disk.
    ///
    /// # Errors
    /// When the disk fails. Nobody knows then what is on disk of what was appended since the last call.
    pub fn sync(&mut self) -> Result<(), Error> {
        match self.segment.dirty {
            true => self.attempt(LogWriter::sync_and_mark),
            false => Ok(()),
        }
    }

    /// Where the last record ends. After [`LogWriter::sync`] all before is on disk.
    pub fn position(&self) -> Position {
        Position {
            segment: self.segment.number,
            offset: self.segment.records_end,
        }
    }

    /// Leaves the segment as it is, after an error. The log goes on after a gap.
    pub fn give_up(self) -> Next {
        self.next
    }

    /// Ends the log for now: all of it is on disk, and its last segment has its final length.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn finish(mut self) -> Result<Next, Error> {
        self.attempt(|writer| {
            writer.sync_and_mark()?;
            writer.end_segment()
        })
    }

    fn attempt<R>(&mut self, act: impl FnOnce(&mut Self) -> Result<R, Error>) -> Result<R, Error> {
        if self.broken {
            let path = self.files.path(&self.segment.name);
            return Err(Error::GivenUp { path });
        }
        let result = act(self);
        self.broken = result.is_err();
        result
    }

    fn append_all(&mut self, mut sealed: &[u8]) -> Result<(), Error> {
        while !sealed.is_empty() {
            let now_ms = (self.options.now_ms)();
            let fitting = self.fitting(sealed)?;
            if fitting == 0 {
                let first = whole_bytes(sealed).ok_or(Error::TooLong)?;
                self.rotate(first as u64)?;
                continue;
            }
            if now_ms.saturating_sub(self.segment.marked_ms) >= MARK_EVERY_MS {
                self.mark(now_ms)?;
            }
            let (records, rest) = sealed.split_at(fitting);
            self.write(records)?;
            self.segment.records_end = self.segment.end;
            self.segment.dirty = true;
            sealed = rest;
        }
        Ok(())
    }

    /// How many bytes of whole records have room in the segment.
    fn fitting(&self, sealed: &[u8]) -> Result<usize, Error> {
        let room = self
            .segment
            .bytes
            .saturating_sub(self.segment.end + MARKS_BYTES);
        let mut fitting = 0;
        while fitting < sealed.len() {
            let record = whole_bytes(&sealed[fitting..]).ok_or(Error::TooLong)?;
            if (fitting + record) as u64 > room {
                break;
            }
            fitting += record;
        }
        Ok(fitting)
    }

    /// Writes records, or a mark, at the end.
    fn write(&mut self, records: &[u8]) -> Result<(), Error> {
        let segment = &mut self.segment;
        let written = self.files.write_at(&segment.file, segment.end, records);
        written.map_err(Error::system(&self.files, &segment.name, "write"))?;
        segment.end += records.len() as u64;
        let mut rest = records;
        while let Some(record) = whole_bytes(rest) {
            segment.chain = chain_on(segment.chain, rest);
            rest = &rest[record..];
        }
        Ok(())
    }

    fn mark(&mut self, unix_ms: u64) -> Result<(), Error> {
        let mark = Mark {
            node: self.options.node,
            offset: self.segment.end,
            synced: self.segment.synced,
            unix_ms,
        };
        self.segment.marked_ms = unix_ms;
        self.write(&mark.to_bytes())
    }

    fn sync_and_mark(&mut self) -> Result<(), Error> {
        self.sync_file()?;
        self.segment.synced = self.segment.end;
        self.segment.dirty = false;
        // If the disk gets the mark, damage before it is known as such. It is not waited for.
        self.mark((self.options.now_ms)())
    }

    fn sync_file(&self) -> Result<(), Error> {
        let segment = &self.segment;
        let synced = self.files.sync(&segment.file);
        synced.map_err(Error::system(&self.files, &segment.name, "sync"))
    }

    /// Begins the next segment, which has room for a record of `record` bytes.
    fn rotate(&mut self, record: u64) -> Result<(), Error> {
        let mut next = self.end_segment()?;
        let bytes = HEADER_BYTES as u64 + record + MARKS_BYTES;
        let bytes = bytes.max(self.options.segment_bytes);
        let begun = begin(&self.files, &self.options, &mut next, bytes);
        self.next = next;
        self.segment = begun?;
        Ok(())
    }

    /// Cuts the segment to its records and has it on disk, since only the last segment may end in the middle.
    fn end_segment(&mut self) -> Result<Next, Error> {
        let segment = &self.segment;
        let cut = self.files.cut(&segment.file, segment.end);
        cut.map_err(Error::system(&self.files, &segment.name, "shorten"))?;
        self.sync_file()?;
        Ok(Next {
            number: segment.number + 1,
            before: Before::Segment(Link {
                segment: segment.number,
                end: segment.end,
                chain: segment.chain,
            }),
        })
    }
}

/// Makes a segment. No record may go into it before its header and its name are on disk.
fn begin<F: Files>(
    files: &F,
    options: &Options,
    next: &mut Next,
    bytes: u64,
) -> Result<Segment<F>, Error> {
    let Next { number, before } = *next;
    // If this fails, a file of that number may be there all the same, and be in nobody's way.
    *next = Next {
        number: number + 1,
        before: Before::Gap,
    };
    let name = name(number);
    let unix_ms = (options.now_ms)();
    let header = Header {
        node: options.node,
        number,
        unix_ms,
        before,
    };
    let header = header.to_bytes();
    let file = files.create(&name, bytes);
    let file = file.map_err(Error::system(files, &name, "create"))?;
    let written = files.write_at(&file, 0, &header);
    let synced = written.and_then(|()| files.sync(&file));
    synced.map_err(Error::system(files, &name, "write the header"))?;
    let named = files.sync_directory();
    named.map_err(Error::system(files, "", "sync the directory"))?;
    Ok(Segment {
        file,
        name,
        number,
        bytes,
        end: HEADER_BYTES as u64,
        records_end: HEADER_BYTES as u64,
        chain: Header::chain(&header),
        synced: HEADER_BYTES as u64,
        marked_ms: unix_ms,
        dirty: false,
    })
}
