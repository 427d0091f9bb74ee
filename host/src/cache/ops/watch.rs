//! What the cache tells the streams of `watch`, in memcached's words.
//!
//! A worker learns which streams are watched once for each batch of commands, so that a command nobody watches pays
//! for one comparison. What a line says beyond the command itself is looked up only for watchers; when another
//! client changes the item at that very moment, the line tells of the moment before.

use std::fmt::Display;

use super::Ops;
use crate::cache::shared::Shared;
use crate::protocol::reply::PercentEncoded;
use crate::stats::{Stream, WatchHub};
use crate::store::{Cause, Expiry, GetOptions, ItemInfo, Journal, Key, Now, SetOutcome};

/// Class of every item, for readers who expect one: there are no slab classes.
const CLASS: u32 = 1;
/// Class in lines about no item.
const NO_CLASS: u32 = 0;

/// How a storage command ended.
fn status(outcome: SetOutcome) -> &'static str {
    match outcome {
        SetOutcome::Stored { .. } => "stored",
        SetOutcome::NotStored | SetOutcome::IsObject => "not_stored",
        SetOutcome::Exists => "exists",
        SetOutcome::NotFound => "not_found",
        SetOutcome::TooLarge => "no_memory",
    }
}

/// Seconds until `expiry`; `None` for never.
fn seconds_left(expiry: Expiry, now: Now) -> Option<u64> {
    let second = expiry.0? / 1000;
    Some(second.saturating_sub(u64::from(now.unix_s)))
}

impl Ops {
    /// Tells that a command looks for `key`, before it does.
    #[inline]
    pub(super) fn watch_fetch(&self, key: Key<'_>) {
        if self.watched.contains(Stream::Fetchers) {
            self.tell_fetch(key);
        }
    }

    /// Tells how storing `len` bytes under `key` ended. `command` is memcached's name of it.
    #[inline]
    pub(super) fn watch_store(
        &self,
        key: &[u8],
        command: &str,
        outcome: SetOutcome,
        (expiry, len): (Expiry, usize),
    ) {
        if self.watched.contains(Stream::Mutations) {
            let ttl = seconds_left(expiry, self.now).unwrap_or(0);
            self.tell_store(key, (command, status(outcome)), CLASS, (ttl, len));
        }
    }

    /// Tells that a value was too large to be taken.
    pub(super) fn watch_too_large(&self, key: &[u8]) {
        if self.watched.contains(Stream::Mutations) {
            self.tell_store(key, ("set", "too_large"), CLASS, (0, 0));
        }
    }

    /// What a delete of `key` needs to know beforehand to tell of it.
    #[inline]
    pub(super) fn before_delete(&self, key: Key<'_>) -> Option<u32> {
        match self.watched.contains(Stream::Deletions) {
            true => self.len_of(key),
            false => None,
        }
    }

    /// Tells that `key` was deleted.
    #[inline]
    pub(super) fn watch_delete(&self, key: &[u8], command: &str, len: Option<u32>) {
        if let Some(len) = len {
            self.shared.hub.publish(
                Stream::Deletions,
                format_args!(
                    "type=deleted key={} cmd={command} clsid={CLASS} size={len}",
                    PercentEncoded(key)
                ),
            );
        }
    }

    /// Tells how a call by a retrieval ended: the length of its reply in bytes, if it has one.
    #[inline]
    pub(super) fn watch_call(&self, key: &[u8], len: Option<usize>) {
        if self.watched.contains(Stream::Fetchers) {
            let (status, len) = match len {
                Some(len) => ("found", len),
                None => ("not_found", 0),
            };
            self.tell_get(key, status, NO_CLASS, len);
        }
    }

    /// Tells how a call by a storing command with so many bytes of data ended.
    #[inline]
    pub(super) fn watch_call_with_data(&self, key: &[u8], stored: bool, len: usize) {
        if self.watched.contains(Stream::Mutations) {
            let status = if stored { "stored" } else { "not_stored" };
            self.tell_store(key, ("set", status), NO_CLASS, (0, len));
        }
    }

    fn len_of(&self, key: Key<'_>) -> Option<u32> {
        let unnoticed = GetOptions {
            no_bump: true,
            ..GetOptions::default()
        };
        self.shared
            .store
            .get(key, self.now, &unnoticed, |info, _| info.len)
    }

    #[cold]
    fn tell_fetch(&self, key: Key<'_>) {
        let (status, class, len) = match self.len_of(key) {
            Some(len) => ("found", CLASS, len),
            None => ("not_found", NO_CLASS, 0),
        };
        self.tell_get(key.bytes, status, class, len as usize);
    }

    #[cold]
    fn tell_get(&self, key: &[u8], status: &str, class: u32, len: usize) {
        self.shared.hub.publish(
            Stream::Fetchers,
            format_args!(
                "type=item_get key={} status={status} clsid={class} cfd={} size={len}",
                PercentEncoded(key),
                self.client
            ),
        );
    }

    #[cold]
    fn tell_store(
        &self,
        key: &[u8],
        (command, status): (&str, &str),
        class: u32,
        (ttl, len): (u64, usize),
    ) {
        self.shared.hub.publish(
            Stream::Mutations,
            format_args!(
                "type=item_store key={} status={status} cmd={command} ttl={ttl} clsid={class} cfd={} size={len}",
                PercentEncoded(key),
                self.client
            ),
        );
    }
}

impl Shared {
    /// Has the store tell the hub of items it evicts.
    pub(in crate::cache) fn observe_evictions(&self) {
        let evictions = Evictions(std::sync::Arc::clone(&self.hub));
        self.store.listen(Box::new(evictions));
    }
}

/// The store's observer that tells watchers of evicted items.
#[derive(Debug)]
struct Evictions(std::sync::Arc<WatchHub>);

impl Journal for Evictions {
    fn wants_changes(&self) -> bool {
        false
    }

    fn wants_departures(&self) -> bool {
        self.0.wants(Stream::Evictions)
    }

    fn left(&self, _: u64, key: &[u8], info: &ItemInfo, cause: Cause, now_s: u32) {
        if cause != Cause::Evicted {
            return;
        }
        let now = Now {
            unix_s: now_s,
            millis: 0,
        };
        let ttl: &dyn Display = match seconds_left(info.expiry, now) {
            Some(ttl) => &ttl.to_string(),
            None => &"-1",
        };
        self.0.publish(
            Stream::Evictions,
            format_args!(
                "type=eviction key={} fetch={} ttl={ttl} la={} clsid={CLASS} size={}",
                PercentEncoded(key),
                if info.fetched { "yes" } else { "no" },
                info.idle_s,
                info.len
            ),
        );
    }
}
