//! The dialects, and the ways on which their bytes travel.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::meta::Spelling;
use super::operation::{Answer, Request};
use super::{binary, meta, text};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Length of the fixed part of a datagram in bytes.
const DATAGRAM_HEAD: usize = 8;
/// The end of whatever a text or meta command answers.
const FENCE: &[u8] = b"MN\r\n";

/// One of the ways to say an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Classic text.
    Text,
    /// Meta.
    Meta,
    /// Meta with keys in base64.
    MetaBase64,
    /// Binary.
    Binary,
    /// Binary, by the gets that answer their key.
    BinaryWithKey,
}

/// Every dialect.
pub const DIALECTS: [Dialect; 5] = [
    Dialect::Text,
    Dialect::Meta,
    Dialect::MetaBase64,
    Dialect::Binary,
    Dialect::BinaryWithKey,
];

impl Dialect {
    /// Whether the dialect is one of meta commands.
    #[must_use]
    pub fn is_meta(self) -> bool {
        matches!(self, Self::Meta | Self::MetaBase64)
    }

    /// Whether the dialect is one of the binary protocol.
    #[must_use]
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Binary | Self::BinaryWithKey)
    }

    /// The request as bytes; `None` when the dialect does not have it.
    #[must_use]
    pub fn encode(self, request: &Request<'_>) -> Option<Vec<u8>> {
        match self {
            Self::Text => text::encode(request),
            Self::Meta => meta::encode(request, Spelling::Plain),
            Self::MetaBase64 => meta::encode(request, Spelling::Base64),
            Self::Binary => binary::encode(request, false),
            Self::BinaryWithKey => binary::encode(request, true),
        }
    }

    /// What the bytes of a reply say.
    #[must_use]
    pub fn decode(self, request: &Request<'_>, reply: &[u8]) -> Answer {
        match self {
            Self::Text => text::decode(request, reply),
            Self::Meta | Self::MetaBase64 => meta::decode(request, reply),
            Self::Binary | Self::BinaryWithKey => binary::decode(request, reply),
        }
    }
}

/// How requests travel.
#[derive(Debug)]
pub enum Link {
    /// A connection.
    Tcp(TcpStream),
    /// Datagrams.
    Udp(UdpSocket),
}

impl Link {
    /// Opens a connection.
    ///
    /// # Panics
    /// When nobody listens there.
    #[must_use]
    pub fn tcp(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        let patience = stream.set_read_timeout(Some(PATIENCE));
        patience.expect("the timeout isn't zero");
        Self::Tcp(stream)
    }

    /// Opens a socket for datagrams to a port.
    ///
    /// # Panics
    /// When there is no free port on this side.
    #[must_use]
    pub fn udp(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.connect(address).expect("an address of this machine");
        let patience = socket.set_read_timeout(Some(PATIENCE));
        patience.expect("the timeout isn't zero");
        Self::Udp(socket)
    }

    /// Sends a request with a fence behind it, and gives what came before the fence's answer.
    ///
    /// # Errors
    /// With what came, when the fence is not answered: the stream is closed, or out of step.
    pub fn exchange(&mut self, request: &[u8], binary: bool) -> Result<Vec<u8>, Vec<u8>> {
        let (fence, fence_bytes) = match binary {
            true => (binary::fence(), binary::HEADER_BYTES),
            false => (b"mn\r\n".to_vec(), FENCE.len()),
        };
        let fenced = |reply: &[u8]| {
            let last = &reply[reply.len().saturating_sub(fence_bytes)..];
            last == FENCE || binary && binary::is_fence(last)
        };
        let request = [request, &fence].concat();
        let mut reply = match self {
            Self::Udp(socket) => one_datagram(socket, &request),
            Self::Tcp(stream) => stream_reply(stream, &request, fenced),
        };
        if !fenced(&reply) {
            return Err(reply);
        }
        reply.truncate(reply.len() - fence_bytes);
        Ok(reply)
    }
}

/// Sends a request, and gives what comes until `enough`, or until the server closes or falls silent.
fn stream_reply(stream: &mut TcpStream, request: &[u8], enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut reply = Vec::new();
    if stream.write_all(request).is_err() {
        return reply;
    }
    while !enough(&reply) {
        let mut buffer = [0; 64 << 10];
        match stream.read(&mut buffer) {
            Ok(len) if len > 0 => reply.extend_from_slice(&buffer[..len]),
            _ => break,
        }
    }
    reply
}

/// Sends a request as one datagram and puts the parts of its answer together; nothing when none comes.
fn one_datagram(socket: &UdpSocket, request: &[u8]) -> Vec<u8> {
    const HEAD: [u8; DATAGRAM_HEAD] = [0, 7, 0, 0, 0, 1, 0, 0];
    let sent = socket.send(&[&HEAD[..], request].concat());
    sent.expect("the server has a socket there");
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut datagram = [0; 64 << 10];
    loop {
        let Ok(len) = socket.recv(&mut datagram) else {
            return parts.concat();
        };
        let number = |at: usize| usize::from(u16::from_be_bytes([datagram[at], datagram[at + 1]]));
        parts.resize(number(4), Vec::new());
        parts[number(2)] = datagram[DATAGRAM_HEAD..len].to_vec();
        if parts.iter().all(|part| !part.is_empty()) {
            return parts.concat();
        }
    }
}
