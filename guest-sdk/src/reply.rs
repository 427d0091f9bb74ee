//! The answer of a call.

use crate::number::{self, Integer};
use crate::{Error, Object, Value, sys};

/// A long answer, written piece by piece. What does not fit a small buffer goes to the server at
/// once, so that an answer of any length takes little memory in the guest. A function gets one by
/// a parameter `out: &mut Reply`; what it returns, if anything, comes behind what it wrote.
///
/// ```
/// # use cacheismo_sdk::{Object, Reply};
/// # pub struct Lines;
/// # #[cacheismo_sdk::object(name = "lines")]
/// # impl Lines {
/// /// Lists the field names, one on a line.
/// fn list(o: &Object, out: &mut Reply) {
///     let mut fields = o.scan();
///     while let Some(name) = fields.next_key() {
///         out.line(name);
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Reply<'c> {
    buffer: &'c mut [u8],
    used: usize,
    /// A fixed word in place of the buffer: when there is one, the buffer holds nothing.
    word: &'static [u8],
    /// The answer is a refusal.
    refused: bool,
}

impl<'c> Reply<'c> {
    #[inline(always)]
    pub(crate) fn new(buffer: &'c mut [u8]) -> Self {
        Self {
            buffer,
            used: 0,
            word: b"",
            refused: false,
        }
    }

    /// The end of the answer, which was not streamed, and whether the answer is a refusal.
    #[inline(always)]
    pub(crate) fn into_tail(self) -> (&'c [u8], bool) {
        let tail = if self.word.is_empty() {
            &self.buffer[..self.used]
        } else {
            self.word
        };
        (tail, self.refused)
    }

    /// Appends bytes.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) {
        match self.buffer[self.used..].get_mut(..bytes.len()) {
            Some(room) if self.word.is_empty() => {
                room.copy_from_slice(bytes);
                self.used += bytes.len();
            }
            _ => self.stream(bytes),
        }
    }

    /// Appends an integer. Copies all the room for its text: a fixed length is faster than the right one.
    #[inline(always)]
    fn write_integer(&mut self, integer: &Integer) {
        match self.buffer[self.used..].first_chunk_mut() {
            Some(room) if self.word.is_empty() => {
                *room = integer.bytes;
                self.used += integer.text().len();
            }
            _ => self.write(integer.text()),
        }
    }

    /// Appends a fixed word: when the word is all of the answer, it needs no copy.
    #[inline(always)]
    fn write_word(&mut self, word: &'static [u8]) {
        if self.used == 0 && self.word.is_empty() {
            self.word = word;
        } else {
            self.write(word);
        }
    }

    #[inline(always)]
    fn stream(&mut self, bytes: &[u8]) {
        self.flush();
        if bytes.len() < self.buffer.len() {
            self.buffer[..bytes.len()].copy_from_slice(bytes);
            self.used = bytes.len();
        } else {
            sys::reply(bytes);
        }
    }

    /// Hands what was written so far to the server.
    #[inline(always)]
    fn flush(&mut self) {
        flush(self.word, &self.buffer[..self.used]);
        self.word = b"";
        self.used = 0;
    }

    /// Appends a field's value with `before`, as many parts as there are, ahead of it; false, and
    /// nothing is appended, when there is no such field. The value goes into the answer without
    /// passing through the module, however long it is.
    ///
    /// ```
    /// # use cacheismo_sdk::{Object, Reply, Word};
    /// # pub struct Phones;
    /// # #[cacheismo_sdk::object(name = "phones")]
    /// # impl Phones {
    /// fn number(o: &Object, name: &[u8], out: &mut Reply) -> Result<(), Word> {
    ///     if out.field(o, name, &[name, b": "]) { Ok(()) } else { Err(Word("NOT_FOUND")) }
    /// }
    /// # }
    /// ```
    #[inline]
    pub fn field<const N: usize>(
        &mut self,
        o: &Object<'_>,
        field: &[u8],
        before: &[&[u8]; N],
    ) -> bool {
        let Some(end) = self.gather(before) else {
            return self.field_after_much(o, field, before);
        };
        let found = o.reply_field(field, &self.buffer[..end]);
        if found {
            self.used = 0;
        }
        found
    }

    /// Puts the parts behind what is in the buffer, without counting them as written. `None` when
    /// they do not fit.
    #[inline]
    fn gather(&mut self, parts: &[&[u8]]) -> Option<usize> {
        if !self.word.is_empty() {
            return None;
        }
        let mut end = self.used;
        for part in parts {
            let place = self.buffer.get_mut(end..)?.get_mut(..part.len())?;
            place.copy_from_slice(part);
            end += part.len();
        }
        Some(end)
    }

    #[inline(always)]
    fn field_after_much(&mut self, o: &Object<'_>, field: &[u8], before: &[&[u8]]) -> bool {
        self.flush();
        let found = o.has(field);
        if found {
            before.iter().for_each(|part| sys::reply(part));
            o.reply_field(field, b"");
        }
        found
    }

    /// Appends bytes and CRLF.
    #[inline]
    pub fn line(&mut self, bytes: &[u8]) {
        self.write(bytes);
        self.write(b"\r\n");
    }
}

/// Hands word and buffer to the server. No method: a reply that is never referred to lives in the guest's registers.
#[cold]
#[inline(never)]
fn flush(word: &[u8], buffered: &[u8]) {
    for piece in [word, buffered] {
        if !piece.is_empty() {
            sys::reply(piece);
        }
    }
}

/// Writing with the standard formatting macros, which make a small module some ten KiB larger.
impl std::io::Write for Reply<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Reply::write(self, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A fixed answer, such as `SUCCESS`: it takes no copy, as other text does. It may come early: in a
/// function that returns `Result<_, Word>`, `?` ends the call with this word. What was written is kept,
/// unlike with [`Error`]; to a `get` it is an answer like any other, a storing command answers `NOT_STORED`.
///
/// ```
/// # use cacheismo_sdk::{Object, Word};
/// # pub struct Stock;
/// # #[cacheismo_sdk::object(name = "stock")]
/// # impl Stock {
/// fn price(o: &Object, item: &str) -> Result<u64, Word> {
///     o.field_as(item.as_bytes()).ok_or(Word("NOT_FOUND"))
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(pub &'static str);

/// A type an answer can have: bytes, text, integers, floats (the shortest decimal that reads back
/// the same), `bool` as `1` or `0`, `()` for the empty answer, and a [`Result`] of one of these and
/// [`Error`], [`Word`] or, for functions that end in both ways, [`Stop`](crate::Stop).
pub trait IntoReply {
    /// Writes the answer.
    ///
    /// # Errors
    /// When the function refused.
    fn into_reply(self, reply: &mut Reply<'_>) -> Result<(), Error>;
}

impl IntoReply for () {
    #[inline(always)]
    fn into_reply(self, _: &mut Reply<'_>) -> Result<(), Error> {
        Ok(())
    }
}

impl<T: IntoReply> IntoReply for Result<T, Error> {
    #[inline(always)]
    fn into_reply(self, reply: &mut Reply<'_>) -> Result<(), Error> {
        self?.into_reply(reply)
    }
}

impl<T: IntoReply> IntoReply for Result<T, Word> {
    #[inline(always)]
    fn into_reply(self, reply: &mut Reply<'_>) -> Result<(), Error> {
        match self {
            Ok(answer) => answer.into_reply(reply),
            Err(word) => {
                reply.refused = true;
                word.into_reply(reply)
            }
        }
    }
}

macro_rules! bytes {
    ($($kind:ty: $it:ident => $bytes:expr),*) => {$(
        impl IntoReply for $kind {
            #[inline(always)]
            fn into_reply(self, reply: &mut Reply<'_>) -> Result<(), Error> {
                let $it = self;
                reply.write($bytes);
                Ok(())
            }
        }
    )*};
}

bytes!(
    &[u8]: bytes => bytes,
    Vec<u8>: bytes => &bytes,
    Value: bytes => &bytes,
    &str: text => text.as_bytes(),
    String: text => text.as_bytes(),
    std::borrow::Cow<'_, str>: text => text.as_bytes(),
    bool: truth => if truth { b"1" } else { b"0" },
    number::Lua: number => number.text()
);

impl IntoReply for Word {
    #[inline(always)]
    fn into_reply(self, reply: &mut Reply<'_>) -> Result<(), Error> {
        reply.write_word(self.0.as_bytes());
        Ok(())
    }
}

impl<const N: usize> IntoReply for &[u8; N] {
    #[inline(always)]
    fn into_reply(self, reply: &mut Reply<'_>) -> Result<(), Error> {
        reply.write(self);
        Ok(())
    }
}

macro_rules! integers {
    ($($kind:ty),*) => {$(
        impl IntoReply for $kind {
            #[inline(always)]
            fn into_reply(self, reply: &mut Reply<'_>) -> Result<(), Error> {
                reply.write_integer(&Integer::from(self));
                Ok(())
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

macro_rules! floats {
    ($($kind:ty),*) => {$(
        impl IntoReply for $kind {
            #[inline(always)]
            fn into_reply(self, reply: &mut Reply<'_>) -> Result<(), Error> {
                use std::io::Write;
                write!(reply, "{self}").expect("a reply takes everything");
                Ok(())
            }
        }
    )*};
}

floats!(f32, f64);
