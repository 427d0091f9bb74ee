//! Answers of the text protocol, appended to a buffer.
//!
//! Fixed answers are constants with their line end. Numbers are printed by `itoa`, straight into the buffer.

use super::{Flag, MetaKey, base64};

/// The value was stored.
pub const STORED: &str = "STORED\r\n";
/// The condition of `add`, `replace`, `append` or `prepend` did not hold.
pub const NOT_STORED: &str = "NOT_STORED\r\n";
/// The CAS differs.
pub const EXISTS: &str = "EXISTS\r\n";
/// No such item.
pub const NOT_FOUND: &str = "NOT_FOUND\r\n";
/// The item is gone.
pub const DELETED: &str = "DELETED\r\n";
/// The exptime is set.
pub const TOUCHED: &str = "TOUCHED\r\n";
/// Done.
pub const OK: &str = "OK\r\n";
/// End of a list.
pub const END: &str = "END\r\n";
/// Statistics are zero again.
pub const RESET: &str = "RESET\r\n";
/// Not a command.
pub const ERROR: &str = "ERROR\r\n";
/// Known command, senseless arguments.
pub const BAD_FORMAT: &str = "CLIENT_ERROR bad command line format\r\n";
/// A data block that does not end where its length says.
pub const BAD_CHUNK: &str = "CLIENT_ERROR bad data chunk\r\n";
/// Answer to `mn`.
pub const MN: &str = "MN\r\n";
/// End of `mgdump`, and a miss of `me`.
pub const EN: &str = "EN\r\n";
/// Arithmetic on something that is no number.
pub const NON_NUMERIC: &str = "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
/// Value over the limit.
pub const TOO_LARGE: &str = "SERVER_ERROR object too large for cache\r\n";
/// Nothing could be evicted for a value.
pub const OUT_OF_MEMORY_STORING: &str = "SERVER_ERROR out of memory storing object\r\n";
/// There is no memory for the rest of a command.
pub const OUT_OF_MEMORY_READING: &str = "SERVER_ERROR out of memory reading request\r\n";
/// A write that could not be kept on disk is not made, or not answered.
pub const NOT_SAVED: &str = "SERVER_ERROR not saved: the disk fails\r\n";
/// Nothing could be evicted for a number.
pub const OUT_OF_MEMORY: &str = "SERVER_ERROR out of memory\r\n";
/// `flush_all` under `-F`.
pub const FLUSH_NOT_ALLOWED: &str = "CLIENT_ERROR flush_all not allowed\r\n";
/// `shutdown` without `-A`.
pub const SHUTDOWN_NOT_ENABLED: &str = "SERVER_ERROR: shutdown not enabled\r\n";
/// `watch` under `-W`.
pub const WATCH_NOT_ALLOWED: &str = "CLIENT_ERROR watch commands not allowed\r\n";
/// `watch` while as many watch as may.
pub const WATCHER_TOO_MANY: &str = "WATCHER_TOO_MANY log watcher limit reached\r\n";
/// Dumps under `-X`.
pub const METADUMP_NOT_ALLOWED: &str = "ERROR metadump not allowed\r\n";
/// Dumps under `-X`.
pub const MGDUMP_NOT_ALLOWED: &str = "ERROR key dump not allowed\r\n";
/// Dumps under `-X`.
pub const CACHEDUMP_NOT_ALLOWED: &str = "CLIENT_ERROR stats cachedump not allowed\r\n";
/// Prefix statistics under `-X`.
pub const DETAIL_NOT_ALLOWED: &str = "CLIENT_ERROR stats detail not allowed\r\n";
/// `stats detail` with anything else.
pub const DETAIL_USAGE: &str = "CLIENT_ERROR usage: stats detail on|off|dump\r\n";
/// `slabs reassign`: there are no slabs.
pub const REASSIGN_NO_SPARE: &str = "NOSPARE source class has no spare pages\r\n";
/// One connection too many.
pub const TOO_MANY_CONNECTIONS: &str = "ERROR Too many open connections\r\n";
/// Anything before the authentication.
pub const UNAUTHENTICATED: &str = "CLIENT_ERROR unauthenticated\r\n";
/// Wrong user or password.
pub const AUTH_FAILURE: &str = "CLIENT_ERROR authentication failure\r\n";
/// The data block is no `user password`.
pub const AUTH_FORMAT: &str = "CLIENT_ERROR bad authentication token format\r\n";

/// Appends `n` in decimal.
#[inline]
pub fn number(out: &mut Vec<u8>, n: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// Appends the line of a number: the answer of `incr` and `decr`.
pub fn number_line(out: &mut Vec<u8>, n: u64) {
    number(out, n);
    out.extend_from_slice(b"\r\n");
}

/// Appends the line before a value of `len` bytes. The caller appends the value and [`VALUE_END`].
#[inline]
pub fn value_header(out: &mut Vec<u8>, key: &[u8], flags: u32, len: usize, cas: Option<u64>) {
    out.extend_from_slice(b"VALUE ");
    out.extend_from_slice(key);
    // Flags are nearly always 0.
    if flags == 0 {
        out.extend_from_slice(b" 0 ");
    } else {
        out.push(b' ');
        number(out, flags);
        out.push(b' ');
    }
    number(out, len);
    if let Some(cas) = cas {
        out.push(b' ');
        number(out, cas);
    }
    out.extend_from_slice(b"\r\n");
}

/// What follows a value.
pub const VALUE_END: &str = "\r\n";

/// Appends the answer of `version`.
pub fn version(out: &mut Vec<u8>, version: &str) {
    out.extend_from_slice(b"VERSION ");
    out.extend_from_slice(version.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends one statistic.
pub fn stat(out: &mut Vec<u8>, name: &str, value: impl std::fmt::Display) {
    use std::io::Write;
    write!(out, "STAT {name} {value}\r\n").expect("a Vec takes every write");
}

/// Appends a failure of the server's side. The text may come from a guest: control characters, which
/// could start a line of their own, become spaces.
pub fn server_error(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"SERVER_ERROR ");
    out.extend(
        text.bytes()
            .map(|b| if b.is_ascii_control() { b' ' } else { b }),
    );
    out.extend_from_slice(b"\r\n");
}

/// First word of a meta answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaCode {
    /// `HD`: done.
    Done,
    /// `EN`: a miss of `mg`.
    Miss,
    /// `NF`: no such item.
    NotFound,
    /// `NS`: condition did not hold.
    NotStored,
    /// `EX`: the CAS differs.
    Exists,
}

/// A meta answer under construction: a code, flags, then [`MetaReply::end`].
#[derive(Debug)]
pub struct MetaReply<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> MetaReply<'o> {
    /// An answer without a value.
    #[inline]
    pub fn new(out: &'o mut Vec<u8>, code: MetaCode) -> Self {
        out.extend_from_slice(match code {
            MetaCode::Done => b"HD",
            MetaCode::Miss => b"EN",
            MetaCode::NotFound => b"NF",
            MetaCode::NotStored => b"NS",
            MetaCode::Exists => b"EX",
        });
        MetaReply { out }
    }

    /// An answer with a value of `len` bytes: `VA len`. The value and [`VALUE_END`] follow the line's end.
    #[inline]
    pub fn value(out: &'o mut Vec<u8>, len: usize) -> Self {
        out.extend_from_slice(b"VA ");
        number(out, len);
        MetaReply { out }
    }

    /// A flag with nothing to it: `W`, `X`, `Z`.
    #[inline]
    pub fn flag(&mut self, flag: Flag) {
        self.out.extend_from_slice(&[b' ', flag]);
    }

    /// A flag with a number: `c`, `f`, `h`, `l`, `s`.
    #[inline]
    pub fn number(&mut self, flag: Flag, n: u64) {
        self.flag(flag);
        number(self.out, n);
    }

    /// `t`: seconds left, -1 when it never expires.
    pub fn ttl(&mut self, seconds: Option<u64>) {
        match seconds {
            Some(seconds) => self.number(b't', seconds),
            None => self.out.extend_from_slice(b" t-1"),
        }
    }

    /// `O`: the client's own mark, without its letter.
    pub fn opaque(&mut self, mark: &[u8]) {
        self.flag(b'O');
        self.out.extend_from_slice(mark);
    }

    /// `k`: the key as the client wrote it, marked `b` if that was base64.
    pub fn key(&mut self, key: MetaKey<'_>) {
        self.flag(b'k');
        self.out.extend_from_slice(key.token);
        if key.base64 {
            self.flag(b'b');
        }
    }

    /// Ends the line.
    #[inline]
    pub fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// What `me` and the dumps tell about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemFacts {
    /// Seconds left for `me`, second since 1970 for a dump; `None` when it never expires.
    pub expiry: Option<u64>,
    /// Seconds since the last access for `me`, its second since 1970 for a dump.
    pub accessed: u64,
    /// CAS token.
    pub cas: u64,
    /// Whether the item was read before.
    pub fetched: bool,
    /// Bytes that the item takes, everything included.
    pub size: u64,
    /// Client flags.
    pub flags: u32,
}

impl ItemFacts {
    /// Class of every item: the store has no size classes, but tools expect the number of one.
    const CLASS: u32 = 1;

    fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b" exp=");
        match self.expiry {
            Some(second) => number(out, second),
            None => out.extend_from_slice(b"-1"),
        }
        out.extend_from_slice(b" la=");
        number(out, self.accessed);
        out.extend_from_slice(b" cas=");
        number(out, self.cas);
        out.extend_from_slice(if self.fetched {
            b" fetch=yes"
        } else {
            b" fetch=no"
        });
        out.extend_from_slice(b" cls=");
        number(out, Self::CLASS);
        out.extend_from_slice(b" size=");
        number(out, self.size);
    }
}

/// Appends the answer of `me` to a hit.
pub fn meta_debug(out: &mut Vec<u8>, key: MetaKey<'_>, facts: &ItemFacts) {
    out.extend_from_slice(b"ME ");
    out.extend_from_slice(key.token);
    facts.append(out);
    out.extend_from_slice(b"\r\n");
}

/// A key as it stands in the lines of dumps and logs: a byte that could be mistaken for something else becomes `%` and
/// two hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub struct PercentEncoded<'a>(pub &'a [u8]);

impl PercentEncoded<'_> {
    fn append(self, out: &mut Vec<u8>) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        for &byte in self.0 {
            match byte {
                b'-' | b'.' | b'_' | b'~' => out.push(byte),
                _ if byte.is_ascii_alphanumeric() => out.push(byte),
                _ => out.extend_from_slice(&[
                    b'%',
                    HEX[usize::from(byte >> 4)],
                    HEX[usize::from(byte & 15)],
                ]),
            }
        }
    }
}

impl std::fmt::Display for PercentEncoded<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = Vec::with_capacity(self.0.len());
        self.append(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

/// Appends a line of `lru_crawler metadump`: the key percent-encoded, and a line feed alone as memcached has it.
pub fn metadump_line(out: &mut Vec<u8>, key: &[u8], facts: &ItemFacts) {
    out.extend_from_slice(b"key=");
    PercentEncoded(key).append(out);
    facts.append(out);
    out.extend_from_slice(b" flags=");
    number(out, facts.flags);
    out.push(b'\n');
}

/// Appends a line of `stats cachedump`: the value's length in bytes, and when it expires, 0 for never.
pub fn cachedump_line(out: &mut Vec<u8>, key: &[u8], value_bytes: usize, expiry_s: u64) {
    out.extend_from_slice(b"ITEM ");
    out.extend_from_slice(key);
    out.extend_from_slice(b" [");
    number(out, value_bytes as u64);
    out.extend_from_slice(b" b; ");
    number(out, expiry_s);
    out.extend_from_slice(b" s]\r\n");
}

/// Appends a line of `lru_crawler mgdump`: a command that reads the item. A key that is no text goes in base64.
pub fn mgdump_line(out: &mut Vec<u8>, key: &[u8]) {
    out.extend_from_slice(b"mg ");
    if super::tokens::key_end(key) == key.len() {
        out.extend_from_slice(key);
    } else {
        base64::encode(key, out);
        out.extend_from_slice(b" b");
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("answers in these tests are text")
    }

    #[test]
    fn values_are_announced_with_their_length_and_cas() {
        assert_eq!(
            written(|out| value_header(out, b"k", 7, 30, None)),
            "VALUE k 7 30\r\n"
        );
        assert_eq!(
            written(|out| value_header(out, b"k", u32::MAX, 0, Some(u64::MAX))),
            "VALUE k 4294967295 0 18446744073709551615\r\n"
        );
        assert_eq!(written(|out| stat(out, "threads", 4)), "STAT threads 4\r\n");
        assert_eq!(written(|out| number_line(out, 10)), "10\r\n");
        assert_eq!(written(|out| version(out, "1.2")), "VERSION 1.2\r\n");
    }

    #[test]
    fn a_guests_text_stays_on_its_line() {
        assert_eq!(
            written(|out| server_error(out, "a\r\nEND\r\nb\0")),
            "SERVER_ERROR a  END  b \r\n"
        );
    }

    #[test]
    fn meta_answers_are_a_code_and_flags() {
        let text = written(|out| {
            let mut reply = MetaReply::value(out, 2);
            reply.number(b's', 2);
            reply.opaque(b"abc");
            reply.key(MetaKey {
                token: b"a2V5",
                base64: true,
            });
            reply.ttl(None);
            reply.ttl(Some(30));
            reply.flag(b'W');
            reply.end();
        });
        assert_eq!(text, "VA 2 s2 Oabc ka2V5 b t-1 t30 W\r\n");
        assert_eq!(
            written(|out| MetaReply::new(out, MetaCode::NotFound).end()),
            "NF\r\n"
        );
    }

    #[test]
    fn items_are_described_as_tools_expect() {
        let facts = ItemFacts {
            expiry: None,
            accessed: 3,
            cas: 9,
            fetched: true,
            size: 63,
            flags: 5,
        };
        assert_eq!(
            written(|out| meta_debug(out, MetaKey::plain(b"k"), &facts)),
            "ME k exp=-1 la=3 cas=9 fetch=yes cls=1 size=63\r\n"
        );
        assert_eq!(
            written(|out| metadump_line(
                out,
                b"a:b c~",
                &ItemFacts {
                    expiry: Some(70),
                    fetched: false,
                    ..facts
                }
            )),
            "key=a%3Ab%20c~ exp=70 la=3 cas=9 fetch=no cls=1 size=63 flags=5\n"
        );
        assert_eq!(written(|out| mgdump_line(out, b"key")), "mg key\r\n");
        assert_eq!(written(|out| mgdump_line(out, b"f o")), "mg ZiBv b\r\n");
    }
}
