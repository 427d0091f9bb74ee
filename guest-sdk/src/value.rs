//! Bytes read from an object.

use std::ops::Deref;

/// Up to this length a value is read without allocating.
const INLINE: usize = 120;

/// Bytes copied out of an object: short ones on the stack, long ones on the heap. Use it as a
/// `&[u8]`.
#[derive(Clone)]
pub struct Value {
    inline: [u8; INLINE],
    /// Length of the inline part; unused when `heap` holds the bytes.
    length: usize,
    heap: Option<Vec<u8>>,
}

impl Value {
    /// Reads with `read(out)`, which copies what fits and returns the full length or a negative
    /// number for "absent", so that a short value takes one host call and a long one two.
    #[inline]
    pub(crate) fn read(mut read: impl FnMut(&mut [u8]) -> i32) -> Option<Self> {
        let mut value = Self {
            inline: [0; INLINE],
            length: 0,
            heap: None,
        };
        value.length = usize::try_from(read(&mut value.inline)).ok()?;
        if value.length > INLINE {
            let mut heap = vec![0; value.length];
            read(&mut heap);
            value.heap = Some(heap);
        }
        Some(value)
    }

    /// The bytes as a vector, without a copy when they were on the heap.
    pub fn into_vec(self) -> Vec<u8> {
        match self.heap {
            Some(heap) => heap,
            None => self.inline[..self.length].to_vec(),
        }
    }
}

impl Deref for Value {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.heap {
            Some(heap) => heap,
            None => &self.inline[..self.length],
        }
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq<[u8]> for Value {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}
