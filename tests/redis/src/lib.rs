//! A redis-server to compare answers with: started for one test, on a port of its own, and ended with it.
//!
//! Redis is the measure for the object types that it has, too. A test that needs it says so when it is not installed,
//! and passes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Where Debian installs it.
const SERVER: &str = "/usr/bin/redis-server";
/// How long the server may take to listen.
const START: Duration = Duration::from_secs(10);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// How many ports are tried: between choosing one and listening on it somebody else may take it.
const PORTS_MAX: usize = 5;
/// Longest text and longest list that is read.
const LENGTH_MAX: usize = 64 << 20;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `+OK` and the like.
    Status(String),
    /// `-ERR` and the reason.
    Error(String),
    /// `:1`.
    Integer(i64),
    /// `$3`, bytes.
    Bytes(Vec<u8>),
    /// Nothing there.
    Nil,
    /// `*2`, several.
    List(Vec<Answer>),
}

impl Answer {
    /// The answer as text, for numbers and bytes.
    ///
    /// # Panics
    /// When the answer is neither.
    pub fn text(&self) -> String {
        match self {
            Self::Integer(number) => number.to_string(),
            Self::Bytes(bytes) => String::from_utf8(bytes.clone()).expect("a test stores text"),
            Self::Status(text) => text.clone(),
            other => panic!("{other:?} is no text"),
        }
    }

    /// The members of a list as text.
    ///
    /// # Panics
    /// When the answer is no list of texts.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::List(answers) => answers.iter().map(Answer::text).collect(),
            other => panic!("{other:?} is no list"),
        }
    }
}

/// A running server and a connection to it.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    stream: BufReader<TcpStream>,
}

impl Redis {
    /// Starts a server that keeps nothing on disk; `None`, and a line on standard error, when Redis is not installed.
    ///
    /// # Panics
    /// When it is installed and does not start.
    pub fn start() -> Option<Self> {
        if !std::path::Path::new(SERVER).exists() {
            eprintln!("{SERVER} is not installed: nothing was compared with it");
            return None;
        }
        let started = (0..PORTS_MAX).find_map(|_| Self::try_start());
        Some(started.expect("redis-server listens on one of some free ports"))
    }

    fn try_start() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("there is a free port")
            .port();
        let mut child = Command::new(SERVER)
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .stdin(Stdio::null())
            .spawn()
            .expect("redis-server is a program");
        match connect(&mut child, port) {
            Some(stream) => Some(Self {
                child,
                stream: BufReader::new(stream),
            }),
            None => {
                end(&mut child);
                None
            }
        }
    }

    /// Sends a command and reads its answer.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn ask(&mut self, words: &[impl AsRef<[u8]>]) -> Answer {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend(format!("${}\r\n", word.as_ref().len()).into_bytes());
            request.extend_from_slice(word.as_ref());
            request.extend_from_slice(b"\r\n");
        }
        self.stream
            .get_mut()
            .write_all(&request)
            .expect("redis reads");
        self.read()
    }

    fn read(&mut self) -> Answer {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("redis answers");
        let line = line.trim_end();
        let (kind, rest) = line.split_at(1);
        match kind {
            "+" => Answer::Status(rest.to_owned()),
            "-" => Answer::Error(rest.to_owned()),
            ":" => Answer::Integer(rest.parse().expect("a number")),
            "$" => length(rest).map_or(Answer::Nil, |bytes| self.read_bytes(bytes)),
            "*" => length(rest).map_or(Answer::Nil, |count| {
                Answer::List((0..count).map(|_| self.read()).collect())
            }),
            _ => panic!("redis answered {line:?}"),
        }
    }

    fn read_bytes(&mut self, length: usize) -> Answer {
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes).expect("redis answers");
        bytes.truncate(length);
        Answer::Bytes(bytes)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A length; `None` for -1, which means that nothing is there.
fn length(text: &str) -> Option<usize> {
    let length: i64 = text.parse().expect("a length");
    let length = usize::try_from(length).ok()?;
    assert!(length <= LENGTH_MAX, "an answer of {length}");
    Some(length)
}

/// Connects once the server listens; `None` when it ended before.
fn connect(child: &mut Child, port: u16) -> Option<TcpStream> {
    let since = Instant::now();
    while since.elapsed() < START {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            stream.set_read_timeout(Some(ANSWER)).ok()?;
            stream.set_nodelay(true).ok()?;
            return Some(stream);
        }
        if child.try_wait().ok()?.is_some() {
            return None;
        }
        thread::yield_now();
    }
    None
}

/// Ends the server by its process id, and waits until it is gone.
fn end(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}
