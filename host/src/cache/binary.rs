//! Requests of the binary protocol.

use super::admin_stats;
use super::calls::{Call, RAW_REFUSED, Target};
use super::clock::expiry;
use super::connection::{CallOutcome, Connection, Flow, Halt, Progress};
use super::dump::Dump;
use super::sent::after_value;
use super::text::OUT_BYTES_MAX;
use super::worker::Worker;
use crate::protocol::binary::{self, Arith, Command, Echo, Parsed, Request, Status, StoreVerb};
use crate::store::{
    self, ArithOutcome, DeleteOptions, DeleteOutcome, Expiry, GetOptions, Key, SetMode, SetOutcome,
    Write,
};

const MECHANISM: &[u8] = b"PLAIN";

impl Worker {
    pub(super) fn execute_binary(
        &mut self,
        connection: &mut Connection,
        input: &[u8],
        mut at: usize,
        out: &mut Vec<u8>,
    ) -> Progress {
        let limits = self.shared.protocol_limits;
        while at < input.len() {
            if out.len() > OUT_BYTES_MAX {
                return Progress::Write { consumed: at };
            }
            match binary::parse(&input[at..], &limits) {
                Parsed::Incomplete { needed } => {
                    return Progress::Read {
                        consumed: at,
                        needed,
                    };
                }
                Parsed::Announced {
                    request,
                    consumed,
                    len,
                } => {
                    let front = &input[at..at + consumed];
                    if !self.begin_binary(connection, &request, front, len) {
                        return Progress::Read {
                            consumed: at,
                            needed: consumed + len,
                        };
                    }
                    match self.go_on(connection, input, at + consumed, out) {
                        Ok(next) => at = next,
                        Err(progress) => return progress,
                    }
                }
                Parsed::Request { request, consumed } => {
                    let raw = &input[at..at + consumed];
                    at += consumed;
                    let flow = self.request(connection, &request, out);
                    if let Some(progress) = connection.stop(flow, raw, at) {
                        return progress;
                    }
                }
                Parsed::Error(refusal) => {
                    if let Some((echo, status)) = refusal.answer {
                        echo.error(out, status);
                    }
                    at += refusal.consumed;
                    if refusal.close {
                        return Progress::Close { consumed: at };
                    }
                    at = connection.skip(refusal.swallow, input, at);
                }
                Parsed::TooLarge(refused) => {
                    self.counters.store_too_large.add_alone(1);
                    if refused.drop_old && !self.shared.is_object_name(refused.key) {
                        let key = self.shared.store.key(refused.key);
                        self.watch_too_large(refused.key);
                        self.shared
                            .store
                            .delete(key, self.now, &DeleteOptions::default());
                    }
                    refused.echo.error(out, Status::TooLarge);
                    at = connection.skip(refused.swallow, input, at + refused.consumed);
                }
            }
        }
        Progress::Read {
            consumed: at,
            needed: binary::HEADER_BYTES,
        }
    }

    /// One request again, from its bytes, after its call ran on a lane.
    pub(super) fn binary_again(
        &mut self,
        connection: &mut Connection,
        raw: &[u8],
        out: &mut Vec<u8>,
    ) -> Flow {
        let limits = self.shared.protocol_limits;
        match binary::parse(raw, &limits) {
            Parsed::Request { request, .. } => self.request(connection, &request, out),
            _ => unreachable!("the request was parsed before"),
        }
    }

    pub(super) fn request(
        &mut self,
        connection: &mut Connection,
        request: &Request<'_>,
        out: &mut Vec<u8>,
    ) -> Flow {
        let Request { echo, quiet, .. } = *request;
        if !self.allowed(connection, &request.command) {
            self.counters.auth_errors.add_alone(1);
            echo.error(out, Status::AuthError);
            return Flow::Next;
        }
        match request.command {
            Command::Get {
                key,
                with_key,
                touch,
            } => {
                return self.binary_get(request, key, with_key, touch, out);
            }
            Command::Store(store) => return self.binary_store(request, &store, out),
            Command::Touch { key, exptime } => self.binary_touch(echo, key, exptime, out),
            Command::Delete { key } => self.binary_delete(request, key, out),
            Command::Arith(arith) => self.binary_arith(request, &arith, out),
            Command::Flush { delay } => {
                if !self.shared.host.flush_enabled() {
                    echo.error(out, Status::AuthError);
                    return Flow::Next;
                }
                self.flush_after(delay);
                say(quiet, || echo.ok(out, 0));
            }
            Command::Noop => echo.ok(out, 0),
            Command::Version => echo.text(out, super::MEMCACHED_VERSION.as_bytes()),
            Command::Stat { key: b"sizes" } => {
                return Halt::Dump(Box::new(Dump::sizes(Some(echo)))).into();
            }
            Command::Stat { key } => admin_stats::binary(&self.shared, echo, key, out),
            Command::Verbosity { level } => {
                self.shared.host.set_verbosity(level);
                echo.ok(out, 0);
            }
            Command::Quit => {
                say(quiet, || echo.ok(out, 0));
                return Halt::Close.into();
            }
            Command::SaslList => match self.shared.host.sasl(b"", b"") {
                Some(_) => echo.text(out, MECHANISM),
                None => echo.error(out, Status::UnknownCommand),
            },
            Command::Sasl {
                mechanism,
                message,
                step,
            } => {
                self.sasl(connection, echo, (mechanism, message, step), out);
            }
        }
        Flow::Next
    }

    /// Everything, unless a login is needed first.
    pub(super) fn allowed(&self, connection: &Connection, command: &Command<'_>) -> bool {
        connection.authenticated
            || matches!(
                command,
                Command::SaslList | Command::Sasl { .. } | Command::Version | Command::Quit
            )
            || self.shared.host.sasl(b"", b"").is_none()
    }

    fn sasl(
        &mut self,
        connection: &mut Connection,
        echo: Echo,
        (mechanism, message, step): (&[u8], &[u8], bool),
        out: &mut Vec<u8>,
    ) {
        self.counters.auth_cmds.add_alone(1);
        // PLAIN: authorisation identity, user and password, separated by NUL (RFC 4616).
        let mut words = message.splitn(3, |&b| b == 0).skip(1);
        let granted = match (words.next(), words.next()) {
            (Some(user), Some(password)) if mechanism == MECHANISM && !step => {
                self.shared.host.sasl(user, password)
            }
            _ => self.shared.host.sasl(b"", b"").map(|_| false),
        };
        match granted {
            None => echo.error(out, Status::UnknownCommand),
            Some(true) => {
                connection.authenticated = true;
                echo.text(out, b"Authenticated");
            }
            Some(false) => {
                connection.authenticated = false;
                self.counters.auth_errors.add_alone(1);
                echo.error(out, Status::AuthError);
            }
        }
    }

    fn binary_get(
        &mut self,
        request: &Request<'_>,
        key: &[u8],
        with_key: bool,
        touch: Option<i64>,
        out: &mut Vec<u8>,
    ) -> Flow {
        let echo = request.echo;
        let shown = if with_key { key } else { &[] };
        let touch = touch.map(|exptime| expiry(exptime, self.now));
        let key = match self.target(key) {
            Target::Item(key) => key,
            Target::Call(call) => {
                self.told.command("get", std::iter::once(key));
                let quiet = request.quiet;
                return self.binary_call(&call, &[], touch, echo, out, |echo, out, reply| {
                    let Some(reply) = reply else {
                        return say(quiet, || echo.miss(out, shown));
                    };
                    echo.hit(out, 0, 0, shown, reply.len());
                    out.extend_from_slice(reply);
                });
            }
        };
        self.counters.cmd_get.add_alone(1);
        self.watch_fetch(key);
        let options = GetOptions {
            want_cas: true,
            touch,
            ..GetOptions::default()
        };
        let mut object = false;
        let found = self
            .shared
            .store
            .get(key, self.now, &options, |info, value| {
                if info.object {
                    object = true;
                    return None;
                }
                echo.hit(out, info.flags, info.cas, shown, value.len());
                self.shared.put_value(value, out)
            });
        match found {
            None => {
                self.counters.get_misses.add_alone(1);
                say(request.quiet, || echo.miss(out, shown));
            }
            Some(sent) => {
                self.counters.get_hits.add_alone(1);
                if object && self.export(key).is_some() {
                    echo.hit(out, 0, 0, shown, self.reply.len());
                    out.extend_from_slice(&self.reply);
                }
                return after_value(sent, out, "");
            }
        }
        Flow::Next
    }

    fn binary_call(
        &mut self,
        call: &Call<'_>,
        data: &[&[u8]],
        touch: Option<Expiry>,
        echo: Echo,
        out: &mut Vec<u8>,
        answer: impl FnOnce(Echo, &mut Vec<u8>, Option<&[u8]>),
    ) -> Flow {
        match self.call(call, data, touch) {
            CallOutcome::Reply => answer(echo, out, Some(&self.reply)),
            // Only a retrieval shows what was written, and then nothing is a miss.
            CallOutcome::Raw if self.reply.is_empty() || !data.is_empty() => {
                answer(echo, out, None);
            }
            CallOutcome::Raw => echo.message(out, Status::Invalid, RAW_REFUSED.as_bytes()),
            CallOutcome::Error(text) => echo.message(out, Status::Invalid, text.as_bytes()),
            CallOutcome::Lane(job) => return Halt::Lane(job).into(),
        }
        Flow::Next
    }

    fn binary_store(
        &mut self,
        request: &Request<'_>,
        store: &binary::Store<'_>,
        out: &mut Vec<u8>,
    ) -> Flow {
        let Request {
            echo, quiet, cas, ..
        } = *request;
        self.counters.cmd_set.add_alone(1);
        let key = match self.target(store.key) {
            Target::Item(key) => key,
            // It led to no call when its value began to come.
            Target::Call(_) if self.uploaded.is_some() => self.shared.store.key(store.key),
            Target::Call(call) => {
                self.told.set(store.key, store.flags, quiet, store.exptime);
                return self.binary_call(&call, &[store.value], None, echo, out, |echo, out, _| {
                    say(quiet, || echo.ok(out, 0));
                });
            }
        };
        if self.shared.is_object_name(store.key) {
            echo.error(out, Status::Invalid);
            return Flow::Next;
        }
        let write = Write {
            flags: store.flags,
            expiry: expiry(store.exptime, self.now),
            value: store.value,
            mode: match store.verb {
                StoreVerb::Set => SetMode::Set,
                // With a token to compare, these are the same.
                StoreVerb::Add | StoreVerb::Replace if cas != 0 => SetMode::Set,
                StoreVerb::Add => SetMode::Add,
                StoreVerb::Replace => SetMode::Replace,
                StoreVerb::Append => SetMode::Append,
                StoreVerb::Prepend => SetMode::Prepend,
            },
            cas_compare: (cas != 0).then_some(cas),
            stale_if_older: false,
            cas_override: None,
            want_cas: !quiet,
            vivify: None,
        };
        self.watch_fetch(key);
        let (outcome, len) = self.put(key, &write);
        let command = match store.verb {
            StoreVerb::Set if write.cas_compare.is_some() => "cas",
            StoreVerb::Set => "set",
            StoreVerb::Add => "add",
            StoreVerb::Replace => "replace",
            StoreVerb::Append => "append",
            StoreVerb::Prepend => "prepend",
        };
        self.watch_store(store.key, command, outcome, (write.expiry, len));
        match outcome {
            SetOutcome::Stored { cas, .. } => say(quiet, || echo.ok(out, cas)),
            SetOutcome::NotStored => echo.error(
                out,
                match store.verb {
                    StoreVerb::Add => Status::Exists,
                    StoreVerb::Replace => Status::NotFound,
                    _ => Status::NotStored,
                },
            ),
            SetOutcome::Exists => echo.error(out, Status::Exists),
            SetOutcome::NotFound => echo.error(out, Status::NotFound),
            SetOutcome::TooLarge => echo.error(out, Status::OutOfMemory),
            SetOutcome::IsObject => echo.error(out, Status::Invalid),
        }
        Flow::Next
    }

    fn binary_touch(&mut self, echo: Echo, key: &[u8], exptime: i64, out: &mut Vec<u8>) {
        self.counters.cmd_touch.add_alone(1);
        let key: Key<'_> = self.shared.store.key(key);
        self.watch_fetch(key);
        let options = GetOptions {
            want_cas: true,
            touch: Some(expiry(exptime, self.now)),
            ..GetOptions::default()
        };
        let found = self
            .shared
            .store
            .get(key, self.now, &options, |info, _| (info.flags, info.cas));
        match found {
            Some((flags, cas)) => {
                self.counters.touch_hits.add_alone(1);
                echo.hit(out, flags, cas, &[], 0);
            }
            None => {
                self.counters.touch_misses.add_alone(1);
                echo.error(out, Status::NotFound);
            }
        }
    }

    fn binary_delete(&mut self, request: &Request<'_>, key: &[u8], out: &mut Vec<u8>) {
        let Request {
            echo, quiet, cas, ..
        } = *request;
        let options = DeleteOptions {
            cas_compare: (cas != 0).then_some(cas),
            ..DeleteOptions::default()
        };
        let key = self.shared.store.key(key);
        self.watch_fetch(key);
        let len = self.before_delete(key);
        match self.shared.store.delete(key, self.now, &options) {
            DeleteOutcome::Done => {
                self.watch_delete(key.bytes, "delete", len);
                self.counters.delete_hits.add_alone(1);
                say(quiet, || echo.ok(out, 0));
            }
            DeleteOutcome::NotFound => {
                self.counters.delete_misses.add_alone(1);
                echo.error(out, Status::NotFound);
            }
            DeleteOutcome::Exists => echo.error(out, Status::Exists),
        }
    }

    fn binary_arith(&mut self, request: &Request<'_>, arith: &Arith<'_>, out: &mut Vec<u8>) {
        let Request {
            echo, quiet, cas, ..
        } = *request;
        if self.shared.is_object_name(arith.key) {
            echo.error(out, Status::Invalid);
            return;
        }
        let key = self.shared.store.key(arith.key);
        let create = arith
            .create
            .map(|(initial, exptime)| (initial, expiry(exptime, self.now)));
        let asked = store::Arith {
            delta: arith.delta,
            decrement: arith.decrement,
            vivify: create,
            touch: None,
            cas_compare: (cas != 0).then_some(cas),
            cas_override: None,
            want_cas: !quiet,
        };
        self.watch_fetch(key);
        let outcome = self.shared.store.arith(key, self.now, &asked);
        self.count_arith(arith.decrement, &outcome);
        match outcome {
            ArithOutcome::Done { value, info, .. } => {
                say(quiet, || echo.number(out, info.cas, value));
            }
            ArithOutcome::NotFound => echo.error(out, Status::NotFound),
            ArithOutcome::NonNumeric => echo.error(out, Status::NonNumeric),
            ArithOutcome::Exists => echo.error(out, Status::Exists),
            ArithOutcome::TooLarge => echo.error(out, Status::OutOfMemory),
            ArithOutcome::IsObject => echo.error(out, Status::Invalid),
        }
    }
}

fn say(quiet: bool, answer: impl FnOnce()) {
    if !quiet {
        answer();
    }
}
