//! Meta commands: `mg ms md ma mn me`.

use super::calls::{Call, RAW_REFUSED, Target};
use super::clock::expiry;
use super::connection::{CallOutcome, Flow, Halt};
use super::sent::after_value;
use super::text::{OBJECT_NAME, arith_line};
use super::worker::Worker;
use crate::protocol::reply::{self, ItemFacts, MetaCode, MetaReply};
use crate::protocol::{KeyBuffer, Meta, MetaFlags, MetaKey, Mode};
use crate::store::{
    Arith, ArithOutcome, DeleteOptions, DeleteOutcome, Expiry, GetOptions, ItemInfo, Now, SetMode,
    SetOutcome, Write,
};

/// A flag that only echoes the request: opaque and key. They follow misses too.
fn echo(reply: &mut MetaReply<'_>, key: MetaKey<'_>, flag: u8, argument: &[u8]) {
    match flag {
        b'O' => reply.opaque(argument),
        b'k' => reply.key(key),
        _ => {}
    }
}

/// Return flags of a hit, in the order of the request, then what the item says of itself.
fn return_flags(reply: &mut MetaReply<'_>, meta: &Meta<'_>, info: &ItemInfo, now: Now) {
    let mut expiry = info.expiry_before;
    for (flag, argument) in meta.flags.in_order() {
        match flag {
            // A client that asks for the lifetime first wants the one it replaces.
            b'T' => expiry = info.expiry,
            b's' => reply.number(b's', u64::from(info.len)),
            b'f' => reply.number(b'f', u64::from(info.flags)),
            b'c' => reply.number(b'c', info.cas),
            b'h' => reply.number(b'h', u64::from(info.fetched)),
            b'l' => reply.number(b'l', u64::from(info.idle_s)),
            b't' => reply.ttl(seconds_left(expiry, now)),
            _ => echo(reply, meta.key, flag, argument),
        }
    }
    for (flag, set) in [
        (b'Z', info.token_sent),
        (b'X', info.stale),
        (b'W', info.won),
    ] {
        if set {
            reply.flag(flag);
        }
    }
}

/// Until it expires; `None` when it never does.
fn seconds_left(expiry: Expiry, now: Now) -> Option<u64> {
    expiry
        .0
        .map(|at| (at / 1000).saturating_sub(u64::from(now.unix_s)))
}

/// A code with the echoed flags.
fn status(out: &mut Vec<u8>, code: MetaCode, meta: &Meta<'_>) {
    let mut reply = MetaReply::new(out, code);
    for (flag, argument) in meta.flags.in_order() {
        echo(&mut reply, meta.key, flag, argument);
    }
    reply.end();
}

/// When an item made on a miss expires, if one is to be made: `T` counts for it too where it follows `N`.
fn vivified_expiry(flags: &MetaFlags<'_>, now: Now) -> Option<Expiry> {
    let last = flags
        .in_order()
        .filter(|(flag, _)| matches!(flag, b'N' | b'T'))
        .last();
    let exptime = match last {
        Some((b'T', _)) => flags.vivify().and(flags.ttl()),
        _ => flags.vivify(),
    };
    exptime.map(|exptime| expiry(exptime, now))
}

fn get_options(flags: &MetaFlags<'_>, now: Now) -> GetOptions {
    GetOptions {
        want_cas: flags.has(b'c'),
        want_idle: flags.has(b'l'),
        no_bump: flags.has(b'u'),
        touch: flags.ttl().map(|exptime| expiry(exptime, now)),
        vivify: vivified_expiry(flags, now),
        recache_below_s: flags.recache().map(|s| u32::try_from(s).unwrap_or(0)),
        may_win: true,
        cas_override: flags.cas_override(),
    }
}

impl Worker {
    /// `mg`.
    /// A key in base64 has no `target` yet.
    pub(super) fn meta_get(
        &mut self,
        meta: &Meta<'_>,
        target: Option<&Target<'_>>,
        out: &mut Vec<u8>,
    ) -> Flow {
        self.counters.cmd_meta.add_alone(1);
        let mut buffer = KeyBuffer::default();
        let bytes = meta.key.bytes(&mut buffer);
        let key = match target.cloned().unwrap_or_else(|| self.target(bytes)) {
            Target::Item(key) => key,
            Target::Call(call) => return self.meta_get_call(meta, bytes, &call, out),
        };
        self.watch_fetch(key);
        let options = get_options(&meta.flags, self.now);
        if options.vivify.is_some() && self.shared.is_object_name(key.bytes) {
            out.extend_from_slice(OBJECT_NAME.as_bytes());
            return Flow::Next;
        }
        let now = self.now;
        let mut object = None;
        let found = self.shared.store.get(key, now, &options, |info, value| {
            if info.object && meta.flags.has(b'v') {
                object = Some(*info);
                return None;
            }
            let mut sent = None;
            // A client that has this very version needs no value.
            if meta
                .flags
                .cas_compare()
                .is_some_and(|cas| cas == info.cas && cas != 0)
            {
                let mut reply = MetaReply::new(out, MetaCode::Done);
                return_flags(&mut reply, meta, info, now);
                reply.end();
            } else {
                hit(out, meta, info, now, |out| {
                    sent = self.shared.put_value(value, out)
                });
            }
            sent
        });
        match found {
            None => {
                self.counters.get_misses.add_alone(1);
                if !meta.flags.quiet() {
                    status(out, MetaCode::Miss, meta);
                }
            }
            Some(sent) => {
                self.counters.get_hits.add_alone(1);
                if let Some(info) = object
                    && self.export(key).is_some()
                {
                    let info = ItemInfo {
                        len: self.reply.len() as u32,
                        ..info
                    };
                    hit(out, meta, &info, now, |out| {
                        out.extend_from_slice(&self.reply)
                    });
                }
                return after_value(sent, out, reply::VALUE_END);
            }
        }
        Flow::Next
    }

    fn meta_get_call(
        &mut self,
        meta: &Meta<'_>,
        key: &[u8],
        call: &Call<'_>,
        out: &mut Vec<u8>,
    ) -> Flow {
        let touch = meta.flags.ttl().map(|exptime| expiry(exptime, self.now));
        self.told.command("get", std::iter::once(key));
        match self.call(call, &[], touch) {
            CallOutcome::Raw if self.reply.is_empty() => {
                self.counters.get_misses.add_alone(1);
                if !meta.flags.quiet() {
                    status(out, MetaCode::Miss, meta);
                }
            }
            CallOutcome::Raw => reply::server_error(out, RAW_REFUSED),
            CallOutcome::Reply => {
                let info = result_info(self.reply.len());
                hit(out, meta, &info, self.now, |out| {
                    out.extend_from_slice(&self.reply)
                });
            }
            CallOutcome::Error(text) => reply::server_error(out, &text),
            CallOutcome::Lane(job) => return Halt::Lane(job).into(),
        }
        Flow::Next
    }

    /// `ms`.
    /// A key in base64 has no `target` yet.
    pub(super) fn meta_set(
        &mut self,
        meta: &Meta<'_>,
        value: &[u8],
        target: Option<&Target<'_>>,
        out: &mut Vec<u8>,
    ) -> Flow {
        self.counters.cmd_meta.add_alone(1);
        self.counters.cmd_set.add_alone(1);
        let flags = &meta.flags;
        let mut buffer = KeyBuffer::default();
        let bytes = meta.key.bytes(&mut buffer);
        let key = match target.cloned().unwrap_or_else(|| self.target(bytes)) {
            Target::Item(key) => key,
            Target::Call(call) => return self.meta_set_call(meta, bytes, &call, value, out),
        };
        if self.shared.is_object_name(key.bytes) {
            out.extend_from_slice(OBJECT_NAME.as_bytes());
            return Flow::Next;
        }
        let write = Write {
            flags: flags.client_flags(),
            expiry: expiry(flags.ttl().unwrap_or(0), self.now),
            value,
            mode: match flags.mode {
                Mode::Add => SetMode::Add,
                Mode::Append => SetMode::Append,
                Mode::Prepend => SetMode::Prepend,
                Mode::Replace => SetMode::Replace,
                _ => SetMode::Set,
            },
            // Adding has a condition of its own.
            cas_compare: flags.cas_compare().filter(|_| flags.mode != Mode::Add),
            stale_if_older: flags.has(b'I'),
            cas_override: flags.cas_override(),
            want_cas: flags.has(b'c'),
            vivify: flags.vivify().map(|exptime| expiry(exptime, self.now)),
        };
        self.watch_fetch(key);
        let (outcome, len) = self.put(key, &write);
        let command = match write.mode {
            SetMode::Set if write.cas_compare.is_some() => "cas",
            SetMode::Set => "set",
            SetMode::Add => "add",
            SetMode::Replace => "replace",
            SetMode::Append => "append",
            SetMode::Prepend => "prepend",
        };
        self.watch_store(key.bytes, command, outcome, (write.expiry, len));
        let sent = len as u32;
        let (code, cas, len) = match outcome {
            SetOutcome::Stored { cas, len } => (MetaCode::Done, cas, len),
            SetOutcome::NotStored => (MetaCode::NotStored, 0, sent),
            SetOutcome::Exists => (MetaCode::Exists, 0, sent),
            SetOutcome::NotFound => (MetaCode::NotFound, 0, sent),
            SetOutcome::TooLarge => {
                self.counters.store_no_memory.add_alone(1);
                out.extend_from_slice(reply::OUT_OF_MEMORY_STORING.as_bytes());
                return Flow::Next;
            }
            SetOutcome::IsObject => {
                out.extend_from_slice(OBJECT_NAME.as_bytes());
                return Flow::Next;
            }
        };
        if code == MetaCode::Done && flags.quiet() {
            return Flow::Next;
        }
        let mut reply = MetaReply::new(out, code);
        for (flag, argument) in flags.in_order() {
            match flag {
                b'c' => reply.number(b'c', cas),
                b's' => reply.number(b's', u64::from(len)),
                _ => echo(&mut reply, meta.key, flag, argument),
            }
        }
        reply.end();
        Flow::Next
    }

    fn meta_set_call(
        &mut self,
        meta: &Meta<'_>,
        key: &[u8],
        call: &Call<'_>,
        value: &[u8],
        out: &mut Vec<u8>,
    ) -> Flow {
        let flags = &meta.flags;
        let exptime = flags.ttl().unwrap_or(0);
        self.told
            .set(key, flags.client_flags(), flags.quiet(), exptime);
        match self.call(call, &[value], None) {
            CallOutcome::Reply | CallOutcome::Raw if flags.quiet() => {}
            CallOutcome::Reply | CallOutcome::Raw => status(out, MetaCode::Done, meta),
            CallOutcome::Error(text) => reply::server_error(out, &text),
            CallOutcome::Lane(job) => return Halt::Lane(job).into(),
        }
        Flow::Next
    }

    /// `md`.
    pub(super) fn meta_delete(&mut self, meta: &Meta<'_>, out: &mut Vec<u8>) {
        self.counters.cmd_meta.add_alone(1);
        let flags = &meta.flags;
        let mut buffer = KeyBuffer::default();
        let key = self.shared.store.key(meta.key.bytes(&mut buffer));
        let options = DeleteOptions {
            cas_compare: flags.cas_compare(),
            mark_stale: flags.has(b'I'),
            touch: flags.ttl().map(|exptime| expiry(exptime, self.now)),
            drop_value: flags.has(b'x'),
            cas_override: flags.cas_override(),
        };
        self.watch_fetch(key);
        let removes = !options.mark_stale && !options.drop_value;
        let len = self.before_delete(key).filter(|_| removes);
        match self.shared.store.delete(key, self.now, &options) {
            DeleteOutcome::Done => {
                self.counters.delete_hits.add_alone(1);
                self.watch_delete(key.bytes, "md", len);
                if !flags.quiet() {
                    status(out, MetaCode::Done, meta);
                }
            }
            DeleteOutcome::NotFound => {
                self.counters.delete_misses.add_alone(1);
                status(out, MetaCode::NotFound, meta);
            }
            DeleteOutcome::Exists => status(out, MetaCode::Exists, meta),
        }
    }

    /// `ma`.
    pub(super) fn meta_arith(&mut self, meta: &Meta<'_>, out: &mut Vec<u8>) {
        self.counters.cmd_meta.add_alone(1);
        let flags = &meta.flags;
        let mut buffer = KeyBuffer::default();
        let key = self.shared.store.key(meta.key.bytes(&mut buffer));
        if flags.vivify().is_some() && self.shared.is_object_name(key.bytes) {
            out.extend_from_slice(OBJECT_NAME.as_bytes());
            return;
        }
        let decrement = flags.mode == Mode::Decrement;
        let request = Arith {
            delta: flags.delta(),
            decrement,
            // A number made on a miss gets the lifetime of `T`, wherever that stands.
            vivify: flags.vivify().map(|made| {
                let exptime = flags.ttl().unwrap_or(made);
                (flags.initial(), expiry(exptime, self.now))
            }),
            touch: flags.ttl().map(|exptime| expiry(exptime, self.now)),
            cas_compare: flags.cas_compare(),
            cas_override: flags.cas_override(),
            want_cas: flags.has(b'c'),
        };
        self.watch_fetch(key);
        let outcome = self.shared.store.arith(key, self.now, &request);
        self.count_arith(decrement, &outcome);
        if let ArithOutcome::Done {
            created: true,
            info,
            ..
        } = outcome
        {
            let stored = SetOutcome::Stored {
                cas: info.cas,
                len: info.len,
            };
            self.watch_store(key.bytes, "add", stored, (info.expiry, info.len as usize));
        }
        match outcome {
            ArithOutcome::Done { .. } if flags.quiet() => {}
            ArithOutcome::Done { value, info, .. } => {
                let mut digits = itoa::Buffer::new();
                let digits = digits.format(value);
                let plain = ItemInfo {
                    len: digits.len() as u32,
                    token_sent: false,
                    stale: false,
                    won: false,
                    ..info
                };
                hit(out, meta, &plain, self.now, |out| {
                    out.extend_from_slice(digits.as_bytes())
                });
            }
            ArithOutcome::NotFound => status(out, MetaCode::NotFound, meta),
            ArithOutcome::Exists => status(out, MetaCode::Exists, meta),
            ArithOutcome::TooLarge => status(out, MetaCode::NotStored, meta),
            other => out.extend_from_slice(arith_line(&other).as_bytes()),
        }
    }

    /// `me`: everything known of an item, without counting as an access.
    pub(super) fn meta_debug(&mut self, key: MetaKey<'_>, out: &mut Vec<u8>) {
        self.counters.cmd_meta.add_alone(1);
        let mut buffer = KeyBuffer::default();
        let bytes = self.shared.store.key(key.bytes(&mut buffer));
        self.watch_fetch(bytes);
        let options = GetOptions {
            want_idle: true,
            no_bump: true,
            ..GetOptions::default()
        };
        let now = self.now;
        let found = self.shared.store.get(bytes, now, &options, |info, value| {
            let facts = ItemFacts {
                expiry: seconds_left(info.expiry, now),
                accessed: u64::from(info.idle_s),
                cas: info.cas,
                fetched: info.fetched,
                size: (bytes.bytes.len() + value.len()) as u64,
                flags: info.flags,
            };
            reply::meta_debug(out, key, &facts);
        });
        if found.is_none() {
            out.extend_from_slice(reply::EN.as_bytes());
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
    let mut reply = match wanted {
        true => MetaReply::value(out, info.len as usize),
        false => MetaReply::new(out, MetaCode::Done),
    };
    return_flags(&mut reply, meta, info, now);
    reply.end();
    if wanted {
        value(out);
        out.extend_from_slice(reply::VALUE_END.as_bytes());
    }
}

/// What `mg` may say of the result of a call.
fn result_info(len: usize) -> ItemInfo {
    ItemInfo {
        flags: 0,
        len: len as u32,
        expiry: Expiry(None),
        expiry_before: Expiry(None),
        cas: 0,
        fetched: true,
        idle_s: 0,
        stale: false,
        won: false,
        token_sent: false,
        object: false,
    }
}
