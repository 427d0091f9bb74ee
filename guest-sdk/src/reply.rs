//! The answer of a call.

use crate::{Error, Value, number, sys};

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
}

impl<'c> Reply<'c> {
    pub(crate) fn new(buffer: &'c mut [u8]) -> Self {
        Self { buffer, used: 0 }
    }

    /// Bytes at the start of the buffer that were not streamed.
    pub(crate) fn buffered(&self) -> usize {
        self.used
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        let room = &mut self.buffer[self.used..];
        if bytes.len() <= room.len() {
            room[..bytes.len()].copy_from_slice(bytes);
            self.used += bytes.len();
        } else {
            self.stream(bytes);
        }
    }

    #[cold]
    fn stream(&mut self, bytes: &[u8]) {
        sys::reply(&self.buffer[..self.used]);
        self.used = 0;
        if bytes.len() < self.buffer.len() {
            self.buffer[..bytes.len()].copy_from_slice(bytes);
            self.used = bytes.len();
        } else {
            sys::reply(bytes);
        }
    }

    /// Appends bytes and CRLF.
    pub fn line(&mut self, bytes: &[u8]) {
        self.write(bytes);
        self.write(b"\r\n");
    }
}

/// With the standard formatting macros. They make a small module some ten KiB larger.
impl std::io::Write for Reply<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Reply::write(self, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An answer that comes early: in a function that returns `Result<_, Word>`, `?` ends the call with this
/// word. To the client it is an answer like any other and what was written is kept, unlike with
/// [`Error`].
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
/// [`Error`] or [`Word`].
pub trait IntoReply {
    /// Writes the answer.
    ///
    /// # Errors
    /// When the function refused.
    fn into_reply(self, reply: &mut Reply<'_>) -> Result<(), Error>;
}

impl IntoReply for () {
    fn into_reply(self, _: &mut Reply<'_>) -> Result<(), Error> {
        Ok(())
    }
}

impl<T: IntoReply> IntoReply for Result<T, Error> {
    fn into_reply(self, reply: &mut Reply<'_>) -> Result<(), Error> {
        self?.into_reply(reply)
    }
}

impl<T: IntoReply> IntoReply for Result<T, Word> {
    fn into_reply(self, reply: &mut Reply<'_>) -> Result<(), Error> {
        match self {
            Ok(answer) => answer.into_reply(reply),
            Err(word) => word.into_reply(reply),
        }
    }
}

macro_rules! bytes {
    ($($kind:ty: $it:ident => $bytes:expr),*) => {$(
        impl IntoReply for $kind {
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
    Word: word => word.0.as_bytes(),
    bool: truth => if truth { b"1" } else { b"0" },
    number::Lua: number => number.text()
);

impl<const N: usize> IntoReply for &[u8; N] {
    fn into_reply(self, reply: &mut Reply<'_>) -> Result<(), Error> {
        reply.write(self);
        Ok(())
    }
}

macro_rules! integers {
    ($($kind:ty),*) => {$(
        impl IntoReply for $kind {
            fn into_reply(self, reply: &mut Reply<'_>) -> Result<(), Error> {
                reply.write(number::Integer::from(self).text());
                Ok(())
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

macro_rules! floats {
    ($($kind:ty),*) => {$(
        impl IntoReply for $kind {
            fn into_reply(self, reply: &mut Reply<'_>) -> Result<(), Error> {
                use std::io::Write;
                write!(reply, "{self}").expect("a reply takes everything");
                Ok(())
            }
        }
    )*};
}

floats!(f32, f64);
