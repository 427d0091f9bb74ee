//! One connection on which requests and replies are bytes, with a deadline on every wait.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a reply may take. Only a hang takes longer, even with every core busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A text-protocol connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    /// Bytes received and not yet asked for.
    pending: Vec<u8>,
}

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        let stream =
            TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        stream
            .set_nodelay(true)
            .expect("TCP_NODELAY is always allowed");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("the timeout isn't zero");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("the timeout isn't zero");
        Self {
            stream,
            pending: Vec::new(),
        }
    }

    /// The connection itself, for tests that shut it down or write from another thread.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as one write.
    ///
    /// # Panics
    /// When the connection is closed.
    pub fn send(&mut self, request: impl AsRef<[u8]>) {
        self.stream
            .write_all(request.as_ref())
            .expect("the server takes requests");
    }

    /// Sends bytes; true when the server took them all.
    pub fn try_send(&mut self, request: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(request.as_ref()).is_ok()
    }

    /// The next `length` bytes.
    ///
    /// # Panics
    /// When the connection ends or stays silent before; the message shows what did come.
    pub fn read(&mut self, length: usize) -> Vec<u8> {
        while self.pending.len() < length {
            assert!(
                self.fill(),
                "closed, {length} bytes wanted, received {}",
                show(&self.pending)
            );
        }
        self.pending.drain(..length).collect()
    }

    /// The next `length` bytes, or fewer when the connection ends or stays silent before.
    pub fn read_at_most(&mut self, length: usize) -> Vec<u8> {
        while self.pending.len() < length && self.receive().is_ok_and(|open| open) {}
        let length = length.min(self.pending.len());
        self.pending.drain(..length).collect()
    }

    /// The longest run of bytes that satisfy `wanted`; waits for the byte that ends it.
    ///
    /// # Panics
    /// When the connection ends or stays silent before that byte.
    pub fn read_while(&mut self, wanted: impl Fn(&u8) -> bool) -> Vec<u8> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| !wanted(byte)) {
                return self.pending.drain(..end).collect();
            }
            assert!(self.fill(), "closed, received {}", show(&self.pending));
        }
    }

    /// One line, its CRLF included.
    pub fn read_line(&mut self) -> String {
        String::from_utf8_lossy(&self.read_until(b"\r\n")).into_owned()
    }

    /// Everything up to and including the next `end`.
    ///
    /// # Panics
    /// When the connection ends or stays silent before.
    pub fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        let found = self.try_read_until(end);
        found.unwrap_or_else(|| {
            panic!(
                "closed before {}, received {}",
                show(end),
                show(&self.pending)
            )
        })
    }

    /// Like [`Self::read_until`]; `None` when the server closes before.
    pub fn try_read_until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        let mut searched = 0;
        loop {
            if let Some(at) = find(&self.pending[searched..], end) {
                return Some(self.pending.drain(..searched + at + end.len()).collect());
            }
            searched = self.pending.len().saturating_sub(end.len() - 1);
            if !self.fill() {
                return None;
            }
        }
    }

    /// Everything up to the server's end of the connection.
    pub fn read_to_close(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.pending)
    }

    /// Sends a request and reads its reply, which is one line or a sequence of values up to `END`.
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> String {
        self.send(request);
        self.reply()
    }

    /// Reads one reply: a line, or `VALUE`s, `STAT`s or `ITEM`s up to and including `END`.
    pub fn reply(&mut self) -> String {
        let mut reply = Vec::new();
        loop {
            let line = self.read_until(b"\r\n");
            let words: Vec<&[u8]> = line.trim_ascii_end().split(|byte| *byte == b' ').collect();
            reply.extend_from_slice(&line);
            match words[0] {
                b"VALUE" => {
                    let length = decimal(words.get(3).copied().unwrap_or_default());
                    reply.extend(self.read(length + 2));
                }
                b"VA" => {
                    let length = decimal(words.get(1).copied().unwrap_or_default());
                    reply.extend(self.read(length + 2));
                    break;
                }
                b"STAT" | b"ITEM" => {}
                _ => break,
            }
        }
        String::from_utf8_lossy(&reply).into_owned()
    }

    /// Calls an object's function through `get` and gives the value, or the error line.
    pub fn call(&mut self, key: &str) -> String {
        let reply = self.ask(format!("get {key}\r\n"));
        match reply.strip_prefix("VALUE ") {
            Some(rest) => {
                let (_, data) = rest.split_once("\r\n").expect("a VALUE line ends");
                data.strip_suffix("\r\nEND\r\n")
                    .expect("one value was asked for")
                    .to_owned()
            }
            None => reply.trim_end().to_owned(),
        }
    }

    /// Stores a value.
    ///
    /// # Panics
    /// When the value isn't stored.
    pub fn set(&mut self, key: &str, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        let mut request = format!("set {key} 0 0 {}\r\n", value.len()).into_bytes();
        request.extend_from_slice(value);
        request.extend_from_slice(b"\r\n");
        assert_eq!(self.ask(request), "STORED\r\n");
    }

    /// One figure of `stats`.
    ///
    /// # Panics
    /// When there is no such figure.
    pub fn stat(&mut self, name: &str) -> String {
        let reply = self.ask("stats\r\n");
        let prefix = format!("STAT {name} ");
        let line = reply.lines().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_else(|| panic!("no `{name}` in {reply}"))
            .to_owned()
    }

    /// Receives more; false at the end of the connection.
    fn fill(&mut self) -> bool {
        let open = self.receive();
        open.unwrap_or_else(|error| {
            panic!(
                "no reply ({error}), received so far {}",
                show(&self.pending)
            )
        })
    }

    fn receive(&mut self) -> std::io::Result<bool> {
        let mut buffer = [0; 64 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(length) => {
                    self.pending.extend_from_slice(&buffer[..length]);
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Bytes as a reader of a failure wants them, long ones cut.
#[must_use]
pub fn show(bytes: &[u8]) -> String {
    const SHOWN: usize = 400;
    let text = bytes[..bytes.len().min(SHOWN)].escape_ascii();
    if bytes.len() > SHOWN {
        format!("\"{text}\"... ({} bytes)", bytes.len())
    } else {
        format!("\"{text}\"")
    }
}

fn decimal(word: &[u8]) -> usize {
    std::str::from_utf8(word)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("{} isn't a length", show(word)))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
