//! The hashes: those of other clients, and the one that the store computes.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

/// A hash of 32 bits that points and keys are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PointHash {
    /// Jenkins' one-at-a-time as libmemcached computes it: it adds each byte as a signed `char`.
    Jenkins,
    /// The same as OMcache computes it, with unsigned bytes.
    JenkinsUnsigned,
    /// First word of MD5, little endian.
    Md5,
    /// Jenkins' lookup3, as the original Cacheismo seeds it.
    Lookup3,
}

impl PointHash {
    pub(crate) fn of(self, bytes: &[u8]) -> u32 {
        match self {
            Self::Jenkins => {
                one_at_a_time(bytes, |byte| i32::from(byte.cast_signed()).cast_unsigned())
            }
            Self::JenkinsUnsigned => one_at_a_time(bytes, u32::from),
            Self::Md5 => md5_words(bytes)[0],
            Self::Lookup3 => cacheismo_ring::hash(bytes),
        }
    }
}

/// The four words of an MD5 digest, little endian.
pub(crate) fn md5_words(bytes: &[u8]) -> [u32; 4] {
    let digest = md5::compute(bytes).0;
    let word = |at: usize| {
        u32::from_le_bytes([digest[at], digest[at + 1], digest[at + 2], digest[at + 3]])
    };
    [word(0), word(4), word(8), word(12)]
}

/// Jenkins' one-at-a-time, with bytes widened by `widen`.
fn one_at_a_time(bytes: &[u8], widen: impl Fn(u8) -> u32) -> u32 {
    let mut hash = bytes.iter().fold(0_u32, |hash, byte| {
        let hash = hash.wrapping_add(widen(*byte));
        let hash = hash.wrapping_add(hash << 10);
        hash ^ hash >> 6
    });
    hash = hash.wrapping_add(hash << 3);
    hash ^= hash >> 11;
    hash.wrapping_add(hash << 15)
}

/// The 64-bit hash of keys that slot tables use. A store with the same seed computes the same.
#[derive(Clone, Debug)]
pub struct KeyHash(RapidSecrets);

impl KeyHash {
    /// The hash with a seed, which all members of a cluster must agree on.
    pub fn new(seed: u64) -> Self {
        Self(RapidSecrets::seed(seed))
    }

    /// Hash of a key.
    #[inline]
    pub fn of(&self, key: &[u8]) -> u64 {
        rapidhash_v3_seeded(key, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use cacheismo_store::{Config, Eviction, Store};

    use super::*;

    #[test]
    fn digests_are_those_of_the_rfc() {
        // RFC 1321, A.5: d41d8cd98f00b204e9800998ecf8427e is MD5 of nothing.
        let words = [0xd98c_1dd4, 0x04b2_008f, 0x9809_80e9, 0x7e42_f8ec];
        assert_eq!(md5_words(b""), words);
    }

    #[test]
    fn a_store_with_the_same_seed_computes_the_same() {
        for hash_seed in [0, 1, u64::MAX] {
            let store = Store::new(&Config {
                memory_bytes_max: 8 << 20,
                item_bytes_max: 1 << 20,
                shards: 4,
                eviction: Eviction::Lru,
                hash_seed,
            });
            let hash = KeyHash::new(hash_seed);
            for len in 0..=250 {
                let key: Vec<u8> = (0..len).collect();
                assert_eq!(hash.of(&key), store.hash(&key));
            }
        }
    }

    #[test]
    fn the_key_hash_never_changes() {
        // Clusters of several versions must agree, so these numbers are fixed.
        let hash = KeyHash::new(42);
        assert_eq!(
            [hash.of(b""), hash.of(b"key"), hash.of(&[b'x'; 200])],
            [
                2099127172797383695,
                9080720933463587927,
                11616951007363816668
            ]
        );
    }
}
