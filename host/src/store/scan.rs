//! Visiting everybody, a bucket at a time.

use super::item::{Item, KEY_BYTES_MAX};
use super::shard::ValueRef;
use super::{ItemInfo, Now, Store};

/// Items after which a call of `scan` ends at the next bucket.
const ITEMS_PER_CALL: usize = 64;
/// Buckets after which it ends, found items or not.
const BUCKETS_PER_CALL: usize = 256;

impl Store {
    /// Visits live items (`cursor` 0 first, then what the last call returned, `None` at the end), a bounded number a call.
    ///
    /// Items that stay during the whole scan are visited at least once while the index does not shrink; one may be
    /// visited twice when the index grows meanwhile.
    pub fn scan(
        &self,
        now: Now,
        cursor: u64,
        visit: &mut dyn FnMut(&[u8], &ItemInfo, ValueRef<'_>),
    ) -> Option<u64> {
        self.note(now);
        let (mut shard, mut bucket) = ((cursor >> 32) as usize, cursor as u32);
        let (mut items, mut buckets) = (0, 0);
        while shard < self.shards.len() {
            let locked = self.lock_shard(shard);
            while bucket < locked.shard.buckets {
                if items >= ITEMS_PER_CALL || buckets >= BUCKETS_PER_CALL {
                    return Some((shard as u64) << 32 | u64::from(bucket));
                }
                locked.bucket_at(bucket).each(|_, _, addr| {
                    let item = Item::at(&self.arena, addr);
                    if !locked.is_dead(&item, now.unix_s) {
                        let value = ValueRef::of(&item);
                        let info = ItemInfo {
                            idle_s: locked.idle_s(&item),
                            ..locked.info(&item)
                        };
                        visit(item.key(&mut [0; KEY_BYTES_MAX]), &info, value);
                        items += 1;
                    }
                });
                bucket += 1;
                buckets += 1;
            }
            shard += 1;
            bucket = 0;
        }
        None
    }
}
