//! Sending requests to the nodes they belong to, and to others when those fail.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::answer::Answer;
use crate::cluster::Cluster;
use crate::command::Command;
use crate::error::Failure;
use crate::link::Answers;
use crate::{Cause, Error, Options};

/// A command, and the bytes that decide about its node.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) place: Vec<u8>,
    pub(crate) command: Command,
}

/// Requests on their way.
pub(crate) struct Dispatch<'a> {
    options: &'a Options,
    requests: &'a [Placed],
    results: Vec<Option<Result<Answer, Error>>>,
    deadline: Instant,
}

impl<'a> Dispatch<'a> {
    pub(crate) fn new(options: &'a Options, requests: &'a [Placed]) -> Self {
        Self {
            options,
            requests,
            results: vec![None; requests.len()],
            deadline: Instant::now() + Duration::from_millis(options.request_ms),
        }
    }

    /// Carries the requests out; results are in their order.
    ///
    /// A request that was not sent goes to the next node, and so does a read whose answer was lost. `cluster` is asked each
    /// time, so a new list of nodes counts at once.
    pub(crate) async fn run(
        mut self,
        cluster: impl Fn() -> Arc<Cluster>,
    ) -> Vec<Result<Answer, Error>> {
        let mut open: Vec<usize> = (0..self.requests.len()).collect();
        let mut attempts_left = attempts(&cluster());
        while !open.is_empty() {
            attempts_left -= 1;
            open = self.round(&cluster(), open, attempts_left > 0).await;
        }
        self.results
            .into_iter()
            .map(|result| result.expect("what is not open has a result"))
            .collect()
    }

    /// Sends the open requests once. Returns those that must be sent again, which `may_repeat` allows.
    async fn round(&mut self, cluster: &Cluster, open: Vec<usize>, may_repeat: bool) -> Vec<usize> {
        let mut started = Vec::new();
        for ((node, link), members) in self.groups(cluster, open) {
            let node = &cluster.nodes()[node];
            for members in members.chunks(self.options.batch_keys_max) {
                let commands = members
                    .iter()
                    .map(|at| self.requests[*at].command.bytes.clone());
                let pending = node.begin(link, commands.collect(), self.deadline).await;
                started.push((node, members.to_vec(), pending));
            }
        }
        let mut again = Vec::new();
        for (node, members, pending) in started {
            let (replies, failure) = match pending {
                Ok(pending) => {
                    let answers = pending.wait(self.deadline, self.options.request_ms).await;
                    (answers.replies, answers.failure)
                }
                Err(failure) => (Vec::new(), Some(failure)),
            };
            let answered = replies.len();
            for (at, reply) in members.iter().zip(replies) {
                self.results[*at] = Some(Answer::new(reply, node));
            }
            let Some(failure) = failure else { continue };
            for at in &members[answered..] {
                let in_time = may_repeat && Instant::now() < self.deadline;
                if in_time && repeats(&failure, &self.requests[*at].command, self.options) {
                    again.push(*at);
                } else {
                    let error = failure
                        .clone()
                        .into_error(&node.name, self.options.buffer_bytes_max);
                    self.results[*at] = Some(Err(error));
                }
            }
        }
        again
    }

    /// The requests by node and connection. Those that no node can take have failed.
    fn groups(
        &mut self,
        cluster: &Cluster,
        open: Vec<usize>,
    ) -> BTreeMap<(usize, usize), Vec<usize>> {
        let mut groups = BTreeMap::<_, Vec<usize>>::new();
        for at in open {
            let place = &self.requests[at].place;
            match cluster.pick(place) {
                Some(node) => {
                    let link = cluster.link(place, self.options.connections_per_node);
                    groups.entry((node, link)).or_default().push(at);
                }
                None => self.results[at] = Some(Err(cluster.no_nodes())),
            }
        }
        groups
    }
}

/// How often a request is sent at most: each node may fail once, and one more connection may have been closed while idle.
fn attempts(cluster: &Cluster) -> usize {
    cluster.nodes().len() + 2
}

/// Whether a command may be sent again after a failure.
pub(crate) fn repeats(failure: &Failure, command: &Command, options: &Options) -> bool {
    match failure {
        Failure::NoRoom => false,
        Failure::NotSent(_) => true,
        // An answer that makes no sense would come again.
        Failure::Lost(Cause::Answer(_)) => false,
        Failure::Lost(_) => command.is_read && options.repeat_reads,
    }
}

/// Carries out a command on every node, also on those that are taken out. The results come with the nodes' names.
pub(crate) async fn all_nodes(
    cluster: &Cluster,
    options: &Options,
    command: &Command,
) -> Vec<(String, Result<Answer, Error>)> {
    let deadline = Instant::now() + Duration::from_millis(options.request_ms);
    let mut started = Vec::new();
    for node in cluster.nodes() {
        let pending = node.begin(0, vec![command.bytes.clone()], deadline).await;
        started.push((node, pending));
    }
    let mut results = Vec::new();
    for (node, pending) in started {
        let answers = match pending {
            Ok(pending) => pending.wait(deadline, options.request_ms).await,
            Err(failure) => Answers {
                replies: Vec::new(),
                failure: Some(failure),
            },
        };
        let result = match (answers.replies.into_iter().next(), answers.failure) {
            (Some(reply), _) => Answer::new(reply, node),
            (None, failure) => {
                let failure = failure.unwrap_or(Failure::Lost(Cause::Runtime));
                Err(failure.into_error(&node.name, options.buffer_bytes_max))
            }
        };
        results.push((node.name.clone(), result));
    }
    results
}
