//! Virtual keys: from a key to a function of an object, and the life of one call.

use std::sync::Arc;

use arrayvec::ArrayVec;

use super::connection::CallOutcome;
use super::scripts::{Answer, Scripts};
use super::transaction::Transaction;
use super::worker::Worker;
use crate::runtime::{Budget, CallError, FunctionRef, Instances, Stop, help};
use crate::store::{CommitError, Expiry, Key};

pub(super) mod handler;
mod lane;
mod target;
mod told;

pub use lane::{LaneJob, LaneResult};
pub(super) use target::{Call, Target};
pub(super) use told::Told;

/// Arguments of a call, the object's key included. More than a key of 250 bytes can hold.
const ARGS_MAX: usize = 130;
/// Runs of one call before a worker hands it to a lane, or a lane gives up, because others were faster each time.
const RUNS_MAX: usize = 100;
/// What a script may write only into the reply of `get` and its kin.
pub(super) const RAW_REFUSED: &str = "raw output is only possible for get";
/// Why a call has no reply.
enum Failure {
    /// For the client.
    Text(String),
    /// It has to run where it may wait.
    Lane,
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
        let own = call.object.ok_or("object key is too long")?;
        let mut args = Args::new();
        call.args(data, &self.told, &mut args)?;
        if call.on_lane {
            return Ok(Some(self.job(call, function, &args, touch)));
        }
        let key = own.of(&self.names);
        let transaction = there(&mut self.transaction);
        transaction.begin(self.now, key, call.writes, false);
        if call.alone {
            transaction.go_alone();
        }
        let result = run(
            &mut self.instances,
            &mut self.transaction,
            function,
            &args,
            touch,
            self.shared.inline_budget,
            &mut self.reply,
        );
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
            object: [call.virtual_key.type_name(), b"$", args[0]].concat(),
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
        let scripts = self.scripts.load().as_deref();
        let native = |name| types.named(name).map(|of| help::object(of.metadata()));
        let text = match topic {
            b"objects" => {
                let taken = |name: &str| {
                    scripts.is_some_and(|scripts| scripts.types.contains_key(name.as_bytes()))
                };
                let list = scripts.map_or_else(String::new, Scripts::list);
                Some(list + &help::objects(types, taken))
            }
            name => scripts
                .and_then(|scripts| scripts.describe(name))
                .or_else(|| native(name)),
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
        let transaction = there(&mut self.transaction);
        transaction.begin(self.now, key, false, true);
        self.reply.clear();
        let found = loop {
            transaction.lock();
            match super::export::write(transaction, self.shared.item_bytes_max, &mut self.reply) {
                Err(Stop::Conflict) => {
                    self.reply.clear();
                    transaction.abandon();
                }
                Ok(found) => break found,
                Err(_) => break false,
            }
        };
        transaction.abandon();
        found.then_some(())
    }
}

/// The transaction, which is away only during a call.
fn there(transaction: &mut Option<Box<Transaction>>) -> &mut Transaction {
    transaction.as_mut().expect("it comes back from every call")
}

/// Runs a call until it ended without being disturbed by others, and commits it.
fn run(
    instances: &mut Instances<Transaction>,
    transaction: &mut Option<Box<Transaction>>,
    function: FunctionRef,
    args: &[&[u8]],
    touch: Option<Expiry>,
    budget: Budget,
    reply: &mut Vec<u8>,
) -> Result<(), Failure> {
    let start = reply.len();
    for _ in 0..RUNS_MAX {
        if !there(transaction).lock() {
            return Err(Failure::Lane);
        }
        let called = instances.call(function, args, transaction, budget, reply);
        let transaction = there(transaction);
        let failure = match called {
            Ok(()) => match transaction.finish(touch) {
                Ok(()) => return Ok(()),
                Err(CommitError::Gone) => None,
                Err(CommitError::TooLarge) => {
                    Some(Failure::Text("out of memory storing object".to_owned()))
                }
            },
            Err(error) => match *error {
                CallError::Conflict => None,
                CallError::NeedsLane | CallError::Slow => Some(Failure::Lane),
                error => Some(Failure::Text(error.to_string())),
            },
        };
        let failure = failure.or_else(|| {
            let disturbed = "disturbed after asking a peer".to_owned();
            (!transaction.restartable()).then_some(Failure::Text(disturbed))
        });
        reply.truncate(start);
        transaction.abandon();
        if let Some(failure) = failure {
            return Err(failure);
        }
    }
    let disturbed = "disturbed by other calls too often".to_owned();
    Err(Failure::Text(disturbed))
}
