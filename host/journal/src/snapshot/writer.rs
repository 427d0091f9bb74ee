//! Writing a snapshot, in bounded memory: a buffer for each class, and nine bytes for each chunk written.

use cacheismo_store::{Effect, Head, ValueRef};

use super::format::{self, CHUNK_HEAD_BYTES, Chunk, Footer, HEADER_BYTES};
use super::{About, CLASSES, name, name_unfinished};
use crate::Error;
use crate::files::Files;
use crate::record::change;
use crate::segment::{NodeId, Position};

/// Bytes of changes after which a chunk is written. The last change may be longer by itself.
const CHUNK_BYTES: usize = 32 << 10;

/// What is known of a snapshot when it begins.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotStart {
    /// Who writes it.
    pub node: NodeId,
    /// Its number, above that of every file there.
    pub number: u64,
    /// Where the log is, before the first item is looked at.
    pub position: Position,
    /// The seed of the store's hash.
    pub hash_seed: u64,
    /// Milliseconds since 1970.
    pub unix_ms: u64,
}

/// A snapshot that is written.
///
/// After an error, or when nobody wants it any more, call [`SnapshotWriter::abandon`].
#[derive(Debug)]
pub struct SnapshotWriter<F: Files> {
    files: F,
    file: F::File,
    about: About,
    header_crc: u32,
    /// Where the next chunk goes.
    at: u64,
    buffers: Vec<Buffer>,
    index: Vec<u8>,
}

/// Changes of one class that are not written yet.
#[derive(Clone, Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    items: u32,
}

impl<F: Files> SnapshotWriter<F> {
    /// Begins a snapshot, under a name that nobody takes for a finished one.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn begin(files: F, start: &SnapshotStart) -> Result<SnapshotWriter<F>, Error> {
        let about = About {
            node: start.node,
            number: start.number,
            begun_unix_ms: start.unix_ms,
            ended_unix_ms: 0,
            position: start.position,
            end: start.position,
            next_tick: 0,
            hash_seed: start.hash_seed,
            items: 0,
            bytes: 0,
        };
        let name = name_unfinished(start.number);
        let header = format::header(&about);
        let file = files.create(&name, 0);
        let file = file.map_err(Error::system(&files, &name, "create"))?;
        let written = files.write_at(&file, 0, &header);
        written.map_err(Error::system(&files, &name, "write"))?;
        Ok(SnapshotWriter {
            files,
            file,
            about,
            header_crc: crc32c::crc32c(&header),
            at: HEADER_BYTES as u64,
            buffers: vec![Buffer::default(); CLASSES],
            index: Vec::new(),
        })
    }

    /// Adds an item, or that there is none of that key. `tick` says when it was used last; what comes of one key has
    /// one class and one tick, and comes back in the order in which it was added.
    ///
    /// # Errors
    /// When the disk fails, or for an item that no file can hold.
    pub fn add(&mut self, class: u8, tick: u64, effect: &Effect<'_>) -> Result<(), Error> {
        let class = class.min(CLASSES as u8 - 1);
        let buffer = &mut self.buffers[usize::from(class)];
        buffer.bytes.extend(tick.to_le_bytes());
        buffer.items += 1;
        let rest = change::write_head(&mut buffer.bytes, effect);
        // Long bytes are written from where they are.
        self.write_if_full(class, rest)
    }

    /// Adds an item with a value, which is copied once from the store.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn add_value(
        &mut self,
        class: u8,
        tick: u64,
        key: &[u8],
        head: &Head,
        value: ValueRef<'_>,
    ) -> Result<(), Error> {
        let class = class.min(CLASSES as u8 - 1);
        let buffer = &mut self.buffers[usize::from(class)];
        buffer.bytes.extend(tick.to_le_bytes());
        buffer.items += 1;
        change::write_value_head(&mut buffer.bytes, key, head, value.len());
        value.append_to(&mut buffer.bytes);
        self.write_if_full(class, &[])
    }

    /// How many bytes were written.
    pub fn bytes(&self) -> u64 {
        self.at
    }

    /// Finishes the snapshot: it is on disk, under its name. The log is on disk up to `end`, which is where it was when
    /// the last item had been looked at; so call [`crate::segment::LogWriter::sync`] before. `next_tick` is above all
    /// ticks and CAS tokens in the snapshot.
    ///
    /// # Errors
    /// When the disk fails. The snapshot may be there or not.
    pub fn finish(mut self, end: Position, next_tick: u64, unix_ms: u64) -> Result<About, Error> {
        self.about.end = end;
        self.about.next_tick = next_tick;
        self.about.ended_unix_ms = unix_ms;
        match self.write_end() {
            Ok(()) => Ok(self.about),
            Err(error) => {
                // This may fail as well, or the file has its final name already.
                let _ = self.abandon();
                Err(error)
            }
        }
    }

    /// Removes what was written.
    ///
    /// # Errors
    /// When the disk fails. The file is in nobody's way, and the next start removes it.
    pub fn abandon(self) -> Result<(), Error> {
        let name = name_unfinished(self.about.number);
        let removed = self.files.remove(&name);
        removed.map_err(Error::system(&self.files, &name, "remove"))
    }

    /// Ends a change with `rest`. Writes the class's buffer when it is full.
    fn write_if_full(&mut self, class: u8, rest: &[u8]) -> Result<(), Error> {
        let buffer = &mut self.buffers[usize::from(class)];
        if buffer.bytes.len() + rest.len() >= CHUNK_BYTES {
            return self.write_buffer(class, rest);
        }
        buffer.bytes.extend_from_slice(rest);
        Ok(())
    }

    /// Writes the buffer, and `rest` behind it, as a chunk.
    fn write_buffer(&mut self, class: u8, rest: &[u8]) -> Result<(), Error> {
        let Buffer { mut bytes, items } = std::mem::take(&mut self.buffers[usize::from(class)]);
        if items > 0 {
            self.write_chunk(class, items, [&bytes, rest])?;
        }
        bytes.clear();
        bytes.shrink_to(2 * CHUNK_BYTES);
        self.buffers[usize::from(class)].bytes = bytes;
        Ok(())
    }

    fn write_chunk(&mut self, class: u8, items: u32, changes: [&[u8]; 2]) -> Result<(), Error> {
        let bytes = changes[0].len() + changes[1].len();
        let chunk = Chunk {
            class,
            at: self.at,
            length: u32::try_from(bytes).map_err(|_| Error::TooLong)?,
            items,
        };
        self.write_at(self.at, &chunk.head(changes))?;
        let mut at = self.at + CHUNK_HEAD_BYTES as u64;
        for part in changes {
            self.write_at(at, part)?;
            at += part.len() as u64;
        }
        self.at = at;
        self.about.items += u64::from(items);
        self.about.bytes += bytes as u64;
        self.index.extend(chunk.entry());
        Ok(())
    }

    fn write_end(&mut self) -> Result<(), Error> {
        for class in 0..CLASSES as u8 {
            self.write_buffer(class, &[])?;
        }
        let footer = Footer {
            index_at: self.at,
            index_crc: crc32c::crc32c(&self.index),
            header_crc: self.header_crc,
        };
        let mut end = std::mem::take(&mut self.index);
        end.extend(format::footer(&self.about, &footer));
        self.write_at(self.at, &end)?;
        let (unfinished, name) = (name_unfinished(self.about.number), name(self.about.number));
        let synced = self.files.sync(&self.file);
        synced.map_err(Error::system(&self.files, &unfinished, "sync"))?;
        let renamed = self.files.rename(&unfinished, &name);
        renamed.map_err(Error::system(&self.files, &unfinished, "rename"))?;
        let synced = self.files.sync_directory();
        synced.map_err(Error::system(&self.files, "", "sync the directory"))
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        let name = name_unfinished(self.about.number);
        let written = self.files.write_at(&self.file, at, bytes);
        written.map_err(Error::system(&self.files, &name, "write"))
    }
}
