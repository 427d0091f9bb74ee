//! A large value that comes in parts, written to where it will stay before anybody can see it.
//!
//! Memory is taken piece by piece as bytes come, so a client that announces much and sends little costs little, and
//! what has come is neither gathered elsewhere nor copied again. The first piece has no key and no expiry in its first
//! word until the item is published: whoever walks over extents finds no item there. The regions of the pieces are
//! *held* meanwhile, so that nobody tries to empty them.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arrayvec::ArrayVec;

use crate::item::draft::Draft;
use crate::item::{Item, KEY_BYTES_MAX, OPTIONAL, flag};
use crate::memory::alloc::{Chain, Kind, PIECE_HEAD, Plan, TAG_MASK, grains_of};
use crate::memory::arena::Addr;
use crate::memory::os::{self, RUNS_MAX, Run};
use crate::ops::read::seconds;
use crate::order::evict::ANYBODY;
use crate::{Expiry, Key, NoRoom, Now, SetOutcome, Store};

/// All uploads together may announce one byte in so many of the limit, as their memory cannot be evicted; an upload
/// that is alone may announce what it likes.
const SHARE: u64 = 4;
/// Bytes of value in a piece at least, the last one excepted.
const PIECE_BYTES_MIN: usize = 64;
/// Pieces let go before others may have the allocator.
const PIECES_PER_LOCK: usize = 1024;
/// Bytes that get a place for one read: as many as are there to be read, and some more, within these bounds.
const ROOM_BYTES: std::ops::Range<usize> = 16 << 10..1 << 20;
/// Place for more bytes than are there, so that a read is seen to have taken all of them.
const ROOM_MORE_BYTES: usize = 4 << 10;
/// Bytes read before others have their turn: as much as is sent in one turn.
const READ_BYTES_MAX: usize = 1 << 20;

/// A `set` whose value comes later.
#[derive(Clone, Copy, Debug)]
pub struct Announced {
    /// Client flags.
    pub flags: u32,
    /// When the item expires.
    pub expiry: Expiry,
    /// Bytes to come.
    pub len: usize,
    /// The caller will show the new CAS.
    pub want_cas: bool,
}

/// Why a value cannot be taken as it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoUpload {
    /// Other uploads under way have announced much, or there is nothing to wait for: gather the value and set it.
    Crowded,
    /// The value can never be stored: [`Store::refuse_upload`].
    TooLarge,
}

/// What a read from a file brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Bytes of the value.
    pub placed: usize,
    /// Bytes that came after the value.
    pub after: usize,
    /// Whether nothing more was there to be read.
    pub drained: bool,
}

/// An item in the making. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct Upload {
    store: Arc<Store>,
    key: Box<[u8]>,
    hash: u64,
    announced: Announced,
    /// Extents taken so far, the item's head first.
    pieces: Vec<Addr>,
    /// Index of the piece that the next byte goes to; `byte` is where in it.
    at: usize,
    byte: usize,
    /// Bytes of the value that have a place in `pieces` and have not come.
    room: usize,
    /// Bytes of the value that have not come.
    left: usize,
}

impl Store {
    /// Begins to store a value of `announced.len` bytes under `key`; what is there stays until it is published.
    ///
    /// # Errors
    /// When the value has to be gathered, or refused.
    pub fn upload(
        self: &Arc<Self>,
        key: Key<'_>,
        announced: Announced,
    ) -> Result<Upload, NoUpload> {
        if !(1..=KEY_BYTES_MAX).contains(&key.bytes.len())
            || announced.len > self.item_bytes_max
            || !self.can_ever_hold(&draft(key.bytes, &announced).plan())
        {
            return Err(NoUpload::TooLarge);
        }
        if announced.len == 0 {
            return Err(NoUpload::Crowded);
        }
        let len = announced.len as u64;
        let others = self.uploading.fetch_add(len, Relaxed);
        if others > 0 && others + len > self.limit.load(Relaxed) / SHARE {
            self.uploading.fetch_sub(len, Relaxed);
            return Err(NoUpload::Crowded);
        }
        Ok(Upload {
            store: Arc::clone(self),
            key: key.bytes.into(),
            hash: key.hash,
            announced,
            pieces: Vec::new(),
            at: 0,
            byte: 0,
            room: 0,
            left: announced.len,
        })
    }

    /// Ends a set whose value cannot be kept, as [`Store::set`] does.
    pub fn refuse_upload(&self, key: Key<'_>, now: Now) -> SetOutcome {
        self.note(now);
        self.refuse_set(key, now)
    }

    /// One piece for `plan`, evicting as much as needed.
    fn make_piece(&self, plan: &Plan, whole: u64) -> Result<Addr, NoRoom> {
        loop {
            let taken = self.alloc.lock().take_held(&self.arena, plan, whole);
            match taken {
                Ok(piece) => return Ok(piece),
                Err(grains) => self.free_grains(grains, ANYBODY)?,
            }
        }
    }
}

/// The item that the upload becomes, its CAS decided later (0).
fn draft<'a>(key: &'a [u8], announced: &Announced) -> Draft<'a> {
    Draft {
        key,
        value_len: announced.len,
        client_flags: announced.flags,
        expiry: seconds(announced.expiry),
        cas: announced.want_cas.then_some(0),
        marks: 0,
    }
}

impl Upload {
    /// Bytes of the whole value.
    pub fn len(&self) -> usize {
        self.announced.len
    }

    /// True for a value of no bytes.
    pub fn is_empty(&self) -> bool {
        self.announced.len == 0
    }

    /// Bytes still to come.
    pub fn left(&self) -> usize {
        self.left
    }

    /// The key that the item will have.
    pub fn key(&self) -> Key<'_> {
        Key {
            bytes: &self.key,
            hash: self.hash,
        }
    }

    /// Takes the next bytes of the value, at most `left` of them.
    ///
    /// # Errors
    /// When no memory can be made for them. The upload is of no use then.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), NoRoom> {
        debug_assert!(bytes.len() <= self.left, "no more than was announced");
        self.make_room(bytes.len())?;
        while !bytes.is_empty() {
            let run = self.end_of(self.pieces[self.at]) - self.byte;
            let (now, later) = bytes.split_at(run.min(bytes.len()));
            self.store.arena.write(self.pieces[self.at], self.byte, now);
            self.advance(now.len());
            bytes = later;
        }
        Ok(())
    }

    /// Reads bytes that are there from a file, those of the value straight to where they will stay, about
    /// `READ_BYTES_MAX` at most, and what comes after the value into `after`. No bytes are the end of the file.
    ///
    /// # Errors
    /// The outer error: no memory can be made for any bytes, and the upload is of no use then. The inner error is the
    /// file's.
    pub fn read_from(
        &mut self,
        file: BorrowedFd<'_>,
        after: &mut [u8],
    ) -> Result<io::Result<Taken>, NoRoom> {
        let mut taken = Taken::default();
        while taken.placed < READ_BYTES_MAX && !taken.drained && self.left > 0 {
            // A file that cannot say what is there is read in small parts.
            let there = rustix::io::ioctl_fionread(file).unwrap_or(0);
            let room = usize::try_from(there).unwrap_or(usize::MAX);
            let room = room.saturating_add(ROOM_MORE_BYTES);
            match self.make_room(room.clamp(ROOM_BYTES.start, ROOM_BYTES.end)) {
                Err(_) if taken.placed > 0 => break,
                made => made?,
            }
            match self.read_once(file, after) {
                Ok(more) => {
                    self.advance(more.placed);
                    taken.placed += more.placed;
                    (taken.after, taken.drained) = (more.after, more.drained);
                }
                // What has come counts first; the error comes again, as does that of no room.
                Err(_) if taken.placed > 0 => break,
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(taken))
    }

    /// One read into the room there is, and into `after` when that is all of the value.
    fn read_once(&self, file: BorrowedFd<'_>, after: &mut [u8]) -> io::Result<Taken> {
        let runs = self.runs();
        let room = runs.iter().map(|run| run.len).sum();
        let after = match room == self.left {
            true => after,
            false => &mut [],
        };
        let count = os::read(file, &runs, after)?;
        let placed = count.min(room);
        Ok(Taken {
            placed,
            after: count - placed,
            drained: count < room + after.len(),
        })
    }

    /// Where the next bytes will be.
    fn runs(&self) -> ArrayVec<Run<'_, AtomicU64>, RUNS_MAX> {
        let mut runs = ArrayVec::new();
        let (mut byte, mut room) = (self.byte, self.room);
        for piece in self.pieces.iter().skip(self.at).take(RUNS_MAX) {
            let len = room.min(self.end_of(*piece) - byte);
            runs.push(self.store.arena.run(*piece, byte, len));
            byte = PIECE_HEAD;
            room -= len;
        }
        runs
    }

    /// Byte at which a piece ends.
    fn end_of(&self, piece: Addr) -> usize {
        let arena = &self.store.arena;
        grains_of(arena.word0(piece).load(Relaxed)) as usize * arena.grain_bytes()
    }

    /// Goes on to where the byte after the next `count` will be.
    fn advance(&mut self, mut count: usize) {
        self.left -= count;
        self.room -= count;
        while count > 0 {
            let run = count.min(self.end_of(self.pieces[self.at]) - self.byte);
            self.byte += run;
            count -= run;
            if self.byte == self.end_of(self.pieces[self.at]) {
                self.at += 1;
                self.byte = PIECE_HEAD;
            }
        }
    }

    /// Takes pieces until the next `bytes`, or all that are left, have a place.
    fn make_room(&mut self, bytes: usize) -> Result<(), NoRoom> {
        while self.room < bytes.min(self.left) {
            self.take_piece()?;
        }
        Ok(())
    }

    /// Takes one more piece, the first of all with the item's fields and key.
    fn take_piece(&mut self) -> Result<(), NoRoom> {
        let arena = &self.store.arena;
        let draft = draft(&self.key, &self.announced);
        let whole = draft.plan();
        let (kind, word0, header) = match self.pieces.first() {
            None => {
                let key = whole.stream - self.announced.len;
                (Kind::Head, flag::CHAINED, whole.header + 4 + key)
            }
            Some(head) => (Kind::Continuation, whole.further(*head), PIECE_HEAD),
        };
        let missing = self.left - self.room;
        let least = missing.min(PIECE_BYTES_MIN);
        let plan = Plan {
            kind,
            word0,
            header: header + least,
            stream: missing - least,
            chained: 0,
        };
        let piece = self.store.make_piece(&plan, whole.grains_min(arena))?;
        match *self.pieces {
            [] => {
                let item = Item::as_if(arena, piece, whole.word0 | flag::CHAINED);
                arena.set_half(piece, OPTIONAL, 0);
                draft.fill(arena, &item);
                self.byte = header;
            }
            [head] => arena.set_half(head, OPTIONAL, piece),
            [.., last] => arena.set_tagged_link(last, piece),
        }
        self.room += missing.min(self.end_of(piece) - header);
        self.pieces.push(piece);
        Ok(())
    }

    /// Makes the item visible in the place of what its key has, as a plain set would.
    ///
    /// # Panics
    /// When bytes are missing.
    pub fn publish(mut self, now: Now) -> SetOutcome {
        assert_eq!(self.left, 0, "all bytes have come");
        let store = Arc::clone(&self.store);
        store.note(now);
        let hash = self.hash;
        let done = store.with_room(hash, |locked, spare| {
            let found = locked.find(self.key(), now);
            if found.is_some_and(|found| found.item.has(flag::OBJECT)) {
                return Ok(SetOutcome::IsObject);
            }
            match found {
                Some(found) => {
                    let item = self.reveal(locked.store);
                    locked.replace(found, &item, false);
                    locked.shard.counters.total_items += 1;
                    Ok(locked.stored(&item, None))
                }
                None => {
                    let slot = locked.vacancy(hash, spare)?;
                    let item = self.reveal(locked.store);
                    locked.insert(hash, slot, &item);
                    Ok(locked.stored(&item, None))
                }
            }
        });
        done.unwrap_or_else(|_| store.refuse_set(self.key(), now))
    }

    /// Completes the item's first word, under its shard's lock. From then on the item is the index's.
    fn reveal<'a>(&mut self, store: &'a Store) -> Item<'a> {
        let pieces = std::mem::take(&mut self.pieces);
        let word0 = draft(&self.key, &self.announced).plan().word0;
        let word = store.arena.word0(pieces[0]);
        word.fetch_or(word0 & !TAG_MASK, Relaxed);
        store.alloc.lock().let_go(&pieces);
        Item::at(&store.arena, pieces[0])
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let store = &self.store;
        store
            .uploading
            .fetch_sub(self.announced.len as u64, Relaxed);
        let Some(head) = self.pieces.first() else {
            return;
        };
        for pieces in self.pieces.chunks(PIECES_PER_LOCK) {
            store.alloc.lock().let_go(pieces);
        }
        store.free(Chain {
            head: *head,
            next: self.pieces.get(1).copied().unwrap_or(0),
        });
    }
}
