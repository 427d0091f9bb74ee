//! Visiting all items, a bucket at a time.

use crate::item::{Item, KEY_BYTES_MAX};
use crate::shard::{Locked, ValueRef};
use crate::{ItemInfo, Now, Store};

/// Items after which a call of `scan` ends, at the next bucket.
const ITEMS_PER_CALL: usize = 64;
/// Buckets after which a call of `scan` or `walk` ends, found items or not.
const BUCKETS_PER_CALL: usize = 256;

/// How far a scan has come. `Default` is its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    shard: usize,
    /// The next bucket of the shard.
    bucket: u32,
    /// How many buckets the shard had.
    buckets: u32,
}

impl Cursor {
    /// Where to go on in a shard that has `buckets` now.
    ///
    /// A bucket that is gone went into a lower one, perhaps one that was visited already, so the scan returns there.
    fn bucket_of(self, buckets: u32) -> u32 {
        let unseen_gone = self.bucket.max(buckets)..self.buckets;
        unseen_gone
            .map(|gone| gone & !(1 << gone.ilog2()))
            .min()
            .map_or(self.bucket, |into| into.min(self.bucket))
    }
}

impl Store {
    /// Visits live items (from `Cursor::default()`, then from what the last call returned, until `None`), a bounded
    /// number a call.
    ///
    /// Items that stay during the whole scan are visited at least once. An item may be visited twice when the index
    /// grows or shrinks meanwhile.
    pub fn scan(
        &self,
        now: Now,
        cursor: Cursor,
        visit: &mut dyn FnMut(&[u8], &ItemInfo, ValueRef<'_>),
    ) -> Option<Cursor> {
        self.note(now);
        self.walk(cursor, ITEMS_PER_CALL, &mut |locked, item| {
            if locked.is_dead(item, now.unix_s) {
                return 0;
            }
            let info = ItemInfo {
                idle_s: locked.idle_s(item),
                ..locked.info(item)
            };
            visit(item.key(&mut [0; KEY_BYTES_MAX]), &info, ValueRef::of(item));
            1
        })
    }

    /// Visits items, dead ones too, bucket by bucket, until `visit` has said that it cost so much.
    pub(super) fn walk(
        &self,
        cursor: Cursor,
        cost_max: usize,
        visit: &mut dyn FnMut(&Locked<'_>, &Item<'_>) -> usize,
    ) -> Option<Cursor> {
        let mut cursor = cursor;
        let (mut cost, mut buckets) = (0, 0);
        while cursor.shard < self.shards.len() {
            let locked = self.lock_shard(cursor.shard);
            let all = locked.shard.buckets;
            cursor.bucket = cursor.bucket_of(all);
            cursor.buckets = all;
            while cursor.bucket < all {
                if cost >= cost_max || buckets >= BUCKETS_PER_CALL {
                    return Some(cursor);
                }
                let bucket = locked.bucket_at(cursor.bucket);
                // All of a bucket's items are waited for together.
                bucket.each(|_, _, addr| self.arena.prefetch(self.arena.at(addr)));
                bucket.each(|_, _, addr| cost += visit(&locked, &Item::at(&self.arena, addr)));
                cursor.bucket += 1;
                buckets += 1;
            }
            cursor = Cursor {
                shard: cursor.shard + 1,
                ..Cursor::default()
            };
        }
        None
    }
}
