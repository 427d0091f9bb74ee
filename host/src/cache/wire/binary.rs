//! Requests of the binary protocol.

use super::{OBJECT_NAME, ONLY_SET_CALLS, RAW_REFUSED, sasl, sentence, value};
use crate::cache::admin;
use crate::cache::calls::{Asked, Call, Target};
use crate::cache::flow::{Answer, Executor, Flow, GO_ON, Halt, StoreAnswer};
use crate::cache::footprint::Footprint;
use crate::cache::ops::{Lookup, Ops, is_conditional};
use crate::cache::reply::{CallResult, Reply};
use crate::cache::scripts::{Keys, Numbers, Request as ScriptRequest};
use crate::protocol::binary::{Arith, Command, Echo, Request, Status, Store, StoreVerb, TooLarge};
use crate::store::{
    self, ArithOutcome, DeleteOptions, DeleteOutcome, GetOptions, Key, SetMode, SetOutcome, Write,
};

/// Whether a request changes what the store has. Calls are asked for that by themselves.
fn writes(command: &Command<'_>) -> bool {
    match command {
        Command::Store(_)
        | Command::Touch { .. }
        | Command::Delete { .. }
        | Command::Arith(_)
        | Command::Flush { .. } => true,
        Command::Get { touch, .. } => touch.is_some(),
        Command::Noop
        | Command::Version
        | Command::Stat { .. }
        | Command::Verbosity { .. }
        | Command::Quit
        | Command::SaslList
        | Command::Sasl { .. } => false,
    }
}

/// Executes one request. `authenticated` says whether the connection is logged in, and changes by a login.
pub(in crate::cache) fn request(
    x: &mut Executor<'_>,
    authenticated: &mut bool,
    request: &Request<'_>,
    out: &mut Vec<u8>,
) -> Flow {
    let Request { echo, quiet, .. } = *request;
    if x.ops.disk.refuses_writes() && writes(&request.command) {
        echo.error(out, Status::NotSaved);
        return GO_ON;
    }
    match request.command {
        Command::Get {
            key,
            with_key,
            touch,
        } => return get(x, request, (key, with_key, touch), out),
        Command::Store(asked) => return store(x, request, &asked, out),
        Command::Touch { key, exptime } => touch(x, echo, key, exptime, out),
        Command::Delete { key } => delete(x, request, key, out),
        Command::Arith(asked) => arith(x, request, &asked, out),
        Command::Flush { delay } => match x.ops.flush(delay) {
            Ok(()) => say(quiet, || echo.ok(out, 0)),
            Err(_) => echo.error(out, Status::AuthError),
        },
        Command::Noop => echo.ok(out, 0),
        Command::Version => echo.text(out, admin::MEMCACHED_VERSION.as_bytes()),
        Command::Stat { key } => return admin::binary_stats(x, echo, key, out),
        Command::Verbosity { level } => {
            x.ops.shared.host.set_verbosity(level);
            echo.ok(out, 0);
        }
        Command::Quit => {
            say(quiet, || echo.ok(out, 0));
            return Halt::Close.now();
        }
        Command::SaslList => sasl::list(x, echo, out),
        Command::Sasl {
            mechanism,
            message,
            step,
        } => return sasl::login(x, authenticated, echo, (mechanism, message, step), out),
    }
    GO_ON
}

/// Whether a request must wait for calls of its connection that run elsewhere.
pub(in crate::cache) fn must_wait(x: &mut Executor<'_>, command: &Command<'_>) -> bool {
    let key = match command {
        Command::Noop | Command::Version => return false,
        Command::Get { key, .. } | Command::Touch { key, .. } | Command::Delete { key } => key,
        Command::Store(store) => store.key,
        Command::Arith(arith) => arith.key,
        Command::Flush { .. }
        | Command::Stat { .. }
        | Command::Verbosity { .. }
        | Command::Quit
        | Command::SaslList
        | Command::Sasl { .. } => return x.meets_waiting(Footprint::All),
    };
    let target = x.calls.target(key);
    x.must_wait(&target)
}

/// What the answer to a retrieval needs of its request.
#[derive(Clone, Copy)]
struct GetForm<'a> {
    echo: Echo,
    /// Whether a miss gets no answer.
    quiet: bool,
    key: &'a [u8],
    /// Whether the answer has the key.
    with_key: bool,
    touches: bool,
}

impl GetForm<'_> {
    /// The key as it stands in the answer.
    fn shown(&self) -> &[u8] {
        if self.with_key { self.key } else { &[] }
    }

    fn miss(&self, out: &mut Vec<u8>) {
        say(self.quiet, || self.echo.miss(out, self.shown()));
    }

    fn called(&self, ops: &Ops, result: &CallResult<'_>, out: &mut Vec<u8>) {
        ops.called_by_get(self.key, result, self.touches);
        match result {
            Ok(Reply::Raw([])) => self.miss(out),
            Ok(Reply::Raw(_)) => refuse(self.echo, RAW_REFUSED.as_bytes(), out),
            Ok(Reply::Value(value) | Reply::Refused(value)) => self.block(0, value, out),
            Err(text) => refuse(self.echo, text.as_bytes(), out),
        }
    }

    /// Writes a value that is no item's.
    fn block(&self, cas: u64, value: &[u8], out: &mut Vec<u8>) {
        self.echo.hit(out, 0, cas, self.shown(), value.len());
        out.extend_from_slice(value);
    }
}

fn get(
    x: &mut Executor<'_>,
    request: &Request<'_>,
    (key, with_key, exptime): (&[u8], bool, Option<i64>),
    out: &mut Vec<u8>,
) -> Flow {
    let ops = x.ops;
    let touch = exptime.map(|exptime| ops.expiry(exptime));
    let form = GetForm {
        echo: request.echo,
        quiet: request.quiet,
        key,
        with_key,
        touches: touch.is_some(),
    };
    let key = match x.calls.target(key) {
        Target::Item(key) => key,
        Target::Call(call) => {
            let asked = Asked {
                data: None,
                touch,
                request: ScriptRequest::of_key("get", key),
            };
            return get_by_call(x, &form, &call, &asked, out);
        }
    };
    let options = GetOptions {
        want_cas: true,
        touch,
        ..GetOptions::default()
    };
    let found = ops.get(key, &options, |info, found| {
        form.echo
            .hit(out, info.flags, info.cas, form.shown(), found.len());
        value::put(&ops.shared, found, out)
    });
    match found {
        Lookup::Item(sent) => return value::after(sent, out, ""),
        Lookup::Miss | Lookup::Refused => form.miss(out),
        Lookup::Object(info) => match x.calls.export(ops.now, key) {
            Some(text) => form.block(info.cas, text, out),
            None => form.miss(out),
        },
    }
    GO_ON
}

fn get_by_call(
    x: &mut Executor<'_>,
    form: &GetForm<'_>,
    call: &Call<'_>,
    asked: &Asked<'_>,
    out: &mut Vec<u8>,
) -> Flow {
    x.only_call(
        call,
        asked,
        |ops, result| form.called(ops, result, out),
        || {
            Box::new(CalledByGet {
                echo: form.echo,
                quiet: form.quiet,
                key: form.key.into(),
                with_key: form.with_key,
                touches: form.touches,
            })
        },
    )
}

/// The answer of a call by a retrieval that runs elsewhere.
#[derive(Debug)]
struct CalledByGet {
    echo: Echo,
    quiet: bool,
    key: Box<[u8]>,
    with_key: bool,
    touches: bool,
}

impl Answer for CalledByGet {
    fn write(&self, ops: &Ops, result: &CallResult<'_>, out: &mut Vec<u8>) -> Option<String> {
        let form = GetForm {
            echo: self.echo,
            quiet: self.quiet,
            key: &self.key,
            with_key: self.with_key,
            touches: self.touches,
        };
        form.called(ops, result, out);
        None
    }
}

fn store(
    x: &mut Executor<'_>,
    request: &Request<'_>,
    asked: &Store<'_>,
    out: &mut Vec<u8>,
) -> Flow {
    let form = StoreForm {
        echo: request.echo,
        quiet: request.quiet,
        verb: asked.verb,
    };
    let write = write(x.ops, request, asked);
    match x.calls.target(asked.key) {
        Target::Item(key) => form.stored(x.ops.set(key, &write), asked.value.len(), out),
        Target::Call(_) if is_conditional(write.mode, write.cas_compare.is_some()) => {
            x.ops.refuse_call(asked.key);
            refuse(form.echo, sentence(ONLY_SET_CALLS), out);
        }
        Target::Call(call) => return store_by_call(x, &form, asked, &call, out),
    }
    GO_ON
}

/// What a storing request asks for.
fn write<'a>(ops: &Ops, request: &Request<'_>, asked: &Store<'a>) -> Write<'a> {
    let cas = request.cas;
    Write {
        flags: asked.flags,
        expiry: ops.expiry(asked.exptime),
        value: asked.value,
        mode: match asked.verb {
            StoreVerb::Set => SetMode::Set,
            // With a token to compare, Add and Replace are the same as Set.
            StoreVerb::Add | StoreVerb::Replace if cas != 0 => SetMode::Set,
            StoreVerb::Add => SetMode::Add,
            StoreVerb::Replace => SetMode::Replace,
            StoreVerb::Append => SetMode::Append,
            StoreVerb::Prepend => SetMode::Prepend,
        },
        cas_compare: (cas != 0).then_some(cas),
        stale_if_older: false,
        cas_override: None,
        want_cas: !request.quiet,
        vivify: None,
    }
}

/// What the answer to a storing request needs of it.
#[derive(Clone, Copy, Debug)]
pub(in crate::cache) struct StoreForm {
    pub(in crate::cache) echo: Echo,
    pub(in crate::cache) quiet: bool,
    pub(in crate::cache) verb: StoreVerb,
}

impl StoreAnswer for StoreForm {
    fn stored(&self, outcome: SetOutcome, _: usize, out: &mut Vec<u8>) {
        let echo = &self.echo;
        match outcome {
            SetOutcome::Stored { cas, .. } => say(self.quiet, || echo.ok(out, cas)),
            SetOutcome::NotStored => echo.error(
                out,
                match self.verb {
                    StoreVerb::Add => Status::Exists,
                    StoreVerb::Replace => Status::NotFound,
                    _ => Status::NotStored,
                },
            ),
            SetOutcome::Exists => echo.error(out, Status::Exists),
            SetOutcome::NotFound => echo.error(out, Status::NotFound),
            SetOutcome::TooLarge => echo.error(out, Status::OutOfMemory),
            SetOutcome::IsObject => refuse(*echo, sentence(OBJECT_NAME), out),
        }
    }

    // The values of binary requests end where their length says.
    fn bad_end(&self, _: &mut Vec<u8>) {}
}

fn store_by_call(
    x: &mut Executor<'_>,
    form: &StoreForm,
    store: &Store<'_>,
    call: &Call<'_>,
    out: &mut Vec<u8>,
) -> Flow {
    let asked = Asked {
        data: Some(store.value),
        touch: None,
        request: ScriptRequest {
            command: "set",
            keys: Keys::One(store.key),
            numbers: Numbers {
                flags: store.flags,
                noreply: form.quiet,
                exptime: store.exptime,
                delta: 0,
            },
        },
    };
    let (key, len) = (store.key, store.value.len());
    x.only_call(
        call,
        &asked,
        |ops, result| write_called(ops, form, (key, len), result, out),
        || {
            Box::new(CalledBySet {
                form: *form,
                key: key.into(),
                len,
            })
        },
    )
}

/// The answer of a call by a storing request that runs elsewhere.
#[derive(Debug)]
struct CalledBySet {
    form: StoreForm,
    key: Box<[u8]>,
    /// Length of the value in bytes.
    len: usize,
}

impl Answer for CalledBySet {
    fn write(&self, ops: &Ops, result: &CallResult<'_>, out: &mut Vec<u8>) -> Option<String> {
        write_called(ops, &self.form, (&self.key, self.len), result, out);
        None
    }
}

fn write_called(
    ops: &Ops,
    form: &StoreForm,
    (key, len): (&[u8], usize),
    result: &CallResult<'_>,
    out: &mut Vec<u8>,
) {
    ops.called_by_set(key, result, len);
    match result {
        Ok(Reply::Refused(_)) => form.echo.error(out, Status::NotStored),
        Ok(_) => say(form.quiet, || form.echo.ok(out, 0)),
        Err(text) => refuse(form.echo, text.as_bytes(), out),
    }
}

fn touch(x: &mut Executor<'_>, echo: Echo, key: &[u8], exptime: i64, out: &mut Vec<u8>) {
    let key: Key<'_> = x.ops.key(key);
    if !x.ops.touch(key, x.ops.expiry(exptime)) {
        return echo.error(out, Status::NotFound);
    }
    let (flags, cas) = x.ops.token_of(key);
    echo.hit(out, flags, cas, &[], 0);
}

fn delete(x: &mut Executor<'_>, request: &Request<'_>, key: &[u8], out: &mut Vec<u8>) {
    let Request {
        echo, quiet, cas, ..
    } = *request;
    let options = DeleteOptions {
        cas_compare: (cas != 0).then_some(cas),
        ..DeleteOptions::default()
    };
    match x.ops.delete(x.ops.key(key), "delete", &options) {
        Ok(DeleteOutcome::Done) => say(quiet, || echo.ok(out, 0)),
        Ok(DeleteOutcome::NotFound) => echo.error(out, Status::NotFound),
        Ok(DeleteOutcome::Exists) => echo.error(out, Status::Exists),
        Err(_) => refuse(echo, sentence(OBJECT_NAME), out),
    }
}

fn arith(x: &mut Executor<'_>, request: &Request<'_>, arith: &Arith<'_>, out: &mut Vec<u8>) {
    let Request {
        echo, quiet, cas, ..
    } = *request;
    // A number made under a virtual key would never be found by a retrieval.
    if arith.create.is_some() && matches!(x.calls.target(arith.key), Target::Call(_)) {
        return refuse(echo, sentence(ONLY_SET_CALLS), out);
    }
    let key = x.ops.key(arith.key);
    let asked = store::Arith {
        delta: arith.delta,
        decrement: arith.decrement,
        vivify: arith
            .create
            .map(|(initial, exptime)| (initial, x.ops.expiry(exptime))),
        touch: None,
        cas_compare: (cas != 0).then_some(cas),
        cas_override: None,
        want_cas: !quiet,
    };
    match x.ops.arith(key, &asked) {
        ArithOutcome::Done { value, info, .. } => {
            say(quiet, || echo.number(out, info.cas, value));
        }
        ArithOutcome::NotFound => echo.error(out, Status::NotFound),
        ArithOutcome::NonNumeric => echo.error(out, Status::NonNumeric),
        ArithOutcome::Exists => echo.error(out, Status::Exists),
        ArithOutcome::TooLarge => echo.error(out, Status::OutOfMemory),
        ArithOutcome::IsObject => refuse(echo, sentence(OBJECT_NAME), out),
    }
}

/// Refuses a value over the limit.
pub(in crate::cache) fn too_large(x: &mut Executor<'_>, refused: &TooLarge<'_>, out: &mut Vec<u8>) {
    x.ops.refuse_value(refused.key, refused.drop_old);
    refused.echo.error(out, Status::TooLarge);
}

/// Refuses a value for which there is no memory.
pub(in crate::cache) fn no_memory(x: &mut Executor<'_>, refused: &TooLarge<'_>, out: &mut Vec<u8>) {
    x.ops.refuse_value(refused.key, refused.drop_old);
    refused.echo.error(out, Status::OutOfMemory);
}

/// A refusal in words of its own.
fn refuse(echo: Echo, text: &[u8], out: &mut Vec<u8>) {
    echo.message(out, Status::Invalid, text);
}

fn say(quiet: bool, answer: impl FnOnce()) {
    if !quiet {
        answer();
    }
}
