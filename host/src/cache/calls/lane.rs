//! A call that runs on a thread that may wait.

use std::sync::Arc;

use super::{Failure, run, there};
use crate::cache::shared::Shared;
use crate::runtime::{Budget, FunctionRef};
use crate::store::Expiry;

/// A call on its way to a thread that may wait, with everything it needs.
#[derive(Debug)]
pub struct LaneJob {
    pub(super) shared: Arc<Shared>,
    pub(super) function: FunctionRef,
    pub(super) writes: bool,
    /// `type$key`.
    pub(super) object: Vec<u8>,
    pub(super) name: String,
    pub(super) args: Vec<Vec<u8>>,
    pub(super) touch: Option<Expiry>,
    /// Hashes of names to lock beside the object's.
    pub(super) wanted: Vec<u64>,
    pub(super) of_handler: bool,
}

/// What came of it: the reply, or the error line for the client.
#[derive(Debug)]
pub struct LaneResult {
    pub(super) result: Result<Vec<u8>, String>,
    /// Of the handler of a command, not of a virtual key.
    pub(in crate::cache) of_handler: bool,
}

impl LaneJob {
    /// The number of its object type.
    pub fn kind(&self) -> u64 {
        self.function.type_number().into()
    }

    /// It is not run.
    pub fn refuse(self, why: &str) -> LaneResult {
        LaneResult {
            result: Err(format!("{}: {why}", self.name)),
            of_handler: self.of_handler,
        }
    }

    /// Runs the call to its end; may block for its deadline and for locks and peers.
    pub fn run(self) -> LaneResult {
        let (mut instances, transaction) = self.shared.lanes.take(&self.shared);
        let mut transaction = Some(transaction);
        let own = self.shared.store.key(&self.object);
        let begun = there(&mut transaction);
        begun.begin(self.shared.clock.now(), own, self.writes, true);
        begun.want(&self.wanted);
        let args: Vec<&[u8]> = self.args.iter().map(Vec::as_slice).collect();
        let mut reply = Vec::new();
        let result = run(
            &mut instances,
            &mut transaction,
            self.function,
            &args,
            self.touch,
            Budget::Full,
            &mut reply,
        );
        if let Some(transaction) = transaction {
            self.shared.lanes.give_back(instances, transaction);
        }
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
