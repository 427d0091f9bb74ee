//! The two ways to end a call early, in one type.

use crate::{Error, IntoReply, Reply, Word};

/// Why a function ends early: with a [`Word`], an answer like any other, or with an [`Error`], which drops what the call
/// wrote. `?` makes it of either, and of text.
///
/// ```
/// # use cacheismo_sdk::{Object, Stop, Word};
/// # pub struct Stock;
/// # #[cacheismo_sdk::object(name = "stock")]
/// # impl Stock {
/// fn pieces(o: &Object, item: &[u8]) -> Result<u64, Stop> {
///     let bytes = o.get(item).ok_or(Word("NOT_FOUND"))?;
///     let pieces = bytes.first_chunk().ok_or("the state of this object is damaged")?;
///     Ok(u64::from_le_bytes(*pieces))
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The answer is this word.
    Word(Word),
    /// The call is refused.
    Error(Error),
}

impl From<Word> for Stop {
    #[inline]
    fn from(word: Word) -> Self {
        Self::Word(word)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<&'static str> for Stop {
    fn from(text: &'static str) -> Self {
        Self::Error(text.into())
    }
}

impl<T: IntoReply> IntoReply for Result<T, Stop> {
    #[inline(always)]
    fn into_reply(self, reply: &mut Reply<'_>) -> Result<(), Error> {
        match self {
            Ok(answer) => answer.into_reply(reply),
            Err(Stop::Word(word)) => Err::<(), Word>(word).into_reply(reply),
            Err(Stop::Error(error)) => Err(error),
        }
    }
}
