//! The names of rings, as `--ring NAME` takes them.

use std::fmt;
use std::str::FromStr;

use crate::UnknownRing;

/// A method of building a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RingName {
    /// A slot table with as many slots as [`slot_bits`](crate::slot_bits) gives for the number of nodes.
    #[default]
    Slots,
    /// A slot table of 2^16 slots.
    Slots16,
    /// A slot table of 2^18 slots.
    Slots18,
    /// A slot table of 2^20 slots.
    Slots20,
    /// libmemcached since 1.0.10 with `KETAMA=1`: 100 points a node, Jenkins' hash. Weights do not count.
    Ketama,
    /// The same with `HASH=MD5`.
    KetamaMd5,
    /// libmemcached with `KETAMA_WEIGHTED=1`, PHP's `OPT_LIBKETAMA_COMPATIBLE`: about 160 points a node times the
    /// node's share of the weight, MD5.
    KetamaWeighted,
    /// libmemcached when a node with a weight is added after `KETAMA=1`: the points of [`Self::KetamaWeighted`], but
    /// keys by Jenkins' hash.
    KetamaMixed,
    /// libmemcached before 1.0.10 with `KETAMA=1`: 160 points a node by MD5, keys by Jenkins' hash.
    KetamaPre1010,
    /// OMcache's default. As [`Self::Ketama`], but bytes over 127 count as positive numbers in Jenkins' hash.
    Omcache,
    /// OMcache's `ketama_weighted`: 160 points for every node, MD5. Despite its name weights do not count.
    OmcacheWeighted,
    /// OMcache's `ketama_pre1010`. As [`Self::KetamaPre1010`], but bytes over 127 count as positive numbers.
    OmcachePre1010,
    /// The Cacheismo of 2011: 160 points a node by Jenkins' lookup3. Weights do not count.
    Cacheismo,
    /// libmemcached without any ring: Jenkins' hash modulo the number of nodes. Nearly all keys move when a node comes
    /// or goes, and the order of nodes matters.
    Modula,
}

/// Every ring with its name.
const NAMES: [(RingName, &str); 14] = [
    (RingName::Slots, "slots"),
    (RingName::Slots16, "slots-16"),
    (RingName::Slots18, "slots-18"),
    (RingName::Slots20, "slots-20"),
    (RingName::Ketama, "ketama"),
    (RingName::KetamaMd5, "ketama-md5"),
    (RingName::KetamaWeighted, "ketama-weighted"),
    (RingName::KetamaMixed, "ketama-mixed"),
    (RingName::KetamaPre1010, "ketama-pre1010"),
    (RingName::Omcache, "omcache"),
    (RingName::OmcacheWeighted, "omcache-weighted"),
    (RingName::OmcachePre1010, "omcache-pre1010"),
    (RingName::Cacheismo, "cacheismo"),
    (RingName::Modula, "modula"),
];

impl RingName {
    /// All rings.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(ring, _)| *ring)
    }

    /// The name of the ring.
    pub fn as_str(self) -> &'static str {
        NAMES
            .iter()
            .find_map(|(ring, name)| (*ring == self).then_some(*name))
            .expect("every ring is in the table, which a test checks")
    }

    /// Whether the ring is a slot table, so that no other client expects keys where it puts them.
    pub fn is_slots(self) -> bool {
        matches!(
            self,
            Self::Slots | Self::Slots16 | Self::Slots18 | Self::Slots20
        )
    }

    /// All names, for messages.
    pub(crate) fn list() -> String {
        NAMES.map(|(_, name)| name).join(", ")
    }
}

impl fmt::Display for RingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RingName {
    type Err = UnknownRing;

    fn from_str(text: &str) -> Result<Self, UnknownRing> {
        NAMES
            .iter()
            .find_map(|(ring, name)| (*name == text).then_some(*ring))
            .ok_or_else(|| UnknownRing {
                name: text.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ring_is_found_by_its_name() {
        for ring in RingName::all() {
            assert_eq!(ring.to_string().parse(), Ok(ring));
        }
        assert_eq!(RingName::default().as_str(), "slots");
        let error = "Ketama".parse::<RingName>().expect_err("names are exact");
        assert!(error.to_string().contains("ketama-weighted"), "{error}");
    }
}
