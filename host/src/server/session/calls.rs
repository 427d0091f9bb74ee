//! Calls of a connection that run on lane threads, while the connection goes on.

use std::io;
use std::task::{Context, Poll};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Session;
use super::input::Source;
use crate::server::lanes::Fair;
use crate::server::service::Service;
use crate::server::socket::Socket;
use crate::stats::ConnectionState;

/// The outcomes a connection waits for.
pub(super) struct Calls<Outcome> {
    /// Calls whose outcome has not come yet.
    open: usize,
    /// The channel of outcomes, made for the first call.
    channel: Option<Box<Channel<Outcome>>>,
}

/// An outcome on its way; `None` when its job panicked.
type Channel<Outcome> = (
    UnboundedSender<Option<Outcome>>,
    UnboundedReceiver<Option<Outcome>>,
);

impl<Outcome> Default for Calls<Outcome> {
    fn default() -> Self {
        Calls {
            open: 0,
            channel: None,
        }
    }
}

/// Tells the connection how a job ended, also when it ends by a panic.
struct Report<Outcome> {
    sender: UnboundedSender<Option<Outcome>>,
    outcome: Option<Outcome>,
}

impl<Outcome> Drop for Report<Outcome> {
    fn drop(&mut self) {
        // A client that left does not wait for the outcome.
        let _ = self.sender.send(self.outcome.take());
    }
}

impl<Outcome> Calls<Outcome> {
    /// Whether outcomes are to come.
    pub(super) fn any(&self) -> bool {
        self.open > 0
    }

    fn sender(&mut self) -> UnboundedSender<Option<Outcome>> {
        self.open += 1;
        let (sender, _) = &**self
            .channel
            .get_or_insert_with(|| Box::new(unbounded_channel()));
        sender.clone()
    }

    /// The next outcome, when there is one. Nothing comes while no call is open.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Outcome>> {
        let Some(channel) = self.channel.as_mut().filter(|_| self.open > 0) else {
            return Poll::Pending;
        };
        channel.1.poll_recv(context).map(|outcome| {
            self.open -= 1;
            // A job that panicked has no outcome, and this client's stream no way on.
            outcome
                .flatten()
                .ok_or_else(|| io::Error::from(io::ErrorKind::Other))
        })
    }
}

impl<S: Service, T: Socket> Session<S, T> {
    /// Has a call run on a lane thread. While many calls wait there, the connection waits for its own before it adds one.
    pub(super) async fn submit(&mut self, job: S::Job) -> io::Result<()> {
        let fair = Fair::of(&self.link.entry, S::kind(&job));
        while self.calls.any() && self.worker.process.lanes.is_crowded(fair) {
            self.flush().await?;
            self.outcome().await?;
        }
        let mut report = Report {
            sender: self.calls.sender(),
            outcome: None,
        };
        if let Err(scarce) = S::hold(&job) {
            report.outcome = Some(S::refuse(job, &scarce.to_string()));
            return Ok(());
        }
        let process = &self.worker.process;
        process.stats.serving.lane_jobs.add(1);
        let submitted = process
            .lanes
            .submit_for(fair, (job, report), |(job, mut report)| {
                report.outcome = Some(S::run(job));
            });
        if let Err((full, (job, mut report))) = submitted {
            report.outcome = Some(S::refuse(job, &full.to_string()));
        }
        Ok(())
    }

    /// Waits for an outcome and takes it.
    pub(super) async fn outcome(&mut self) -> io::Result<()> {
        self.link.entry.set_state(ConnectionState::Calling);
        let calls = &mut self.calls;
        let outcome = std::future::poll_fn(|context| calls.poll(context)).await;
        self.link.entry.set_state(ConnectionState::Executing);
        S::resume(&mut self.state, outcome?);
        Ok(())
    }

    /// Answers everything that waits, for a client that sends nothing more.
    pub(super) async fn answer_all(&mut self) -> io::Result<()> {
        while self.calls.any() {
            self.outcome().await?;
            if self.answer(Source::Outcome).await?.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }
}
