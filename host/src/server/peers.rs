//! Asking other servers: plain `get`s over TCP, to all of them at once, for calls on lane threads.
//!
//! Every request is written before the first answer is read, so the servers work in parallel. All of it ends at one
//! deadline, however slowly somebody sends.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::options::Peer;
use crate::account::{Account, Purpose, Scarce, Share};
use crate::cache::{Hit, Peers, Question};

/// Time to establish a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_millis(500);
/// How long an answer is waited for when the time of its round is over: what has arrived by then is taken.
const LATE: Duration = Duration::from_millis(1);
/// Idle connections kept to one server.
const IDLE_PER_SERVER_MAX: usize = 16;
/// Idle connections kept in all.
const IDLE_MAX: usize = 256;
/// An idle connection is closed after this time.
const IDLE_TIME_MAX: Duration = Duration::from_secs(60);
/// Longest answer line in bytes.
const LINE_BYTES_MAX: u64 = 2048;
/// Bytes of values one request gets from all servers together.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Connections to other servers, kept while idle.
#[derive(Debug)]
pub(super) struct PeerLinks {
    idle: Mutex<Idle>,
    /// Longest time of one whole round of questions.
    time_max: Duration,
    /// Longest value accepted, in bytes.
    value_bytes_max: usize,
    /// Servers that may be asked.
    allowed: Vec<Peer>,
    /// What values on their way are counted on.
    account: Arc<Account>,
}

#[derive(Debug, Default)]
struct Idle {
    by_server: HashMap<String, Vec<(Instant, Connection)>>,
    count: usize,
}

type Connection = BufReader<Bounded>;

/// Keys and values a server has.
type Hits = Vec<(Vec<u8>, Vec<u8>)>;

/// A socket whose reads end at a deadline.
#[derive(Debug)]
struct Bounded {
    stream: TcpStream,
    deadline: Instant,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        self.stream.set_read_timeout(Some(left.max(LATE)))?;
        self.stream.read(buffer)
    }
}

/// What is left of a round of questions.
struct Round {
    deadline: Instant,
    /// Bytes of values that may still come.
    bytes: usize,
    /// The values that have come, on the account.
    share: Share,
    /// There was no memory for a value.
    scarce: bool,
}

impl Peers for PeerLinks {
    fn get(&self, questions: &[Question<'_>], hit: &mut Hit<'_>) -> Result<(), String> {
        for question in questions {
            if !self.allowed.iter().any(|peer| peer.is(question.server)) {
                let server = question.server.escape_debug();
                return Err(format!(
                    "{server} is no server that objects may ask, see --peer"
                ));
            }
        }
        let mut round = Round {
            deadline: Instant::now() + self.time_max,
            bytes: ANSWER_BYTES_MAX,
            share: self.account.share(Purpose::Calls),
            scarce: false,
        };
        let asked: Vec<_> = questions
            .iter()
            .map(|question| self.ask(question, round.deadline))
            .collect();
        for (index, (question, connection)) in questions.iter().zip(asked).enumerate() {
            if let Some(connection) = connection {
                for (key, value) in self.read(question, connection, &mut round) {
                    hit(index, &key, &value);
                }
            }
        }
        match round.scarce {
            true => Err(Scarce.to_string()),
            false => Ok(()),
        }
    }
}

impl PeerLinks {
    pub(super) fn new(
        time_max: Duration,
        value_bytes_max: usize,
        allowed: Vec<Peer>,
        account: Arc<Account>,
    ) -> PeerLinks {
        PeerLinks {
            idle: Mutex::default(),
            time_max,
            value_bytes_max,
            allowed,
            account,
        }
    }

    fn ask(&self, question: &Question<'_>, deadline: Instant) -> Option<Connection> {
        if question.keys.is_empty() {
            return None;
        }
        let mut line = b"get".to_vec();
        for key in &question.keys {
            line.push(b' ');
            line.extend_from_slice(key);
        }
        line.extend_from_slice(b"\r\n");
        let idle = self.idle.lock().take(question.server);
        if let Some(mut connection) = idle
            && usable(&connection)
            && connection.get_mut().stream.write_all(&line).is_ok()
        {
            connection.get_mut().deadline = deadline;
            return Some(connection);
        }
        let mut stream = connect(question.server, deadline)?;
        stream.write_all(&line).ok()?;
        Some(BufReader::new(Bounded { stream, deadline }))
    }

    /// Reads one answer; the connection is kept only when all of it made sense.
    fn read(&self, question: &Question<'_>, mut connection: Connection, round: &mut Round) -> Hits {
        let mut hits = Vec::new();
        if self.answer(&mut connection, round, &mut hits).is_none() {
            return Vec::new();
        }
        self.idle.lock().give(question.server, connection);
        hits
    }

    fn answer(
        &self,
        connection: &mut Connection,
        round: &mut Round,
        hits: &mut Hits,
    ) -> Option<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            connection
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)
                .ok()?;
            let text = line.strip_suffix(b"\r\n")?;
            if text == b"END" {
                return Some(());
            }
            let mut words = text.strip_prefix(b"VALUE ")?.split(|&b| b == b' ');
            let (key, len) = (words.next()?, words.nth(1)?);
            let len: usize = std::str::from_utf8(len).ok()?.parse().ok()?;
            if len > self.value_bytes_max {
                return None;
            }
            round.bytes = round.bytes.checked_sub(len)?;
            if round.share.resize(ANSWER_BYTES_MAX - round.bytes).is_err() {
                round.scarce = true;
                return None;
            }
            let mut value = Vec::new();
            let read = connection.take(len as u64).read_to_end(&mut value).ok()?;
            let mut end = [0; 2];
            connection.read_exact(&mut end).ok()?;
            if read != len || end != *b"\r\n" {
                return None;
            }
            hits.push((key.to_vec(), value));
        }
    }
}

impl Idle {
    fn take(&mut self, server: &str) -> Option<Connection> {
        let (_, connection) = self.by_server.get_mut(server)?.pop()?;
        self.count -= 1;
        Some(connection)
    }

    /// Keeps a connection, and closes those that were idle for long.
    fn give(&mut self, server: &str, connection: Connection) {
        let now = Instant::now();
        self.by_server.retain(|_, kept| {
            kept.retain(|(since, _)| now.duration_since(*since) < IDLE_TIME_MAX);
            !kept.is_empty()
        });
        self.count = self.by_server.values().map(Vec::len).sum();
        if self.count >= IDLE_MAX {
            return;
        }
        let kept = self.by_server.entry(server.to_owned()).or_default();
        if kept.len() < IDLE_PER_SERVER_MAX {
            kept.push((now, connection));
            self.count += 1;
        }
    }
}

/// An idle connection that is neither closed nor has unasked bytes waiting.
fn usable(connection: &Connection) -> bool {
    let stream = &connection.get_ref().stream;
    let quiet = stream.set_nonblocking(true).is_ok()
        && matches!(stream.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
    quiet && connection.buffer().is_empty() && stream.set_nonblocking(false).is_ok()
}

fn connect(server: &str, deadline: Instant) -> Option<TcpStream> {
    let left = deadline
        .checked_duration_since(Instant::now())?
        .min(CONNECT_TIME_MAX);
    let address = server.to_socket_addrs().ok()?.next()?;
    let stream = TcpStream::connect_timeout(&address, left).ok()?;
    stream.set_nodelay(true).ok()?;
    stream.set_write_timeout(Some(left)).ok()?;
    Some(stream)
}
