//! The rings of other clients: a circle of 32-bit numbers with points of nodes on it.
//!
//! A key belongs to the node of the first point at or after the key's hash; after the last point comes the first. Where
//! two nodes have the same point, the one listed first has it, as in libmemcached since 1.1.

use cacheismo_ring::{Point, is_name, points, walk};

use crate::hash::{PointHash, md5_words};
use crate::{DEFAULT_PORT, Node, RingError, RingName};

/// Points of a node in libmemcached's ring without weights.
const KETAMA_POINTS: u32 = 100;
/// Points of a node of average weight in libmemcached's ring with weights.
const WEIGHTED_POINTS: u32 = 160;
/// Points that come from one MD5 digest.
const POINTS_PER_DIGEST: u32 = 4;

/// Points in ring order, and the hash that places a key among them.
#[derive(Clone, Debug)]
pub(crate) struct Continuum {
    points: Vec<Point>,
    key_hash: PointHash,
}

impl Continuum {
    /// The ring of a name that is one of points.
    ///
    /// # Errors
    /// When the original Cacheismo would refuse a node's name.
    pub(crate) fn build(name: RingName, nodes: &[Node]) -> Result<Self, RingError> {
        let (make, key_hash) = recipe(name);
        let mut all = Vec::new();
        let total: u64 = nodes.iter().map(|node| u64::from(node.weight())).sum();
        for (server, node) in (0..).zip(nodes) {
            let mut push = |hash| all.push(Point { hash, server });
            match make {
                Make::Named(hash) => {
                    names(node, KETAMA_POINTS).for_each(|name| push(hash.of(&name)))
                }
                Make::Digests => digests(node, WEIGHTED_POINTS).for_each(&mut push),
                Make::DigestsByWeight => {
                    let share = node.weight() as f32 / total as f32;
                    digests(node, weighted_points(share, nodes.len())).for_each(&mut push);
                }
                Make::Original if is_name(node.name.as_bytes()) => {
                    points(node.name.as_bytes(), cacheismo_ring::POINTS).for_each(&mut push);
                }
                Make::Original => {
                    let name = node.name.clone();
                    return Err(RingError::Name { name });
                }
            }
        }
        all.sort_unstable();
        Ok(Self {
            points: all,
            key_hash,
        })
    }

    /// The nodes of the points from the key's hash on, once around. A node comes as often as it has points.
    pub(crate) fn walk<'a>(&'a self, key: &[u8]) -> impl Iterator<Item = usize> + use<'a> {
        let hash = self.key_hash.of(key);
        walk(self.points.len(), |index| self.points[index], hash).map(|point| point.server as usize)
    }

    /// How many points each of `nodes` nodes has.
    pub(crate) fn points_of(&self, nodes: usize) -> Vec<usize> {
        let mut counts = vec![0; nodes];
        for point in &self.points {
            counts[point.server as usize] += 1;
        }
        counts
    }
}

/// Where the points of a node come from.
#[derive(Clone, Copy)]
enum Make {
    /// One hash a name.
    Named(PointHash),
    /// Four words a name, as many names for every node.
    Digests,
    /// Four words a name, names by weight.
    DigestsByWeight,
    /// As the original Cacheismo did.
    Original,
}

fn recipe(name: RingName) -> (Make, PointHash) {
    use PointHash::{Jenkins, JenkinsUnsigned, Lookup3, Md5};
    match name {
        RingName::KetamaMd5 => (Make::Named(Md5), Md5),
        RingName::KetamaWeighted => (Make::DigestsByWeight, Md5),
        RingName::KetamaMixed => (Make::DigestsByWeight, Jenkins),
        RingName::KetamaPre1010 => (Make::Digests, Jenkins),
        RingName::Omcache => (Make::Named(JenkinsUnsigned), JenkinsUnsigned),
        RingName::OmcacheWeighted => (Make::Digests, Md5),
        RingName::OmcachePre1010 => (Make::Digests, JenkinsUnsigned),
        RingName::Cacheismo => (Make::Original, Lookup3),
        _ => (Make::Named(Jenkins), Jenkins),
    }
}

/// Points of a node with this share of the weight among `nodes` nodes.
///
/// libmemcached computes in 32-bit floats, in this order, and cuts off. So 25 equal nodes have 156 points each, not 160.
fn weighted_points(share: f32, nodes: usize) -> u32 {
    let digests = share * WEIGHTED_POINTS as f32 / POINTS_PER_DIGEST as f32 * nodes as f32;
    let digests = (f64::from(digests) + 1e-10) as f32;
    digests.floor() as u32 * POINTS_PER_DIGEST
}

/// The first `count` points that come from digests.
fn digests(node: &Node, count: u32) -> impl Iterator<Item = u32> {
    names(node, count / POINTS_PER_DIGEST).flat_map(|name| md5_words(&name))
}

/// The names of a node's points. The default port is left out, and an IPv6 address has no brackets.
fn names(node: &Node, count: u32) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(move |number| match node.port {
        DEFAULT_PORT => format!("{}-{number}", node.host).into_bytes(),
        port => format!("{}:{port}-{number}", node.host).into_bytes(),
    })
}
