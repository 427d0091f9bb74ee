//! Asking other servers: plain `get`s over TCP, to all of them at once, for calls on lane threads.
//!
//! Every request is written before the first answer is read, so the servers work in parallel. A server that
//! cannot be reached, answers nonsense or is late counts as one that has none of its keys.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Time to establish a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_millis(500);
/// How long an answer is waited for when the time of all is over.
const LATE: Duration = Duration::from_millis(1);
/// Idle connections kept to one server.
const IDLE_PER_SERVER_MAX: usize = 16;
/// Servers one request may name.
const SERVERS_MAX: usize = 1024;
/// Longest answer line in bytes.
const LINE_BYTES_MAX: u64 = 2048;

/// Connections to other servers, kept while idle.
#[derive(Debug)]
pub(super) struct Peers {
    idle: Mutex<HashMap<String, Vec<BufReader<TcpStream>>>>,
    /// For one whole round of questions.
    time_max: Duration,
    /// Longest value accepted.
    value_bytes_max: usize,
}

/// The guest's request bytes do not have the form the ABI describes.
#[derive(Debug)]
pub(super) struct Malformed;

struct Question<'a> {
    server: &'a str,
    keys: Vec<&'a [u8]>,
}

impl Peers {
    pub(super) fn new(time_max: Duration, value_bytes_max: usize) -> Peers {
        Peers {
            idle: Mutex::default(),
            time_max,
            value_bytes_max,
        }
    }

    /// Asks as `requests` says (see `peer_get` of the ABI) and appends the hits to `out`.
    pub(super) fn get(&self, requests: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let questions = parse(requests).ok_or(Malformed)?;
        let deadline = Instant::now() + self.time_max;
        let asked: Vec<_> = questions
            .iter()
            .map(|question| self.ask(question, deadline))
            .collect();
        for (index, (question, connection)) in questions.iter().zip(asked).enumerate() {
            let Some(connection) = connection else {
                continue;
            };
            self.read(index as u32, question, connection, deadline, out);
        }
        Ok(())
    }

    fn ask(&self, question: &Question<'_>, deadline: Instant) -> Option<BufReader<TcpStream>> {
        if question.keys.is_empty() {
            return None;
        }
        let mut line = b"get".to_vec();
        for key in &question.keys {
            line.push(b' ');
            line.extend_from_slice(key);
        }
        line.extend_from_slice(b"\r\n");
        let idle = self.idle.lock().get_mut(question.server).and_then(Vec::pop);
        if let Some(mut connection) = idle
            && usable(&connection)
            && connection.get_mut().write_all(&line).is_ok()
        {
            return Some(connection);
        }
        let mut stream = connect(question.server, deadline)?;
        stream.write_all(&line).ok()?;
        Some(BufReader::new(stream))
    }

    /// Reads one answer; the connection is kept only when all of it made sense.
    fn read(
        &self,
        index: u32,
        question: &Question<'_>,
        mut connection: BufReader<TcpStream>,
        deadline: Instant,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        if self.answer(index, &mut connection, deadline, out).is_none() {
            out.truncate(start);
            return;
        }
        let mut idle = self.idle.lock();
        let kept = idle.entry(question.server.to_owned()).or_default();
        if kept.len() < IDLE_PER_SERVER_MAX {
            kept.push(connection);
        }
    }

    fn answer(
        &self,
        index: u32,
        connection: &mut BufReader<TcpStream>,
        deadline: Instant,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            wait_until(connection.get_ref(), deadline)?;
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
            out.extend_from_slice(&index.to_le_bytes());
            out.extend_from_slice(&(key.len() as u32).to_le_bytes());
            out.extend_from_slice(key);
            out.extend_from_slice(&(len as u32).to_le_bytes());
            let read = connection.take(len as u64).read_to_end(out).ok()?;
            let mut end = [0; 2];
            connection.read_exact(&mut end).ok()?;
            if read != len || end != *b"\r\n" {
                return None;
            }
        }
    }
}

/// An idle connection that is neither closed nor has unasked bytes waiting.
fn usable(connection: &BufReader<TcpStream>) -> bool {
    let stream = connection.get_ref();
    let quiet = stream.set_nonblocking(true).is_ok()
        && matches!(stream.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
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

/// Answers are read one server after the other: what arrived while a late one was waited for is taken, too.
fn wait_until(stream: &TcpStream, deadline: Instant) -> Option<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    stream.set_read_timeout(Some(left.max(LATE))).ok()
}

fn parse(mut requests: &[u8]) -> Option<Vec<Question<'_>>> {
    let mut questions = Vec::new();
    while !requests.is_empty() {
        let server = std::str::from_utf8(bytes(&mut requests)?).ok()?;
        let count = number(&mut requests)?;
        let mut keys = Vec::new();
        for _ in 0..count {
            let key = bytes(&mut requests)?;
            let valid = !key.is_empty()
                && key.len() <= crate::protocol::KEY_BYTES_MAX
                && key.iter().all(|&b| b > b' ' && b != 0x7f);
            if !valid {
                return None;
            }
            keys.push(key);
        }
        if questions.len() == SERVERS_MAX {
            return None;
        }
        questions.push(Question { server, keys });
    }
    Some(questions)
}

fn number(rest: &mut &[u8]) -> Option<usize> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    Some(u32::from_le_bytes(*head) as usize)
}

fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = number(rest)?;
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}
