//! What a call answers: a tag byte, then a value or raw protocol bytes.

use cacheismo_lua_contract::Tag;

const VALUE: u8 = Tag::Value.byte();
const RAW: u8 = Tag::Raw.byte();

/// Collects the answer. It starts with the tag.
#[derive(Debug)]
pub(crate) struct Output {
    bytes: Vec<u8>,
}

/// A buffer that grew past this is given back after the call.
const KEPT_BYTES_MAX: usize = 64 * 1024;

impl Output {
    /// An output that has to be [`reset`](Self::reset) before use.
    pub(crate) const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Empties the output for the next call.
    pub(crate) fn reset(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.bytes.push(RAW);
    }

    /// Whether nothing was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() <= 1 && self.bytes.first() != Some(&VALUE)
    }

    /// Appends raw protocol bytes; `virtual_key` is the key of the call.
    pub(crate) fn write(&mut self, virtual_key: &[u8], raw: &[u8]) {
        if self.bytes[0] == VALUE {
            let value = self.bytes.split_off(1);
            self.bytes[0] = RAW;
            append_block(&mut self.bytes, virtual_key, 0, &value);
        }
        self.bytes.extend_from_slice(raw);
    }

    /// Answers `key` with `value`: as the reply's value if it is the call's own key and the
    /// first to be answered, else as a raw block.
    pub(crate) fn answer(&mut self, virtual_key: &[u8], key: &[u8], value: &[u8]) {
        if self.is_empty() && key == virtual_key {
            self.bytes[0] = VALUE;
            self.bytes.extend_from_slice(value);
        } else {
            self.write(virtual_key, b"");
            append_block(&mut self.bytes, key, 0, value);
        }
    }

    /// Appends an item's block.
    pub(crate) fn write_item(&mut self, virtual_key: &[u8], key: &[u8], flags: u32, data: &[u8]) {
        self.write(virtual_key, b"");
        append_block(&mut self.bytes, key, flags, data);
    }

    /// Replaces the tag.
    pub(crate) fn set_tag(&mut self, tag: Tag) {
        self.bytes[0] = tag.byte();
    }

    /// The finished answer. Scripts with helpers of their own write the block of a value by
    /// hand: such a reply is recognised and becomes a value again.
    pub(crate) fn finish(&mut self, virtual_key: &[u8]) -> &[u8] {
        if self.bytes[0] == RAW
            && let Some((start, len)) = only_block(&self.bytes[1..], virtual_key)
        {
            self.bytes.copy_within(1 + start..1 + start + len, 1);
            self.bytes.truncate(1 + len);
            self.bytes[0] = VALUE;
        }
        &self.bytes
    }

    /// The bytes so far, tag included.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Appends `VALUE key flags length`, the data and the line ends.
fn append_block(out: &mut Vec<u8>, key: &[u8], flags: u32, data: &[u8]) {
    out.extend_from_slice(b"VALUE ");
    out.extend_from_slice(key);
    out.extend_from_slice(format!(" {flags} {}\r\n", data.len()).as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Start and length of the data when `raw` is exactly one block of `key` with flags 0.
fn only_block(raw: &[u8], key: &[u8]) -> Option<(usize, usize)> {
    let rest = raw
        .strip_prefix(b"VALUE ")?
        .strip_prefix(key)?
        .strip_prefix(b" 0 ")?;
    let digits = rest.iter().position(|b| *b == b'\r')?;
    let len: usize = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    let data = rest[digits..].strip_prefix(b"\r\n")?;
    let whole = data.len() == len.checked_add(2)? && data.ends_with(b"\r\n");
    whole.then_some((raw.len() - data.len(), len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output() -> Output {
        let mut output = Output::new();
        output.reset();
        output
    }

    #[test]
    fn one_answer_of_the_calls_key_is_a_value() {
        let mut out = output();
        out.answer(b"a:b", b"a:b", b"x");
        assert_eq!(out.finish(b"a:b"), b"Vx");
    }

    #[test]
    fn a_second_answer_makes_both_raw_blocks() {
        let mut out = output();
        out.answer(b"a:b", b"a:b", b"x");
        out.answer(b"a:b", b"c", b"yy");
        assert_eq!(
            out.finish(b"a:b"),
            b"RVALUE a:b 0 1\r\nx\r\nVALUE c 0 2\r\nyy\r\n"
        );
    }

    #[test]
    fn a_block_written_by_hand_is_a_value_only_when_it_is_all() {
        for (raw, reply) in [
            ("VALUE k 0 1\r\nx\r\n", "Vx"),
            ("VALUE k 0 0\r\n\r\n", "V"),
            ("VALUE k 1 1\r\nx\r\n", "RVALUE k 1 1\r\nx\r\n"),
            ("VALUE k 0 2\r\nx\r\n", "RVALUE k 0 2\r\nx\r\n"),
            ("VALUE j 0 1\r\nx\r\n", "RVALUE j 0 1\r\nx\r\n"),
            ("XVALUE k 0 1\r\nx\r\n", "RXVALUE k 0 1\r\nx\r\n"),
            ("", "R"),
        ] {
            let mut out = output();
            for byte in raw.bytes() {
                out.write(b"k", &[byte]);
            }
            assert_eq!(out.finish(b"k"), reply.as_bytes(), "{raw:?}");
        }
    }
}
