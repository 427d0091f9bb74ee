//! Virtual keys: from a key to a function of an object, and the life of one call.

use std::sync::Arc;

use arrayvec::ArrayVec;

use super::scripts::{Answer, ScriptFunction};
use super::shared::Shared;
use super::transaction::Transaction;
use super::worker::{CallOutcome, Worker};
use crate::protocol::VirtualKey;
use crate::runtime::{Budget, CallError, FunctionRef, Instances, Stop, help};
use crate::store::{CommitError, Expiry, Key};

/// Arguments of a call, the object's key included. More than a key of 250 bytes can hold.
const ARGS_MAX: usize = 130;
/// Runs of one call before a worker hands it to a lane, or a lane gives up, because others were faster each time.
const RUNS_MAX: usize = 100;
/// Names a handler locks before it starts; it joins the locks of further ones as it comes to them.
const HANDLER_LOCKS_MAX: usize = 64;
/// The scripts' function for commands.
const MAIN: &[u8] = b"mainVirtualKey";
/// Object type answered by the host itself.
const HELP: &[u8] = b"help";

/// A key that calls a function.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    virtual_key: VirtualKey<'a>,
    /// `None` is the host's own help.
    function: Option<FunctionRef>,
    /// It may write.
    writes: bool,
    /// Its calls have been slow of late.
    on_lane: bool,
    /// The whole key, when its function is a script's.
    script: Option<&'a [u8]>,
}

/// What an interpreter is told of the client's command beside the arguments.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Its name.
    command: &'static [u8],
    /// `u32` flags, `u32` noreply, `i64` exptime, `u64` delta, or nothing for all zero.
    numbers: Vec<u8>,
    /// All its keys, each its length and bytes.
    keys: Vec<u8>,
}

impl Told {
    /// A command with these keys, without numbers.
    pub(super) fn command<'k>(
        &mut self,
        command: &'static str,
        keys: impl Iterator<Item = &'k [u8]>,
    ) {
        self.command = command.as_bytes();
        self.numbers.clear();
        self.keys.clear();
        for key in keys {
            self.keys
                .extend_from_slice(&(key.len() as u32).to_le_bytes());
            self.keys.extend_from_slice(key);
        }
    }

    /// A storage command.
    pub(super) fn set(&mut self, key: &[u8], flags: u32, noreply: bool, exptime: i64) {
        self.command("set", std::iter::once(key));
        self.numbers(flags, noreply, exptime, 0);
    }

    /// Its numbers.
    pub(super) fn numbers(&mut self, flags: u32, noreply: bool, exptime: i64, delta: u64) {
        self.numbers.clear();
        self.numbers.extend_from_slice(&flags.to_le_bytes());
        self.numbers
            .extend_from_slice(&u32::from(noreply).to_le_bytes());
        self.numbers.extend_from_slice(&exptime.to_le_bytes());
        self.numbers.extend_from_slice(&delta.to_le_bytes());
    }
}

/// Why a call has no reply.
enum Failure {
    /// For the client.
    Text(String),
    /// It has to run where it may wait.
    Lane,
}

/// A call on its way to a thread that may wait, with everything it needs.
#[derive(Debug)]
pub struct LaneJob {
    shared: Arc<Shared>,
    function: FunctionRef,
    writes: bool,
    type_name: Vec<u8>,
    key: Vec<u8>,
    name: String,
    args: Vec<Vec<u8>>,
    touch: Option<Expiry>,
    /// Hashes of names to lock beside the object's.
    wanted: Vec<u64>,
    of_handler: bool,
}

/// What came of it: the reply, or the error line for the client.
#[derive(Debug)]
pub struct LaneResult {
    pub(super) result: Result<Vec<u8>, String>,
    /// Of the handler of a command, not of a virtual key.
    pub(super) of_handler: bool,
}

/// A command for the scripts' `mainVirtualKey`.
pub(super) struct HandlerJob<'a> {
    pub(super) function: FunctionRef,
    /// Its name.
    pub(super) command: &'static str,
    /// The virtual key it is about, if it is about one.
    pub(super) subject: Option<VirtualKey<'a>>,
    /// Its first key, or nothing.
    pub(super) key: &'a [u8],
    pub(super) data: Option<&'a [u8]>,
}

/// Where a handler ran.
pub(super) enum Run {
    /// Here: the answer is in `Worker::reply`.
    Done,
    Lane(LaneJob),
}

type Args<'a> = ArrayVec<&'a [u8], ARGS_MAX>;

impl HandlerJob<'_> {
    /// As error lines name it.
    fn name(&self) -> String {
        let lossy = String::from_utf8_lossy;
        match &self.subject {
            Some(key) => format!("lua {}:{}", lossy(key.type_name), lossy(key.function)),
            None => format!("lua main:{}", self.command),
        }
    }
}

impl Call<'_> {
    /// Its function is a script's.
    pub(super) fn is_script(&self) -> bool {
        self.script.is_some()
    }

    fn args<'a>(&'a self, data: &[&'a [u8]], told: &'a Told) -> Option<Args<'a>> {
        let mut args = Args::new();
        args.try_push(self.virtual_key.object).ok()?;
        if let Some(key) = self.script {
            // (object key, type, function, virtual key, command, numbers, keys [, data]): the script splits the key.
            let VirtualKey {
                type_name,
                function,
                ..
            } = self.virtual_key;
            let told: [&[u8]; 6] = [
                type_name,
                function,
                key,
                told.command,
                &told.numbers,
                &told.keys,
            ];
            args.extend(told.into_iter().chain(data.iter().copied()));
            return Some(args);
        }
        for argument in self.virtual_key.args().chain(data.iter().copied()) {
            args.try_push(argument).ok()?;
        }
        Some(args)
    }

    /// `type:function`, as error lines name it.
    fn name(&self) -> String {
        let lossy = String::from_utf8_lossy;
        let language = if self.script.is_some() { "lua " } else { "" };
        format!(
            "{language}{}:{}",
            lossy(self.virtual_key.type_name),
            lossy(self.virtual_key.function)
        )
    }
}

impl Worker {
    /// What the key calls; `None` when it is an ordinary key.
    #[inline]
    pub(super) fn virtual_key<'a>(&mut self, key: &'a [u8]) -> Option<Call<'a>> {
        memchr::memchr(b':', key)?;
        let virtual_key = VirtualKey::parse(key)?;
        if let Some(scripts) = self.scripts.load()
            && let Some(script_type) = scripts.types.get(virtual_key.type_name)
        {
            let &ScriptFunction { function, writes } =
                script_type.functions.get(virtual_key.function)?;
            let on_lane = self.types.types().of(function).wants_lane(function);
            let script = Some(key);
            return Some(Call {
                virtual_key,
                function: Some(function),
                writes,
                on_lane,
                script,
            });
        }
        let types = self.types.types();
        if let Some(function) = types.find(virtual_key.type_name, virtual_key.function) {
            let object = types.of(function);
            let writes = object.function(function).is_some_and(|f| f.writes);
            let on_lane = object.wants_lane(function);
            return Some(Call {
                virtual_key,
                function: Some(function),
                writes,
                on_lane,
                script: None,
            });
        }
        let help = virtual_key.type_name == HELP && types.iter().next().is_some();
        help.then_some(Call {
            virtual_key,
            function: None,
            writes: false,
            on_lane: false,
            script: None,
        })
    }

    /// Runs the call, its reply left in `self.reply`.
    pub(super) fn call(
        &mut self,
        call: &Call<'_>,
        data: &[&[u8]],
        touch: Option<Expiry>,
    ) -> CallOutcome {
        self.counters.object_calls.add_alone(1);
        self.reply.clear();
        if let Some(ready) = self.ready.take() {
            return match ready.result {
                Ok(reply) => {
                    self.reply = reply;
                    self.replied(call)
                }
                Err(text) => self.refuse(text),
            };
        }
        let Some(function) = call.function else {
            return self.help(call.virtual_key.function);
        };
        match self.attempt(call, function, data, touch) {
            Ok(None) => self.replied(call),
            Ok(Some(job)) => CallOutcome::Lane(job),
            Err(text) => self.refuse(format!("{}: {text}", call.name())),
        }
    }

    /// Runs the call here, or says that it has to run on a lane.
    fn attempt(
        &mut self,
        call: &Call<'_>,
        function: FunctionRef,
        data: &[&[u8]],
        touch: Option<Expiry>,
    ) -> Result<Option<LaneJob>, String> {
        if !valid_object_key(&call.virtual_key) {
            return Err("object key is too long".to_owned());
        }
        let args = call.args(data, &self.told).ok_or("too many arguments")?;
        if call.on_lane {
            return Ok(Some(self.job(call, function, &args, touch)));
        }
        let mut transaction = self.transaction.take().expect("put back after every call");
        transaction.begin(
            self.now,
            call.virtual_key.type_name,
            args[0],
            call.writes,
            false,
        );
        let (transaction, result) = run(
            &mut self.instances,
            transaction,
            function,
            &args,
            touch,
            self.shared.inline_budget,
            &mut self.reply,
        );
        self.transaction = Some(transaction);
        match result {
            Ok(()) => Ok(None),
            Err(Failure::Text(text)) => Err(text),
            Err(Failure::Lane) => Ok(Some(self.job(call, function, &args, touch))),
        }
    }

    fn job(
        &self,
        call: &Call<'_>,
        function: FunctionRef,
        args: &[&[u8]],
        touch: Option<Expiry>,
    ) -> LaneJob {
        LaneJob {
            shared: Arc::clone(&self.shared),
            function,
            writes: call.writes,
            type_name: call.virtual_key.type_name.to_vec(),
            key: args[0].to_vec(),
            name: call.name(),
            args: args.iter().map(|argument| argument.to_vec()).collect(),
            touch,
            wanted: Vec::new(),
            of_handler: false,
        }
    }

    /// Runs the handler of a command, which locks the names of `keys` first of all.
    pub(super) fn run_handler<'k>(
        &mut self,
        job: &HandlerJob<'_>,
        keys: impl Iterator<Item = &'k [u8]>,
    ) -> Result<Run, String> {
        self.reply.clear();
        if let Some(ready) = self.ready.take() {
            self.reply = ready.result?;
            return Ok(Run::Done);
        }
        let store = &self.shared.store;
        let wanted: Vec<u64> = keys
            .take(HANDLER_LOCKS_MAX)
            .map(|key| match VirtualKey::parse(key) {
                Some(call) => store.hash(&[call.type_name, b"$", call.object].concat()),
                None => store.hash(key),
            })
            .collect();
        let told = &self.told;
        let mut args = Args::from_iter([b"", MAIN, told.command, &told.numbers, &told.keys]);
        args.extend(job.data);
        let object = self.types.types().of(job.function);
        if !object.wants_lane(job.function) {
            let mut transaction = self.transaction.take().expect("put back after every call");
            transaction.begin(self.now, b"", job.key, true, false);
            transaction.want(&wanted);
            let (transaction, result) = run(
                &mut self.instances,
                transaction,
                job.function,
                &args,
                None,
                self.shared.inline_budget,
                &mut self.reply,
            );
            self.transaction = Some(transaction);
            match result {
                Ok(()) => return Ok(Run::Done),
                Err(Failure::Text(text)) => return Err(format!("{}: {text}", job.name())),
                Err(Failure::Lane) => {}
            }
        }
        Ok(Run::Lane(LaneJob {
            shared: Arc::clone(&self.shared),
            function: job.function,
            writes: true,
            type_name: Vec::new(),
            key: job.key.to_vec(),
            name: job.name(),
            args: args.iter().map(|argument| argument.to_vec()).collect(),
            touch: None,
            wanted,
            of_handler: true,
        }))
    }

    /// What the reply is; a script's says so itself.
    fn replied(&mut self, call: &Call<'_>) -> CallOutcome {
        if call.script.is_none() {
            return CallOutcome::Reply;
        }
        let Some((answer, rest)) = Answer::split(&self.reply) else {
            return self.refuse(format!("{}: the interpreter answered nothing", call.name()));
        };
        let tag = self.reply.len() - rest.len();
        self.reply.drain(..tag);
        match answer {
            Answer::Value => CallOutcome::Reply,
            Answer::Raw => CallOutcome::Raw,
        }
    }

    fn refuse(&mut self, text: String) -> CallOutcome {
        self.counters.object_errors.add_alone(1);
        CallOutcome::Error(text)
    }

    /// `help:objects`, `help:<type>`.
    fn help(&mut self, topic: &[u8]) -> CallOutcome {
        let types = self.types.types();
        let text = match topic {
            b"objects" => Some(help::objects(types)),
            name => types
                .named(name)
                .map(|object| help::object(object.metadata())),
        };
        match text {
            Some(text) => {
                self.reply.extend_from_slice(text.as_bytes());
                CallOutcome::Reply
            }
            None => self.refuse("help: no such object type; try help:objects".to_owned()),
        }
    }

    /// The state of an object as text, into `self.reply`: a client's `get type$key`. `None` when it is gone.
    pub(super) fn export(&mut self, key: Key<'_>) -> Option<()> {
        let dollar = memchr::memchr(b'$', key.bytes)?;
        let (type_name, object) = (&key.bytes[..dollar], &key.bytes[dollar + 1..]);
        let mut transaction = self.transaction.take().expect("put back after every call");
        transaction.begin(self.now, type_name, object, false, true);
        self.reply.clear();
        let found = loop {
            transaction.lock();
            match super::export::write(
                &mut transaction,
                self.shared.item_bytes_max,
                &mut self.reply,
            ) {
                Err(Stop::Conflict) => {
                    self.reply.clear();
                    transaction.abandon();
                }
                Ok(found) => break found,
                Err(_) => break false,
            }
        };
        transaction.abandon();
        self.transaction = Some(transaction);
        found.then_some(())
    }
}

fn valid_object_key(key: &VirtualKey<'_>) -> bool {
    key.type_name.len() + 1 + key.object.len() <= super::transaction::OBJECT_NAME_BYTES_MAX
}

/// Runs a call until it ended without being disturbed by others, and commits it.
fn run(
    instances: &mut Instances<Transaction>,
    mut transaction: Transaction,
    function: FunctionRef,
    args: &[&[u8]],
    touch: Option<Expiry>,
    budget: Budget,
    reply: &mut Vec<u8>,
) -> (Transaction, Result<(), Failure>) {
    let start = reply.len();
    for _ in 0..RUNS_MAX {
        if !transaction.lock() {
            return (transaction, Err(Failure::Lane));
        }
        let result;
        (transaction, result) = instances.call(function, args, transaction, budget, reply);
        let result = result.and_then(|()| match touch {
            Some(expiry) => transaction
                .touch_own(expiry)
                .map_err(|_| CallError::Conflict),
            None => Ok(()),
        });
        let failure = match result {
            Ok(()) => match transaction.commit() {
                Ok(()) => return (transaction, Ok(())),
                Err(CommitError::Gone) => None,
                Err(CommitError::TooLarge) => {
                    Some(Failure::Text("out of memory storing object".to_owned()))
                }
            },
            Err(CallError::Conflict) => None,
            Err(CallError::NeedsLane | CallError::Slow) => Some(Failure::Lane),
            Err(error) => Some(Failure::Text(error.to_string())),
        };
        let failure = failure.or_else(|| {
            let disturbed = "disturbed after asking a peer".to_owned();
            (!transaction.restartable()).then_some(Failure::Text(disturbed))
        });
        reply.truncate(start);
        transaction.abandon();
        if let Some(failure) = failure {
            return (transaction, Err(failure));
        }
    }
    (
        transaction,
        Err(Failure::Text(
            "disturbed by other calls too often".to_owned(),
        )),
    )
}

impl LaneJob {
    /// Runs the call to its end; may block for its deadline and for locks and peers.
    pub fn run(self) -> LaneResult {
        let (mut instances, mut transaction) = self.shared.lanes.take(&self.shared);
        transaction.begin(
            self.shared.clock.now(),
            &self.type_name,
            &self.key,
            self.writes,
            true,
        );
        transaction.want(&self.wanted);
        let args: Vec<&[u8]> = self.args.iter().map(Vec::as_slice).collect();
        let mut reply = Vec::new();
        let result;
        (transaction, result) = run(
            &mut instances,
            transaction,
            self.function,
            &args,
            self.touch,
            Budget::Full,
            &mut reply,
        );
        self.shared.lanes.give_back(instances, transaction);
        LaneResult {
            result: match result {
                Ok(()) => Ok(reply),
                Err(Failure::Text(text)) => Err(format!("{}: {text}", self.name)),
                Err(Failure::Lane) => Err(format!("{}: deadline exceeded", self.name)),
            },
            of_handler: self.of_handler,
        }
    }
}
