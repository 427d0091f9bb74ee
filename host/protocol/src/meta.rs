//! The meta commands' key and flags.

use super::{KEY_BYTES_MAX, Tokens, base64, number};

/// A key as sent: bytes, or base64 of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaKey<'a> {
    /// The key token of the line, at most 250 bytes. With `base64` it is known to decode to at least one byte.
    pub token: &'a [u8],
    /// The request has the `b` flag.
    pub base64: bool,
}

/// Room for a decoded key.
#[derive(Clone, Copy, Debug)]
pub struct KeyBuffer([u8; base64::decoded_bytes_max(KEY_BYTES_MAX)]);

impl Default for KeyBuffer {
    fn default() -> Self {
        KeyBuffer([0; _])
    }
}

impl<'a> MetaKey<'a> {
    /// A key that is meant as it is written.
    #[inline]
    pub fn plain(token: &'a [u8]) -> Self {
        MetaKey {
            token,
            base64: false,
        }
    }

    /// The key's bytes, decoded into `buffer` if need be.
    #[inline]
    pub fn bytes<'b>(&self, buffer: &'b mut KeyBuffer) -> &'b [u8]
    where
        'a: 'b,
    {
        if !self.base64 {
            return self.token;
        }
        let len = base64::decode(self.token, &mut buffer.0)
            .expect("the parser only lets tokens through that decode");
        &buffer.0[..len]
    }
}

/// One letter of a meta command.
pub type Flag = u8;

/// Key and flags of `mg`, `ms`, `md` or `ma`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta<'a> {
    /// The item's key.
    pub key: MetaKey<'a>,
    /// What the request asks of the item.
    pub flags: MetaFlags<'a>,
}

/// A meta request that outlives the bytes it came in.
#[derive(Clone, Debug)]
pub struct DetachedMeta {
    token: Box<[u8]>,
    base64: bool,
    letters: u64,
    tokens: Box<[u8]>,
    mode: Mode,
}

impl Meta<'_> {
    /// The same request with bytes of its own.
    pub fn detach(&self) -> DetachedMeta {
        DetachedMeta {
            token: self.key.token.into(),
            base64: self.key.base64,
            letters: self.flags.letters,
            tokens: self.flags.tokens.rest().into(),
            mode: self.flags.mode,
        }
    }
}

impl DetachedMeta {
    /// The request.
    pub fn meta(&self) -> Meta<'_> {
        Meta {
            key: MetaKey {
                token: &self.token,
                base64: self.base64,
            },
            flags: MetaFlags {
                letters: self.letters,
                tokens: Tokens::new(&self.tokens),
                mode: self.mode,
            },
        }
    }
}

/// Flags of a meta command, small enough to be moved around. Letters without a number are asked for by
/// [`MetaFlags::has`]; numbers are read again, as sent, when they are asked for. [`MetaFlags::in_order`] walks them as
/// the client wrote them, for the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MetaFlags<'a> {
    /// Bit `letter - b'A'` for each flag of the request.
    pub(super) letters: u64,
    /// The flags as written.
    pub(super) tokens: Tokens<'a>,
    /// `M`: how to store or count.
    pub mode: Mode,
}

/// The mode that an `M` flag chose, if the command knows modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// None given: `ms` sets, `ma` increments.
    #[default]
    Unset,
    /// `ms`: `E`.
    Add,
    /// `ms`: `A`.
    Append,
    /// `ms`: `P`.
    Prepend,
    /// `ms`: `R`.
    Replace,
    /// `ms`: `S`.
    Set,
    /// `ma`: `I` or `+`.
    Increment,
    /// `ma`: `D` or `-`.
    Decrement,
}

impl<'a> MetaFlags<'a> {
    /// Is the flag there?
    #[inline]
    pub fn has(&self, flag: Flag) -> bool {
        match flag.wrapping_sub(b'A') {
            shift @ 0..64 => self.letters >> shift & 1 != 0,
            _ => false,
        }
    }

    /// `q`: hide the usual answer.
    #[inline]
    pub fn quiet(&self) -> bool {
        self.has(b'q')
    }

    /// `T`: new exptime.
    #[inline]
    pub fn ttl(&self) -> Option<i64> {
        number::signed(self.argument(b'T')?)
    }

    /// `N`: create on a miss with this exptime.
    #[inline]
    pub fn vivify(&self) -> Option<i64> {
        number::signed(self.argument(b'N')?)
    }

    /// `R`: win when the remaining time is below this exptime.
    #[inline]
    pub fn recache(&self) -> Option<i64> {
        number::signed(self.argument(b'R')?)
    }

    /// `C`: write only over an item with this CAS token.
    #[inline]
    pub fn cas_compare(&self) -> Option<u64> {
        number::unsigned(self.argument(b'C')?)
    }

    /// `E`: the new CAS.
    #[inline]
    pub fn cas_override(&self) -> Option<u64> {
        number::unsigned(self.argument(b'E')?)
    }

    /// `F`: client flags; 0 when not given.
    #[inline]
    pub fn client_flags(&self) -> u32 {
        let flags = self.argument(b'F').and_then(number::unsigned_32);
        flags.unwrap_or(0)
    }

    /// `J`: initial value of `ma`; 0 when not given.
    pub fn initial(&self) -> u64 {
        self.argument(b'J').and_then(number::unsigned).unwrap_or(0)
    }

    /// `D`: delta of `ma`; 1 when not given.
    pub fn delta(&self) -> u64 {
        self.argument(b'D').and_then(number::unsigned).unwrap_or(1)
    }

    #[inline]
    fn argument(&self, flag: Flag) -> Option<&'a [u8]> {
        if !self.has(flag) {
            return None;
        }
        let mut flags = self.in_order();
        flags.find_map(|(letter, argument)| (letter == flag).then_some(argument))
    }

    /// Each flag with its argument (possibly empty), in the order of the request.
    #[inline]
    pub fn in_order(&self) -> impl Iterator<Item = (Flag, &'a [u8])> + use<'a> {
        self.tokens.map(|token| (token[0], &token[1..]))
    }
}
