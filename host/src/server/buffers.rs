//! Input kept between reads, and the spare buffers of a worker.
//!
//! A connection that waits for its next command keeps no buffer at all. One in the middle of a command keeps
//! the bytes that came, in a buffer that grows as they come, whatever length the client announced.

use crate::account::{Scarce, Share};

/// Spare bytes a worker keeps for the next big value.
const SPARE_BYTES_MAX: usize = 8 << 20;
/// Larger buffers go back to the system.
const SPARE_BUFFER_BYTES_MAX: usize = 4 << 20;
/// Smaller buffers aren't worth keeping.
const SPARE_BUFFER_BYTES_MIN: usize = 4 << 10;
/// Output buffers a worker keeps, in bytes of all together.
const OUTPUT_BYTES_MAX: usize = 2 << 20;
/// Room made for a read into a buffer that is in use.
const READ_BYTES_MIN: usize = 16 << 10;
/// A buffer this large or more is doubled, not extended to what was announced.
const GROWTH_BYTES_MIN: usize = 64 << 10;

/// Buffers between two uses.
#[derive(Debug)]
pub(super) struct Spares {
    buffers: Vec<Vec<u8>>,
    bytes: Share,
    /// One of them was used since memory was last given back.
    used: bool,
}

impl Spares {
    /// None yet; those there will be are counted on `bytes`.
    pub(super) fn new(bytes: Share) -> Spares {
        Spares {
            buffers: Vec::new(),
            bytes,
            used: false,
        }
    }

    /// Lets all go that nobody has used since this was last called.
    pub(super) fn drop_unused(&mut self) {
        if !std::mem::take(&mut self.used) {
            self.buffers.clear();
            let _ = self.bytes.resize(0);
        }
    }

    /// The smallest spare buffer of at least `bytes`, but none so large that it would be wasted on them.
    fn take(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let fits =
            |buffer: &Vec<u8>| (bytes..=bytes.saturating_mul(4)).contains(&buffer.capacity());
        let (at, _) = (self.buffers.iter().enumerate())
            .filter(|(_, buffer)| fits(buffer))
            .min_by_key(|(_, buffer)| buffer.capacity())?;
        let buffer = self.buffers.swap_remove(at);
        let _ = self.bytes.resize(self.bytes.bytes() - buffer.capacity());
        self.used = true;
        Some(buffer)
    }

    /// Keeps a buffer for later, or lets it go.
    pub(super) fn give(&mut self, mut buffer: Vec<u8>) {
        let bytes = buffer.capacity();
        let worth = (SPARE_BUFFER_BYTES_MIN..=SPARE_BUFFER_BYTES_MAX).contains(&bytes);
        let all = self.bytes.bytes() + bytes;
        if worth && all <= SPARE_BYTES_MAX && self.bytes.resize(all).is_ok() {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }
}

/// Output buffers between two turns. As many are in use at a time as connections have answers to write.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Outputs {
    /// An empty buffer.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    /// Keeps a buffer for later, or lets it go.
    pub(super) fn give(&mut self, mut buffer: Vec<u8>) {
        let bytes = self.bytes + buffer.capacity();
        if bytes <= OUTPUT_BYTES_MAX {
            buffer.clear();
            self.bytes = bytes;
            self.buffers.push(buffer);
        }
    }
}

/// Input of connections that execute together. A group has used up all of it before the next group puts its own here.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    bytes: Vec<u8>,
    complete: bool,
}

/// Where one connection's input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    start: usize,
    end: usize,
}

impl Gathered {
    /// Keeps `bytes` with those of the group; the first of a group finds those of the last one used up.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Place {
        if std::mem::take(&mut self.complete) {
            self.bytes.clear();
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        Place {
            start,
            end: self.bytes.len(),
        }
    }

    /// The group is complete and executes now.
    pub(super) fn complete(&mut self) {
        self.complete = true;
    }

    pub(super) fn get(&self, place: Place) -> &[u8] {
        &self.bytes[place.start..place.end]
    }
}

/// The beginning of a command whose end hasn't come yet.
#[derive(Debug, Default)]
pub(super) struct Rest {
    buffer: Vec<u8>,
    start: usize,
}

impl Rest {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    pub(super) fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps `bytes`, the rest being empty, for a command of about `needed` bytes.
    pub(super) fn keep(&mut self, bytes: &[u8], needed: usize, spares: &mut Spares) {
        debug_assert!(self.is_empty(), "bytes of one connection stay in order");
        if bytes.is_empty() {
            return;
        }
        // A big buffer is only lent to a client that has sent a fair part of the command.
        let spare = if bytes.len() >= READ_BYTES_MIN {
            spares.take(needed)
        } else {
            None
        };
        self.buffer = spare.unwrap_or_else(|| Vec::with_capacity(bytes.len()));
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes of memory it takes.
    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Bytes of memory it will take with [`Rest::room`].
    pub(super) fn capacity_with_room(&self, needed: usize) -> usize {
        match self.growth(self.len(), needed) {
            0 => self.buffer.capacity(),
            growth => self.len() + growth,
        }
    }

    /// Bytes of room to make behind `len` bytes; 0 when there is some.
    fn growth(&self, len: usize, needed: usize) -> usize {
        let missing = needed.saturating_sub(len).clamp(1, READ_BYTES_MIN);
        if self.buffer.capacity() - len >= missing {
            return 0;
        }
        let wanted = needed.saturating_sub(len).max(READ_BYTES_MIN);
        wanted.min(len.max(GROWTH_BYTES_MIN))
    }

    /// Drops bytes from the front; the buffer goes when it is used up.
    pub(super) fn consume(&mut self, bytes: usize, spares: &mut Spares) {
        self.start += bytes;
        debug_assert!(
            self.start <= self.buffer.len(),
            "no more is consumed than there is"
        );
        if self.start >= self.buffer.len() {
            spares.give(std::mem::take(&mut self.buffer));
            self.start = 0;
        }
    }

    /// The buffer with room for more behind its bytes, for a command of `needed` bytes.
    ///
    /// The room at most doubles what has come, so a client that announces much and sends little costs little.
    ///
    /// # Errors
    /// When the system has no memory for that.
    pub(super) fn room(&mut self, needed: usize) -> Result<&mut Vec<u8>, Scarce> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let growth = self.growth(self.buffer.len(), needed);
        let reserved = self.buffer.try_reserve_exact(growth);
        reserved.map_err(|_| Scarce)?;
        Ok(&mut self.buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Account, Purpose};

    fn spares() -> Spares {
        Spares::new(Account::unlimited().share(Purpose::Input))
    }

    #[test]
    fn announced_bytes_cost_nothing_before_they_come() {
        let mut rest = Rest::default();
        let mut spares = spares();
        rest.keep(b"set k 0 0 1000000000\r\n", 1_000_000_024, &mut spares);
        let mut came = rest.len();
        while came < 10 << 20 {
            let room = rest.room(1_000_000_024).unwrap();
            assert!(
                room.capacity() <= 2 * came + (64 << 10) + 64,
                "{} for {came}",
                room.capacity()
            );
            let n = (room.capacity() - room.len()).min(100_000);
            room.extend(std::iter::repeat_n(b'x', n));
            came += n;
        }
    }

    #[test]
    fn room_is_always_more_than_nothing() {
        let mut rest = Rest::default();
        let mut spares = spares();
        rest.keep(b"abc", 0, &mut spares);
        for needed in [0, 1, 3, 4, 100] {
            let room = rest.room(needed).unwrap();
            assert!(room.capacity() > room.len(), "{needed}");
        }
    }

    #[test]
    fn a_used_up_buffer_is_used_again() {
        let mut rest = Rest::default();
        let mut spares = spares();
        let data = vec![b'x'; 64 << 10];
        rest.keep(&data, 1 << 20, &mut spares);
        while rest.len() < 1 << 20 {
            let room = rest.room(1 << 20).unwrap();
            let n = room.capacity() - room.len();
            room.extend(std::iter::repeat_n(b'x', n));
        }
        let capacity = rest.buffer.capacity();
        rest.consume(rest.len(), &mut spares);
        assert_eq!(
            (rest.buffer.capacity(), spares.bytes.bytes()),
            (0, capacity)
        );
        rest.keep(&data, 1 << 20, &mut spares);
        assert_eq!(
            (rest.buffer.capacity(), spares.bytes.bytes()),
            (capacity, 0)
        );
    }

    #[test]
    fn spare_buffers_are_bounded() {
        let mut spares = spares();
        for _ in 0..100 {
            spares.give(Vec::with_capacity(1 << 20));
        }
        spares.give(Vec::with_capacity(100 << 20));
        assert!(spares.bytes.bytes() <= SPARE_BYTES_MAX);
    }

    #[test]
    fn gathered_input_stays_until_the_next_group_comes() {
        let mut gathered = Gathered::default();
        for group in [&[b"get a\r\n".as_slice(), b"", b"get b"][..], &[b"x"]] {
            let places: Vec<Place> = group.iter().map(|input| gathered.put(input)).collect();
            gathered.complete();
            for (input, place) in group.iter().zip(places) {
                assert_eq!(gathered.get(place), *input);
            }
        }
        assert_eq!(gathered.bytes, b"x");
    }

    #[test]
    fn consuming_keeps_the_order_of_bytes() {
        let mut rest = Rest::default();
        let mut spares = spares();
        rest.keep(b"abcdef", 0, &mut spares);
        rest.consume(2, &mut spares);
        rest.room(100).unwrap().extend_from_slice(b"gh");
        assert_eq!(rest.bytes(), b"cdefgh");
    }
}
