//! Arguments as the ABI packs them, and the lists inside them. Every length is checked: what
//! cannot be read ends the list.

/// Reads little-endian numbers and counted bytes from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `n` bytes.
    pub(crate) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    /// The next byte.
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    /// The next four bytes as a number.
    pub(crate) fn u32(&mut self) -> Option<u32> {
        let bytes = self.take(4)?;
        Some(u32::from_le_bytes(bytes.try_into().expect("four bytes")))
    }

    /// The next eight bytes as a number.
    pub(crate) fn u64(&mut self) -> Option<u64> {
        let bytes = self.take(8)?;
        Some(u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
    }

    /// A length and so many bytes.
    pub(crate) fn counted(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.take(len as usize)
    }
}

/// The arguments of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Args<'a> {
    lengths: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> Args<'a> {
    /// No arguments.
    pub(crate) const fn none() -> Self {
        Self {
            lengths: &[],
            bytes: &[],
        }
    }

    /// Reads the count and the lengths; `None` when they do not fit.
    pub(crate) fn parse(input: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(input);
        let count = reader.u32()? as usize;
        let lengths = reader.take(count.checked_mul(4)?)?;
        Some(Self {
            lengths,
            bytes: reader.0,
        })
    }
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut lengths = Reader(self.lengths);
        let mut bytes = Reader(self.bytes);
        let arg = bytes.take(lengths.u32()? as usize)?;
        *self = Self {
            lengths: lengths.0,
            bytes: bytes.0,
        };
        Some(arg)
    }
}

/// A packed list: each element its length and bytes.
pub(crate) fn list(packed: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut reader = Reader(packed);
    std::iter::from_fn(move || reader.counted())
}

/// Appends a number.
pub(crate) fn put_u32(out: &mut Vec<u8>, n: usize) {
    let n = u32::try_from(n).expect("lengths of wasm32 fit");
    out.extend_from_slice(&n.to_le_bytes());
}

/// Appends a length and the bytes.
pub(crate) fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u32(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// The parts of a virtual key, split at `:`. An empty last part does not count.
pub(crate) fn split_key(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    let key = key.strip_suffix(b":").unwrap_or(key);
    let empty = key.is_empty();
    key.split(|b| *b == b':')
        .take(if empty { 0 } else { usize::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(key: &str) -> Vec<String> {
        split_key(key.as_bytes())
            .map(|p| String::from_utf8_lossy(p).into_owned())
            .collect()
    }

    #[test]
    fn an_empty_last_part_is_dropped_and_empty_middle_ones_are_kept() {
        assert_eq!(parts("set:new:k"), ["set", "new", "k"]);
        assert_eq!(parts("set:new:"), ["set", "new"]);
        assert_eq!(parts("set:new::x"), ["set", "new", "", "x"]);
        assert_eq!(parts(":a"), ["", "a"]);
        assert_eq!(parts(":::"), ["", "", ""]);
        assert!(parts("").is_empty());
    }

    #[test]
    fn arguments_cut_anywhere_end_early() {
        let mut packed = 2_u32.to_le_bytes().to_vec();
        for len in [3_u32, 2] {
            packed.extend_from_slice(&len.to_le_bytes());
        }
        packed.extend_from_slice(b"abcde");
        let whole: Vec<_> = Args::parse(&packed).expect("whole").collect();
        assert_eq!(whole, [b"abc".as_slice(), b"de"]);
        for cut in 0..packed.len() {
            let args = Args::parse(&packed[..cut]).map_or(0, Iterator::count);
            assert_eq!(args, usize::from(cut >= 15), "cut at {cut}");
        }
    }
}
