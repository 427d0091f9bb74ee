//! `get`, `gets`, `gat`, `gats`: a block for each hit, then END.
//!
//! A call that fails is left out, and its error line stands at the end in place of END: all else is answered. A call
//! that runs elsewhere leaves a hole, and the keys behind it are answered meanwhile.

use arrayvec::ArrayVec;

use super::{OUT_BYTES_MAX, value};
use crate::cache::calls::{Asked, Call, LaneResult, Target};
use crate::cache::flow::{Answer, Executor, Flow, GO_ON, Halt, Unfinished};
use crate::cache::ops::{Lookup, Ops};
use crate::cache::reply::{CallResult, Reply};
use crate::cache::scripts::Request;
use crate::protocol::{Get, Tokens, reply};
use crate::store::{Expiry, GetOptions, Key, Pinned};

/// Keys of one `get` looked up together.
const KEY_BATCH: usize = 32;

/// How a `get` ends.
#[derive(Debug, Default)]
pub(in crate::cache) struct Ending {
    /// The error line of the first call that failed.
    failed: Option<String>,
    /// Whether some of the `get`'s calls run elsewhere.
    waits: bool,
}

/// What is left of a `get` that was halted: its keys from the next one on.
#[derive(Debug)]
struct RestOfGet {
    keys: Box<[u8]>,
    /// Offset of the next key in the list of keys, in bytes.
    at: usize,
    cas: bool,
    touch: Option<i64>,
    ending: Ending,
}

/// A `get` of one key, whose memory was prefetched.
pub(in crate::cache) fn get_one(
    x: &mut Executor<'_>,
    get: &Get<'_>,
    (key, target): (&[u8], &Target<'_>),
    out: &mut Vec<u8>,
) -> Flow {
    let touch = get.touch.map(|exptime| x.ops.expiry(exptime));
    match target {
        Target::Item(key) => {
            let sent = item(x, *key, get.cas, touch, out);
            out.extend_from_slice(reply::END.as_bytes());
            value::after(sent, out, "\r\nEND\r\n")
        }
        Target::Call(call) => {
            let mut ending = Ending::default();
            match by_call(x, get, (key, call), touch, out) {
                Ok(failed) => ending.failed = failed,
                Err(halt) => {
                    ending.waits = true;
                    return halt.then(RestOfGet::new(get, 0, ending));
                }
            }
            ending.end(out)
        }
    }
}

/// A `get` of any number of keys.
pub(in crate::cache) fn get(x: &mut Executor<'_>, get: &Get<'_>, out: &mut Vec<u8>) -> Flow {
    let mut ending = Ending::default();
    match values(x, get, &mut ending, out) {
        Ok(()) => ending.end(out),
        Err((halt, left)) => RestOfGet::new(get, left, ending).halted(halt, out),
    }
}

/// Answers the keys of `get` one after the other. `Err`: halted, with so many bytes of its list of keys left.
pub(in crate::cache) fn values(
    x: &mut Executor<'_>,
    get: &Get<'_>,
    ending: &mut Ending,
    out: &mut Vec<u8>,
) -> Result<(), (Box<Halt>, usize)> {
    let mut keys = get.keys;
    let touch = get.touch.map(|exptime| x.ops.expiry(exptime));
    loop {
        let start = keys;
        let left = |count: usize| {
            let mut keys = start;
            keys.by_ref().take(count).for_each(drop);
            keys.rest().len()
        };
        let mut batch = ArrayVec::<(&[u8], Target<'_>), KEY_BATCH>::new();
        while !batch.is_full() {
            let Some(key) = keys.next() else { break };
            batch.push((key, x.calls.target(key)));
        }
        if batch.is_empty() {
            return Ok(());
        }
        let hashes: ArrayVec<u64, KEY_BATCH> =
            batch.iter().map(|(_, target)| target.hash()).collect();
        for (at, (key, target)) in batch.iter().enumerate() {
            x.ops.shared.store.prefetch_ahead(&hashes, at);
            if out.len() > OUT_BYTES_MAX || x.calls.turn.is_over() {
                return Err((Box::new(Halt::Write), left(at)));
            }
            if x.must_wait(target) {
                return Err((Box::new(Halt::Wait), left(at)));
            }
            match target {
                Target::Item(key) => {
                    if let Some(value) = item(x, *key, get.cas, touch, out) {
                        let place = out.len() - reply::VALUE_END.len();
                        return Err((Box::new(Halt::Send(place, value)), left(at + 1)));
                    }
                }
                Target::Call(call) => match by_call(x, get, (key, call), touch, out) {
                    Ok(None) => {}
                    Ok(failed) => ending.failed = ending.failed.take().or(failed),
                    Err(halt) => {
                        ending.waits = true;
                        return Err((halt, left(at + 1)));
                    }
                },
            }
        }
    }
}

/// Writes the block of an item that is there. Returns what of the value is still to be sent, before the last line end
/// of `out`.
fn item(
    x: &mut Executor<'_>,
    key: Key<'_>,
    cas: bool,
    touch: Option<Expiry>,
    out: &mut Vec<u8>,
) -> Option<Box<Pinned>> {
    let options = GetOptions {
        want_cas: cas,
        touch,
        ..GetOptions::default()
    };
    let found = x.ops.get(
        key,
        &options,
        // Inlined, as calling this costs as much as its work.
        #[inline(always)]
        |info, found| {
            let token = cas.then_some(info.cas);
            reply::value_header(out, key.bytes, info.flags, found.len(), token);
            let sent = value::put(&x.ops.shared, found, out);
            out.extend_from_slice(reply::VALUE_END.as_bytes());
            sent
        },
    );
    match found {
        Lookup::Item(sent) => return sent,
        Lookup::Miss | Lookup::Refused => {}
        Lookup::Object(info) => {
            if let Some(text) = x.calls.export(x.ops.now, key) {
                block(out, key.bytes, text, cas.then_some(info.cas));
            }
        }
    }
    None
}

/// Makes a call and writes its block, or returns the text of its error line. `Err`: the call runs elsewhere.
fn by_call(
    x: &mut Executor<'_>,
    get: &Get<'_>,
    (key, call): (&[u8], &Call<'_>),
    touch: Option<Expiry>,
    out: &mut Vec<u8>,
) -> Result<Option<String>, Box<Halt>> {
    let asked = Asked {
        data: None,
        touch,
        request: Request::of_get(get.name(), get.keys),
    };
    let form = Form {
        key,
        cas: get.cas,
        touches: touch.is_some(),
    };
    x.call(
        call,
        &asked,
        |ops, result| form.write(ops, result, out),
        || {
            Box::new(DetachedForm {
                key: key.into(),
                cas: form.cas,
                touches: form.touches,
            })
        },
    )
}

/// What the block of a call needs of its request.
struct Form<'a> {
    key: &'a [u8],
    cas: bool,
    touches: bool,
}

/// As `Form`, for a call that runs elsewhere.
#[derive(Debug)]
struct DetachedForm {
    key: Box<[u8]>,
    cas: bool,
    touches: bool,
}

impl Form<'_> {
    fn write(&self, ops: &Ops, result: &CallResult<'_>, out: &mut Vec<u8>) -> Option<String> {
        ops.called_by_get(self.key, result, self.touches);
        match result {
            Ok(Reply::Value(value) | Reply::Refused(value)) => {
                block(out, self.key, value, self.cas.then_some(0));
            }
            Ok(Reply::Raw(raw)) => out.extend_from_slice(raw),
            Err(text) => return Some(text.clone()),
        }
        None
    }
}

impl Answer for DetachedForm {
    fn write(&self, ops: &Ops, result: &CallResult<'_>, out: &mut Vec<u8>) -> Option<String> {
        let form = Form {
            key: &self.key,
            cas: self.cas,
            touches: self.touches,
        };
        form.write(ops, result, out)
    }
}

/// Writes the block of a value that is no item's.
fn block(out: &mut Vec<u8>, key: &[u8], value: &[u8], cas: Option<u64>) {
    reply::value_header(out, key, 0, value.len(), cas);
    out.extend_from_slice(value);
    out.extend_from_slice(reply::VALUE_END.as_bytes());
}

impl Ending {
    /// Writes the last line.
    pub(in crate::cache) fn end(self, out: &mut Vec<u8>) -> Flow {
        if self.waits {
            return Halt::EndOfGet(self.failed).now();
        }
        end_of_get(self.failed.as_deref(), out);
        GO_ON
    }
}

/// The last line of a `get`.
pub(in crate::cache) fn end_of_get(failed: Option<&str>, out: &mut Vec<u8>) {
    match failed {
        None => out.extend_from_slice(reply::END.as_bytes()),
        Some(text) => reply::server_error(out, text),
    }
}

impl RestOfGet {
    /// The last `left` bytes of the list of keys.
    #[cold]
    fn new(get: &Get<'_>, left: usize, ending: Ending) -> RestOfGet {
        let keys = get.keys.rest();
        RestOfGet {
            keys: keys[keys.len() - left..].into(),
            at: 0,
            cas: get.cas,
            touch: get.touch,
            ending,
        }
    }

    /// Halts the command. If a value is sent and only END is left, END is written with the value, and nothing is left.
    #[cold]
    fn halted(self, halt: Box<Halt>, out: &mut Vec<u8>) -> Flow {
        let done = Tokens::new(&self.keys[self.at..]).next().is_none();
        if done && !self.ending.waits && matches!(*halt, Halt::Send(..)) {
            end_of_get(self.ending.failed.as_deref(), out);
            return Flow::Break(halt);
        }
        halt.then(self)
    }
}

impl Unfinished for RestOfGet {
    fn resume(
        mut self: Box<Self>,
        x: &mut Executor<'_>,
        _: Option<LaneResult>,
        out: &mut Vec<u8>,
    ) -> Flow {
        let get = Get {
            keys: Tokens::new(&self.keys[self.at..]),
            only: None,
            cas: self.cas,
            touch: self.touch,
        };
        match values(x, &get, &mut self.ending, out) {
            Ok(()) => self.ending.end(out),
            Err((halt, left)) => {
                self.at = self.keys.len() - left;
                self.halted(halt, out)
            }
        }
    }
}
