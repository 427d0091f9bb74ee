//! The fields of a ring.
//!
//! | field | value |
//! | --- | --- |
//! | `p`, point (u32), id (u32) | empty: a point of the ring, in ring order |
//! | `s`, id (u32) | `1` or `0` for available or not, then the name |
//! | `n`, name | id |
//!
//! Numbers are big endian, so that field order is numeric order. Ids count up in order of adding and
//! are not used again; the opaque value is the next one. Where points of two servers meet, the one
//! added first is first.

use cacheismo_ring::{POINTS, hash, points};
use cacheismo_sdk::{Object, Scan};

const POINT: u8 = b'p';
const SERVER: u8 = b's';
const NAME: u8 = b'n';

/// Fields of each server: its points, its name, and its id.
const FIELDS: u64 = POINTS as u64 + 2;

/// Adds a server, available; false when it is there.
pub(crate) fn add(o: &mut Object, name: &[u8]) -> bool {
    if o.has(&by_name(name)) {
        return false;
    }
    let id = next_id(o);
    o.set_value(&(id + 1).to_be_bytes());
    o.put(&by_name(name), &id.to_be_bytes());
    o.put(&server(id), &[b"1", name].concat());
    for hash in points(name, POINTS) {
        o.put(&point(hash, id), b"");
    }
    true
}

/// Removes a server; false when it is not there.
pub(crate) fn remove(o: &mut Object, name: &[u8]) -> bool {
    let Some(id) = id(o, name) else { return false };
    o.remove(&by_name(name));
    o.remove(&server(id));
    for hash in points(name, POINTS) {
        o.remove(&point(hash, id));
    }
    true
}

/// Makes a server available or not; false when it is not there.
pub(crate) fn set_available(o: &mut Object, name: &[u8], available: bool) -> bool {
    let Some(id) = id(o, name) else { return false };
    let mark = if available { b"1" } else { b"0" };
    o.put(&server(id), &[mark, name].concat());
    true
}

/// Whether a server is there and available.
pub(crate) fn is_available(o: &Object, name: &[u8]) -> bool {
    let value = id(o, name).and_then(|id| o.get(&server(id)));
    value.is_some_and(|value| value.starts_with(b"1"))
}

/// Lends each server's name.
pub(crate) fn for_each_server(o: &Object, mut visit: impl FnMut(&[u8])) {
    let mut servers = o.scan().prefix(&[SERVER]);
    while let Some((_, value)) = servers.next_entry() {
        visit(value.get(1..).unwrap_or_default());
    }
}

/// Number of servers.
pub(crate) fn count(o: &Object) -> u64 {
    o.count() / FIELDS
}

/// The name of the first available server at or behind the key's point, going round.
pub(crate) fn find(o: &Object, key: &[u8]) -> Option<Vec<u8>> {
    let start = [&[POINT][..], &hash(key).to_be_bytes()].concat();
    let mut walk = Walk {
        o,
        servers: count(o),
        refused: Vec::new(),
    };
    let ring = || o.scan().prefix(&[POINT]);
    walk.first_available(ring().at(&start))
        .or_else(|| walk.first_available(ring().until(&start)))
}

/// A walk along the ring.
struct Walk<'o> {
    o: &'o Object<'o>,
    servers: u64,
    /// Ids found not available, sorted, so that each is read once and a ring without an available
    /// server is not walked to its end.
    refused: Vec<u32>,
}

impl Walk<'_> {
    fn first_available(&mut self, mut points: Scan<'_>) -> Option<Vec<u8>> {
        while (self.refused.len() as u64) < self.servers {
            let id = points
                .next_key()?
                .last_chunk()
                .map(|id| u32::from_be_bytes(*id))?;
            let Err(place) = self.refused.binary_search(&id) else {
                continue;
            };
            let value = self.o.get(&server(id))?;
            match value.split_first()? {
                (b'1', name) => return Some(name.to_vec()),
                _ => self.refused.insert(place, id),
            }
        }
        None
    }
}

fn id(o: &Object, name: &[u8]) -> Option<u32> {
    o.get(&by_name(name))
        .and_then(|id| Some(u32::from_be_bytes(*id.first_chunk()?)))
}

fn next_id(o: &Object) -> u32 {
    o.value()
        .and_then(|id| Some(u32::from_be_bytes(*id.first_chunk()?)))
        .unwrap_or(0)
}

fn by_name(name: &[u8]) -> Vec<u8> {
    [&[NAME], name].concat()
}

fn server(id: u32) -> [u8; 5] {
    let [a, b, c, d] = id.to_be_bytes();
    [SERVER, a, b, c, d]
}

fn point(hash: u32, id: u32) -> [u8; 9] {
    let ([a, b, c, d], [e, f, g, h]) = (hash.to_be_bytes(), id.to_be_bytes());
    [POINT, a, b, c, d, e, f, g, h]
}
