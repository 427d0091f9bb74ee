//! A node as the client sees it: its health, its buffer and its links.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::error::Failure;
use crate::health::Health;
use crate::link::{self, Answers, Request};
use crate::{Cause, Options, connect};

/// What a request takes of its node's buffer beside its bytes.
const REQUEST_OVERHEAD_BYTES: usize = 256;

/// What the links of a node share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) options: Arc<Options>,
    health: Health,
}

impl Shared {
    /// Takes the node out for the time of the options.
    pub(crate) fn take_out(&self, cause: Cause) {
        let retry_at = Instant::now() + Duration::from_millis(self.options.reconnect_ms);
        self.health.take_out(cause, retry_at);
    }

    pub(crate) fn is_out(&self) -> bool {
        !self.health.is_up()
    }

    /// Connects, and brings the node back or takes it out again.
    async fn probe(self: Arc<Self>) {
        match connect::connect(&self.host, self.port, &self.options).await {
            Ok(_) => self.health.bring_back(),
            Err(cause) => self.take_out(cause),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) shared: Arc<Shared>,
    /// Bytes that may still be put into the buffer.
    room: Arc<Semaphore>,
    /// The queues of the links; a link begins with its first request.
    links: Mutex<Vec<Option<UnboundedSender<Request>>>>,
}

impl Node {
    pub(crate) fn new(node: &cacheismo_rings::Node, options: &Arc<Options>) -> Self {
        Self {
            name: node.name.clone(),
            shared: Arc::new(Shared {
                host: node.host.clone(),
                port: node.port,
                options: Arc::clone(options),
                health: Health::default(),
            }),
            room: Arc::new(Semaphore::new(options.buffer_bytes_max)),
            links: Mutex::new(vec![None; options.connections_per_node]),
        }
    }

    /// Whether requests go to this node. When a node that was taken out may be tried again, a probe begins.
    pub(crate) fn is_up(&self) -> bool {
        let health = &self.shared.health;
        if health.is_up() {
            return true;
        }
        if health.must_probe(Instant::now()) {
            tokio::spawn(Arc::clone(&self.shared).probe());
        }
        false
    }

    /// Why the node is taken out, and for how long it still is.
    pub(crate) fn outage(&self) -> Option<(Cause, Duration)> {
        self.shared.health.outage(Instant::now())
    }

    /// Bytes of the buffer that are in use.
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.shared.options.buffer_bytes_max - self.room.available_permits()
    }

    /// Queues some commands on a link, when the buffer has room for them or gets it in time.
    pub(crate) async fn begin(
        &self,
        link: usize,
        commands: Vec<Bytes>,
        deadline: Instant,
    ) -> Result<Pending, Failure> {
        let room = Arc::clone(&self.room).acquire_many_owned(self.cost(&commands));
        match timeout_at(deadline, room).await {
            Ok(room) => self.queue(link, commands, room.expect("the semaphore is never closed")),
            Err(_) => Err(Failure::NoRoom),
        }
    }

    /// Queues some commands on a link, when the buffer has room for them now.
    pub(crate) fn try_begin(&self, link: usize, commands: Vec<Bytes>) -> Result<Pending, Failure> {
        match Arc::clone(&self.room).try_acquire_many_owned(self.cost(&commands)) {
            Ok(room) => self.queue(link, commands, room),
            Err(_) => Err(Failure::NoRoom),
        }
    }

    /// What commands take of the buffer. Commands larger than it take all of it, so that they are sent alone.
    fn cost(&self, commands: &[Bytes]) -> u32 {
        let bytes: usize = commands.iter().map(Bytes::len).sum();
        let cost = (bytes + REQUEST_OVERHEAD_BYTES).min(self.shared.options.buffer_bytes_max);
        u32::try_from(cost).expect("a buffer has at most 1 GiB")
    }

    fn queue(
        &self,
        link: usize,
        commands: Vec<Bytes>,
        room: OwnedSemaphorePermit,
    ) -> Result<Pending, Failure> {
        let (answer, answers) = oneshot::channel();
        let is_taken = Arc::new(AtomicBool::new(false));
        let mut request = Request {
            commands,
            is_taken: Arc::clone(&is_taken),
            answer,
            room,
        };
        // The lock keeps the order of requests that one thread begins.
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = &mut links[link];
        if let Some(queue) = queue {
            match queue.send(request) {
                Ok(()) => return Ok(Pending { is_taken, answers }),
                // The runtime that drove the link has ended. This one drives a new link.
                Err(error) => request = error.0,
            }
        }
        let (sender, requests) = unbounded_channel();
        sender
            .send(request)
            .map_err(|_| Failure::NotSent(Cause::Runtime))?;
        tokio::spawn(link::run(Arc::clone(&self.shared), requests));
        *queue = Some(sender);
        Ok(Pending { is_taken, answers })
    }
}

/// A request whose answers have not come.
#[derive(Debug)]
pub(crate) struct Pending {
    is_taken: Arc<AtomicBool>,
    answers: oneshot::Receiver<Answers>,
}

impl Pending {
    /// Waits for the answers until `deadline`. `limit_ms` is the time limit that it comes from.
    pub(crate) async fn wait(self, deadline: Instant, limit_ms: u64) -> Answers {
        let cause = match timeout_at(deadline, self.answers).await {
            Ok(Ok(answers)) => return answers,
            Ok(Err(_)) => Cause::Runtime,
            Err(_) => Cause::Late(limit_ms),
        };
        // Whoever comes first has the request: taken here, it is never sent.
        let failure = match self.is_taken.swap(true, Ordering::AcqRel) {
            true => Failure::Lost(cause),
            false => Failure::NotSent(cause),
        };
        Answers {
            replies: Vec::new(),
            failure: Some(failure),
        }
    }
}
