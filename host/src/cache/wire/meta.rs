//! Meta commands: `mg ms md ma mn me`.

use super::text::arith_line;
use super::{OBJECT_NAME, ONLY_SET_CALLS, RAW_REFUSED, value};
use crate::cache::calls::{Asked, Call, Target};
use crate::cache::flow::{Answer, Executor, Flow, GO_ON, StoreAnswer};
use crate::cache::ops::{Lookup, Ops, is_conditional};
use crate::cache::reply::{CallResult, Reply};
use crate::cache::scripts::{Keys, Numbers, Request};
use crate::protocol::reply::{self, ItemFacts, MetaCode, MetaReply};
use crate::protocol::{DetachedMeta, KeyBuffer, Meta, MetaFlags, MetaKey, Mode};
use crate::store::{
    Arith, ArithOutcome, DeleteOptions, DeleteOutcome, Expiry, GetOptions, ItemInfo, Key, Now,
    SetMode, SetOutcome, Write,
};

/// `mg`. A key in base64 has no `target` yet.
pub(in crate::cache) fn get(
    x: &mut Executor<'_>,
    meta: &Meta<'_>,
    target: Option<&Target<'_>>,
    out: &mut Vec<u8>,
) -> Flow {
    x.ops.counters.cmd_meta.add_alone(1);
    let mut buffer = KeyBuffer::default();
    let bytes = meta.key.bytes(&mut buffer);
    match target.cloned().unwrap_or_else(|| x.calls.target(bytes)) {
        Target::Item(key) => get_item(x, meta, key, out),
        Target::Call(call) => get_by_call(x, meta, (bytes, &call), out),
    }
}

fn get_item(x: &mut Executor<'_>, meta: &Meta<'_>, key: Key<'_>, out: &mut Vec<u8>) -> Flow {
    let ops = x.ops;
    let now = ops.now;
    let found = ops.get(key, &get_options(&meta.flags, ops), |info, found| {
        if is_known(meta, info) {
            done(out, meta, info, now);
            return None;
        }
        let mut sent = None;
        hit(out, meta, info, now, |out| {
            sent = value::put(&ops.shared, found, out);
        });
        sent
    });
    match found {
        Lookup::Item(sent) => return value::after(sent, out, reply::VALUE_END),
        Lookup::Miss => miss(out, meta),
        Lookup::Refused => out.extend_from_slice(OBJECT_NAME.as_bytes()),
        Lookup::Object(info) if is_known(meta, &info) => done(out, meta, &info, now),
        Lookup::Object(info) => match x.calls.export(now, key) {
            Some(text) => {
                let info = ItemInfo {
                    len: text.len() as u32,
                    ..*info
                };
                hit(out, meta, &info, now, |out| out.extend_from_slice(text));
            }
            None => miss(out, meta),
        },
    }
    GO_ON
}

/// Whether the client has this very version, so that it needs no value.
fn is_known(meta: &Meta<'_>, info: &ItemInfo) -> bool {
    let compared = meta.flags.cas_compare();
    compared.is_some_and(|cas| cas == info.cas && cas != 0)
}

/// Writes a hit without a value.
fn done(out: &mut Vec<u8>, meta: &Meta<'_>, info: &ItemInfo, now: Now) {
    let mut reply = MetaReply::new(out, MetaCode::Done);
    return_flags(&mut reply, meta, info, now);
    reply.end();
}

fn miss(out: &mut Vec<u8>, meta: &Meta<'_>) {
    if !meta.flags.quiet() {
        status(out, MetaCode::Miss, meta);
    }
}

fn get_by_call(
    x: &mut Executor<'_>,
    meta: &Meta<'_>,
    (key, call): (&[u8], &Call<'_>),
    out: &mut Vec<u8>,
) -> Flow {
    let asked = Asked {
        data: None,
        touch: meta.flags.ttl().map(|exptime| x.ops.expiry(exptime)),
        request: Request::of_key("get", key),
    };
    x.only_call(
        call,
        &asked,
        |ops, result| write_got(ops, meta, result, out),
        || Box::new(CalledByGet(meta.detach())),
    )
}

/// The answer of a call by `mg` that runs elsewhere.
#[derive(Debug)]
struct CalledByGet(DetachedMeta);

impl Answer for CalledByGet {
    fn write(&self, ops: &Ops, result: &CallResult<'_>, out: &mut Vec<u8>) -> Option<String> {
        write_got(ops, &self.0.meta(), result, out);
        None
    }
}

fn write_got(ops: &Ops, meta: &Meta<'_>, result: &CallResult<'_>, out: &mut Vec<u8>) {
    let mut buffer = KeyBuffer::default();
    let key = meta.key.bytes(&mut buffer);
    ops.called_by_get(key, result, meta.flags.ttl().is_some());
    match result {
        Ok(Reply::Raw([])) => miss(out, meta),
        Ok(Reply::Raw(_)) => reply::server_error(out, RAW_REFUSED),
        Ok(Reply::Value(value) | Reply::Refused(value)) => {
            let info = result_info(value.len());
            hit(out, meta, &info, ops.now, |out| {
                out.extend_from_slice(value)
            });
        }
        Err(text) => reply::server_error(out, text),
    }
}

/// `ms`. A key in base64 has no `target` yet.
pub(in crate::cache) fn set(
    x: &mut Executor<'_>,
    meta: &Meta<'_>,
    value: &[u8],
    target: Option<&Target<'_>>,
    out: &mut Vec<u8>,
) -> Flow {
    x.ops.counters.cmd_meta.add_alone(1);
    let mut buffer = KeyBuffer::default();
    let bytes = meta.key.bytes(&mut buffer);
    let write = write(x.ops, &meta.flags, value);
    match target.cloned().unwrap_or_else(|| x.calls.target(bytes)) {
        Target::Item(key) => {
            let outcome = x.ops.set(key, &write);
            write_stored(meta, outcome, value.len(), out);
            GO_ON
        }
        Target::Call(_) if calls_nothing(&meta.flags, &write) => {
            x.ops.refuse_call(bytes);
            out.extend_from_slice(ONLY_SET_CALLS.as_bytes());
            GO_ON
        }
        Target::Call(call) => set_by_call(x, meta, (bytes, &call), value, out),
    }
}

/// What an `ms` asks for.
fn write<'a>(ops: &Ops, flags: &MetaFlags<'_>, value: &'a [u8]) -> Write<'a> {
    Write {
        flags: flags.client_flags(),
        expiry: ops.expiry(flags.ttl().unwrap_or(0)),
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
        vivify: flags.vivify().map(|exptime| ops.expiry(exptime)),
    }
}

/// Whether the flags ask for what no function can do: a condition, or a token of the client's choice.
fn calls_nothing(flags: &MetaFlags<'_>, write: &Write<'_>) -> bool {
    is_conditional(write.mode, write.cas_compare.is_some())
        || [b'C', b'E', b'I', b'N'].iter().any(|flag| flags.has(*flag))
}

fn set_by_call(
    x: &mut Executor<'_>,
    meta: &Meta<'_>,
    (key, call): (&[u8], &Call<'_>),
    value: &[u8],
    out: &mut Vec<u8>,
) -> Flow {
    let flags = &meta.flags;
    let asked = Asked {
        data: Some(value),
        touch: None,
        request: Request {
            command: "set",
            keys: Keys::One(key),
            numbers: Numbers {
                flags: flags.client_flags(),
                noreply: flags.quiet(),
                exptime: flags.ttl().unwrap_or(0),
                delta: 0,
            },
        },
    };
    x.only_call(
        call,
        &asked,
        |ops, result| write_called(ops, meta, value.len(), result, out),
        || Box::new(CalledBySet(meta.detach(), value.len())),
    )
}

/// The answer of a call by `ms` with so many bytes of data that runs elsewhere.
#[derive(Debug)]
struct CalledBySet(DetachedMeta, usize);

impl Answer for CalledBySet {
    fn write(&self, ops: &Ops, result: &CallResult<'_>, out: &mut Vec<u8>) -> Option<String> {
        write_called(ops, &self.0.meta(), self.1, result, out);
        None
    }
}

fn write_called(
    ops: &Ops,
    meta: &Meta<'_>,
    len: usize,
    result: &CallResult<'_>,
    out: &mut Vec<u8>,
) {
    let mut buffer = KeyBuffer::default();
    ops.called_by_set(meta.key.bytes(&mut buffer), result, len);
    match result {
        Ok(Reply::Refused(_)) => status(out, MetaCode::NotStored, meta),
        Ok(_) if meta.flags.quiet() => {}
        Ok(_) => status(out, MetaCode::Done, meta),
        Err(text) => reply::server_error(out, text),
    }
}

/// How a client that sent a large value by `ms` is answered.
#[derive(Debug)]
pub(in crate::cache) struct StoredBySet(pub(in crate::cache) DetachedMeta);

impl StoreAnswer for StoredBySet {
    fn stored(&self, outcome: SetOutcome, sent: usize, out: &mut Vec<u8>) {
        write_stored(&self.0.meta(), outcome, sent, out);
    }

    fn bad_end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(reply::BAD_CHUNK.as_bytes());
    }
}

/// Says how an `ms` of `sent` bytes ended.
fn write_stored(meta: &Meta<'_>, outcome: SetOutcome, sent: usize, out: &mut Vec<u8>) {
    let flags = &meta.flags;
    let sent = sent as u32;
    let (code, cas, len) = match outcome {
        SetOutcome::Stored { cas, len } => (MetaCode::Done, cas, len),
        SetOutcome::NotStored => (MetaCode::NotStored, 0, sent),
        SetOutcome::Exists => (MetaCode::Exists, 0, sent),
        SetOutcome::NotFound => (MetaCode::NotFound, 0, sent),
        SetOutcome::TooLarge => {
            return out.extend_from_slice(reply::OUT_OF_MEMORY_STORING.as_bytes());
        }
        SetOutcome::IsObject => return out.extend_from_slice(OBJECT_NAME.as_bytes()),
    };
    if code == MetaCode::Done && flags.quiet() {
        return;
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
}

/// `md`.
pub(in crate::cache) fn delete(x: &mut Executor<'_>, meta: &Meta<'_>, out: &mut Vec<u8>) {
    x.ops.counters.cmd_meta.add_alone(1);
    let flags = &meta.flags;
    let mut buffer = KeyBuffer::default();
    let key = x.ops.key(meta.key.bytes(&mut buffer));
    let options = DeleteOptions {
        cas_compare: flags.cas_compare(),
        mark_stale: flags.has(b'I'),
        touch: flags.ttl().map(|exptime| x.ops.expiry(exptime)),
        drop_value: flags.has(b'x'),
        cas_override: flags.cas_override(),
    };
    match x.ops.delete(key, "md", &options) {
        Ok(DeleteOutcome::Done) if flags.quiet() => {}
        Ok(DeleteOutcome::Done) => status(out, MetaCode::Done, meta),
        Ok(DeleteOutcome::NotFound) => status(out, MetaCode::NotFound, meta),
        Ok(DeleteOutcome::Exists) => status(out, MetaCode::Exists, meta),
        Err(_) => out.extend_from_slice(OBJECT_NAME.as_bytes()),
    }
}

/// `ma`.
pub(in crate::cache) fn arith(x: &mut Executor<'_>, meta: &Meta<'_>, out: &mut Vec<u8>) {
    x.ops.counters.cmd_meta.add_alone(1);
    let flags = &meta.flags;
    let mut buffer = KeyBuffer::default();
    let bytes = meta.key.bytes(&mut buffer);
    // A number made under a virtual key would never be found by a retrieval.
    if flags.vivify().is_some() && matches!(x.calls.target(bytes), Target::Call(_)) {
        return out.extend_from_slice(ONLY_SET_CALLS.as_bytes());
    }
    let key = x.ops.key(bytes);
    let request = Arith {
        delta: flags.delta(),
        decrement: flags.mode == Mode::Decrement,
        // A number made on a miss gets the lifetime of `T`, wherever the `T` stands.
        vivify: flags.vivify().map(|made| {
            let exptime = flags.ttl().unwrap_or(made);
            (flags.initial(), x.ops.expiry(exptime))
        }),
        touch: flags.ttl().map(|exptime| x.ops.expiry(exptime)),
        cas_compare: flags.cas_compare(),
        cas_override: flags.cas_override(),
        want_cas: flags.has(b'c'),
    };
    let outcome = x.ops.arith(key, &request);
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
            hit(out, meta, &plain, x.ops.now, |out| {
                out.extend_from_slice(digits.as_bytes());
            });
        }
        ArithOutcome::NotFound => status(out, MetaCode::NotFound, meta),
        ArithOutcome::Exists => status(out, MetaCode::Exists, meta),
        ArithOutcome::TooLarge => status(out, MetaCode::NotStored, meta),
        other => out.extend_from_slice(arith_line(&other).as_bytes()),
    }
}

/// `me`: everything known of an item, without counting as an access.
pub(in crate::cache) fn debug(x: &mut Executor<'_>, key: MetaKey<'_>, out: &mut Vec<u8>) {
    x.ops.counters.cmd_meta.add_alone(1);
    let mut buffer = KeyBuffer::default();
    let item = x.ops.key(key.bytes(&mut buffer));
    let now = x.ops.now;
    let found = x.ops.inspect(item, |info, value| {
        let facts = ItemFacts {
            expiry: seconds_left(info.expiry, now),
            accessed: u64::from(info.idle_s),
            cas: info.cas,
            fetched: info.fetched,
            size: (item.bytes.len() + value.len()) as u64,
            flags: info.flags,
        };
        reply::meta_debug(out, key, &facts);
    });
    if found.is_none() {
        out.extend_from_slice(reply::EN.as_bytes());
    }
}

/// Writes a flag that only echoes the request: opaque and key. Misses have these flags, too.
fn echo(reply: &mut MetaReply<'_>, key: MetaKey<'_>, flag: u8, argument: &[u8]) {
    match flag {
        b'O' => reply.opaque(argument),
        b'k' => reply.key(key),
        _ => {}
    }
}

/// Writes the return flags of a hit in the order of the request, then those that tell of the item's state.
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

/// Seconds until the item expires; `None` when it never does.
fn seconds_left(expiry: Expiry, now: Now) -> Option<u64> {
    expiry
        .0
        .map(|at| (at / 1000).saturating_sub(u64::from(now.unix_s)))
}

/// Writes a code with the echoed flags.
fn status(out: &mut Vec<u8>, code: MetaCode, meta: &Meta<'_>) {
    let mut reply = MetaReply::new(out, code);
    for (flag, argument) in meta.flags.in_order() {
        echo(&mut reply, meta.key, flag, argument);
    }
    reply.end();
}

/// When an item made on a miss expires, if one is to be made. A `T` that follows the `N` sets this, too.
fn vivified_expiry(flags: &MetaFlags<'_>, ops: &Ops) -> Option<Expiry> {
    let last = flags
        .in_order()
        .filter(|(flag, _)| matches!(flag, b'N' | b'T'))
        .last();
    let exptime = match last {
        Some((b'T', _)) => flags.vivify().and(flags.ttl()),
        _ => flags.vivify(),
    };
    exptime.map(|exptime| ops.expiry(exptime))
}

fn get_options(flags: &MetaFlags<'_>, ops: &Ops) -> GetOptions {
    GetOptions {
        want_cas: flags.has(b'c'),
        want_idle: flags.has(b'l'),
        no_bump: flags.has(b'u'),
        touch: flags.ttl().map(|exptime| ops.expiry(exptime)),
        vivify: vivified_expiry(flags, ops),
        recache_below_s: flags.recache().map(|s| u32::try_from(s).unwrap_or(0)),
        may_win: true,
        cas_override: flags.cas_override(),
    }
}

/// Writes a hit: `VA` with the value when that is asked for, else `HD`.
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
