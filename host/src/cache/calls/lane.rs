//! A call that runs on a thread that may wait.

use std::sync::Arc;

use parking_lot::Mutex;

use super::run::{Failure, Run};
use super::split;
use super::transaction::Transaction;
use crate::account::{Scarce, Share};
use crate::cache::reply::CallResult;
use crate::cache::saves::NotSaved;
use crate::cache::shared::Shared;
use crate::runtime::{Budget, FunctionRef, Instances, ReplyKind};
use crate::store::Expiry;

/// A call on its way to a thread that may wait, with everything it needs.
#[derive(Debug)]
pub struct LaneJob {
    pub(in crate::cache) shared: Arc<Shared>,
    pub(in crate::cache) lanes: Arc<Lanes>,
    /// Tells which of the connection's waiting answers this is for.
    pub(in crate::cache) ticket: u64,
    pub(in crate::cache) function: FunctionRef,
    pub(in crate::cache) writes: bool,
    /// The object's name, `type$key`.
    pub(in crate::cache) object: Vec<u8>,
    /// The call's name in error lines.
    pub(in crate::cache) name: String,
    pub(in crate::cache) args: Vec<Vec<u8>>,
    pub(in crate::cache) touch: Option<Expiry>,
    /// Hashes of names to lock beside the object's.
    pub(in crate::cache) wanted: Vec<u64>,
    /// Whether the reply begins with a tag, as that of a script's function does.
    pub(in crate::cache) tagged: bool,
    /// Its arguments, later its reply, on the account.
    pub(in crate::cache) share: Share,
}

/// How a job ended: with the reply, or with the error line for the client.
#[derive(Debug)]
pub struct LaneResult {
    /// Tells which of the connection's waiting answers this is for.
    pub(in crate::cache) ticket: u64,
    tagged: bool,
    result: Result<(ReplyKind, Vec<u8>), String>,
    /// What the answer has to wait for, 0 for nothing.
    pub(in crate::cache) unsaved: u64,
    /// The reply on the account, until it is written.
    _share: Share,
}

impl LaneResult {
    /// The reply of the call.
    pub(in crate::cache) fn reply(&self) -> CallResult<'_> {
        let (kind, reply) = self.result.as_ref().map_err(Clone::clone)?;
        split(reply, *kind, self.tagged)
    }

    /// The bytes the function answered, tag included.
    pub(in crate::cache) fn bytes(self) -> Result<Vec<u8>, String> {
        self.result.map(|(_, reply)| reply)
    }
}

impl LaneJob {
    /// The number of the call's object type.
    pub fn kind(&self) -> u64 {
        self.function.type_number().into()
    }

    /// Counts its arguments on the account.
    ///
    /// # Errors
    /// When there is no room for them.
    pub fn hold(&self) -> Result<(), Scarce> {
        let args: usize = self.args.iter().map(Vec::capacity).sum();
        self.share.resize(args + self.object.capacity())
    }

    /// It is not run.
    pub fn refuse(self, why: &str) -> LaneResult {
        LaneResult {
            ticket: self.ticket,
            tagged: self.tagged,
            result: Err(format!("{}: {why}", self.name)),
            unsaved: 0,
            _share: self.share,
        }
    }

    /// Runs the call to its end; may block for its deadline and for locks and peers.
    pub fn run(self) -> LaneResult {
        let (mut instances, transaction) = self.lanes.take(&self.shared);
        if self.writes && transaction.disk().refuses_writes() {
            self.lanes.give_back(instances, transaction);
            return self.refuse(&NotSaved.to_string());
        }
        let mut transaction = Some(transaction);
        if let Some(begun) = &mut transaction {
            let own = self.shared.store.key(&self.object);
            begun.begin(self.shared.clock.now(), own, self.writes, true);
            begun.want(&self.wanted);
        }
        let args: Vec<&[u8]> = self.args.iter().map(Vec::as_slice).collect();
        let mut reply = Vec::new();
        let run = Run {
            function: self.function,
            args: &args,
            touch: self.touch,
            budget: Budget::Full,
        };
        let result = run.run(&mut instances, &mut transaction, &mut reply);
        if let Some(transaction) = transaction {
            self.lanes.give_back(instances, transaction);
        }
        let failed = |text: &str| Err(format!("{}: {text}", self.name));
        let result = match result {
            Ok(_) if self.share.resize(reply.capacity()).is_err() => failed(&Scarce.to_string()),
            Ok(kind) => match split(&reply, kind, self.tagged) {
                Ok(_) => Ok((kind, reply)),
                Err(text) => failed(&text),
            },
            Err(Failure::Text(text)) => failed(&text),
            Err(Failure::Lane) => failed("deadline exceeded"),
        };
        LaneResult {
            ticket: self.ticket,
            tagged: self.tagged,
            result,
            unsaved: self.shared.disk().take_unsaved(),
            _share: self.share,
        }
    }
}

/// Instances and transactions that no lane thread uses at present.
#[derive(Debug, Default)]
pub(in crate::cache) struct Lanes {
    idle: Mutex<Vec<(Instances<Transaction>, Box<Transaction>)>>,
}

impl Lanes {
    fn take(&self, shared: &Arc<Shared>) -> (Instances<Transaction>, Box<Transaction>) {
        let idle = self.idle.lock().pop();
        idle.unwrap_or_else(|| {
            let instances = Instances::new(&shared.registry, Arc::clone(&shared.log));
            (instances, Transaction::new(Arc::clone(shared)))
        })
    }

    /// Drops instances that no call has used for `idle_ms` milliseconds.
    pub(in crate::cache) fn drop_idle(&self, idle_ms: u64) {
        let mut idle = self.idle.lock();
        for (instances, _) in idle.iter_mut() {
            instances.drop_idle(idle_ms);
        }
    }

    fn give_back(&self, instances: Instances<Transaction>, transaction: Box<Transaction>) {
        self.idle.lock().push((instances, transaction));
    }
}
