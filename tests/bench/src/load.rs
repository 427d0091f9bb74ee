//! The load generator: one thread, many connections, each with `depth` requests in flight.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::histogram::Histogram;
use crate::replies::Replies;
use crate::workload::Entry;

/// Requests in flight while a server is filled with a few big items, and with many small ones.
const FILL_DEPTH_BIG: usize = 8;
const FILL_DEPTH_SMALL: usize = 200;
/// From so many items on, a server is filled with small ones.
const MANY: u64 = 1000;
const READ_BYTES: usize = 256 * 1024;

/// What a run measured.
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) took: Duration,
    /// Times from queueing a request to having its whole reply, in nanoseconds.
    pub(crate) latency_ns: Histogram,
}

/// Fills a server with what the workload needs.
pub(crate) fn set_up(address: SocketAddr, entry: &Entry) -> anyhow::Result<()> {
    let mut next = 0;
    let depth = match entry.prepared {
        ..MANY => FILL_DEPTH_BIG,
        _ => FILL_DEPTH_SMALL,
    };
    let outcome = drive(address, entry, 1, depth, |_, out| {
        let more = next < entry.prepared;
        if more {
            (entry.prepare)(next, out);
            next += 1;
        }
        more
    })?;
    anyhow::ensure!(
        outcome.errors == 0,
        "{} refuses {} of its preparations",
        entry.label,
        outcome.errors
    );
    Ok(())
}

/// Drives a server for a while.
pub(crate) fn run(
    address: SocketAddr,
    entry: &Entry,
    connections: usize,
    depth: usize,
    length: Duration,
) -> anyhow::Result<Outcome> {
    let end = Instant::now() + length;
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    drive(address, entry, connections, depth, |now, out| {
        let more = now < end;
        if more {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (entry.request)(random >> 8, out);
        }
        more
    })
}

struct Connection {
    stream: TcpStream,
    replies: Replies,
    /// When each request in flight was queued.
    queued: VecDeque<Instant>,
    output: Vec<u8>,
    written: usize,
}

/// Sends what `next` writes until it writes no more and every reply is there.
fn drive(
    address: SocketAddr,
    entry: &Entry,
    connections: usize,
    depth: usize,
    mut next: impl FnMut(Instant, &mut Vec<u8>) -> bool,
) -> anyhow::Result<Outcome> {
    let mut poll = Poll::new()?;
    let mut open = Vec::new();
    for index in 0..connections {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(
            &mut stream,
            Token(index),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        let replies = Replies::new(entry.protocol);
        open.push(Connection {
            stream,
            replies,
            queued: VecDeque::new(),
            output: Vec::new(),
            written: 0,
        });
    }
    let start = Instant::now();
    let mut outcome = Outcome {
        requests: 0,
        errors: 0,
        took: Duration::ZERO,
        latency_ns: Histogram::new(),
    };
    let mut buffer = vec![0; READ_BYTES];
    for connection in &mut open {
        connection.refill(depth, start, &mut next);
        connection.flush()?;
    }
    let mut events = Events::with_capacity(connections);
    while open.iter().any(|connection| !connection.queued.is_empty()) {
        poll.poll(&mut events, Some(Duration::from_secs(30)))?;
        anyhow::ensure!(!events.is_empty(), "{} stopped answering", entry.label);
        for event in &events {
            let connection = &mut open[event.token().0];
            connection
                .receive(&mut buffer, &mut outcome)
                .with_context(|| entry.label.clone())?;
            connection.refill(depth, Instant::now(), &mut next);
            connection.flush()?;
        }
    }
    outcome.took = start.elapsed();
    outcome.errors = open
        .iter()
        .map(|connection| connection.replies.errors)
        .sum();
    Ok(outcome)
}

impl Connection {
    fn refill(
        &mut self,
        depth: usize,
        now: Instant,
        next: &mut impl FnMut(Instant, &mut Vec<u8>) -> bool,
    ) {
        while self.queued.len() < depth && next(now, &mut self.output) {
            self.queued.push_back(now);
        }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(length) => self.written += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => bail!(error),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads all that is there.
    fn receive(&mut self, buffer: &mut [u8], outcome: &mut Outcome) -> anyhow::Result<()> {
        loop {
            let length = match self.stream.read(buffer) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => bail!(error),
            };
            let complete = self.replies.feed(&buffer[..length]);
            let now = Instant::now();
            for _ in 0..complete {
                let queued = self
                    .queued
                    .pop_front()
                    .context("a reply nobody asked for")?;
                let waited = u64::try_from((now - queued).as_nanos()).unwrap_or(u64::MAX);
                outcome.latency_ns.record(waited);
            }
            outcome.requests += complete as u64;
            // A short read emptied the socket; asking again would only cost a system call.
            if length < buffer.len() {
                return Ok(());
            }
        }
    }
}
