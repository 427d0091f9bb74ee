//! The bounds every parser compares lengths with, before anything is sliced or counted.

/// Longest key in bytes.
pub const KEY_BYTES_MAX: usize = 250;

/// Longest opaque token of a meta command in bytes, its letter `O` included.
pub const OPAQUE_BYTES_MAX: usize = 32;

/// Most tokens a meta command may have: its name, key, length and flags together.
pub const META_TOKENS_MAX: usize = 20;

/// What the parsers refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest command line in bytes, except for `get` and its relatives.
    pub line_bytes_max: usize,
    /// Longest line of `get`, `gets`, `gat` and `gats` in bytes.
    pub get_line_bytes_max: usize,
    /// Longest value in bytes; a longer one is [`Parsed::TooLarge`](super::Parsed::TooLarge).
    pub value_bytes_max: usize,
    /// A data block of so many bytes that has not come yet is announced:
    /// [`Parsed::Announced`](super::Parsed::Announced).
    pub announced_bytes_min: usize,
}

impl Default for Limits {
    /// The limits of a server started without options, for callers that take data blocks as a whole.
    fn default() -> Self {
        Limits {
            line_bytes_max: 2048,
            get_line_bytes_max: 1 << 20,
            value_bytes_max: 1 << 20,
            announced_bytes_min: usize::MAX,
        }
    }
}
