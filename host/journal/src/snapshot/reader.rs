//! Reading a snapshot: class by class, each by tick.

use cacheismo_store::Effect;

use super::format::{
    self, CHUNK_HEAD_BYTES, Chunk, ENTRY_BYTES, FOOTER_BYTES, Footer, HEADER_BYTES, VERSION,
};
use super::{About, CLASSES, name};
use crate::CHECKSUMS;
use crate::Error;
use crate::files::Files;
use crate::record::change::Reader;
use crate::segment::Position;

/// Bytes of one class that are held in memory. Of a larger class only ticks and places are, 24 bytes for an item, and
/// each item is read by itself.
const CLASS_BYTES_MAX: u64 = 64 << 20;

/// A snapshot that is read. Its header, index and footer are right.
#[derive(Debug)]
pub struct SnapshotReader<'f, F: Files> {
    files: &'f F,
    file: F::File,
    name: String,
    /// Length of the file.
    pub(super) length: u64,
    header_crc: u32,
    pub(super) about: About,
    pub(super) chunks: Vec<Chunk>,
    pub(super) class_bytes_max: u64,
}

/// Where a change stands in what is read of its class.
#[derive(Clone, Copy, Debug)]
struct Place {
    tick: u64,
    at: u64,
    length: u32,
}

impl<'f, F: Files> SnapshotReader<'f, F> {
    /// Opens a snapshot and looks at all but the chunks.
    ///
    /// # Errors
    /// When the disk fails, or the file is damaged.
    pub fn open(files: &'f F, number: u64) -> Result<SnapshotReader<'f, F>, Error> {
        let mut reader = SnapshotReader::open_header(files, number)?;
        let ends = (HEADER_BYTES + FOOTER_BYTES) as u64;
        if reader.length < ends {
            return Err(reader.damaged(reader.length, "the file is cut short"));
        }
        let footer_at = reader.length - FOOTER_BYTES as u64;
        let mut footer = [0; FOOTER_BYTES];
        reader.read_exact(footer_at, &mut footer)?;
        let footer = format::read_footer(&footer, &mut reader.about)
            .map_err(|what| reader.damaged(footer_at, what))?;
        if CHECKSUMS && footer.header_crc != reader.header_crc {
            return Err(reader.damaged(footer_at, "the footer is that of another snapshot"));
        }
        reader.read_index(&footer, footer_at)?;
        Ok(reader)
    }

    /// Opens a snapshot and looks at the header only: there are no chunks yet.
    pub(super) fn open_header(files: &'f F, number: u64) -> Result<SnapshotReader<'f, F>, Error> {
        let name = name(number);
        let opened = files.open(&name);
        let file = opened.map_err(Error::system(files, &name, "open"))?;
        let length = files.length(&file);
        let length = length.map_err(Error::system(files, &name, "read the length"))?;
        let mut reader = SnapshotReader {
            files,
            file,
            name,
            length,
            header_crc: 0,
            about: NOTHING,
            chunks: Vec::new(),
            class_bytes_max: CLASS_BYTES_MAX,
        };
        let mut header = [0; HEADER_BYTES];
        reader.read_exact(0, &mut header)?;
        if let Some(version) = format::newer_version(&header) {
            return Err(Error::Version {
                path: files.path(&reader.name),
                version,
                known: VERSION,
            });
        }
        format::read_header(&header, &mut reader.about).map_err(|what| reader.damaged(0, what))?;
        if reader.about.number != number {
            let written = reader.about.number;
            let what = format!("this is snapshot {written}, under another name");
            return Err(reader.damaged(32, &what));
        }
        reader.header_crc = crc32c::crc32c(&header);
        Ok(reader)
    }

    /// What the snapshot says of itself.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Hands out what is in the snapshot, longest unused first. If that is more than `bytes_max` bytes, whole classes of
    /// the longest unused are left out.
    ///
    /// # Errors
    /// When the disk fails, or a chunk is damaged. Some items were handed out then.
    pub fn read(
        &self,
        bytes_max: u64,
        mut visit: impl FnMut(u64, &Effect<'_>),
    ) -> Result<(), Error> {
        let mut first = CLASSES;
        let mut newer_bytes = 0;
        while first > 0 && newer_bytes < bytes_max {
            first -= 1;
            newer_bytes += self.class_bytes(first);
        }
        (first..CLASSES).try_for_each(|class| self.read_class(class, &mut visit))
    }

    /// Looks at every byte.
    ///
    /// # Errors
    /// When the disk fails, or a chunk is damaged.
    pub fn verify(&self) -> Result<(), Error> {
        let mut bytes = Vec::new();
        for chunk in &self.chunks {
            bytes.clear();
            self.read_chunk(chunk, &mut bytes)?;
            self.walk(chunk, &bytes, |_, _, _| {})?;
        }
        Ok(())
    }

    fn read_index(&mut self, footer: &Footer, footer_at: u64) -> Result<(), Error> {
        let Some(bytes) = footer_at
            .checked_sub(footer.index_at)
            .filter(|bytes| bytes % ENTRY_BYTES as u64 == 0)
        else {
            return Err(self.damaged(footer_at, "the index has no such place"));
        };
        // No more than the file has.
        let mut index = vec![0; bytes as usize];
        self.read_exact(footer.index_at, &mut index)?;
        if CHECKSUMS && crc32c::crc32c(&index) != footer.index_crc {
            let what = "the checksum does not fit the index";
            return Err(self.damaged(footer.index_at, what));
        }
        let mut at = HEADER_BYTES as u64;
        let (mut items, mut bytes) = (0, 0);
        for entry in index.chunks_exact(ENTRY_BYTES) {
            let chunk = Chunk::read_entry(entry, at);
            at = chunk.end();
            items += u64::from(chunk.items);
            bytes += u64::from(chunk.length);
            if usize::from(chunk.class) >= CLASSES || at > footer.index_at {
                return Err(self.damaged(footer_at, "the index does not fit the file"));
            }
            self.chunks.push(chunk);
        }
        if (at, items, bytes) != (footer.index_at, self.about.items, self.about.bytes) {
            return Err(self.damaged(footer_at, "the index does not fit the footer"));
        }
        Ok(())
    }

    fn class_bytes(&self, class: usize) -> u64 {
        let bytes = self.chunks_of(class).map(|chunk| u64::from(chunk.length));
        bytes.sum()
    }

    fn chunks_of(&self, class: usize) -> impl Iterator<Item = &Chunk> {
        let of_class = move |chunk: &&Chunk| usize::from(chunk.class) == class;
        self.chunks.iter().filter(of_class)
    }

    fn read_class(
        &self,
        class: usize,
        visit: &mut impl FnMut(u64, &Effect<'_>),
    ) -> Result<(), Error> {
        let in_memory = self.class_bytes(class) <= self.class_bytes_max;
        let mut bytes = Vec::new();
        let mut places = Vec::new();
        for chunk in self.chunks_of(class) {
            if !in_memory {
                bytes.clear();
            }
            let start = bytes.len();
            self.read_chunk(chunk, &mut bytes)?;
            let base = match in_memory {
                true => start as u64,
                false => chunk.at + CHUNK_HEAD_BYTES as u64,
            };
            let changes = &bytes[start..];
            let mut at = 0;
            self.walk(chunk, changes, |tick, length, _| {
                places.push(Place {
                    tick,
                    at: base + at,
                    length,
                });
                at += u64::from(length);
            })?;
        }
        // Stable: what is of one key has one tick, and stays in its order.
        places.sort_by_key(|place| place.tick);
        let mut own = Vec::new();
        for place in places {
            let change = match in_memory {
                true => &bytes[place.at as usize..][..place.length as usize],
                false => {
                    own.resize(place.length as usize, 0);
                    self.read_exact(place.at, &mut own)?;
                    &own[..]
                }
            };
            match read_change(&mut Reader(change)) {
                Some((tick, effect)) => visit(tick, &effect),
                None => return Err(self.damaged(place.at, "the file changed while it was read")),
            }
        }
        Ok(())
    }

    /// Appends a chunk's changes to `bytes`. They are what was written.
    pub(super) fn read_chunk(&self, chunk: &Chunk, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let mut head = [0; CHUNK_HEAD_BYTES];
        self.read_exact(chunk.at, &mut head)?;
        let start = bytes.len();
        // The index has been compared with the length of the file.
        bytes.resize(start + chunk.length as usize, 0);
        let changes = &mut bytes[start..];
        let at = chunk.at + CHUNK_HEAD_BYTES as u64;
        self.read_exact(at, changes)?;
        match !CHECKSUMS || chunk.head([changes, &[]]) == head {
            true => Ok(()),
            false => Err(self.damaged(chunk.at, "the checksum does not fit the chunk")),
        }
    }

    /// Goes through a chunk's changes, with the length of each.
    pub(super) fn walk<'b>(
        &self,
        chunk: &Chunk,
        changes: &'b [u8],
        mut visit: impl FnMut(u64, u32, Effect<'b>),
    ) -> Result<(), Error> {
        let mut reader = Reader(changes);
        for _ in 0..chunk.items {
            let before = reader.0.len();
            let Some((tick, effect)) = read_change(&mut reader) else {
                return Err(self.damaged(chunk.at, "the content is not of this format"));
            };
            visit(tick, (before - reader.0.len()) as u32, effect);
        }
        match reader.0.is_empty() {
            true => Ok(()),
            false => Err(self.damaged(chunk.at, "the chunk holds more than it says")),
        }
    }

    pub(super) fn read_exact(&self, at: u64, into: &mut [u8]) -> Result<(), Error> {
        let read = self.files.read_at(&self.file, at, into);
        match read.map_err(Error::system(self.files, &self.name, "read"))? {
            all if all == into.len() => Ok(()),
            some => Err(self.damaged(at + some as u64, "the file is cut short")),
        }
    }

    pub(super) fn damaged(&self, at: u64, what: &str) -> Error {
        Error::damaged(self.files, &self.name, at, what)
    }
}

fn read_change<'b>(reader: &mut Reader<'b>) -> Option<(u64, Effect<'b>)> {
    Some((reader.u64()?, reader.change()?))
}

const NOTHING: About = About {
    node: [0; 16],
    number: 0,
    begun_unix_ms: 0,
    ended_unix_ms: 0,
    position: Position {
        segment: 0,
        offset: 0,
    },
    end: Position {
        segment: 0,
        offset: 0,
    },
    next_tick: 0,
    hash_seed: 0,
    items: 0,
    bytes: 0,
};
