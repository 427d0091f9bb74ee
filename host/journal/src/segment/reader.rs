//! Reading a segment, record by record, in bounded memory.

use super::header::{HEADER_BYTES, Header, NoHeader, VERSION, chain_on};
use super::{Before, Position, name};
use crate::Error;
use crate::files::Files;
use crate::record::mark::{MARK_BYTES, Mark, is_mark};
use crate::record::{Damage, Frame, HEAD_BYTES, frame_at, is_zero};

/// Bytes that are read at once. A longer record is read whole.
const WINDOW_BYTES: usize = 1 << 20;

/// A segment that is read.
#[derive(Debug)]
pub(crate) struct SegmentReader<'f, F: Files> {
    files: &'f F,
    file: F::File,
    pub(crate) name: String,
    pub(crate) header: Header,
    /// Length of the file.
    pub(crate) length: u64,
    /// Bytes of the file that were read, and where the first of them stands.
    window: Vec<u8>,
    window_at: u64,
    /// Where the next record begins.
    at: u64,
    /// What the checksums before `at` add up to.
    chain: u32,
    /// Bytes before this one are on disk, as a mark says.
    synced: u64,
}

/// What stands next in a segment.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    Record {
        offset: u64,
        tick: u64,
        body: &'a [u8],
    },
    Mark(Mark),
    /// No more records. What follows is not looked at.
    End,
    /// No record, and no end either.
    Damage(Damage),
}

/// What follows the records of the last segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing but zeros.
    Clean,
    /// Bytes up to `end` that a crash left of writes that nobody waited for.
    Torn { end: u64 },
    /// Bytes that were synced, as something behind them proves.
    Damaged,
}

impl<'f, F: Files> SegmentReader<'f, F> {
    /// Opens a segment. `Ok(None)` says that it never began: there is no header, and nothing behind.
    pub(crate) fn open(files: &'f F, number: u64) -> Result<Option<SegmentReader<'f, F>>, Error> {
        let name = name(number);
        let opened = files.open(&name);
        let file = opened.map_err(Error::system(files, &name, "open"))?;
        let length = files.length(&file);
        let length = length.map_err(Error::system(files, &name, "read the length"))?;
        let mut reader = SegmentReader {
            files,
            file,
            name,
            header: Header {
                node: [0; 16],
                number,
                unix_ms: 0,
                before: Before::Nothing,
            },
            length,
            window: Vec::new(),
            window_at: 0,
            at: 0,
            chain: 0,
            synced: 0,
        };
        reader.fill(HEADER_BYTES)?;
        let damaged = |offset, what: &str| Error::damaged(files, &reader.name, offset, what);
        match Header::read(&reader.window) {
            Ok(header) if header.number == number => reader.header = header,
            Ok(header) => {
                let what = format!("this is segment {}, under another name", header.number);
                return Err(damaged(32, &what));
            }
            Err(NoHeader::Version(version)) => {
                return Err(Error::Version {
                    path: files.path(&reader.name),
                    version,
                    known: VERSION,
                });
            }
            Err(NoHeader::Damaged) => {
                reader.at = HEADER_BYTES as u64;
                return match reader.last_byte()? {
                    None => Ok(None),
                    Some(_) => Err(Error::damaged(files, &reader.name, 0, NoHeader::Damaged)),
                };
            }
        }
        reader.chain = Header::chain(&reader.window[..HEADER_BYTES]);
        reader.at = HEADER_BYTES as u64;
        Ok(Some(reader))
    }

    pub(crate) fn position(&self) -> Position {
        Position {
            segment: self.header.number,
            offset: self.at,
        }
    }

    pub(crate) fn chain(&self) -> u32 {
        self.chain
    }

    /// Steps over the next record or mark.
    pub(crate) fn next(&mut self) -> Result<Found<'_>, Error> {
        self.fill(HEAD_BYTES)?;
        let start = (self.at - self.window_at) as usize;
        let mut frame = frame_at(&self.window, start).map(shape);
        if let Ok(Shape::Short(end)) = frame {
            let bytes = end - start;
            if bytes as u64 > self.length - self.at {
                return Ok(Found::Damage(Damage::CutShort));
            }
            self.fill(bytes)?;
            let start = (self.at - self.window_at) as usize;
            frame = frame_at(&self.window, start).map(shape);
        }
        let start = (self.at - self.window_at) as usize;
        let (tick, end) = match frame {
            Ok(Shape::Whole(tick, end)) => (tick, end),
            Ok(Shape::Short(_)) => return Ok(Found::Damage(Damage::CutShort)),
            Ok(Shape::End) => return Ok(Found::End),
            Err(damage) => return Ok(Found::Damage(damage)),
        };
        let record = &self.window[start..end];
        let offset = self.at;
        if is_mark(record) {
            let mark = Mark::read(record).expect("its checksum was looked at");
            if (mark.node, mark.offset) != (self.header.node, offset) {
                return Ok(Found::Damage(Damage::Content));
            }
            self.chain = chain_on(self.chain, record);
            self.at += record.len() as u64;
            self.synced = self.synced.max(mark.synced.min(offset));
            return Ok(Found::Mark(mark));
        }
        self.chain = chain_on(self.chain, record);
        self.at += record.len() as u64;
        let body = &record[HEAD_BYTES + 8..];
        Ok(Found::Record { offset, tick, body })
    }

    /// What follows the records that were read.
    pub(crate) fn tail(&mut self) -> Result<Tail, Error> {
        let Some(last) = self.last_byte()? else {
            return Ok(Tail::Clean);
        };
        let from = self.at;
        let mut at = from;
        while at <= last {
            let window = self.read(at, WINDOW_BYTES + MARK_BYTES)?;
            for (place, bytes) in window.windows(MARK_BYTES).enumerate() {
                if !is_mark(bytes) {
                    continue;
                }
                let offset = at + place as u64;
                let proves = Mark::read(bytes).is_some_and(|mark| {
                    (mark.node, mark.offset) == (self.header.node, offset) && mark.synced > from
                });
                if proves {
                    return Ok(Tail::Damaged);
                }
            }
            at += WINDOW_BYTES as u64;
        }
        Ok(Tail::Torn { end: last + 1 })
    }

    /// Copies what follows the records, up to byte `end`, to a new file, and has that on disk.
    pub(crate) fn copy_tail(&self, end: u64, to: &str) -> Result<(), Error> {
        let copy = self.files.create(to, end - self.at);
        let copy = copy.map_err(Error::system(self.files, to, "create"))?;
        let mut at = self.at;
        while at < end {
            let bytes = self.read(at, WINDOW_BYTES.min((end - at) as usize))?;
            let written = self.files.write_at(&copy, at - self.at, &bytes);
            written.map_err(Error::system(self.files, to, "write"))?;
            at += bytes.len() as u64;
        }
        let synced = self.files.sync(&copy);
        let synced = synced.and_then(|()| self.files.sync_directory());
        synced.map_err(Error::system(self.files, to, "sync"))
    }

    /// Cuts off all that follows the records, and has the segment on disk.
    ///
    /// What was read may be in the system's memory only: a sync that failed leaves bytes there that no later sync writes.
    /// So what is not known to be on disk is written again.
    pub(crate) fn settle(&mut self) -> Result<(), Error> {
        let mut from = self.synced;
        while from < self.at {
            let bytes = self.read(from, WINDOW_BYTES.min((self.at - from) as usize))?;
            let written = self.files.write_at(&self.file, from, &bytes);
            written.map_err(Error::system(self.files, &self.name, "write"))?;
            from += bytes.len() as u64;
        }
        let cut = self.files.cut(&self.file, self.at);
        cut.map_err(Error::system(self.files, &self.name, "shorten"))?;
        let synced = self.files.sync(&self.file);
        synced.map_err(Error::system(self.files, &self.name, "sync"))?;
        self.length = self.at;
        Ok(())
    }

    /// Damage where the next record should begin.
    pub(crate) fn damaged(&self, what: impl ToString) -> Error {
        Error::damaged(self.files, &self.name, self.at, what)
    }

    /// The last byte from here on that isn't zero.
    fn last_byte(&self) -> Result<Option<u64>, Error> {
        let mut last = None;
        let mut at = self.at.min(self.length);
        while at < self.length {
            let bytes = self.read(at, WINDOW_BYTES)?;
            if bytes.is_empty() {
                break;
            }
            if !is_zero(&bytes) {
                let place = bytes.iter().rposition(|byte| *byte != 0);
                last = place.map(|place| at + place as u64);
            }
            at += bytes.len() as u64;
        }
        Ok(last)
    }

    /// Has `bytes` bytes from `at` on in the window, or all up to the end of the file.
    fn fill(&mut self, bytes: usize) -> Result<(), Error> {
        let start = (self.at - self.window_at) as usize;
        if self.window.len() - start >= bytes {
            return Ok(());
        }
        let left = self.length - self.at;
        let wanted = bytes.max(WINDOW_BYTES) as u64;
        self.window = self.read(self.at, wanted.min(left) as usize)?;
        self.window_at = self.at;
        Ok(())
    }

    /// Up to `bytes` bytes at `at`, fewer where the file ends.
    fn read(&self, at: u64, bytes: usize) -> Result<Vec<u8>, Error> {
        let left = self.length.saturating_sub(at);
        let mut window = vec![0; (bytes as u64).min(left) as usize];
        let read = self.files.read_at(&self.file, at, &mut window);
        let read = read.map_err(Error::system(self.files, &self.name, "read"))?;
        window.truncate(read);
        Ok(window)
    }
}

/// What [`Frame`] says, without the bytes.
enum Shape {
    Whole(u64, usize),
    Short(usize),
    End,
}

fn shape(frame: Frame<'_>) -> Shape {
    match frame {
        Frame::Whole { tick, end, .. } => Shape::Whole(tick, end),
        Frame::Short { end } => Shape::Short(end),
        Frame::End => Shape::End,
    }
}
