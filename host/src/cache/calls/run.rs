//! The life of one call: it runs until nobody disturbed it, then it is committed.

use super::transaction::Transaction;
use crate::runtime::{Budget, CallError, FunctionRef, Instances, ReplyKind};
use crate::store::{CommitError, Expiry};

/// Runs of one call before a worker hands it to a lane, or a lane gives up, because others were faster each time.
const RUNS_MAX: usize = 100;

/// Why a call has no reply.
pub(in crate::cache) enum Failure {
    /// The text of an error line for the client.
    Text(String),
    /// The call has to run where it may wait.
    Lane,
}

/// One call, to be run.
pub(in crate::cache) struct Run<'a> {
    pub(in crate::cache) function: FunctionRef,
    pub(in crate::cache) args: &'a [&'a [u8]],
    /// New expiry of the call's own object, if it exists afterwards.
    pub(in crate::cache) touch: Option<Expiry>,
    pub(in crate::cache) budget: Budget,
}

/// The transaction, which is taken away only during a call.
pub(in crate::cache) fn there(transaction: &mut Option<Box<Transaction>>) -> &mut Transaction {
    transaction.as_mut().expect("it comes back from every call")
}

impl Run<'_> {
    /// Runs the call until it ended without being disturbed by others, and commits it. The transaction has begun.
    pub(in crate::cache) fn run(
        &self,
        instances: &mut Instances<Transaction>,
        transaction: &mut Option<Box<Transaction>>,
        reply: &mut Vec<u8>,
    ) -> Result<ReplyKind, Failure> {
        let start = reply.len();
        for _ in 0..RUNS_MAX {
            if !there(transaction).lock() {
                return Err(Failure::Lane);
            }
            let called = instances.call(self.function, self.args, transaction, self.budget, reply);
            let transaction = there(transaction);
            transaction.has_read();
            let failure = match called {
                Ok(kind) => match transaction.finish(self.touch) {
                    Ok(()) => return Ok(kind),
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
}
