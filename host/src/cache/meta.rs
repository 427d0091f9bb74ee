//! Meta commands: `mg ms md ma mn me`.

use super::clock::expiry;
use super::text::{OBJECT_NAME, arith_line};
use super::worker::{CallOutcome, Flow, Worker};
use crate::protocol::{KeyBuffer, Meta, MetaFlags, MetaKey, Mode, reply};
use crate::store::{
    Arith, ArithOutcome, DeleteOptions, DeleteOutcome, Expiry, GetOptions, ItemInfo, Now, SetMode,
    SetOutcome, Write,
};

/// Appends ` <letter><number>`.
fn number(out: &mut Vec<u8>, letter: u8, n: u64) {
    out.extend_from_slice(&[b' ', letter]);
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// ` t<seconds left>`, -1 for an item that stays.
fn ttl(out: &mut Vec<u8>, expiry: Expiry, now: Now) {
    match expiry.0 {
        None => out.extend_from_slice(b" t-1"),
        Some(at) => number(out, b't', (at / 1000).saturating_sub(u64::from(now.unix_s))),
    }
}

/// The flags that only echo the request: opaque and key. They follow misses too.
fn echo(out: &mut Vec<u8>, meta: &Meta<'_>) {
    for (flag, argument) in meta.flags.in_order() {
        echo_one(out, meta.key, flag, argument);
    }
}

fn echo_one(out: &mut Vec<u8>, key: MetaKey<'_>, flag: u8, argument: &[u8]) {
    match flag {
        b'O' => {
            out.extend_from_slice(b" O");
            out.extend_from_slice(argument);
        }
        b'k' => {
            out.extend_from_slice(b" k");
            out.extend_from_slice(key.token);
        }
        b'b' => out.extend_from_slice(b" b"),
        _ => {}
    }
}

/// Return flags of a hit, in the order of the request, then what the item says of itself.
fn return_flags(out: &mut Vec<u8>, meta: &Meta<'_>, info: &ItemInfo, now: Now) {
    for (flag, argument) in meta.flags.in_order() {
        match flag {
            b's' => number(out, b's', u64::from(info.len)),
            b'f' => number(out, b'f', u64::from(info.flags)),
            b'c' => number(out, b'c', info.cas),
            b'h' => number(out, b'h', u64::from(info.fetched)),
            b'l' => number(out, b'l', u64::from(info.idle_s)),
            b't' => ttl(out, info.expiry, now),
            _ => echo_one(out, meta.key, flag, argument),
        }
    }
    if info.token_sent {
        out.extend_from_slice(b" Z");
    }
    if info.stale {
        out.extend_from_slice(b" X");
    }
    if info.won {
        out.extend_from_slice(b" W");
    }
}

/// A status word with the echoed flags.
fn status(out: &mut Vec<u8>, word: &[u8; 2], meta: &Meta<'_>) {
    out.extend_from_slice(word);
    echo(out, meta);
    out.extend_from_slice(b"\r\n");
}

fn get_options(flags: &MetaFlags<'_>, now: Now) -> GetOptions {
    GetOptions {
        want_cas: flags.has(b'c'),
        no_bump: flags.has(b'u'),
        touch: flags.ttl.map(|exptime| expiry(exptime, now)),
        vivify: flags.vivify.map(|exptime| expiry(exptime, now)),
        recache_below_s: flags.recache.map(|s| u32::try_from(s).unwrap_or(0)),
        cas_override: flags.cas_override,
    }
}

impl Worker {
    /// `mg`.
    pub(super) fn meta_get(&mut self, meta: &Meta<'_>, out: &mut Vec<u8>) -> Flow {
        self.counters.cmd_meta.bump();
        let mut buffer = KeyBuffer::default();
        let key = self.shared.store.key(meta.key.bytes(&mut buffer));
        if let Some(call) = self.virtual_key(key.bytes) {
            let touch = meta.flags.ttl.map(|exptime| expiry(exptime, self.now));
            return match self.call(&call, &[], touch) {
                CallOutcome::Reply => {
                    let info = result_info(self.reply.len());
                    let now = self.now;
                    hit(out, meta, &info, now, |out| out.extend_from_slice(&self.reply));
                    Flow::Next
                }
                CallOutcome::Error(text) => {
                    reply::server_error(out, &text);
                    Flow::Next
                }
                CallOutcome::Lane(job) => Flow::Lane(job),
            };
        }
        let options = get_options(&meta.flags, self.now);
        if options.vivify.is_some() && self.shared.is_object_name(key.bytes) {
            out.extend_from_slice(OBJECT_NAME.as_bytes());
            return Flow::Next;
        }
        let now = self.now;
        let found = self.shared.store.get(key, now, &options, |info, value| {
            if info.object && meta.flags.has(b'v') {
                return Some(*info);
            }
            // A client that has this very version needs no value.
            if meta.flags.cas_compare.is_some_and(|cas| cas == info.cas && cas != 0) {
                out.extend_from_slice(b"HD");
                return_flags(out, meta, info, now);
                out.extend_from_slice(b"\r\n");
            } else {
                hit(out, meta, info, now, |out| value.append_to(out));
            }
            None
        });
        match found {
            None => {
                self.counters.get_misses.bump();
                if !meta.flags.quiet() {
                    status(out, b"EN", meta);
                }
            }
            Some(object) => {
                self.counters.get_hits.bump();
                if let Some(info) = object
                    && self.export(key).is_some()
                {
                    let info = ItemInfo { len: self.reply.len() as u32, ..info };
                    hit(out, meta, &info, now, |out| out.extend_from_slice(&self.reply));
                }
            }
        }
        Flow::Next
    }

    /// `ms`.
    pub(super) fn meta_set(&mut self, meta: &Meta<'_>, value: &[u8], out: &mut Vec<u8>) -> Flow {
        self.counters.cmd_meta.bump();
        self.counters.cmd_set.bump();
        let flags = &meta.flags;
        let mut buffer = KeyBuffer::default();
        let key = self.shared.store.key(meta.key.bytes(&mut buffer));
        if let Some(call) = self.virtual_key(key.bytes) {
            match self.call(&call, &[value], None) {
                CallOutcome::Reply if flags.quiet() => {}
                CallOutcome::Reply => status(out, b"HD", meta),
                CallOutcome::Error(text) => reply::server_error(out, &text),
                CallOutcome::Lane(job) => return Flow::Lane(job),
            }
            return Flow::Next;
        }
        if self.shared.is_object_name(key.bytes) {
            out.extend_from_slice(OBJECT_NAME.as_bytes());
            return Flow::Next;
        }
        let write = Write {
            flags: flags.client_flags,
            expiry: expiry(flags.ttl.unwrap_or(0), self.now),
            value,
            mode: match flags.mode {
                Mode::Add => SetMode::Add,
                Mode::Append => SetMode::Append,
                Mode::Prepend => SetMode::Prepend,
                Mode::Replace => SetMode::Replace,
                _ => SetMode::Set,
            },
            cas_compare: flags.cas_compare,
            stale_if_older: flags.has(b'I'),
            cas_override: flags.cas_override,
            want_cas: flags.has(b'c'),
            vivify: flags.vivify.map(|exptime| expiry(exptime, self.now)),
        };
        let outcome = self.shared.store.set(key, self.now, &write);
        let (word, cas) = match outcome {
            SetOutcome::Stored { cas } => (b"HD", cas),
            SetOutcome::NotStored => (b"NS", 0),
            SetOutcome::Exists => (b"EX", 0),
            SetOutcome::NotFound => (b"NF", 0),
            SetOutcome::TooLarge => {
                self.counters.store_no_memory.bump();
                out.extend_from_slice(b"SERVER_ERROR out of memory storing object\r\n");
                return Flow::Next;
            }
            SetOutcome::IsObject => {
                out.extend_from_slice(OBJECT_NAME.as_bytes());
                return Flow::Next;
            }
        };
        if word == b"HD" && flags.quiet() {
            return Flow::Next;
        }
        out.extend_from_slice(word);
        for (flag, argument) in flags.in_order() {
            match flag {
                b'c' => number(out, b'c', cas),
                b's' => number(out, b's', value.len() as u64),
                _ => echo_one(out, meta.key, flag, argument),
            }
        }
        out.extend_from_slice(b"\r\n");
        Flow::Next
    }

    /// `md`.
    pub(super) fn meta_delete(&mut self, meta: &Meta<'_>, out: &mut Vec<u8>) {
        self.counters.cmd_meta.bump();
        let flags = &meta.flags;
        let mut buffer = KeyBuffer::default();
        let key = self.shared.store.key(meta.key.bytes(&mut buffer));
        let options = DeleteOptions {
            cas_compare: flags.cas_compare,
            mark_stale: flags.has(b'I'),
            touch: flags.ttl.map(|exptime| expiry(exptime, self.now)),
            drop_value: flags.has(b'x'),
            cas_override: flags.cas_override,
        };
        match self.shared.store.delete(key, self.now, &options) {
            DeleteOutcome::Done => {
                self.counters.delete_hits.bump();
                if !flags.quiet() {
                    status(out, b"HD", meta);
                }
            }
            DeleteOutcome::NotFound => {
                self.counters.delete_misses.bump();
                status(out, b"NF", meta);
            }
            DeleteOutcome::Exists => status(out, b"EX", meta),
        }
    }

    /// `ma`.
    pub(super) fn meta_arith(&mut self, meta: &Meta<'_>, out: &mut Vec<u8>) {
        self.counters.cmd_meta.bump();
        let flags = &meta.flags;
        let mut buffer = KeyBuffer::default();
        let key = self.shared.store.key(meta.key.bytes(&mut buffer));
        if flags.vivify.is_some() && self.shared.is_object_name(key.bytes) {
            out.extend_from_slice(OBJECT_NAME.as_bytes());
            return;
        }
        let decrement = flags.mode == Mode::Decrement;
        let request = Arith {
            delta: flags.delta,
            decrement,
            vivify: flags.vivify.map(|exptime| (flags.initial, expiry(exptime, self.now))),
            touch: flags.ttl.map(|exptime| expiry(exptime, self.now)),
            cas_compare: flags.cas_compare,
            cas_override: flags.cas_override,
            want_cas: flags.has(b'c'),
        };
        let outcome = self.shared.store.arith(key, self.now, &request);
        self.count_arith(decrement, &outcome);
        match outcome {
            ArithOutcome::Done { .. } if flags.quiet() => {}
            ArithOutcome::Done { value, info, .. } => {
                let mut digits = itoa::Buffer::new();
                let digits = digits.format(value);
                if flags.has(b'v') {
                    out.extend_from_slice(b"VA ");
                    out.extend_from_slice(itoa::Buffer::new().format(digits.len()).as_bytes());
                } else {
                    out.extend_from_slice(b"HD");
                }
                let plain = ItemInfo { token_sent: false, stale: false, won: false, ..info };
                return_flags(out, meta, &plain, self.now);
                out.extend_from_slice(b"\r\n");
                if flags.has(b'v') {
                    out.extend_from_slice(digits.as_bytes());
                    out.extend_from_slice(b"\r\n");
                }
            }
            ArithOutcome::NotFound => status(out, b"NF", meta),
            ArithOutcome::Exists => status(out, b"EX", meta),
            ArithOutcome::TooLarge => status(out, b"NS", meta),
            other => out.extend_from_slice(arith_line(&other).as_bytes()),
        }
    }

    /// `me`: everything known of an item, without counting as an access.
    pub(super) fn meta_debug(&mut self, key: MetaKey<'_>, out: &mut Vec<u8>) {
        self.counters.cmd_meta.bump();
        let mut buffer = KeyBuffer::default();
        let bytes = self.shared.store.key(key.bytes(&mut buffer));
        let options = GetOptions { no_bump: true, ..GetOptions::default() };
        let now = self.now;
        let found = self.shared.store.get(bytes, now, &options, |info, value| {
            let exp = match info.expiry.0 {
                None => -1,
                Some(at) => (at / 1000) as i64 - i64::from(now.unix_s),
            };
            let fetched = if info.fetched { "yes" } else { "no" };
            out.extend_from_slice(b"ME ");
            out.extend_from_slice(key.token);
            let size = value.len() + bytes.bytes.len();
            let rest = format!(
                " exp={exp} la={} cas={} fetch={fetched} cls=1 size={size}\r\n",
                info.idle_s, info.cas
            );
            out.extend_from_slice(rest.as_bytes());
        });
        if found.is_none() {
            out.extend_from_slice(b"EN\r\n");
        }
    }
}

/// A hit: `VA` with the value when it is asked for, else `HD`.
fn hit(
    out: &mut Vec<u8>,
    meta: &Meta<'_>,
    info: &ItemInfo,
    now: Now,
    value: impl FnOnce(&mut Vec<u8>),
) {
    let wanted = meta.flags.has(b'v');
    if wanted {
        out.extend_from_slice(b"VA ");
        out.extend_from_slice(itoa::Buffer::new().format(info.len).as_bytes());
    } else {
        out.extend_from_slice(b"HD");
    }
    return_flags(out, meta, info, now);
    out.extend_from_slice(b"\r\n");
    if wanted {
        value(out);
        out.extend_from_slice(b"\r\n");
    }
}

/// What `mg` may say of the result of a call.
fn result_info(len: usize) -> ItemInfo {
    ItemInfo {
        flags: 0,
        len: len as u32,
        expiry: Expiry(None),
        cas: 0,
        fetched: true,
        idle_s: 0,
        stale: false,
        won: false,
        token_sent: false,
        object: false,
    }
}
