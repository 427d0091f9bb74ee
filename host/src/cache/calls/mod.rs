//! Virtual keys: from a key to a function of an object, and the life of one call.

mod export;
mod help;
mod lane;
mod object;
mod overlay;
mod run;
mod target;
pub mod transaction;
mod turn;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use arrayvec::ArrayVec;
use cacheismo_abi::capability;
use cacheismo_lua_contract::{self as contract, Tag};

pub(super) use lane::Lanes;
pub use lane::{LaneJob, LaneResult};
pub(super) use run::{Failure, Run, there};
pub(super) use target::{Call, Target};
pub(super) use transaction::Transaction;
pub use turn::TURN;
use turn::Turn;

use super::footprint::Footprint;
use super::object_name;
use super::reply::{CallResult, Reply};
use super::saves::NotSaved;
use super::scripts::{Encoded, Request, Scripts};
use super::shared::Shared;
use crate::account::Purpose;
use crate::runtime::{FunctionRef, Instances, ReplyKind, TypesReader};
use crate::store::{Expiry, Now};

/// Arguments of a call, the object's key included. More than a key of 250 bytes can hold.
const ARGS_MAX: usize = 130;

/// Capabilities by which a call may use more than objects.
const CAPABILITIES: [&str; 2] = [capability::ITEMS, capability::PEERS];

/// How far a call came.
pub(super) enum Called<'r> {
    Done(CallResult<'r>),
    /// The call has to run where it may wait.
    Waits(Box<LaneJob>),
}

/// As [`Called`], with the reply in the room for replies.
enum Attempt {
    Done(ReplyKind),
    Waits(Box<LaneJob>),
}

pub(super) type Args<'a> = ArrayVec<&'a [u8], ARGS_MAX>;

/// Takes the tag off the answer of a script's function.
fn split(answer: &[u8], kind: ReplyKind, tagged: bool) -> CallResult<'_> {
    if !tagged {
        return Ok(match kind {
            ReplyKind::Answer => Reply::Value(answer),
            ReplyKind::Refusal => Reply::Refused(answer),
        });
    }
    match Tag::split(answer) {
        Some((Tag::Value, value)) => Ok(Reply::Value(value)),
        Some((Tag::Raw, raw)) => Ok(Reply::Raw(raw)),
        _ => Err("the interpreter answered nothing".to_owned()),
    }
}

/// One worker's part of the calls: warm instances and buffers. Not shared.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) shared: Arc<Shared>,
    pub(super) types: TypesReader,
    pub(super) scripts: arc_swap::Cache<Arc<ArcSwapOption<Scripts>>, Option<Arc<Scripts>>>,
    pub(super) instances: Instances<Transaction>,
    /// The worker's transaction, which is away only during a call.
    pub(super) transaction: Option<Box<Transaction>>,
    lanes: Arc<Lanes>,
    /// The time that calls take of the worker's present turn.
    pub(super) turn: Turn,
    /// Names of the objects that the calls of the present batch are about.
    names: Vec<u8>,
    /// Room for a reply.
    pub(super) reply: Vec<u8>,
    /// Room for the request that a script is told.
    pub(super) told: Encoded,
}

/// What a command asks of a call beside its virtual key.
pub(super) struct Asked<'a> {
    /// The data block of a storing command.
    pub(super) data: Option<&'a [u8]>,
    /// New expiry of the object (`gat` of a virtual key).
    pub(super) touch: Option<Expiry>,
    /// What scripts are told of the command.
    pub(super) request: Request<'a>,
}

impl Call<'_> {
    /// Whether the function is a script's.
    pub(super) fn is_script(&self) -> bool {
        self.script
    }

    /// Fills `args`, which is long, so it is not handed around by value.
    fn args<'a>(
        &'a self,
        asked: &Asked<'a>,
        told: &'a Encoded,
        args: &mut Args<'a>,
    ) -> Result<(), String> {
        if self.script {
            // The script splits the virtual key itself.
            let call = contract::Call {
                object: self.virtual_key.object(),
                type_name: self.virtual_key.type_name(),
                function: self.virtual_key.function(),
                virtual_key: self.virtual_key.key(),
                command: told.command(asked.request.command, asked.data),
            };
            args.extend(call.arguments());
            return Ok(());
        }
        args.push(self.virtual_key.object());
        for argument in self.virtual_key.args().chain(asked.data) {
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

impl Calls {
    pub(super) fn new(shared: &Arc<Shared>, lanes: Arc<Lanes>) -> Calls {
        Calls {
            types: shared.registry.reader(),
            scripts: arc_swap::Cache::new(Arc::clone(&shared.scripts)),
            instances: Instances::new(&shared.registry, Arc::clone(&shared.log)),
            transaction: Some(Transaction::new(Arc::clone(shared))),
            lanes,
            turn: Turn::new(shared.turn),
            names: Vec::new(),
            reply: Vec::new(),
            told: Encoded::default(),
            shared: Arc::clone(shared),
        }
    }

    /// Forgets the names of a batch that is executed.
    #[inline]
    pub(super) fn forget_names(&mut self) {
        self.names.clear();
    }

    /// Runs a call.
    pub(super) fn call(&mut self, now: Now, call: &Call<'_>, asked: &Asked<'_>) -> Called<'_> {
        self.reply.clear();
        let Some(function) = call.function else {
            return Called::Done(self.help(call.virtual_key.function()));
        };
        let kind = match self.attempt(now, call, function, asked) {
            Ok(Attempt::Done(kind)) => kind,
            Ok(Attempt::Waits(job)) => return Called::Waits(job),
            Err(text) => return Called::Done(Err(format!("{}: {text}", call.name()))),
        };
        let result = split(&self.reply, kind, call.script);
        Called::Done(result.map_err(|text| format!("{}: {text}", call.name())))
    }

    /// Runs the call here, or says that it has to run on a lane.
    fn attempt(
        &mut self,
        now: Now,
        call: &Call<'_>,
        function: FunctionRef,
        asked: &Asked<'_>,
    ) -> Result<Attempt, String> {
        let own = call.object.ok_or("object key is too long")?;
        if call.script {
            self.told.set_for_call(&asked.request);
        }
        let mut args = Args::new();
        call.args(asked, &self.told, &mut args)?;
        if call.on_lane {
            return Ok(Attempt::Waits(self.job(call, function, &args, asked.touch)));
        }
        self.turn.count();
        let key = own.of(&self.names);
        let transaction = there(&mut self.transaction);
        if call.writes && transaction.disk().refuses_writes() {
            return Err(NotSaved.to_string());
        }
        transaction.begin(now, key, call.writes, false);
        if call.alone {
            transaction.go_alone();
        }
        let run = Run {
            function,
            args: &args,
            touch: asked.touch,
            budget: self.shared.inline_budget,
        };
        match run.run(&mut self.instances, &mut self.transaction, &mut self.reply) {
            Ok(kind) => Ok(Attempt::Done(kind)),
            Err(Failure::Text(text)) => Err(text),
            Err(Failure::Lane) => Ok(Attempt::Waits(self.job(call, function, &args, asked.touch))),
        }
    }

    /// What a call may touch, as its module's imports and capabilities say.
    pub(super) fn footprint(&mut self, call: &Call<'_>) -> Footprint {
        let Some(function) = call.function else {
            return Footprint::Nothing;
        };
        let object = self.types.types().of(function);
        if call.alone {
            Footprint::One(call.object.map_or(0, |object| object.hash))
        } else if !CAPABILITIES
            .iter()
            .any(|name| object.metadata().has_capability(name))
        {
            Footprint::Objects
        } else {
            Footprint::All
        }
    }

    /// Drops instances that no call has used for `idle_ms` milliseconds, also those of lanes.
    pub(super) fn drop_idle(&mut self, idle_ms: u64) {
        self.instances.drop_idle(idle_ms);
        self.lanes.drop_idle(idle_ms);
    }

    fn job(
        &self,
        call: &Call<'_>,
        function: FunctionRef,
        args: &[&[u8]],
        touch: Option<Expiry>,
    ) -> Box<LaneJob> {
        Box::new(LaneJob {
            writes: call.writes,
            object: object_name::parts(call.virtual_key.type_name(), args[0]).concat(),
            name: call.name(),
            args: args.iter().map(|argument| argument.to_vec()).collect(),
            touch,
            tagged: call.script,
            ..self.blank_job(function)
        })
    }

    /// A job that calls `function` without arguments, on no object.
    pub(super) fn blank_job(&self, function: FunctionRef) -> LaneJob {
        LaneJob {
            shared: Arc::clone(&self.shared),
            lanes: Arc::clone(&self.lanes),
            ticket: 0,
            function,
            writes: false,
            object: Vec::new(),
            name: String::new(),
            args: Vec::new(),
            touch: None,
            wanted: Vec::new(),
            tagged: false,
            share: self.shared.account().share(Purpose::Calls),
        }
    }
}
