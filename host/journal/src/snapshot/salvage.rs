//! Reading a snapshot that is damaged.

use cacheismo_store::Effect;

use super::SnapshotReader;
use super::format::{CHUNK_HEAD_BYTES, Chunk, HEADER_BYTES};
use crate::Error;
use crate::files::Files;

impl<'f, F: Files> SnapshotReader<'f, F> {
    /// Opens a snapshot whose index or footer is damaged: finds the chunks one after the other, up to the first that is
    /// none. What the footer says is not known.
    pub(crate) fn open_without_end(
        files: &'f F,
        number: u64,
    ) -> Result<SnapshotReader<'f, F>, Error> {
        let mut reader = SnapshotReader::open_header(files, number)?;
        reader.about.end = reader.about.position;
        let mut at = HEADER_BYTES as u64;
        while at + (CHUNK_HEAD_BYTES as u64) < reader.length {
            let mut head = [0; CHUNK_HEAD_BYTES];
            reader.read_exact(at, &mut head)?;
            let chunk = Chunk::read_head(&head);
            if chunk.at != at || chunk.end() > reader.length {
                break;
            }
            at = chunk.end();
            reader.about.items += u64::from(chunk.items);
            reader.about.bytes += u64::from(chunk.length);
            reader.chunks.push(chunk);
        }
        Ok(reader)
    }

    /// Hands out all changes in the order of the file, with their classes.
    pub(crate) fn each(
        &self,
        visit: &mut dyn FnMut(u8, u64, &Effect<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.salvage(visit, &mut |error, _| Err(error))
    }

    /// As [`SnapshotReader::each`], but a chunk that is damaged is told to `damaged`, with how many changes it held.
    pub(crate) fn salvage(
        &self,
        visit: &mut dyn FnMut(u8, u64, &Effect<'_>) -> Result<(), Error>,
        damaged: &mut dyn FnMut(Error, u32) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut bytes = Vec::new();
        for chunk in &self.chunks {
            bytes.clear();
            let mut all = Vec::new();
            let read = self.read_chunk(chunk, &mut bytes).and_then(|()| {
                self.walk(chunk, &bytes, |tick, _, effect| all.push((tick, effect)))
            });
            match read {
                Ok(()) => {
                    let mut all = all.iter();
                    all.try_for_each(|(tick, effect)| visit(chunk.class, *tick, effect))?;
                }
                Err(error @ Error::Damaged { .. }) => damaged(error, chunk.items)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
