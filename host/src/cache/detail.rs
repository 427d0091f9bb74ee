//! `stats detail`: counts by key prefix, while switched on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::Mutex;

/// The byte that ends the prefix of a key; `-D` sets another.
pub const PREFIX_DELIMITER: u8 = b':';
/// Most prefixes that are counted; keys with further ones are not.
const PREFIXES_MAX: usize = 100_000;

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Hit,
    Miss,
    Set,
    Delete,
}

#[derive(Debug, Default)]
struct Counts {
    gets: u64,
    hits: u64,
    sets: u64,
    deletes: u64,
}

/// Counts by prefix.
#[derive(Debug)]
pub(super) struct Detail {
    on: AtomicBool,
    delimiter: u8,
    prefixes: Mutex<BTreeMap<Vec<u8>, Counts>>,
}

impl Detail {
    pub(super) fn new(on: bool, delimiter: u8) -> Detail {
        Detail {
            on: AtomicBool::new(on),
            delimiter,
            prefixes: Mutex::default(),
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.load(Relaxed)
    }

    pub(super) fn switch(&self, on: bool) {
        self.on.store(on, Relaxed);
    }

    /// Counts the event, when counting is switched on. A key without a delimiter has no prefix.
    #[inline]
    pub(super) fn note(&self, key: &[u8], event: Event) {
        if self.is_on() {
            self.count(key, event);
        }
    }

    #[cold]
    fn count(&self, key: &[u8], event: Event) {
        let Some(end) = memchr::memchr(self.delimiter, key) else {
            return;
        };
        let mut prefixes = self.prefixes.lock();
        if prefixes.len() >= PREFIXES_MAX && !prefixes.contains_key(&key[..end]) {
            return;
        }
        let counts = prefixes.entry(key[..end].to_vec()).or_default();
        match event {
            Event::Hit => {
                counts.gets += 1;
                counts.hits += 1;
            }
            Event::Miss => counts.gets += 1,
            Event::Set => counts.sets += 1,
            Event::Delete => counts.deletes += 1,
        }
    }

    /// Forgets all counts (`stats reset`).
    pub(super) fn clear(&self) {
        self.prefixes.lock().clear();
    }

    /// A line for each prefix.
    pub(super) fn dump(&self, out: &mut Vec<u8>) {
        for (
            prefix,
            Counts {
                gets,
                hits,
                sets,
                deletes,
            },
        ) in &*self.prefixes.lock()
        {
            out.extend_from_slice(b"PREFIX ");
            out.extend_from_slice(prefix);
            let line = format!(" get {gets} hit {hits} set {sets} del {deletes}\r\n");
            out.extend_from_slice(line.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_counted_by_what_stands_before_the_delimiter() {
        let detail = Detail::new(false, b'/');
        detail.note(b"a/1", Event::Set);
        detail.switch(true);
        for (key, event) in [
            (&b"a/1"[..], Event::Hit),
            (b"a/2", Event::Miss),
            (b"b/", Event::Delete),
            (b"plain", Event::Set),
        ] {
            detail.note(key, event);
        }
        let mut out = Vec::new();
        detail.dump(&mut out);
        let text = "PREFIX a get 2 hit 1 set 0 del 0\r\nPREFIX b get 0 hit 0 set 0 del 1\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}
