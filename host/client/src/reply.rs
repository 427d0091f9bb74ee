//! Answers of servers: bytes to [`Reply`]s.

use bytes::{Buf, Bytes, BytesMut};

/// Longest line of an answer in bytes. A longer one closes the connection.
const LINE_BYTES_MAX: usize = 4096;

/// A value of so many bytes is not copied. A shorter one is, because it would keep the memory of its neighbours alive.
const VALUE_BYTES_SHARED_MIN: usize = 4096;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) kind: Kind,
    /// Client flags, if the answer has some.
    pub(crate) flags: u32,
    /// CAS token, if the answer has one.
    pub(crate) cas: u64,
    /// Remaining seconds, if the answer tells them and the item expires.
    pub(crate) ttl_s: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `VA`: a value.
    Value(Bytes),
    /// `HD`, `OK`, `STORED`, `MN`: done.
    Done,
    /// `EN`, `NF`: no such item.
    Miss,
    /// `NS`: not stored.
    NotStored,
    /// `EX`: another CAS.
    Exists,
    /// `VERSION`: what follows the word.
    Version(String),
    /// `ERROR`, `CLIENT_ERROR`, `SERVER_ERROR`: the whole line.
    Refused(String),
}

/// Takes one answer from the front of `input`, which may end anywhere. `Ok(None)` means that more bytes must come.
///
/// # Errors
/// With what was read, when it is no answer, or one of a value over `value_bytes_max`. The connection is of no use then.
pub(crate) fn take(input: &mut BytesMut, value_bytes_max: usize) -> Result<Option<Reply>, String> {
    let window = &input[..input.len().min(LINE_BYTES_MAX)];
    let Some(end) = memchr::memchr(b'\n', window) else {
        return match window.len() {
            LINE_BYTES_MAX => Err(format!("a line over {LINE_BYTES_MAX} bytes")),
            _ => Ok(None),
        };
    };
    let line = &input[..end];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (word, rest) = split(line);
    if word != b"VA" {
        let reply = short(line, word, rest).ok_or_else(|| shown(line))?;
        input.advance(end + 1);
        return Ok(Some(reply));
    }
    let (len, flags) = split(rest);
    let len: usize = number(len).ok_or_else(|| shown(line))?;
    if len > value_bytes_max {
        return Err(format!(
            "a value of {len} bytes, the option value_bytes_max allows {value_bytes_max}"
        ));
    }
    // The length is bounded, so the sum is, too.
    let block = end + 1 + len + 2;
    if input.len() < block {
        input.reserve(block - input.len());
        return Ok(None);
    }
    let mut reply = with_flags(Kind::Done, flags).ok_or_else(|| shown(line))?;
    if input[block - 2..block] != *b"\r\n" {
        return Err("a value that does not end where it should".to_owned());
    }
    input.advance(end + 1);
    let value = input.split_to(len);
    reply.kind = Kind::Value(match len {
        0..VALUE_BYTES_SHARED_MIN => Bytes::copy_from_slice(&value),
        _ => value.freeze(),
    });
    input.advance(2);
    Ok(Some(reply))
}

/// An answer without a data block; `None` when the line is none.
fn short(line: &[u8], word: &[u8], rest: &[u8]) -> Option<Reply> {
    let kind = match word {
        b"HD" => Kind::Done,
        b"EN" | b"NF" => Kind::Miss,
        b"NS" => Kind::NotStored,
        b"EX" => Kind::Exists,
        b"OK" | b"STORED" | b"MN" if rest.is_empty() => Kind::Done,
        b"VERSION" => return with_flags(Kind::Version(text(rest)), b""),
        b"ERROR" | b"CLIENT_ERROR" | b"SERVER_ERROR" | b"SERVER_ERROR:" => {
            return with_flags(Kind::Refused(text(line)), b"");
        }
        _ => return None,
    };
    with_flags(kind, rest)
}

/// Reads the flags of an answer; `None` when a number in them is none. Flags that nobody asked for are skipped.
fn with_flags(kind: Kind, flags: &[u8]) -> Option<Reply> {
    let mut reply = Reply {
        kind,
        flags: 0,
        cas: 0,
        ttl_s: None,
    };
    for token in flags.split(|byte| *byte == b' ') {
        match token {
            [b'f', number @ ..] => reply.flags = self::number(number)?,
            [b'c', number @ ..] => reply.cas = self::number(number)?,
            b"t-1" => reply.ttl_s = None,
            [b't', number @ ..] => reply.ttl_s = Some(self::number(number)?),
            _ => (),
        }
    }
    Some(reply)
}

/// The bytes before the first space, and those after it.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b' ', line) {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, b""),
    }
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    let text = str::from_utf8(digits).ok()?;
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The beginning of a line, for a message.
fn shown(line: &[u8]) -> String {
    format!("{:?}", text(&line[..line.len().min(80)]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All answers of some bytes that come in pieces of `piece` bytes, and whether the rest is no answer.
    fn all(bytes: &[u8], piece: usize) -> (Vec<Reply>, bool) {
        let (mut input, mut replies) = (BytesMut::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            input.extend_from_slice(piece);
            loop {
                match take(&mut input, 100) {
                    Ok(Some(reply)) => replies.push(reply),
                    Ok(None) => break,
                    Err(_) => return (replies, true),
                }
            }
        }
        (replies, false)
    }

    #[test]
    fn every_answer_is_understood() {
        let bytes = b"VA 5 f3 c7 t-1\r\na\r\nbc\r\nHD c9\r\nEN\r\nNF\r\nNS\r\nEX\r\nMN\r\nOK\r\nVERSION 1.6\r\n\
            SERVER_ERROR set:put: no\r\nVA 0 t60\r\n\r\n";
        for piece in [1, 2, 7, 1000] {
            let (replies, is_broken) = all(bytes, piece);
            assert!(!is_broken);
            let kinds: Vec<_> = replies.iter().map(|reply| reply.kind.clone()).collect();
            assert_eq!(
                kinds,
                [
                    Kind::Value(Bytes::from_static(b"a\r\nbc")),
                    Kind::Done,
                    Kind::Miss,
                    Kind::Miss,
                    Kind::NotStored,
                    Kind::Exists,
                    Kind::Done,
                    Kind::Done,
                    Kind::Version("1.6".to_owned()),
                    Kind::Refused("SERVER_ERROR set:put: no".to_owned()),
                    Kind::Value(Bytes::new()),
                ]
            );
            assert_eq!(
                (replies[0].flags, replies[0].cas, replies[0].ttl_s),
                (3, 7, None)
            );
            assert_eq!((replies[1].cas, replies[10].ttl_s), (9, Some(60)));
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error_with_its_text() {
        for (bytes, part) in [
            ("HELLO\r\n", "HELLO"),
            ("VA x\r\n", "VA x"),
            ("VA 101\r\n", "101 bytes"),
            ("VA 99999999999999999999\r\n", "VA 9"),
            ("VA 1\r\nabc", "end where"),
            ("VA 1 fx\r\na\r\n", "fx"),
            ("OK then\r\n", "OK then"),
            (&"x".repeat(LINE_BYTES_MAX), "4096"),
        ] {
            let error = take(&mut BytesMut::from(bytes), 100).expect_err(bytes);
            assert!(error.contains(part), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_the_same_in_one_piece_and_in_many(
            bytes in prop::collection::vec(prop_oneof![
                prop::sample::select(b"VAHDENf c0123\r\n".to_vec()), any::<u8>()
            ], 0..300),
            piece in 1_usize..20
        ) {
            prop_assert_eq!(all(&bytes, piece), all(&bytes, 1000));
        }

        #[test]
        fn a_value_comes_out_as_it_went_in(value in prop::collection::vec(any::<u8>(), 0..100), piece in 1_usize..20) {
            let mut bytes = format!("VA {} f1\r\n", value.len()).into_bytes();
            bytes.extend_from_slice(&value);
            bytes.extend_from_slice(b"\r\nEN\r\n");
            let (replies, is_broken) = all(&bytes, piece);
            prop_assert!(!is_broken && replies.len() == 2);
            prop_assert_eq!(&replies[0].kind, &Kind::Value(value.into()));
        }
    }
}
