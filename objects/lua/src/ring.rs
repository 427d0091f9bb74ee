//! The ring of `newConsistent`: that of the crate `cacheismo-ring`, with servers that can be made unavailable.
//!
//! Points of servers that are not available are skipped. The ring is one block of bytes, so that it can live in a
//! userdata and leave with the garbage collector:
//!
//! ```text
//! u32 servers | per server: u8 available, u8 length, 30 bytes name | per point: u32 hash, u32 server
//! ```

use cacheismo_ring::{NAME_BYTES_MAX, POINTS, Point, hash, names, walk};

/// Bytes of a server in the block.
const SERVER_BYTES: usize = 32;
/// Bytes of a point in the block.
const POINT_BYTES: usize = 8;
/// Most servers of a ring, so that a long list does not take the deadline.
const SERVERS_MAX: usize = 1024;

/// Builds the block from names separated by commas, spaces and tabs; `None` when there is no
/// name, one is too long, or there are too many.
pub(crate) fn build(list: &[u8]) -> Option<Vec<u8>> {
    let names: Vec<&[u8]> = names(list).collect();
    let fit = names.iter().all(|name| name.len() <= NAME_BYTES_MAX);
    if names.is_empty() || names.len() > SERVERS_MAX || !fit {
        return None;
    }
    let mut block = (names.len() as u32).to_le_bytes().to_vec();
    for name in &names {
        block.extend_from_slice(&[1, name.len() as u8]);
        block.extend_from_slice(name);
        block.resize(block.len() + SERVER_BYTES - 2 - name.len(), 0);
    }
    let ring = cacheismo_ring::Ring::new(names.iter().map(|name| (*name, POINTS)));
    for Point { hash, server } in ring.points() {
        block.extend_from_slice(&hash.to_le_bytes());
        block.extend_from_slice(&server.to_le_bytes());
    }
    Some(block)
}

/// A ring in its block.
#[derive(Debug)]
pub(crate) struct Ring<'a>(pub &'a mut [u8]);

impl Ring<'_> {
    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().expect("four bytes"))
    }

    /// Number of servers.
    pub(crate) fn server_count(&self) -> usize {
        self.u32(0) as usize
    }

    fn server_at(server: usize) -> usize {
        4 + server * SERVER_BYTES
    }

    /// Name of a server.
    fn name(&self, server: usize) -> &[u8] {
        let at = Self::server_at(server);
        &self.0[at + 2..at + 2 + usize::from(self.0[at + 1])]
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        (0..self.server_count()).find(|s| self.name(*s) == name)
    }

    /// Whether the server is known and available.
    pub(crate) fn is_available(&self, name: &[u8]) -> bool {
        self.find(name)
            .is_some_and(|s| self.0[Self::server_at(s)] != 0)
    }

    /// Takes a server out or puts it back; unknown names are ignored.
    pub(crate) fn set_available(&mut self, name: &[u8], available: bool) {
        if let Some(server) = self.find(name) {
            self.0[Self::server_at(server)] = u8::from(available);
        }
    }

    /// The server of a key; `None` when none is available.
    pub(crate) fn server_for(&self, key: &[u8]) -> Option<&[u8]> {
        let points = Self::server_at(self.server_count());
        let point = |index| Point {
            hash: self.u32(points + index * POINT_BYTES),
            server: self.u32(points + index * POINT_BYTES + 4),
        };
        walk(self.server_count() * POINTS as usize, point, hash(key))
            .map(|point| point.server as usize)
            .find(|server| self.0[Self::server_at(*server)] != 0)
            .map(|server| self.name(server))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_server_that_left_go_to_others_and_come_back() {
        let mut block = build(b"a b\tc").expect("three servers");
        let mut ring = Ring(&mut block);
        let keys: Vec<String> = (0..200).map(|i| format!("key{i}")).collect();
        let owner = |r: &Ring<'_>, k: &String| r.server_for(k.as_bytes()).map(<[u8]>::to_vec);
        let before: Vec<_> = keys.iter().map(|k| owner(&ring, k)).collect();
        ring.set_available(b"b", false);
        assert!(!ring.is_available(b"b") && ring.is_available(b"a"));
        for (key, old) in keys.iter().zip(&before) {
            let new = owner(&ring, key);
            assert_ne!(new.as_deref(), Some(b"b".as_slice()));
            assert!(
                new == *old || old.as_deref() == Some(b"b"),
                "{key} moved without need"
            );
        }
        ring.set_available(b"b", true);
        assert_eq!(
            keys.iter().map(|k| owner(&ring, k)).collect::<Vec<_>>(),
            before
        );
        for name in [b"a", b"b", b"c"] {
            ring.set_available(name, false);
        }
        assert_eq!(ring.server_for(b"x"), None);
    }

    #[test]
    fn empty_lists_and_long_names_make_no_ring() {
        assert_eq!(build(b" ,\t"), None);
        assert_eq!(build(&[b'x'; 28]), None);
        assert!(build(&[b'x'; 27]).is_some());
    }
}
