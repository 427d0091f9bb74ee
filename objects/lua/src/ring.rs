//! Consistent hashing over a list of servers, bit for bit the ring of the original.
//!
//! Every server has 160 points, the hash of `name-0` to `name-159`. A key belongs to the
//! first point at or after its own hash, around the end to the lowest; points of servers that
//! are not available are skipped. The ring is one block of bytes, so that it can live in a
//! userdata and leave with the garbage collector:
//!
//! ```text
//! u32 servers | per server: u8 available, u8 length, 30 bytes name | per point: u32 hash, u32 server
//! ```

/// Points of one server.
const POINTS: usize = 160;
/// Longest name: `name-159` has to fit 31 bytes.
const NAME_BYTES_MAX: usize = 27;
/// Bytes of a server in the block.
const SERVER_BYTES: usize = 32;
/// Most servers of a ring, so that a long list does not take the deadline.
const SERVERS_MAX: usize = 1024;
/// Starting value of the hash.
const SEED: u32 = 0xFEED_DEED;

/// Builds the block from names separated by commas, spaces and tabs; `None` when there is no
/// name, one is too long, or there are too many.
pub(crate) fn build(list: &[u8]) -> Option<Vec<u8>> {
    let separator = |b: &u8| matches!(b, b',' | b' ' | b'\t');
    let names: Vec<&[u8]> = list.split(separator).filter(|n| !n.is_empty()).collect();
    if names.is_empty() || names.len() > SERVERS_MAX {
        return None;
    }
    let mut block = (names.len() as u32).to_le_bytes().to_vec();
    let mut points: Vec<(u32, u32)> = Vec::with_capacity(names.len() * POINTS);
    for (server, name) in (0_u32..).zip(&names) {
        if name.len() > NAME_BYTES_MAX {
            return None;
        }
        block.extend_from_slice(&[1, name.len() as u8]);
        block.extend_from_slice(name);
        block.resize(block.len() + SERVER_BYTES - 2 - name.len(), 0);
        for j in 0..POINTS {
            let mut point = name.to_vec();
            point.extend_from_slice(format!("-{j}").as_bytes());
            points.push((hash(&point), server));
        }
    }
    points.sort_unstable();
    for (hash, server) in points {
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

    /// Is the server known and available?
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
        let points = self.server_count() * POINTS;
        let at = |i: usize| Self::server_at(self.server_count()) + i * 8;
        let wanted = hash(key);
        let (mut low, mut high) = (0, points);
        while low < high {
            let middle = low.midpoint(high);
            if self.u32(at(middle)) < wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (0..points)
            .map(|i| self.u32(at((low + i) % points) + 4) as usize)
            .find(|s| self.0[Self::server_at(*s)] != 0)
            .map(|s| self.name(s))
    }
}

/// Bob Jenkins' lookup3, `hashlittle`.
fn hash(bytes: &[u8]) -> u32 {
    let start = 0xdead_beef_u32
        .wrapping_add(bytes.len() as u32)
        .wrapping_add(SEED);
    let [mut a, mut b, mut c] = [start; 3];
    if bytes.is_empty() {
        return c;
    }
    let blocks = (bytes.len() - 1) / 12;
    for (i, block) in bytes.chunks(12).enumerate() {
        let mut words = [0_u8; 12];
        words[..block.len()].copy_from_slice(block);
        let word = |n: usize| u32::from_le_bytes(words[n..n + 4].try_into().expect("four bytes"));
        a = a.wrapping_add(word(0));
        b = b.wrapping_add(word(4));
        c = c.wrapping_add(word(8));
        if i < blocks {
            mix(&mut a, &mut b, &mut c);
        }
    }
    finish(a, b, c)
}

fn mix(a: &mut u32, b: &mut u32, c: &mut u32) {
    *a = a.wrapping_sub(*c) ^ c.rotate_left(4);
    *c = c.wrapping_add(*b);
    *b = b.wrapping_sub(*a) ^ a.rotate_left(6);
    *a = a.wrapping_add(*c);
    *c = c.wrapping_sub(*b) ^ b.rotate_left(8);
    *b = b.wrapping_add(*a);
    *a = a.wrapping_sub(*c) ^ c.rotate_left(16);
    *c = c.wrapping_add(*b);
    *b = b.wrapping_sub(*a) ^ a.rotate_left(19);
    *a = a.wrapping_add(*c);
    *c = c.wrapping_sub(*b) ^ b.rotate_left(4);
    *b = b.wrapping_add(*a);
}

fn finish(mut a: u32, mut b: u32, mut c: u32) -> u32 {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_has_its_published_values() {
        for (text, expected) in [
            ("", 0xdd9b_9ddc),
            ("a", 0x45bf_2bd6),
            ("abcd", 0xdb39_96f2),
            ("hello world", 0xbda8_0235),
            ("123456789012", 0xe865_c2cc),
            ("1234567890123", 0xe4e0_95a5),
            ("the quick brown fox jumps", 0x07d7_6906),
        ] {
            assert_eq!(hash(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn the_ring_starts_with_the_points_of_the_original() {
        let block = build(b"127.0.0.1:11211,127.0.0.1:11212").expect("two servers");
        let points: Vec<(u32, u32)> = block[4 + 64..]
            .chunks(8)
            .take(4)
            .map(|p| {
                let word = |n: usize| u32::from_le_bytes(p[n..n + 4].try_into().expect("four"));
                (word(0), word(4))
            })
            .collect();
        let expected = [
            (0x0296_8565, 1),
            (0x0409_e8cb, 0),
            (0x04c3_13da, 1),
            (0x04d2_42a5, 0),
        ];
        assert_eq!(points, expected);
    }

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
