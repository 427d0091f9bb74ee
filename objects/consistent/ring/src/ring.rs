//! The points of all servers in order, and the way along them.

use alloc::vec::Vec;

use crate::{hash, points};

/// A point of a server. Where two servers have the same point, the one listed first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// Where on the circle the point lies.
    pub hash: u32,
    /// Index of the point's server in the list that the ring was made of.
    pub server: u32,
}

/// The points of some servers in ring order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    points: Vec<Point>,
}

impl Ring {
    /// A ring of servers, each given by its name and its number of points ([`POINTS`](crate::POINTS) in the
    /// original; a weight multiplies them).
    pub fn new<'n>(servers: impl IntoIterator<Item = (&'n [u8], u32)>) -> Self {
        let mut all = Vec::new();
        for (server, (name, count)) in (0..).zip(servers) {
            all.extend(points(name, count).map(|hash| Point { hash, server }));
        }
        all.sort_unstable();
        Self { points: all }
    }

    /// All points in ring order.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The server of a key; `None` when the ring has no points.
    pub fn server(&self, key: &[u8]) -> Option<u32> {
        self.servers(key).next()
    }

    /// The servers a key may go to, the right one first: those of the points from the key's hash on, once around. A
    /// server comes as often as it has points.
    pub fn servers(&self, key: &[u8]) -> impl Iterator<Item = u32> {
        walk(self.points.len(), |index| self.points[index], hash(key)).map(|point| point.server)
    }
}

/// Goes once along a ring of `len` points, wherever they are kept, from the first one at or after `hash`. `point` gives
/// them by their index in ring order.
pub fn walk(len: usize, point: impl Fn(usize) -> Point, hash: u32) -> impl Iterator<Item = Point> {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        if point(middle).hash < hash {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    (low..len).chain(0..low).map(point)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{POINTS, names};

    fn ring(list: &[u8]) -> Ring {
        Ring::new(names(list).map(|name| (name, POINTS)))
    }

    #[test]
    fn the_ring_starts_with_the_points_of_the_original() {
        let ring = ring(b"127.0.0.1:11211,127.0.0.1:11212");
        let expected = [
            (0x0296_8565, 1),
            (0x0409_e8cb, 0),
            (0x04c3_13da, 1),
            (0x04d2_42a5, 0),
        ];
        for (point, (hash, server)) in ring.points().iter().zip(expected) {
            assert_eq!(*point, Point { hash, server });
        }
        assert_eq!(ring.points().len(), 320);
    }

    #[test]
    fn keys_go_where_the_original_sent_them() {
        let keys: [&[u8]; 10] = [
            b"a", b"b", b"key1", b"key2", b"user42", b"hello", b"set$k", b"key3", b"key4", b"key5",
        ];
        for (list, owners) in [
            (
                &b"127.0.0.1:11211,127.0.0.1:11212"[..],
                [0, 0, 0, 0, 0, 1, 1, 0, 1, 1],
            ),
            (b"s1 s2\ts3", [2, 1, 2, 1, 0, 0, 1, 2, 2, 1]),
            (
                b"10.0.0.1:11211, 10.0.0.2:11211, 10.0.0.3:11211, 10.0.0.4:11211",
                [0, 3, 2, 3, 1, 2, 0, 1, 2, 2],
            ),
        ] {
            let ring = ring(list);
            let found = keys.map(|key| ring.server(key).expect("the ring has servers"));
            assert_eq!(
                found,
                owners,
                "{}",
                alloc::string::String::from_utf8_lossy(list)
            );
        }
    }

    #[test]
    fn a_ring_without_points_has_no_server() {
        assert_eq!(ring(b"").server(b"key"), None);
        assert_eq!(Ring::new([(&b"a"[..], 0)]).server(b"key"), None);
    }

    /// Goes from number to number around the whole circle: the first point met is the owner's.
    fn naive(ring: &Ring, key: &[u8]) -> Option<u32> {
        let distance = |point: &&Point| (point.hash.wrapping_sub(hash(key)), point.server);
        Some(ring.points().iter().min_by_key(distance)?.server)
    }

    proptest! {
        #[test]
        fn a_lookup_finds_what_a_search_of_all_points_finds(
            weights in prop::collection::vec(0_u32..20, 0..6), key in prop::collection::vec(any::<u8>(), 0..20)
        ) {
            let names = [b"a", b"b", b"c", b"d", b"e", b"f"];
            let ring = Ring::new(weights.iter().zip(names).map(|(weight, name)| (&name[..], *weight)));
            prop_assert_eq!(ring.server(&key), naive(&ring, &key));
            let mut all: Vec<_> = ring.servers(&key).collect();
            all.sort_unstable();
            let mut expected: Vec<_> = ring.points().iter().map(|point| point.server).collect();
            expected.sort_unstable();
            prop_assert_eq!(all, expected);
        }

        #[test]
        fn keys_stay_where_they_are_when_another_server_comes(key in prop::collection::vec(any::<u8>(), 0..20)) {
            let (before, after) = (ring(b"a b c"), ring(b"a b c d"));
            let new = after.server(&key);
            prop_assert!(new == Some(3) || new == before.server(&key));
        }
    }
}
