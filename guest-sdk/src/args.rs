//! Arguments: from the packed bytes of the ABI to the types of a function's signature.

/// The arguments of one call, packed as the ABI says: `u32` count, a `u32` length each, then all
/// bytes. Hands them out in order, borrowed, and reads nothing outside the packed bytes whatever
/// the lengths say.
#[derive(Clone, Copy, Debug)]
pub struct Args<'c> {
    lengths: &'c [u8],
    bytes: &'c [u8],
}

impl<'c> Args<'c> {
    // These are inlined into every export, see `call::run`.

    /// No arguments at all when `packed` is cut short.
    #[inline(always)]
    pub fn new(packed: &'c [u8]) -> Self {
        Self::split(packed).unwrap_or(Self {
            lengths: &[],
            bytes: &[],
        })
    }

    #[inline(always)]
    fn split(packed: &'c [u8]) -> Option<Self> {
        let (count, rest) = packed.split_first_chunk::<4>()?;
        let heads = usize::try_from(u32::from_le_bytes(*count))
            .ok()?
            .checked_mul(4)?;
        let (lengths, bytes) = rest.split_at_checked(heads)?;
        Some(Self { lengths, bytes })
    }

    /// A required argument.
    ///
    /// # Errors
    /// When the argument is missing or not of its type.
    #[inline(always)]
    pub fn required<T: FromArg<'c>>(&mut self, name: &str) -> Result<T, crate::Error> {
        let bytes = self
            .next()
            .ok_or_else(|| crate::Error::argument(name, "given"))?;
        T::from_arg(bytes).map_err(|expected| crate::Error::argument(name, expected))
    }

    /// An optional argument.
    ///
    /// # Errors
    /// When the argument is there but not of its type.
    #[inline(always)]
    pub fn optional<T: FromArg<'c>>(&mut self, name: &str) -> Result<Option<T>, crate::Error> {
        self.next()
            .map(|bytes| {
                T::from_arg(bytes).map_err(|expected| crate::Error::argument(name, expected))
            })
            .transpose()
    }

    /// All arguments that are left.
    pub fn rest(self) -> Rest<'c> {
        Rest(self)
    }
}

impl<'c> Iterator for Args<'c> {
    type Item = &'c [u8];

    #[inline(always)]
    fn next(&mut self) -> Option<&'c [u8]> {
        let (length, lengths) = self.lengths.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (argument, bytes) = self.bytes.split_at_checked(length)?;
        *self = Self { lengths, bytes };
        Some(argument)
    }
}

/// The last parameter of a function that takes any number of further arguments: an iterator over their bytes. A clone
/// costs nothing and goes on from the same argument.
#[derive(Clone, Copy, Debug)]
pub struct Rest<'c>(Args<'c>);

impl<'c> Iterator for Rest<'c> {
    type Item = &'c [u8];

    fn next(&mut self) -> Option<&'c [u8]> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.0.lengths.len() / 4;
        (0, Some(left))
    }
}

/// A type an argument can have.
///
/// `&[u8]` takes anything; `&str` UTF-8; integers decimal digits with an optional sign; `f64` a
/// finite decimal number; `bool` one of `1 0 true false`. `Option` of these makes an argument
/// optional.
pub trait FromArg<'c>: Sized {
    /// Reads the argument.
    ///
    /// # Errors
    /// What the argument should have been, as in "`limit` is not *an integer*".
    fn from_arg(bytes: &'c [u8]) -> Result<Self, &'static str>;
}

impl<'c> FromArg<'c> for &'c [u8] {
    fn from_arg(bytes: &'c [u8]) -> Result<Self, &'static str> {
        Ok(bytes)
    }
}

impl<'c> FromArg<'c> for &'c str {
    fn from_arg(bytes: &'c [u8]) -> Result<Self, &'static str> {
        std::str::from_utf8(bytes).map_err(|_| "UTF-8")
    }
}

impl FromArg<'_> for bool {
    fn from_arg(bytes: &[u8]) -> Result<Self, &'static str> {
        match bytes {
            b"1" | b"true" => Ok(true),
            b"0" | b"false" => Ok(false),
            _ => Err("0 or 1"),
        }
    }
}

macro_rules! numbers {
    ($($kind:ty: $expected:literal),*) => {$(
        impl FromArg<'_> for $kind {
            #[inline(always)]
            fn from_arg(bytes: &[u8]) -> Result<Self, &'static str> {
                match small_integer(bytes) {
                    Some(small) => Self::try_from(small).map_err(|_| $expected),
                    None => integer(bytes).ok_or($expected),
                }
            }
        }
    )*};
}

/// Any integer, as the standard library reads it.
#[cold]
#[inline(never)]
fn integer<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// An integer of at most 18 digits without `+`, which cannot overflow: most are, and reading them so is
/// some ten times cheaper than by the standard library, which has to look for everything.
#[inline(always)]
fn small_integer(bytes: &[u8]) -> Option<i64> {
    const DIGITS_MAX: usize = 18;
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if !matches!(digits.len(), 1..=DIGITS_MAX) {
        return None;
    }
    let magnitude = crate::number::digits(digits)? as i64;
    match (negative, magnitude) {
        (false, magnitude) => Some(magnitude),
        // `-0` is no unsigned number.
        (true, 0) => None,
        (true, magnitude) => Some(-magnitude),
    }
}

numbers!(
    i8: "an integer from -128 to 127",
    i16: "an integer from -32768 to 32767",
    i32: "an integer of 32 bits",
    i64: "an integer of 64 bits",
    u8: "an integer from 0 to 255",
    u16: "an integer from 0 to 65535",
    u32: "an unsigned integer of 32 bits",
    u64: "an unsigned integer of 64 bits"
);

macro_rules! floats {
    ($($kind:ty),*) => {$(
        impl FromArg<'_> for $kind {
            fn from_arg(bytes: &[u8]) -> Result<Self, &'static str> {
                std::str::from_utf8(bytes)
                    .ok()
                    .and_then(|text| text.parse::<$kind>().ok())
                    .filter(|number| number.is_finite())
                    .ok_or("a finite number")
            }
        }
    )*};
}

floats!(f32, f64);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integers_are_read_as_the_standard_library_reads_them(text in "[-+]?[0-9]{0,22}|[-+0-9a]{1,4}") {
            let bytes = text.as_bytes();
            prop_assert_eq!(i64::from_arg(bytes).ok(), text.parse().ok());
            prop_assert_eq!(i8::from_arg(bytes).ok(), text.parse().ok());
            prop_assert_eq!(u64::from_arg(bytes).ok(), text.parse().ok());
            prop_assert_eq!(u16::from_arg(bytes).ok(), text.parse().ok());
        }
    }
}
