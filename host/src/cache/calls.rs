//! Virtual keys: from a key to a function of an object, and the life of one call.

use std::sync::Arc;

use arrayvec::ArrayVec;

use super::scripts::{Answer, ScriptFunction};
use super::shared::Shared;
use super::transaction::{OBJECT_NAME_BYTES_MAX, Transaction};
use super::worker::{CallOutcome, Worker};
use crate::protocol::VirtualKey;
use crate::runtime::{Budget, CallError, FunctionRef, Instances, Stop, help};
use crate::store::{CommitError, Expiry, Key};

pub(super) mod handler;

/// Arguments of a call, the object's key included. More than a key of 250 bytes can hold.
const ARGS_MAX: usize = 130;
/// Runs of one call before a worker hands it to a lane, or a lane gives up, because others were faster each time.
const RUNS_MAX: usize = 100;
/// What a script may write only into the reply of `get` and its kin.
pub(super) const RAW_REFUSED: &str = "raw output is only possible for get";
/// Object type answered by the host itself.
const HELP: &[u8] = b"help";

/// What a key of a client leads to, and the hash of the item that is there.
#[derive(Clone, Debug)]
pub(super) enum Target<'a> {
    /// The item of that key.
    Item(Key<'a>),
    /// A function of an object.
    Call(Call<'a>),
}

impl Target<'_> {
    /// Hash of the item or the object's.
    pub(super) fn hash(&self) -> u64 {
        match self {
            Target::Item(key) => key.hash,
            Target::Call(call) => call.hash,
        }
    }
}

/// A key that calls a function.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    virtual_key: VirtualKey<'a>,
    /// Of the object's name; 0 when that is too long for any object.
    hash: u64,
    /// `None` is the host's own help.
    function: Option<FunctionRef>,
    /// It may write.
    writes: bool,
    /// Its calls have been slow of late.
    on_lane: bool,
    /// The function is a script's.
    script: bool,
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
    result: Result<Vec<u8>, String>,
    /// Of the handler of a command, not of a virtual key.
    pub(super) of_handler: bool,
}

type Args<'a> = ArrayVec<&'a [u8], ARGS_MAX>;

impl Call<'_> {
    /// Its function is a script's.
    pub(super) fn is_script(&self) -> bool {
        self.script
    }

    /// Fills `args`; it is long, so it is not handed around by value.
    fn args<'a>(
        &'a self,
        data: &[&'a [u8]],
        told: &'a Told,
        args: &mut Args<'a>,
    ) -> Result<(), String> {
        args.push(self.virtual_key.object());
        if self.script {
            // (object key, type, function, virtual key, command, numbers, keys [, data]): the script splits the key.
            let told: [&[u8]; 6] = [
                self.virtual_key.type_name(),
                self.virtual_key.function(),
                self.virtual_key.key(),
                told.command,
                &told.numbers,
                &told.keys,
            ];
            args.extend(told.into_iter().chain(data.iter().copied()));
            return Ok(());
        }
        for argument in self.virtual_key.args().chain(data.iter().copied()) {
            args.try_push(argument)
                .map_err(|_| "too many arguments".to_owned())?;
        }
        Ok(())
    }

    /// `type:function`, as error lines name it.
    fn name(&self) -> String {
        let lossy = String::from_utf8_lossy;
        let language = if self.script { "lua " } else { "" };
        format!("{language}{}", lossy(self.virtual_key.call()))
    }
}

impl Worker {
    /// Where a key leads.
    #[inline]
    pub(super) fn target<'a>(&mut self, key: &'a [u8]) -> Target<'a> {
        match memchr::memchr(b':', key).and_then(|_| self.virtual_key(key)) {
            Some(call) => Target::Call(call),
            None => Target::Item(self.shared.store.key(key)),
        }
    }

    /// What the key calls; `None` when it is an ordinary key.
    fn virtual_key<'a>(&mut self, key: &'a [u8]) -> Option<Call<'a>> {
        let virtual_key = VirtualKey::parse(key)?;
        let mut call = Call {
            virtual_key,
            hash: 0,
            function: None,
            writes: false,
            on_lane: false,
            script: false,
        };
        let types = self.types.types();
        if let Some(scripts) = self.scripts.load()
            && let Some(script_type) = scripts.types.get(virtual_key.type_name())
        {
            call.script = true;
            let &ScriptFunction { function, writes } =
                script_type.functions.get(virtual_key.function())?;
            call.writes = writes;
            call.function = Some(function);
            call.on_lane = types.of(function).wants_lane(function);
        } else if let Some(function) = types.find(virtual_key.call()) {
            let object = types.of(function);
            call.function = Some(function);
            call.writes = object.function(function).is_some_and(|f| f.writes);
            call.on_lane = object.wants_lane(function);
        } else {
            let help = virtual_key.type_name() == HELP && types.iter().next().is_some();
            return help.then_some(call);
        }
        call.hash = self.object_hash(&virtual_key);
        Some(call)
    }

    fn object_hash(&self, key: &VirtualKey<'_>) -> u64 {
        let mut name = ArrayVec::<u8, OBJECT_NAME_BYTES_MAX>::new();
        for part in [key.type_name(), b"$", key.object()] {
            if name.try_extend_from_slice(part).is_err() {
                return 0;
            }
        }
        self.shared.store.hash(&name)
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
            return self.help(call.virtual_key.function());
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
    ) -> Result<Option<Box<LaneJob>>, String> {
        if !valid_object_key(&call.virtual_key) {
            return Err("object key is too long".to_owned());
        }
        let mut args = Args::new();
        call.args(data, &self.told, &mut args)?;
        if call.on_lane {
            return Ok(Some(self.job(call, function, &args, touch)));
        }
        let mut transaction = self.transaction.take().expect("put back after every call");
        let own = (call.virtual_key.type_name(), args[0], Some(call.hash));
        transaction.begin(self.now, own, call.writes, false);
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
    ) -> Box<LaneJob> {
        Box::new(LaneJob {
            shared: Arc::clone(&self.shared),
            function,
            writes: call.writes,
            type_name: call.virtual_key.type_name().to_vec(),
            key: args[0].to_vec(),
            name: call.name(),
            args: args.iter().map(|argument| argument.to_vec()).collect(),
            touch,
            wanted: Vec::new(),
            of_handler: false,
        })
    }

    /// What the reply is; a script's says so itself.
    fn replied(&mut self, call: &Call<'_>) -> CallOutcome {
        if !call.script {
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
        transaction.begin(self.now, (type_name, object, Some(key.hash)), false, true);
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
    key.type_name().len() + 1 + key.object().len() <= OBJECT_NAME_BYTES_MAX
}

/// Runs a call until it ended without being disturbed by others, and commits it.
fn run(
    instances: &mut Instances<Transaction>,
    mut transaction: Box<Transaction>,
    function: FunctionRef,
    args: &[&[u8]],
    touch: Option<Expiry>,
    budget: Budget,
    reply: &mut Vec<u8>,
) -> (Box<Transaction>, Result<(), Failure>) {
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
        let own = (&self.type_name[..], &self.key[..], None);
        transaction.begin(self.shared.clock.now(), own, self.writes, true);
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
