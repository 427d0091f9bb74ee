//! Keys as they are written on the wire.

use cacheismo_protocol::base64;

use crate::Error;

/// Longest key in bytes.
pub const KEY_BYTES_MAX: usize = cacheismo_protocol::KEY_BYTES_MAX;
/// Longest key in bytes that holds blanks or control characters: such keys travel in base64, which is longer by a third.
pub const BINARY_KEY_BYTES_MAX: usize = KEY_BYTES_MAX / 4 * 3;

/// A key that was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'a> {
    bytes: &'a [u8],
    is_text: bool,
}

impl<'a> Key<'a> {
    /// # Errors
    /// When the key is empty or too long.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let is_text = bytes.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
        let max = match is_text {
            true => KEY_BYTES_MAX,
            false => BINARY_KEY_BYTES_MAX,
        };
        match (1..=max).contains(&bytes.len()) {
            true => Ok(Self { bytes, is_text }),
            false => Err(Error::Key { bytes: bytes.len() }),
        }
    }

    /// Appends the key to a command line.
    pub(crate) fn write(self, line: &mut Vec<u8>) {
        match self.is_text {
            true => line.extend_from_slice(self.bytes),
            false => base64::encode(self.bytes, line),
        }
    }

    /// The flag that tells the server how the key is written.
    pub(crate) fn flag(self) -> &'static str {
        match self.is_text {
            true => "",
            false => " b",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8]) -> Option<String> {
        let key = Key::new(bytes).ok()?;
        let mut line = Vec::new();
        key.write(&mut line);
        line.extend_from_slice(key.flag().as_bytes());
        Some(String::from_utf8_lossy(&line).into_owned())
    }

    #[test]
    fn a_key_is_written_as_it_is_where_that_is_possible() {
        assert_eq!(written(b"user:42").as_deref(), Some("user:42"));
        assert_eq!(written("é".as_bytes()).as_deref(), Some("é"));
        assert_eq!(written(b"a b").as_deref(), Some("YSBi b"));
        assert_eq!(written(b"\x7f").as_deref(), Some("fw== b"));
    }

    #[test]
    fn a_key_fits_on_the_wire() {
        assert!(written(&[b'k'; 250]).is_some() && written(&[b'k'; 251]).is_none());
        assert!(written(&[0; 186]).is_some_and(|line| line.len() == 250));
        assert!(written(&[0; 187]).is_none() && written(b"").is_none());
    }
}
