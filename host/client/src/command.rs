//! Commands as bytes. All are meta commands, which say flags, CAS and expiry in one request.

use std::fmt::Write;

use bytes::Bytes;

use crate::key::Key;
use crate::{Error, Mode, Store, Ttl};

/// One request of one answer.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) bytes: Bytes,
    /// Doing it twice is as good as once.
    pub(crate) is_read: bool,
}

/// Fetches value, flags, CAS and remaining time, and sets the time if there is a new one.
pub(crate) fn get(key: &[u8], ttl: Option<Ttl>) -> Result<Command, Error> {
    let flags = match ttl {
        Some(ttl) => format!(" v f c t T{}", ttl.wire()),
        None => " v f c t".to_owned(),
    };
    line("mg", key, "", &flags, ttl.is_none())
}

/// Fetches the value alone: calls a function.
pub(crate) fn call(key: &[u8], is_read: bool) -> Result<Command, Error> {
    line("mg", key, "", " v", is_read)
}

/// Sets the remaining time.
pub(crate) fn touch(key: &[u8], ttl: Ttl) -> Result<Command, Error> {
    line("mg", key, "", &format!(" T{}", ttl.wire()), false)
}

/// Removes an item, if it has this CAS.
pub(crate) fn delete(key: &[u8], cas: Option<u64>) -> Result<Command, Error> {
    let flags = cas.map_or_else(String::new, |cas| format!(" C{cas}"));
    line("md", key, "", &flags, false)
}

/// Counts up or down. `initial` creates a counter that is not there.
pub(crate) fn count(
    key: &[u8],
    down: bool,
    delta: u64,
    initial: Option<(u64, Ttl)>,
) -> Result<Command, Error> {
    let mode = if down { 'D' } else { 'I' };
    let mut flags = format!(" v M{mode} D{delta}");
    if let Some((initial, ttl)) = initial {
        write!(flags, " J{initial} N{}", ttl.wire()).expect("a string takes everything");
    }
    line("ma", key, "", &flags, false)
}

/// Stores a value.
pub(crate) fn store(
    key: &[u8],
    value: &[u8],
    how: &Store,
    value_bytes_max: usize,
) -> Result<Command, Error> {
    if value.len() > value_bytes_max {
        return Err(Error::Value {
            bytes: value.len(),
            max: value_bytes_max,
        });
    }
    let mode = match how.mode {
        Mode::Set => 'S',
        Mode::Add => 'E',
        Mode::Replace => 'R',
        Mode::Append => 'A',
        Mode::Prepend => 'P',
    };
    let mut flags = format!(" M{mode} F{} T{} c", how.flags, how.ttl.wire());
    if let Some(cas) = how.cas {
        write!(flags, " C{cas}").expect("a string takes everything");
    }
    let head = line("ms", key, &format!(" {}", value.len()), &flags, false)?;
    let mut bytes = Vec::with_capacity(head.bytes.len() + value.len() + 2);
    bytes.extend_from_slice(&head.bytes);
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(b"\r\n");
    Ok(Command {
        bytes: bytes.into(),
        ..head
    })
}

/// Asks for nothing: the answer tells that the server lives.
pub(crate) const NOOP: &[u8] = b"mn\r\n";

/// A command that concerns a whole node.
pub(crate) fn plain(text: &'static str, is_read: bool) -> Command {
    Command {
        bytes: Bytes::from_static(text.as_bytes()),
        is_read,
    }
}

fn line(
    name: &str,
    key: &[u8],
    behind_key: &str,
    flags: &str,
    is_read: bool,
) -> Result<Command, Error> {
    let key = Key::new(key)?;
    let mut bytes = Vec::with_capacity(name.len() + 260 + flags.len());
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(b' ');
    key.write(&mut bytes);
    for part in [behind_key, flags, key.flag(), "\r\n"] {
        bytes.extend_from_slice(part.as_bytes());
    }
    Ok(Command {
        bytes: bytes.into(),
        is_read,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(command: Result<Command, Error>) -> String {
        String::from_utf8_lossy(&command.expect("the key is good").bytes).into_owned()
    }

    #[test]
    fn commands_are_lines_of_the_meta_protocol() {
        assert_eq!(text(get(b"k", None)), "mg k v f c t\r\n");
        assert_eq!(
            text(get(b"a b", Some(Ttl::Seconds(9)))),
            "mg YSBi v f c t T9 b\r\n"
        );
        assert_eq!(text(touch(b"k", Ttl::Never)), "mg k T0\r\n");
        assert_eq!(text(delete(b"k", Some(7))), "md k C7\r\n");
        assert_eq!(text(count(b"k", true, 2, None)), "ma k v MD D2\r\n");
        let initial = Some((5, Ttl::Seconds(9)));
        assert_eq!(
            text(count(b"k", false, 2, initial)),
            "ma k v MI D2 J5 N9\r\n"
        );
        let how = Store {
            mode: Mode::Add,
            flags: 3,
            ttl: Ttl::Seconds(9),
            cas: Some(4),
        };
        assert_eq!(
            text(store(b"k", b"v\r\nw", &how, 9)),
            "ms k 4 ME F3 T9 c C4\r\nv\r\nw\r\n"
        );
        assert!(matches!(
            store(b"k", b"four", &how, 3),
            Err(Error::Value { bytes: 4, max: 3 })
        ));
    }
}
