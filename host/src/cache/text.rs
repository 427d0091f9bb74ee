//! Classic text commands.

use arrayvec::ArrayVec;

use super::calls::{Call, Target};
use super::clock::expiry;
use super::connection::{CallOutcome, Flow, Halt};
use super::detail::Event;
use super::sent::after_value;
use super::worker::Worker;
use crate::protocol::{self, Get, StoreVerb, Tokens, reply};
use crate::store::{
    Arith, ArithOutcome, DeleteOptions, DeleteOutcome, Expiry, GetOptions, Key, SetMode,
    SetOutcome, Write,
};

/// Output past which a command with many values stops to let it be written. In bytes.
pub(super) const OUT_BYTES_MAX: usize = 256 * 1024;
/// Keys of one `get` looked up together.
const KEY_BATCH: usize = 32;

/// A `get` that is not finished: its keys from the next one on.
#[derive(Debug)]
pub(super) struct RestOfGet {
    pub(super) keys: Vec<u8>,
    cas: bool,
    touch: Option<i64>,
}

impl RestOfGet {
    pub(super) fn new(get: &Get<'_>, keys: &[u8]) -> RestOfGet {
        RestOfGet {
            keys: keys.to_vec(),
            cas: get.cas,
            touch: get.touch,
        }
    }

    /// What `get` comes to when it is halted at the first of the keys `here`.
    #[cold]
    pub(super) fn stopped(get: &Get<'_>, here: &[u8], halt: Box<Halt>, out: &mut Vec<u8>) -> Flow {
        let mut keys = Tokens::new(here);
        // A value to be sent answers its key; a call is made again with its result at hand.
        if matches!(*halt, Halt::Send(_)) {
            keys.next();
            if keys.rest().is_empty() {
                out.extend_from_slice(reply::END.as_bytes());
                return Flow::Halt(halt);
            }
        }
        Halt::Get(halt, RestOfGet::new(get, keys.rest())).into()
    }

    pub(super) fn get(&self) -> Get<'_> {
        Get {
            keys: Tokens::new(&self.keys),
            only: None,
            cas: self.cas,
            touch: self.touch,
        }
    }
}

impl Worker {
    /// `get`, `gets`, `gat`, `gats`: a block for each hit, then END.
    pub(super) fn get(&mut self, get: &Get<'_>, out: &mut Vec<u8>) -> Flow {
        self.tell_get(get);
        let mut keys = get.keys;
        let touch = get.touch.map(|exptime| expiry(exptime, self.now));
        loop {
            let mut batch = ArrayVec::<(&[u8], Target<'_>, &[u8]), KEY_BATCH>::new();
            while !batch.is_full() {
                let here = keys.rest();
                let Some(key) = keys.next() else { break };
                batch.push((key, self.target(key), here));
            }
            let hashes: ArrayVec<u64, KEY_BATCH> =
                batch.iter().map(|(_, target, _)| target.hash()).collect();
            if batch.is_empty() {
                out.extend_from_slice(reply::END.as_bytes());
                return Flow::Next;
            }
            for (at, (key, target, here)) in batch.iter().enumerate() {
                self.shared.store.prefetch_ahead(&hashes, at);
                if out.len() > OUT_BYTES_MAX {
                    return RestOfGet::stopped(get, here, Box::new(Halt::Write), out);
                }
                match self.value(key, target, get.cas, touch, out) {
                    Flow::Next => {}
                    // A call failed: its error line ends the reply.
                    Flow::Abort => return Flow::Next,
                    Flow::Halt(halt) => return RestOfGet::stopped(get, here, halt, out),
                }
            }
        }
    }

    /// The next `count` of `keys`; where the command stands when it cannot go on.
    pub(super) fn values(
        &mut self,
        get: &Get<'_>,
        keys: &mut Tokens<'_>,
        count: usize,
        out: &mut Vec<u8>,
    ) -> Option<Flow> {
        let touch = get.touch.map(|exptime| expiry(exptime, self.now));
        for _ in 0..count {
            let here = keys.rest();
            let key = keys.next()?;
            let target = self.target(key);
            match self.value(key, &target, get.cas, touch, out) {
                Flow::Next => {}
                Flow::Abort => return Some(Flow::Next),
                Flow::Halt(halt) => return Some(RestOfGet::stopped(get, here, halt, out)),
            }
        }
        None
    }

    /// A `get` of one key, whose memory was asked for before.
    pub(super) fn get_one(
        &mut self,
        get: &Get<'_>,
        key: &[u8],
        target: &Target<'_>,
        out: &mut Vec<u8>,
    ) -> Flow {
        self.tell_get(get);
        let touch = get.touch.map(|exptime| expiry(exptime, self.now));
        match self.value(key, target, get.cas, touch, out) {
            Flow::Next => {
                out.extend_from_slice(reply::END.as_bytes());
                Flow::Next
            }
            Flow::Abort => Flow::Next,
            Flow::Halt(halt) => RestOfGet::stopped(get, get.keys.rest(), halt, out),
        }
    }

    /// Notes the command for scripts.
    #[inline(always)]
    fn tell_get(&mut self, get: &Get<'_>) {
        if self.scripts.load().is_some() {
            self.told.command(get.name(), get.keys);
        }
    }

    /// One key of a `get`.
    #[inline]
    fn value(
        &mut self,
        key: &[u8],
        target: &Target<'_>,
        cas: bool,
        touch: Option<Expiry>,
        out: &mut Vec<u8>,
    ) -> Flow {
        match target {
            Target::Item(key) => self.item_value(*key, cas, touch, out),
            Target::Call(call) => self.call_value(key, call, cas, touch, out),
        }
    }

    fn call_value(
        &mut self,
        key: &[u8],
        call: &Call<'_>,
        cas: bool,
        touch: Option<Expiry>,
        out: &mut Vec<u8>,
    ) -> Flow {
        match self.call(call, &[], touch) {
            CallOutcome::Reply => {
                self.counters.get_hits.add_alone(1);
                value_block(out, key, &self.reply, cas);
                Flow::Next
            }
            CallOutcome::Raw => {
                out.extend_from_slice(&self.reply);
                Flow::Next
            }
            CallOutcome::Error(text) => {
                reply::server_error(out, &text);
                Flow::Abort
            }
            CallOutcome::Lane(job) => Halt::Lane(job).into(),
        }
    }

    fn item_value(
        &mut self,
        key: Key<'_>,
        cas: bool,
        touch: Option<Expiry>,
        out: &mut Vec<u8>,
    ) -> Flow {
        self.watch_fetch(key);
        let options = GetOptions {
            want_cas: cas,
            touch,
            ..GetOptions::default()
        };
        let mut object = false;
        let found = self.shared.store.get(
            key,
            self.now,
            &options,
            // Calling it costs as much as it does.
            #[inline(always)]
            |info, value| {
                if info.object {
                    object = true;
                    return None;
                }
                reply::value_header(
                    out,
                    key.bytes,
                    info.flags,
                    value.len(),
                    cas.then_some(info.cas),
                );
                let sent = self.shared.put_value(value, out);
                out.extend_from_slice(reply::VALUE_END.as_bytes());
                sent
            },
        );
        self.counters.cmd_get.add_alone(1);
        if touch.is_some() {
            self.counters.cmd_touch.add_alone(1);
            let hits = &self.counters;
            if found.is_some() {
                &hits.touch_hits
            } else {
                &hits.touch_misses
            }
            .add_alone(1);
        }
        let event = if found.is_some() {
            Event::Hit
        } else {
            Event::Miss
        };
        self.shared.detail.note(key.bytes, event);
        let Some(sent) = found else {
            self.counters.get_misses.add_alone(1);
            return Flow::Next;
        };
        self.counters.get_hits.add_alone(1);
        if object && self.export(key).is_some() {
            value_block(out, key.bytes, &self.reply, cas);
        }
        after_value(sent, out, reply::VALUE_END)
    }

    /// `set` and its kin.
    pub(super) fn store(
        &mut self,
        store: &protocol::Store<'_>,
        target: &Target<'_>,
        out: &mut Vec<u8>,
    ) -> Flow {
        self.counters.cmd_set.add_alone(1);
        self.shared.detail.note(store.key, Event::Set);
        let mut say = |line: &str| {
            if !store.noreply {
                out.extend_from_slice(line.as_bytes());
            }
        };
        if let Target::Call(call) = target {
            if store.verb != StoreVerb::Set {
                say("CLIENT_ERROR only set calls a function\r\n");
                return Flow::Next;
            }
            self.told
                .set(store.key, store.flags, store.noreply, store.exptime);
            match self.call(call, &[store.value], None) {
                CallOutcome::Reply | CallOutcome::Raw => say(reply::STORED),
                CallOutcome::Error(text) => reply::server_error(out, &text),
                CallOutcome::Lane(job) => return Halt::Lane(job).into(),
            }
            return Flow::Next;
        }
        if self.shared.is_object_name(store.key) {
            say(OBJECT_NAME);
            return Flow::Next;
        }
        let (mode, cas_compare) = match store.verb {
            StoreVerb::Set => (SetMode::Set, None),
            StoreVerb::Add => (SetMode::Add, None),
            StoreVerb::Replace => (SetMode::Replace, None),
            StoreVerb::Append => (SetMode::Append, None),
            StoreVerb::Prepend => (SetMode::Prepend, None),
            StoreVerb::Cas(cas) => (SetMode::Set, Some(cas)),
        };
        let write = Write {
            flags: store.flags,
            expiry: expiry(store.exptime, self.now),
            value: store.value,
            mode,
            cas_compare,
            stale_if_older: false,
            cas_override: None,
            want_cas: false,
            vivify: None,
        };
        let key = Key {
            bytes: store.key,
            hash: target.hash(),
        };
        self.watch_fetch(key);
        let (outcome, len) = self.put(key, &write);
        let (command, written) = (store.verb.name(), (write.expiry, len));
        self.watch_store(store.key, command, outcome, written);
        if cas_compare.is_some() {
            match outcome {
                SetOutcome::Stored { .. } => self.counters.cas_hits.add_alone(1),
                SetOutcome::Exists => self.counters.cas_badval.add_alone(1),
                SetOutcome::NotFound => self.counters.cas_misses.add_alone(1),
                _ => {}
            }
        }
        if outcome == SetOutcome::TooLarge {
            self.counters.store_no_memory.add_alone(1);
        }
        say(set_line(outcome));
        Flow::Next
    }

    /// `incr`, `decr`.
    pub(super) fn arith(&mut self, arith: &protocol::Arith<'_>, hash: u64, out: &mut Vec<u8>) {
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
        self.watch_fetch(key);
        let outcome = self.shared.store.arith(key, self.now, &request);
        self.count_arith(arith.decrement, &outcome);
        if arith.noreply {
            return;
        }
        match outcome {
            ArithOutcome::Done { value, .. } => {
                reply::number_line(out, value);
            }
            other => out.extend_from_slice(arith_line(&other).as_bytes()),
        }
    }

    pub(super) fn count_arith(&self, decrement: bool, outcome: &ArithOutcome) {
        let hit = match outcome {
            ArithOutcome::NotFound => false,
            ArithOutcome::Done { .. } => true,
            _ => return,
        };
        match (decrement, hit) {
            (false, true) => &self.counters.incr_hits,
            (false, false) => &self.counters.incr_misses,
            (true, true) => &self.counters.decr_hits,
            (true, false) => &self.counters.decr_misses,
        }
        .add_alone(1);
    }

    /// `delete`.
    pub(super) fn delete(&mut self, key: &[u8], noreply: bool, out: &mut Vec<u8>) {
        self.shared.detail.note(key, Event::Delete);
        let key = self.shared.store.key(key);
        self.watch_fetch(key);
        let len = self.before_delete(key);
        let line = match self
            .shared
            .store
            .delete(key, self.now, &DeleteOptions::default())
        {
            DeleteOutcome::NotFound => {
                self.counters.delete_misses.add_alone(1);
                reply::NOT_FOUND
            }
            DeleteOutcome::Done | DeleteOutcome::Exists => {
                self.counters.delete_hits.add_alone(1);
                self.watch_delete(key.bytes, "delete", len);
                reply::DELETED
            }
        };
        if !noreply {
            out.extend_from_slice(line.as_bytes());
        }
    }

    /// `touch`.
    pub(super) fn touch(&mut self, key: &[u8], exptime: i64, noreply: bool, out: &mut Vec<u8>) {
        self.counters.cmd_touch.add_alone(1);
        let key = self.shared.store.key(key);
        self.watch_fetch(key);
        let line = match self
            .shared
            .store
            .touch(key, self.now, expiry(exptime, self.now))
        {
            DeleteOutcome::Done => {
                self.counters.touch_hits.add_alone(1);
                reply::TOUCHED
            }
            DeleteOutcome::NotFound | DeleteOutcome::Exists => {
                self.counters.touch_misses.add_alone(1);
                reply::NOT_FOUND
            }
        };
        if !noreply {
            out.extend_from_slice(line.as_bytes());
        }
    }
}

/// Refusal of a client's write to the state of an object.
pub(super) const OBJECT_NAME: &str =
    "CLIENT_ERROR the state of an object is written by its functions only\r\n";

/// The result of a call as `get` shows it.
fn value_block(out: &mut Vec<u8>, key: &[u8], value: &[u8], cas: bool) {
    reply::value_header(out, key, 0, value.len(), cas.then_some(0));
    out.extend_from_slice(value);
    out.extend_from_slice(reply::VALUE_END.as_bytes());
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
