//! Why a function gives no answer.

use std::borrow::Cow;
use std::fmt;

/// The reason a call is refused: the client reads `SERVER_ERROR type:function: text`, and nothing
/// the call wrote is kept.
///
/// Made from text with `?` or `into`:
///
/// ```
/// # use cacheismo_sdk::Error;
/// fn half(n: u64) -> Result<u64, Error> {
///     if n % 2 == 1 {
///         return Err("an odd number has no half".into());
///     }
///     Ok(n / 2)
/// }
/// assert_eq!(half(3).unwrap_err().text(), "an odd number has no half");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Cow<'static, str>);

impl Error {
    /// An error with this text. Line ends are for the host to clean.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }

    /// What the client will read.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// An argument that cannot be what its type says. Joined by hand: formatting machinery would be
    /// most of a small module.
    #[doc(hidden)]
    #[cold]
    pub fn argument(name: &str, expected: &str) -> Self {
        Self(Cow::Owned([name, " is not ", expected].concat()))
    }
}

impl From<&'static str> for Error {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Error {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}
