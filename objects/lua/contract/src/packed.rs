//! Numbers, counted bytes and lists of them.

use alloc::vec::Vec;

/// Reads little-endian numbers and counted bytes from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(
    /// The bytes that are not read yet.
    pub &'a [u8],
);

impl<'a> Reader<'a> {
    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.chunk().map(u8::from_le_bytes)
    }

    /// The next four bytes as a number.
    pub fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_le_bytes)
    }

    /// The next eight bytes as a number.
    pub fn u64(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_le_bytes)
    }

    /// A `u32` length and so many bytes; nothing is taken when they are not all there.
    pub fn counted(&mut self) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let len = ahead.u32()?;
        let bytes = ahead.take(usize::try_from(len).ok()?)?;
        *self = ahead;
        Some(bytes)
    }
}

/// The elements of a packed list. It ends where no whole element follows.
pub fn list(packed: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut reader = Reader(packed);
    core::iter::from_fn(move || reader.counted())
}

/// Whether the bytes are a packed list from end to end.
pub fn is_list(packed: &[u8]) -> bool {
    let mut reader = Reader(packed);
    while reader.counted().is_some() {}
    reader.0.is_empty()
}

/// Appends a length.
///
/// # Panics
/// When it takes more than 32 bits. Addresses of the guest have no more.
pub fn put_u32(out: &mut Vec<u8>, n: usize) {
    let n = u32::try_from(n).expect("lengths in a guest fit 32 bits");
    out.extend_from_slice(&n.to_le_bytes());
}

/// Appends a length and the bytes: an element of a list.
///
/// # Panics
/// As [`put_u32`].
pub fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u32(out, bytes.len());
    out.extend_from_slice(bytes);
}
