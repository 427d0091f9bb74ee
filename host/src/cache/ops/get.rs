//! Reading an item: `get`, `gets`, `gat`, `mg`, and the binary get.

use super::Ops;
use crate::cache::detail::Event;
use crate::store::{GetOptions, ItemInfo, Key, Pinned, ValueRef};

/// What was found.
pub(in crate::cache) enum Lookup {
    Miss,
    /// An item, which was shown; and the rest of its value, if that is to be sent from the store.
    Item(Option<Box<Pinned>>),
    /// The state of an object, which was not shown: its type has to write it as text.
    Object(Box<ItemInfo>),
    /// The read would make an item where only an object may be.
    Refused,
}

impl Ops {
    /// Looks for an item and has `show` write it. Objects are not shown.
    // Inlined, as calling `show` costs as much as its work.
    #[inline(always)]
    pub(in crate::cache) fn get(
        &self,
        key: Key<'_>,
        options: &GetOptions,
        show: impl FnOnce(&ItemInfo, ValueRef<'_>) -> Option<Box<Pinned>>,
    ) -> Lookup {
        if options.vivify.is_some() && self.shared.is_object_name(key.bytes) {
            self.counters.cmd_get.add_alone(1);
            return Lookup::Refused;
        }
        self.watch_fetch(key);
        let mut object = None;
        let found = self.shared.store.get(
            key,
            self.now,
            options,
            #[inline(always)]
            |info, value| {
                if info.object {
                    object = Some(Box::new(*info));
                    return None;
                }
                show(info, value)
            },
        );
        self.disk.has_read(key.hash);
        self.count_get(key.bytes, found.is_some(), options.touch.is_some());
        match (found, object) {
            (None, _) => Lookup::Miss,
            (Some(sent), None) => Lookup::Item(sent),
            (Some(_), Some(info)) => Lookup::Object(info),
        }
    }

    /// Reads an item without counting as an access, for `me`.
    pub(in crate::cache) fn inspect<R>(
        &self,
        key: Key<'_>,
        show: impl FnOnce(&ItemInfo, ValueRef<'_>) -> R,
    ) -> Option<R> {
        self.watch_fetch(key);
        let options = GetOptions {
            want_idle: true,
            no_bump: true,
            ..GetOptions::default()
        };
        let shown = self.shared.store.get(key, self.now, &options, show);
        self.disk.has_read(key.hash);
        shown
    }

    /// Counts one key of a retrieval, however it ended.
    #[inline]
    pub(super) fn count_retrieval(&self, touches: bool) {
        match touches {
            true => &self.counters.cmd_touch,
            false => &self.counters.cmd_get,
        }
        .add_alone(1);
    }

    /// Counts one key of a retrieval and how it ended. A retrieval that touches counts as a touch instead, as in memcached.
    #[inline]
    pub(super) fn count_get(&self, key: &[u8], found: bool, touches: bool) {
        self.count_retrieval(touches);
        let counters = &self.counters;
        match (found, touches) {
            (true, false) => &counters.get_hits,
            (false, false) => &counters.get_misses,
            (true, true) => &counters.touch_hits,
            (false, true) => &counters.touch_misses,
        }
        .add_alone(1);
        let event = if found { Event::Hit } else { Event::Miss };
        self.shared.detail.note(key, event);
    }
}
