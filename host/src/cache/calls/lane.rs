//! A call that runs on a thread that may wait.

use std::sync::Arc;

use parking_lot::Mutex;

use super::run::{Failure, Run};
use super::split;
use super::transaction::Transaction;
use crate::cache::reply::CallResult;
use crate::cache::shared::Shared;
use crate::runtime::{Budget, FunctionRef, Instances};
use crate::store::Expiry;

/// A call on its way to a thread that may wait, with everything it needs.
#[derive(Debug)]
pub struct LaneJob {
    pub(in crate::cache) shared: Arc<Shared>,
    pub(in crate::cache) lanes: Arc<Lanes>,
    /// Which of the connection's waiting answers this is for.
    pub(in crate::cache) ticket: u64,
    pub(in crate::cache) function: FunctionRef,
    pub(in crate::cache) writes: bool,
    /// `type$key`.
    pub(in crate::cache) object: Vec<u8>,
    /// As error lines name the call.
    pub(in crate::cache) name: String,
    pub(in crate::cache) args: Vec<Vec<u8>>,
    pub(in crate::cache) touch: Option<Expiry>,
    /// Hashes of names to lock beside the object's.
    pub(in crate::cache) wanted: Vec<u64>,
    /// The reply of a script's function begins with a tag.
    pub(in crate::cache) tagged: bool,
}

/// What came of it: the reply, or the error line for the client.
#[derive(Debug)]
pub struct LaneResult {
    /// Which of the connection's waiting answers this is for.
    pub(in crate::cache) ticket: u64,
    tagged: bool,
    result: Result<Vec<u8>, String>,
}

impl LaneResult {
    /// The reply of the call.
    pub(in crate::cache) fn reply(&self) -> CallResult<'_> {
        let reply = self.result.as_deref().map_err(Clone::clone)?;
        split(reply, self.tagged)
    }

    /// The bytes the function answered, tag included.
    pub(in crate::cache) fn bytes(self) -> Result<Vec<u8>, String> {
        self.result
    }
}

impl LaneJob {
    /// The number of its object type.
    pub fn kind(&self) -> u64 {
        self.function.type_number().into()
    }

    /// It is not run.
    pub fn refuse(self, why: &str) -> LaneResult {
        LaneResult {
            ticket: self.ticket,
            tagged: self.tagged,
            result: Err(format!("{}: {why}", self.name)),
        }
    }

    /// Runs the call to its end; may block for its deadline and for locks and peers.
    pub fn run(self) -> LaneResult {
        let (mut instances, transaction) = self.lanes.take(&self.shared);
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
            Ok(()) => match split(&reply, self.tagged) {
                Ok(_) => Ok(reply),
                Err(text) => failed(&text),
            },
            Err(Failure::Text(text)) => failed(&text),
            Err(Failure::Lane) => failed("deadline exceeded"),
        };
        LaneResult {
            ticket: self.ticket,
            tagged: self.tagged,
            result,
        }
    }
}

/// Instances that no lane thread uses at present.
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

    fn give_back(&self, instances: Instances<Transaction>, transaction: Box<Transaction>) {
        self.idle.lock().push((instances, transaction));
    }
}
