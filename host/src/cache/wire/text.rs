//! Classic text commands but for `get` and its kin.

use super::{OBJECT_NAME, ONLY_SET_CALLS};
use crate::cache::calls::{Asked, Call, Target};
use crate::cache::flow::{Answer, Executor, Flow, GO_ON, StoreAnswer};
use crate::cache::ops::{Ops, is_conditional};
use crate::cache::reply::{CallResult, Reply};
use crate::cache::scripts::{Keys, Numbers, Request};
use crate::protocol::{self, StoreVerb, reply};
use crate::store::{
    Arith, ArithOutcome, DeleteOptions, DeleteOutcome, Key, SetMode, SetOutcome, Write,
};

/// `set` and its kin.
pub(in crate::cache) fn store(
    x: &mut Executor<'_>,
    store: &protocol::Store<'_>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Flow {
    let (mode, cas_compare) = match store.verb {
        StoreVerb::Set => (SetMode::Set, None),
        StoreVerb::Add => (SetMode::Add, None),
        StoreVerb::Replace => (SetMode::Replace, None),
        StoreVerb::Append => (SetMode::Append, None),
        StoreVerb::Prepend => (SetMode::Prepend, None),
        StoreVerb::Cas(cas) => (SetMode::Set, Some(cas)),
    };
    let key = match target {
        Target::Item(key) => *key,
        Target::Call(_) if is_conditional(mode, cas_compare.is_some()) => {
            x.ops.refuse_call(store.key);
            say(store.noreply, ONLY_SET_CALLS, out);
            return GO_ON;
        }
        Target::Call(call) => return store_by_call(x, store, call, out),
    };
    let write = Write {
        flags: store.flags,
        expiry: x.ops.expiry(store.exptime),
        value: store.value,
        mode,
        cas_compare,
        stale_if_older: false,
        cas_override: None,
        want_cas: false,
        vivify: None,
    };
    let outcome = x.ops.set(key, &write);
    say(store.noreply, set_line(outcome), out);
    GO_ON
}

fn store_by_call(
    x: &mut Executor<'_>,
    store: &protocol::Store<'_>,
    call: &Call<'_>,
    out: &mut Vec<u8>,
) -> Flow {
    let asked = Asked {
        data: Some(store.value),
        touch: None,
        request: Request {
            command: store.verb.name(),
            keys: Keys::One(store.key),
            numbers: Numbers {
                flags: store.flags,
                noreply: store.noreply,
                exptime: store.exptime,
                delta: 0,
            },
        },
    };
    let (key, noreply, len) = (store.key, store.noreply, store.value.len());
    x.only_call(
        call,
        &asked,
        |ops, result| write_called(ops, key, len, noreply, result, out),
        || {
            Box::new(CalledBySet {
                key: key.into(),
                len,
                noreply,
            })
        },
    )
}

/// The answer of a call by `set` that runs elsewhere.
#[derive(Debug)]
struct CalledBySet {
    key: Box<[u8]>,
    /// Length of the data block in bytes.
    len: usize,
    noreply: bool,
}

impl Answer for CalledBySet {
    fn write(&self, ops: &Ops, result: &CallResult<'_>, out: &mut Vec<u8>) -> Option<String> {
        write_called(ops, &self.key, self.len, self.noreply, result, out);
        None
    }
}

fn write_called(
    ops: &Ops,
    key: &[u8],
    len: usize,
    noreply: bool,
    result: &CallResult<'_>,
    out: &mut Vec<u8>,
) {
    ops.called_by_set(key, result, len);
    match result {
        _ if noreply => {}
        Ok(Reply::Refused(_)) => out.extend_from_slice(reply::NOT_STORED.as_bytes()),
        Ok(_) => out.extend_from_slice(reply::STORED.as_bytes()),
        Err(text) => reply::server_error(out, text),
    }
}

/// How a client that sent a large value by `set` is answered.
#[derive(Debug)]
pub(in crate::cache) struct StoredBySet {
    pub(in crate::cache) noreply: bool,
}

impl StoreAnswer for StoredBySet {
    fn stored(&self, outcome: SetOutcome, _: usize, out: &mut Vec<u8>) {
        say(self.noreply, set_line(outcome), out);
    }

    fn bad_end(&self, out: &mut Vec<u8>) {
        say(self.noreply, reply::BAD_CHUNK, out);
    }
}

/// `incr`, `decr`.
pub(in crate::cache) fn arith(
    x: &mut Executor<'_>,
    arith: &protocol::Arith<'_>,
    hash: u64,
    out: &mut Vec<u8>,
) {
    let key = Key {
        bytes: arith.key,
        hash,
    };
    let request = Arith {
        delta: arith.delta,
        decrement: arith.decrement,
        vivify: None,
        touch: None,
        cas_compare: None,
        cas_override: None,
        want_cas: false,
    };
    let outcome = x.ops.arith(key, &request);
    match outcome {
        _ if arith.noreply => {}
        ArithOutcome::Done { value, .. } => reply::number_line(out, value),
        other => out.extend_from_slice(arith_line(&other).as_bytes()),
    }
}

/// `delete`.
pub(in crate::cache) fn delete(x: &mut Executor<'_>, key: &[u8], noreply: bool, out: &mut Vec<u8>) {
    let key = x.ops.key(key);
    let line = match x.ops.delete(key, "delete", &DeleteOptions::default()) {
        Ok(DeleteOutcome::Done | DeleteOutcome::Exists) => reply::DELETED,
        Ok(DeleteOutcome::NotFound) => reply::NOT_FOUND,
        Err(_) => OBJECT_NAME,
    };
    say(noreply, line, out);
}

/// `touch`.
pub(in crate::cache) fn touch(
    x: &mut Executor<'_>,
    key: &[u8],
    exptime: i64,
    noreply: bool,
    out: &mut Vec<u8>,
) {
    let found = x.ops.touch(x.ops.key(key), x.ops.expiry(exptime));
    let line = if found {
        reply::TOUCHED
    } else {
        reply::NOT_FOUND
    };
    say(noreply, line, out);
}

/// Refuses a value over the limit.
pub(in crate::cache) fn too_large(
    x: &mut Executor<'_>,
    refused: &protocol::TooLarge<'_>,
    out: &mut Vec<u8>,
) {
    refuse_value(x, refused, reply::TOO_LARGE, out);
}

/// Refuses a value for which there is no memory.
pub(in crate::cache) fn no_memory(
    x: &mut Executor<'_>,
    refused: &protocol::TooLarge<'_>,
    out: &mut Vec<u8>,
) {
    refuse_value(x, refused, reply::OUT_OF_MEMORY_STORING, out);
}

fn refuse_value(
    x: &mut Executor<'_>,
    refused: &protocol::TooLarge<'_>,
    line: &str,
    out: &mut Vec<u8>,
) {
    if refused.meta {
        x.ops.counters.cmd_meta.add_alone(1);
    }
    let mut buffer = protocol::KeyBuffer::default();
    let key = refused.key.bytes(&mut buffer);
    x.ops.refuse_value(key, refused.drop_old);
    say(refused.noreply, line, out);
}

#[inline]
fn say(noreply: bool, line: &str, out: &mut Vec<u8>) {
    if !noreply {
        out.extend_from_slice(line.as_bytes());
    }
}

fn set_line(outcome: SetOutcome) -> &'static str {
    match outcome {
        SetOutcome::Stored { .. } => reply::STORED,
        SetOutcome::NotStored => reply::NOT_STORED,
        SetOutcome::Exists => reply::EXISTS,
        SetOutcome::NotFound => reply::NOT_FOUND,
        SetOutcome::TooLarge => reply::OUT_OF_MEMORY_STORING,
        SetOutcome::IsObject => OBJECT_NAME,
    }
}

/// The answer to arithmetic that did not happen.
pub(super) fn arith_line(outcome: &ArithOutcome) -> &'static str {
    match outcome {
        ArithOutcome::Done { .. } => "",
        ArithOutcome::NotFound => reply::NOT_FOUND,
        ArithOutcome::NonNumeric => reply::NON_NUMERIC,
        ArithOutcome::Exists => reply::EXISTS,
        ArithOutcome::IsObject => OBJECT_NAME,
        ArithOutcome::TooLarge => reply::OUT_OF_MEMORY,
    }
}
