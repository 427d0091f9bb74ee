//! Real sockets in front of a service that is no cache: what the server promises whatever is behind it.
//!
//! The service knows lines: `echo <text>`, `big <n>` (n bytes of answer), `send <n>` (n bytes in parts that are not in
//! the output, between brackets), `lane <text>` (answered by a lane thread), `data <n>` (takes n bytes and answers
//! their sum), `panic`, `watch`, `quit`.

use std::io::{Cursor, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Buf;

use super::options::{Config, Request, parse};
use super::{Application, Control, Listeners, Service, Surroundings, serve};
use crate::cache::{Next, Step};

mod limits;
mod security;
mod transport;

/// Output beyond which the service asks for a write.
const OUT_BYTES_MAX: usize = 64 << 10;
/// Patience with what must happen soon.
const SOON: Duration = Duration::from_secs(20);

struct Echo;

impl Application for Echo {
    type Service = EchoService;

    fn service(&self) -> EchoService {
        EchoService
    }
}

pub(super) struct EchoService;

#[derive(Default)]
pub(super) struct EchoConnection {
    /// Answer bytes still to be made.
    big: usize,
    /// Whether a `lane` is not answered yet.
    waits: bool,
    outcome: Option<String>,
}

/// Letters in parts, each shorter than the one before.
fn parts(len: usize) -> Box<dyn Buf> {
    let first = len.min(len / 3 + 1);
    if first == len {
        return Box::new(Cursor::new(letters(len)));
    }
    let rest = parts(len - first);
    Box::new(Buf::chain(Cursor::new(letters(first)), rest))
}

fn letters(len: usize) -> Vec<u8> {
    (0..len).map(|i| b'a' + (i % 26) as u8).collect()
}

/// What `send` answers.
fn sent(len: usize) -> Vec<u8> {
    let mut bytes = vec![b'<'];
    bytes.resize(1 + len, 0);
    parts(len).copy_to_slice(&mut bytes[1..]);
    bytes.extend_from_slice(b">\r\n");
    bytes
}

impl Service for EchoService {
    type Connection = EchoConnection;
    type Job = String;
    type Outcome = String;

    fn execute(
        &mut self,
        connection: &mut EchoConnection,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Step<String> {
        if let Some(outcome) = connection.outcome.take() {
            connection.waits = false;
            out.extend_from_slice(format!("{outcome}\r\n").as_bytes());
        }
        if connection.waits {
            return Next::Wait.after(0);
        }
        let mut at = 0;
        loop {
            let part = connection.big.min(OUT_BYTES_MAX);
            out.resize(out.len() + part, b'x');
            connection.big -= part;
            if out.len() >= OUT_BYTES_MAX {
                return Next::Write.after(at);
            }
            let Some(end) = memchr::memchr(b'\n', &input[at..]) else {
                let needed = input.len() - at + 1;
                return Next::Read { needed }.after(at);
            };
            let line = String::from_utf8_lossy(&input[at..at + end])
                .trim_end()
                .to_owned();
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let line_end = at + end + 1;
            match word {
                "echo" => out.extend_from_slice(format!("{rest}\r\n").as_bytes()),
                "big" => connection.big = rest.parse().expect("a number"),
                "send" => {
                    out.extend_from_slice(b"<>\r\n");
                    let value = parts(rest.parse().expect("a number"));
                    let at = out.len() - 3;
                    return Next::Send { at, value }.after(line_end);
                }
                "lane" => {
                    connection.waits = true;
                    return Next::Run(rest.to_owned()).after(line_end);
                }
                "data" => {
                    let len: usize = rest.parse().expect("a number");
                    let Some(data) = input.get(line_end..line_end + len) else {
                        let needed = end + 1 + len;
                        return Next::Read { needed }.after(at);
                    };
                    let sum: u64 = data.iter().map(|byte| u64::from(*byte)).sum();
                    out.extend_from_slice(format!("{sum}\r\n").as_bytes());
                    at = line_end + len;
                    continue;
                }
                "watch" => {
                    return Next::Watch(rest.as_bytes().to_vec()).after(line_end);
                }
                "panic" => panic!("this panic belongs to the test"),
                "quit" => return Next::Close.after(input.len()),
                _ => out.extend_from_slice(b"ERROR\r\n"),
            }
            at = line_end;
        }
    }

    fn look_ahead(&mut self, _: &EchoConnection, _: &[u8]) -> bool {
        true
    }

    fn refuse(_: String, why: &str) -> String {
        why.to_owned()
    }

    fn run(job: String) -> String {
        assert!(job != "panic", "this panic belongs to the test");
        format!("lane {job}")
    }

    fn resume(connection: &mut EchoConnection, outcome: String) {
        connection.outcome = Some(outcome);
    }
}

/// A server in this process. Stops when dropped.
struct Server {
    address: Option<SocketAddr>,
    addresses: Vec<SocketAddr>,
    udp: Option<SocketAddr>,
    surroundings: Surroundings,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// Serves with these options; port and address come by themselves.
    fn start(line: &str) -> Server {
        let line = format!("cacheismo -t 2 -l 127.0.0.1 -p -1 {line}");
        let config = match parse(line.split_whitespace()) {
            Ok(Request::Serve(config)) => *config,
            other => panic!("{other:?}"),
        };
        Server::serve(config)
    }

    fn serve(config: Config) -> Server {
        let listeners = Listeners::bind(&config.server).expect("free ports");
        let addresses = listeners.tcp_addresses();
        let udp = listeners.udp_addresses().first().copied();
        let surroundings = Surroundings::new(&config.server, &listeners).expect("good files");
        let inner = surroundings.clone();
        let thread = std::thread::spawn(move || {
            serve(listeners, Arc::new(Echo), &config.server, &inner).expect("serves");
        });
        Server {
            address: addresses.first().copied(),
            addresses,
            udp,
            surroundings,
            thread: Some(thread),
        }
    }

    fn connect(&self) -> Client {
        Client::over(TcpStream::connect(self.address.expect("TCP is on")).expect("connects"))
    }

    fn control(&self) -> &Control {
        &self.surroundings.control
    }

    fn stop(&mut self) {
        self.control().shutdown();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ends well");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

struct Client {
    stream: TcpStream,
}

impl Client {
    fn over(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        Client { stream }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Client {
        self.stream
            .write_all(bytes.as_ref())
            .expect("the server reads");
        self
    }

    /// Reads as many bytes as `text` has and compares.
    fn expect(&mut self, text: &str) -> &mut Client {
        let mut bytes = vec![0; text.len()];
        self.stream.read_exact(&mut bytes).expect("an answer");
        assert_eq!(String::from_utf8_lossy(&bytes), text);
        self
    }

    /// Reads everything up to the end of the connection.
    fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).expect("an end");
        bytes
    }

    /// Expects that the server has closed; a reset counts too.
    fn expect_end(&mut self) {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Ok(_) => assert_eq!(String::from_utf8_lossy(&bytes), ""),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
}

/// Waits for what another thread is about to do.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < SOON, "{what}");
        std::thread::yield_now();
    }
}
