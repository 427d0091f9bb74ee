//! A client that does nothing bad: how long it waits, and how long a worker ran before it answered.
//!
//! On a machine that does much else a worker waits for a processor, which is no fault of the server. The kernel knows how
//! long each thread has run.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use cacheismo_tests::client::Client;
use cacheismo_tests::server::Server;

/// Connections, so that each worker has some.
const CONNECTIONS: usize = 4;
/// Time between two requests.
const PACE: Duration = Duration::from_millis(1);
const REQUEST: &[u8] = b"get plain\r\n";
const REPLY: &[u8] = b"VALUE plain 0 5\r\nvalue\r\nEND\r\n";

/// The client.
pub(super) struct Beside {
    clients: Vec<Client>,
    workers: Workers,
}

/// Sorted times of requests.
pub(super) struct Latencies {
    /// What the client saw.
    gets: Vec<Duration>,
    /// The same, without the time in which no worker ran.
    ran: Vec<Duration>,
}

impl Beside {
    /// Connects to the server.
    pub(super) fn new(server: &Server) -> Beside {
        Beside {
            clients: (0..CONNECTIONS).map(|_| server.connect()).collect(),
            workers: Workers::of(server),
        }
    }

    /// Connects and logs in with user and password, and stores what will be asked for.
    pub(super) fn logged_in(server: &Server, login: &str) -> Beside {
        let mut beside = Beside::new(server);
        for client in &mut beside.clients {
            client.set("login", login);
            client.set("plain", "value");
        }
        beside
    }

    /// Asks for that long, and at least once on each connection.
    pub(super) fn measure(mut self, lasts: Duration) -> Latencies {
        let (mut gets, mut ran) = (Vec::new(), Vec::new());
        let begun = Instant::now();
        while begun.elapsed() < lasts || gets.is_empty() {
            for client in &mut self.clients {
                let ran_before = self.workers.ran();
                let sent = Instant::now();
                client.send(REQUEST);
                assert_eq!(client.read(REPLY.len()), REPLY);
                let took = sent.elapsed();
                let ran_after = self.workers.ran();
                // Which worker has the connection is not known: it ran no longer than the one that ran most.
                let of_worker = ran_before
                    .iter()
                    .zip(ran_after)
                    .map(|(before, after)| after - *before);
                gets.push(took);
                ran.push(of_worker.max().unwrap_or(took).min(took));
                std::thread::sleep(PACE);
            }
        }
        gets.sort_unstable();
        ran.sort_unstable();
        Latencies { gets, ran }
    }
}

impl Latencies {
    /// Requests that were answered.
    pub(super) fn count(&self) -> usize {
        self.gets.len()
    }

    /// So many of 100 gets took no longer.
    pub(super) fn get(&self, part: usize) -> Duration {
        self.gets[(self.gets.len() - 1) * part / 100]
    }

    /// Before so many of 100 answers no worker ran longer.
    pub(super) fn ran(&self, part: usize) -> Duration {
        self.ran[(self.ran.len() - 1) * part / 100]
    }
}

/// The kernel's accounts of the threads that answer requests.
struct Workers(Vec<File>);

impl Workers {
    fn of(server: &Server) -> Workers {
        let threads = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("it runs");
        let threads = threads.map(|thread| thread.expect("it is listed").path());
        let is_worker = |name: &str| name.starts_with("worker-");
        let workers = threads.filter(|path| {
            fs::read_to_string(path.join("comm")).is_ok_and(|name| is_worker(&name))
        });
        let accounts =
            workers.map(|path| File::open(path.join("schedstat")).expect("Linux keeps it"));
        let workers = Workers(accounts.collect());
        assert!(!workers.0.is_empty(), "there are workers");
        workers
    }

    /// How long each has run so far.
    fn ran(&self) -> Vec<Duration> {
        let ran = self.0.iter().map(|account| {
            let mut text = [0; 100];
            let read = account.read_at(&mut text, 0).expect("it runs");
            let first = text[..read].split(|byte| *byte == b' ').next();
            let digits = std::str::from_utf8(first.expect("a number")).expect("digits");
            Duration::from_nanos(digits.parse().expect("nanoseconds"))
        });
        ran.collect()
    }
}
