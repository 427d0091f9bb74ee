//! Running the scripts' handler of a command, on the worker or a lane.

use std::sync::Arc;

use super::super::worker::Worker;
use super::{Args, Failure, LaneJob, run, there};
use crate::protocol::VirtualKey;
use crate::runtime::FunctionRef;

/// Names a handler locks before it starts; it joins the locks of further ones as it comes to them.
const LOCKS_MAX: usize = 64;
/// The scripts' function for commands.
const MAIN: &[u8] = b"mainVirtualKey";

/// A command for the scripts.
pub(in crate::cache) struct HandlerJob<'a> {
    pub(in crate::cache) function: FunctionRef,
    /// Its name.
    pub(in crate::cache) command: &'static str,
    /// The virtual key it is about, if it is about one.
    pub(in crate::cache) subject: Option<VirtualKey<'a>>,
    /// Its first key, or nothing.
    pub(in crate::cache) key: &'a [u8],
    pub(in crate::cache) data: Option<&'a [u8]>,
}

/// Where a handler ran.
pub(in crate::cache) enum Run {
    /// Here: the answer is in `Worker::reply`.
    Done,
    /// Not yet.
    Lane(Box<LaneJob>),
}

impl HandlerJob<'_> {
    /// As error lines name it.
    fn name(&self) -> String {
        match &self.subject {
            Some(key) => format!("lua {}", String::from_utf8_lossy(key.call())),
            None => format!("lua main:{}", self.command),
        }
    }
}

impl Worker {
    /// Runs the handler of a command, which locks the names of `keys` first of all.
    pub(in crate::cache) fn run_handler<'k>(
        &mut self,
        job: &HandlerJob<'_>,
        keys: impl Iterator<Item = &'k [u8]>,
    ) -> Result<Run, String> {
        self.reply.clear();
        if let Some(ready) = self.ready.take() {
            self.reply = ready.result?;
            return Ok(Run::Done);
        }
        let wanted: Vec<u64> = keys
            .take(LOCKS_MAX)
            .map(|key| match VirtualKey::parse(key) {
                Some(call) => self.object_name(&call).map_or(0, |object| object.hash),
                None => self.shared.store.hash(key),
            })
            .collect();
        let told = &self.told;
        let mut args = Args::from_iter([b"", MAIN, told.command, &told.numbers, &told.keys]);
        args.extend(job.data);
        let own = [b"$", job.key].concat();
        let object = self.types.types().of(job.function);
        if !object.wants_lane(job.function) {
            let transaction = there(&mut self.transaction);
            transaction.begin(self.now, self.shared.store.key(&own), true, false);
            transaction.want(&wanted);
            let result = run(
                &mut self.instances,
                &mut self.transaction,
                job.function,
                &args,
                None,
                self.shared.inline_budget,
                &mut self.reply,
            );
            match result {
                Ok(()) => return Ok(Run::Done),
                Err(Failure::Text(text)) => return Err(format!("{}: {text}", job.name())),
                Err(Failure::Lane) => {}
            }
        }
        Ok(Run::Lane(Box::new(LaneJob {
            shared: Arc::clone(&self.shared),
            function: job.function,
            writes: true,
            object: own,
            name: job.name(),
            args: args.iter().map(|argument| argument.to_vec()).collect(),
            touch: None,
            wanted,
            of_handler: true,
        })))
    }
}
