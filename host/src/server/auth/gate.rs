//! The gate in front of a text connection (`-Y`).
//!
//! The first command must be `set <any key> <flags> <exptime> <length>` with `user password` as its data; until
//! it was right, everything else is refused and nothing reaches the cache.

use super::{Logins, Outcome, Passwords};
use crate::protocol::reply;
use crate::stats::ConnectionEntry;

/// Requests without a login that are answered; one more ends the connection.
const REFUSED_MAX: u8 = 16;
/// Longest command line before authentication.
const LINE_BYTES_MAX: usize = 2048;
/// Longest `user password`, in bytes.
const TOKEN_BYTES_MAX: usize = 1024;

/// What the gate says to the input so far.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) enum Verdict {
    /// These bytes are refused or used up; ask again with the rest.
    Consumed(usize),
    /// Read until there are this many bytes.
    Needs(usize),
    /// The client is let in; these bytes are used up.
    Open(usize),
    /// A wrong password, in these bytes.
    Denied(usize),
    /// A wrong password once too often: write the reply and close.
    Cut,
    /// No login can be made of this: write the reply and close.
    Close,
}

/// Looks at the front of the input of a connection that isn't logged in; replies go to `out`.
pub(in crate::server) fn gate(
    logins: &Logins,
    passwords: &Passwords,
    entry: &ConnectionEntry,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Verdict {
    let Some(newline) = memchr::memchr(b'\n', input) else {
        if input.len() > LINE_BYTES_MAX {
            out.extend_from_slice(reply::UNAUTHENTICATED.as_bytes());
            return Verdict::Close;
        }
        return Verdict::Needs(input.len() + 1);
    };
    let refuse = |line: &str, out: &mut Vec<u8>| {
        out.extend_from_slice(line.as_bytes());
        match entry.login.count_refused() > REFUSED_MAX {
            true => Verdict::Close,
            false => Verdict::Consumed(newline + 1),
        }
    };
    let mut tokens = input[..newline]
        .trim_ascii_end()
        .split(|byte| *byte == b' ')
        .filter(|token| !token.is_empty());
    if tokens.next() != Some(b"set") {
        return refuse(reply::UNAUTHENTICATED, out);
    }
    let rest: Vec<&[u8]> = tokens.take(5).collect();
    let &[_key, _flags, _exptime, length] = rest.as_slice() else {
        return refuse(reply::UNAUTHENTICATED, out);
    };
    let Some(length) = std::str::from_utf8(length)
        .ok()
        .and_then(|text| text.parse::<usize>().ok())
    else {
        return refuse(reply::BAD_FORMAT, out);
    };
    if length > TOKEN_BYTES_MAX {
        out.extend_from_slice(reply::AUTH_FAILURE.as_bytes());
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
            out.extend_from_slice(reply::BAD_CHUNK.as_bytes());
            return Verdict::Close;
        }
    };
    let outcome = match memchr::memchr(b' ', token) {
        Some(space) => logins.check(passwords, entry, &token[..space], &token[space + 1..]),
        None => logins.check(passwords, entry, token, b""),
    };
    let line = match outcome {
        Outcome::Granted => reply::STORED,
        Outcome::Denied | Outcome::Cut => reply::AUTH_FAILURE,
    };
    out.extend_from_slice(line.as_bytes());
    match outcome {
        Outcome::Granted => Verdict::Open(consumed),
        Outcome::Denied => Verdict::Denied(consumed),
        Outcome::Cut => Verdict::Cut,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::passwords::tests::passwords;
    use super::*;
    use crate::stats::Connections;

    /// One connection.
    struct Client {
        logins: Logins,
        passwords: Arc<Passwords>,
        entry: Arc<ConnectionEntry>,
    }

    impl Client {
        fn new() -> Client {
            let passwords = Arc::new(passwords(b"foo:bar\r\nbaz:b:z z\n\n"));
            Client {
                logins: Logins::new(Some(Arc::clone(&passwords)), None),
                passwords,
                entry: Connections::default().open("tcp:127.0.0.1:1".into(), "l".into(), 0),
            }
        }

        fn says(&self, input: &[u8]) -> (Verdict, String) {
            let mut out = Vec::new();
            let verdict = gate(&self.logins, &self.passwords, &self.entry, input, &mut out);
            (verdict, String::from_utf8(out).expect("text"))
        }
    }

    fn says(input: &[u8]) -> (Verdict, String) {
        Client::new().says(input)
    }

    #[test]
    fn three_wrong_logins_end_the_connection() {
        let client = Client::new();
        let wrong = b"set a 0 0 7\r\nfoo baz\r\n";
        assert_eq!(client.says(wrong).0, Verdict::Denied(22));
        assert_eq!(client.says(wrong).0, Verdict::Denied(22));
        assert_eq!(
            client.says(wrong),
            (
                Verdict::Cut,
                "CLIENT_ERROR authentication failure\r\n".into()
            )
        );
    }

    #[test]
    fn a_client_that_never_logs_in_is_not_answered_for_ever() {
        let client = Client::new();
        for _ in 0..REFUSED_MAX {
            assert_eq!(client.says(b"get a\r\n").0, Verdict::Consumed(7));
        }
        assert_eq!(client.says(b"get a\r\n").0, Verdict::Close);
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
            (Verdict::Denied(22), failure.clone())
        );
        assert_eq!(
            says(b"set a 0 0 3\r\nfoo\r\n"),
            (Verdict::Denied(18), failure.clone())
        );
        assert_eq!(
            says(b"set a 0 0 4\r\nfoo \r\n"),
            (Verdict::Denied(19), failure.clone())
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
}
