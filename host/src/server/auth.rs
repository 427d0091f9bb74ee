//! Passwords: the file, and the gate in front of a text connection (`-Y`).
//!
//! The first command must be `set <any key> <flags> <exptime> <length>` with `user password` as its data; until
//! it was right, everything else is refused and nothing reaches the cache.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// Longest command line before authentication.
const LINE_BYTES_MAX: usize = 2048;
/// Longest `user password`.
const TOKEN_BYTES_MAX: usize = 1024;

const UNAUTHENTICATED: &[u8] = b"CLIENT_ERROR unauthenticated\r\n";
const BAD_FORMAT: &[u8] = b"CLIENT_ERROR bad command line format\r\n";
const FAILURE: &[u8] = b"CLIENT_ERROR authentication failure\r\n";
const BAD_DATA: &[u8] = b"CLIENT_ERROR bad data chunk\r\n";
const STORED: &[u8] = b"STORED\r\n";

/// User and password.
type Entry = (Vec<u8>, Vec<u8>);

/// A file of `user:password` lines, kept in memory and read again when asked.
#[derive(Debug)]
pub struct Passwords {
    path: PathBuf,
    entries: ArcSwap<Vec<Entry>>,
}

impl Passwords {
    /// Reads the file.
    ///
    /// # Errors
    /// A sentence for the operator: the file can't be read, a line is malformed, or there is none.
    pub fn load(path: PathBuf) -> Result<Arc<Passwords>, String> {
        let passwords = Passwords {
            path,
            entries: ArcSwap::default(),
        };
        passwords.reload()?;
        Ok(Arc::new(passwords))
    }

    /// Reads the file again. After an error the old passwords stay.
    ///
    /// # Errors
    /// As [`Passwords::load`].
    pub fn reload(&self) -> Result<(), String> {
        let path = self.path.display();
        let text = std::fs::read(&self.path).map_err(|error| format!("{path}: {error}"))?;
        let entries = parse(&text).map_err(|why| format!("{path}: {why}"))?;
        self.entries.store(Arc::new(entries));
        Ok(())
    }

    /// Whether `user` has this password. Takes as long for a wrong one as for a right one.
    pub fn check(&self, user: &[u8], password: &[u8]) -> bool {
        (self.entries.load().iter()).fold(false, |found, (name, secret)| {
            found | (same(name, user) & same(secret, password))
        })
    }
}

fn parse(text: &[u8]) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let colon = memchr::memchr(b':', line)
            .ok_or_else(|| format!("line {} is not user:password", number + 1))?;
        entries.push((line[..colon].to_vec(), line[colon + 1..].to_vec()));
    }
    match entries.is_empty() {
        true => Err("no user:password line".to_owned()),
        false => Ok(entries),
    }
}

/// Compares without stopping at the first difference.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .fold(0, |differences, (a, b)| differences | (a ^ b))
            == 0
}

/// What the gate says to the input so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// These bytes are refused or used up; ask again with the rest.
    Consumed(usize),
    /// Read until there are this many bytes.
    Needs(usize),
    /// Let in; these bytes are used up.
    Open(usize),
    /// Hopeless: write the reply and close.
    Close,
}

/// Looks at the front of the input of a connection that isn't authenticated; replies go to `out`.
pub(super) fn gate(passwords: &Passwords, input: &[u8], out: &mut Vec<u8>) -> Verdict {
    let Some(newline) = memchr::memchr(b'\n', input) else {
        if input.len() > LINE_BYTES_MAX {
            out.extend_from_slice(UNAUTHENTICATED);
            return Verdict::Close;
        }
        return Verdict::Needs(input.len() + 1);
    };
    let refuse = |reply: &[u8], out: &mut Vec<u8>| {
        out.extend_from_slice(reply);
        Verdict::Consumed(newline + 1)
    };
    let mut tokens = input[..newline]
        .trim_ascii_end()
        .split(|byte| *byte == b' ')
        .filter(|token| !token.is_empty());
    if tokens.next() != Some(b"set") {
        return refuse(UNAUTHENTICATED, out);
    }
    let rest: Vec<&[u8]> = tokens.take(5).collect();
    let &[_key, _flags, _exptime, length] = rest.as_slice() else {
        return refuse(UNAUTHENTICATED, out);
    };
    let Some(length) = std::str::from_utf8(length)
        .ok()
        .and_then(|text| text.parse::<usize>().ok())
    else {
        return refuse(BAD_FORMAT, out);
    };
    if length > TOKEN_BYTES_MAX {
        out.extend_from_slice(FAILURE);
        return Verdict::Close;
    }
    let end = newline + 1 + length;
    let Some(token) = input.get(newline + 1..end) else {
        return Verdict::Needs(end + 2);
    };
    let consumed = match &input[end..] {
        [b'\r', b'\n', ..] => end + 2,
        [b'\n', ..] => end + 1,
        [] | [b'\r'] => return Verdict::Needs(end + 2),
        _ => {
            out.extend_from_slice(BAD_DATA);
            return Verdict::Close;
        }
    };
    let known = memchr::memchr(b' ', token)
        .is_some_and(|space| passwords.check(&token[..space], &token[space + 1..]));
    out.extend_from_slice(if known { STORED } else { FAILURE });
    match known {
        true => Verdict::Open(consumed),
        false => Verdict::Consumed(consumed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords() -> Passwords {
        let entries = parse(b"foo:bar\r\nbaz:b:z z\n\n").expect("good lines");
        Passwords {
            path: PathBuf::new(),
            entries: ArcSwap::new(Arc::new(entries)),
        }
    }

    fn says(input: &[u8]) -> (Verdict, String) {
        let mut out = Vec::new();
        let verdict = gate(&passwords(), input, &mut out);
        (verdict, String::from_utf8(out).expect("text"))
    }

    #[test]
    fn the_right_password_opens() {
        assert_eq!(
            says(b"set any 0 0 7\r\nfoo bar\r\nget a\r\n"),
            (Verdict::Open(24), "STORED\r\n".into())
        );
        assert_eq!(says(b"set x 0 0 9\nbaz b:z z\n").0, Verdict::Open(22));
    }

    #[test]
    fn everything_else_is_refused_and_the_stream_stays_in_step() {
        let failure = "CLIENT_ERROR authentication failure\r\n".to_owned();
        assert_eq!(
            says(b"get a\r\nget b\r\n"),
            (
                Verdict::Consumed(7),
                "CLIENT_ERROR unauthenticated\r\n".into()
            )
        );
        assert_eq!(
            says(b"set a 0 0 7\r\nfoo baz\r\n"),
            (Verdict::Consumed(22), failure.clone())
        );
        assert_eq!(
            says(b"set a 0 0 3\r\nfoo\r\n"),
            (Verdict::Consumed(18), failure.clone())
        );
        assert_eq!(
            says(b"set a 0 0 4\r\nfoo \r\n"),
            (Verdict::Consumed(19), failure.clone())
        );
        assert_eq!(says(b"set a 0 0 x\r\n").0, Verdict::Consumed(13));
        assert_eq!(says(b"set a 0 0 1 noreply x\r\n").0, Verdict::Consumed(23));
        assert_eq!(says(b"set a 0 0 99999999\r\n"), (Verdict::Close, failure));
        assert_eq!(says(b"set a 0 0 7\r\nfoo barx\r\n").0, Verdict::Close);
        assert_eq!(says(&[b'x'; 3000]).0, Verdict::Close);
    }

    proptest::proptest! {
        /// Whatever prefix has come, the gate asks for more than there is, and the whole opens.
        #[test]
        fn a_split_anywhere_only_waits(cut in 0_usize..24) {
            let whole = b"set any 0 0 7\r\nfoo bar\r\n";
            match says(&whole[..cut]) {
                (Verdict::Needs(needed), out) => proptest::prop_assert!(needed > cut && out.is_empty()),
                other => proptest::prop_assert!(false, "{other:?}"),
            }
        }

        #[test]
        fn no_input_panics_or_opens(input in proptest::collection::vec(0_u8.., 0..200)) {
            let (verdict, _) = says(&input);
            proptest::prop_assert!(!matches!(verdict, Verdict::Open(_)));
        }
    }

    #[test]
    fn a_bad_file_is_refused() {
        assert!(parse(b"").is_err());
        assert!(parse(b"foo\n").is_err());
        assert!(Passwords::load("/nonexistent".into()).is_err());
    }
}
