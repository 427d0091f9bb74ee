//! Who is next on the lanes.
//!
//! Of the jobs that wait, the one whose client and type have the fewest jobs running goes first; among equals, the one
//! whose client, and then whose connection, was served longest ago, or never; then the oldest. So the many jobs of one
//! client, or of one slow type, delay those of another by no more than the time until a thread is free; and a client
//! that is alone has all threads.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::sync::LazyLock;

use crate::stats::ConnectionEntry;

/// Jobs that may wait, at most. Looking for the next one among them takes some microseconds.
pub(in crate::server) const WAITING_MAX: usize = 1024;
/// Jobs of one client that may wait, so that others find room.
pub(in crate::server) const WAITING_OF_CLIENT_MAX: usize = WAITING_MAX / 2;
/// Clients and connections whose last turn is remembered; beyond, those without a job here are forgotten.
const SERVED_MAX: usize = 2 * WAITING_MAX;

/// Work for a lane thread.
pub(in crate::server) type Job = Box<dyn FnOnce() + Send>;

/// Client, connection and type whose turn a job takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct Fair {
    /// The machine that asked, as a hash of its address: many connections from one machine are one client. For a local
    /// socket, the connection's number.
    pub(super) client: u64,
    /// The connection that asked.
    pub(super) connection: u64,
    /// The number of the object type that is called.
    pub(super) kind: u64,
}

impl Fair {
    /// The client, connection and type of a job that came over a connection.
    pub(in crate::server) fn of(entry: &ConnectionEntry, kind: u64) -> Fair {
        let client = machine(&entry.peer).unwrap_or(entry.id);
        Fair {
            client,
            connection: entry.id,
            kind,
        }
    }

    /// The client, connection and type of a job that came in a datagram.
    pub(in crate::server) fn of_address(peer: SocketAddr, kind: u64) -> Fair {
        let name = format!("tcp:{peer}");
        let connection = hash(&name);
        Fair {
            client: machine(&name).unwrap_or(connection),
            connection,
            kind,
        }
    }
}

/// The machine of a peer `tcp:127.0.0.1:40000`; `unix` has none.
fn machine(peer: &str) -> Option<u64> {
    peer.rsplit_once(':').map(|(machine, _port)| hash(machine))
}

/// A hash that is the same in all of this process, and known to no client.
fn hash(name: &str) -> u64 {
    static SEED: LazyLock<rapidhash::fast::RandomState> = LazyLock::new(Default::default);
    SEED.hash_one(name)
}

/// Too many jobs wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::server) enum Full {
    /// Too many jobs of all clients together.
    #[error("{WAITING_MAX} slow calls wait already")]
    Everybody,
    /// Too many jobs of this client.
    #[error("{WAITING_OF_CLIENT_MAX} slow calls of this client wait already")]
    Client,
}

/// Jobs that wait, and the turns of those that run.
#[derive(Default)]
pub(super) struct Queue {
    /// Jobs that wait, in order of arrival.
    waiting: VecDeque<(Fair, Job)>,
    /// Turns of the jobs that run, one for each busy thread.
    running: Vec<Fair>,
    /// When each client was last served, in jobs begun.
    clients: HashMap<u64, u64>,
    /// When each connection was last served, in jobs begun.
    connections: HashMap<u64, u64>,
    begun: u64,
}

impl Queue {
    /// Number of jobs that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Checks that one more job may wait.
    ///
    /// # Errors
    /// Whose jobs are too many.
    pub(super) fn room_for(&self, fair: Fair) -> Result<(), Full> {
        if self.waiting.len() >= WAITING_MAX {
            return Err(Full::Everybody);
        }
        if self.waiting_of(fair) >= WAITING_OF_CLIENT_MAX {
            return Err(Full::Client);
        }
        Ok(())
    }

    /// Whether so many jobs wait that a connection which has some here had better wait for them first. The other half of the
    /// room is for connections that have none.
    pub(super) fn is_crowded(&self, fair: Fair) -> bool {
        self.waiting.len() >= WAITING_MAX / 2 || self.waiting_of(fair) >= WAITING_OF_CLIENT_MAX / 2
    }

    /// Jobs of the same client that wait.
    fn waiting_of(&self, fair: Fair) -> usize {
        let of_client = |(waiting, _): &&(Fair, Job)| waiting.client == fair.client;
        self.waiting.iter().filter(of_client).count()
    }

    /// Adds a job that has come.
    pub(super) fn push(&mut self, fair: Fair, job: Job) {
        self.waiting.push_back((fair, job));
    }

    /// Takes the job that is next; say [`done`](Queue::done) after it.
    pub(super) fn next(&mut self) -> Option<(Fair, Job)> {
        let jobs = self.waiting.iter().enumerate();
        let (place, _) = jobs.min_by_key(|(_, (fair, _))| self.rank(*fair))?;
        let (fair, job) = self.waiting.remove(place)?;
        self.running.push(fair);
        self.begun += 1;
        if self.connections.len().max(self.clients.len()) >= SERVED_MAX {
            self.forget_absent();
        }
        self.clients.insert(fair.client, self.begun);
        self.connections.insert(fair.connection, self.begun);
        Some((fair, job))
    }

    /// Notes that a job that was taken has ended.
    pub(super) fn done(&mut self, fair: Fair) {
        let place = self.running.iter().position(|running| *running == fair);
        self.running
            .swap_remove(place.expect("it was put there when it was taken"));
    }

    /// The order of waiting jobs: the lowest rank is next.
    fn rank(&self, fair: Fair) -> (usize, u64, u64) {
        let running = self.running.iter().map(|running| {
            usize::from(running.client == fair.client) + usize::from(running.kind == fair.kind)
        });
        let last = |served: &HashMap<u64, u64>, who| served.get(&who).copied().unwrap_or(0);
        (
            running.sum(),
            last(&self.clients, fair.client),
            last(&self.connections, fair.connection),
        )
    }

    fn forget_absent(&mut self) {
        let waiting = self.waiting.iter().map(|(fair, _)| fair);
        let here: Vec<&Fair> = waiting.chain(&self.running).collect();
        let clients: HashSet<u64> = here.iter().map(|fair| fair.client).collect();
        let connections: HashSet<u64> = here.iter().map(|fair| fair.connection).collect();
        self.clients.retain(|client, _| clients.contains(client));
        self.connections
            .retain(|connection, _| connections.contains(connection));
    }
}
