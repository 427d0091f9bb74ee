//! The dialects, and the ways on which their bytes travel.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::meta::Spelling;
use super::operation::{Answer, Request};
use super::{binary, meta, text};
use crate::client::Client;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Length of the fixed part of a datagram in bytes.
const DATAGRAM_HEAD: usize = 8;
/// The end of whatever a text or meta command answers.
const FENCE: &[u8] = b"MN\r\n";

/// Words for operations.
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
    /// It is a dialect of meta commands.
    #[must_use]
    pub fn is_meta(self) -> bool {
        matches!(self, Self::Meta | Self::MetaBase64)
    }

    /// It is a dialect of the binary protocol.
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
    Tcp {
        /// Itself.
        client: Client,
        /// Where it goes, to connect again when the server closes it.
        address: SocketAddr,
    },
    /// Datagrams.
    Udp(UdpSocket),
}

impl Link {
    /// A connection.
    #[must_use]
    pub fn tcp(address: SocketAddr) -> Self {
        let client = Client::connect(address);
        Self::Tcp { client, address }
    }

    /// Datagrams to a port.
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
    /// With what came, when the fence is not answered: the stream is out of step, or closed.
    pub fn exchange(&mut self, request: &[u8], binary: bool) -> Result<Vec<u8>, Vec<u8>> {
        let fence = if binary {
            binary::fence()
        } else {
            b"mn\r\n".to_vec()
        };
        let request = [request, &fence].concat();
        let reply = match self {
            Self::Udp(socket) => one_datagram(socket, &request),
            Self::Tcp { client, address } => {
                client.send(&request);
                let reply = if binary {
                    messages(client)
                } else {
                    lines(client)
                };
                if reply.is_err() {
                    *client = Client::connect(*address);
                }
                return reply;
            }
        };
        let fence_bytes = if binary {
            binary::HEADER_BYTES
        } else {
            FENCE.len()
        };
        let (front, last) = reply
            .split_at_checked(reply.len().saturating_sub(fence_bytes))
            .unwrap_or((&[], &reply));
        match last == FENCE || binary && binary::is_fence(last) {
            true => Ok(front.to_vec()),
            false => Err(reply),
        }
    }
}

fn lines(client: &mut Client) -> Result<Vec<u8>, Vec<u8>> {
    match client.try_read_until(FENCE) {
        Some(mut reply) => {
            reply.truncate(reply.len() - FENCE.len());
            Ok(reply)
        }
        None => Err(client.read_to_close()),
    }
}

fn messages(client: &mut Client) -> Result<Vec<u8>, Vec<u8>> {
    let mut reply = Vec::new();
    loop {
        let mut message = client.read_at_most(binary::HEADER_BYTES);
        if let Some(bytes) = binary::message_bytes(&message) {
            message.extend(client.read_at_most(bytes - binary::HEADER_BYTES));
            if binary::is_fence(&message) {
                return Ok(reply);
            }
        }
        let ended = message.len() < binary::HEADER_BYTES;
        reply.extend(message);
        if ended {
            return Err(reply);
        }
    }
}

/// Sends a request as one datagram and puts the parts of its answer together.
fn one_datagram(socket: &UdpSocket, request: &[u8]) -> Vec<u8> {
    const HEAD: [u8; DATAGRAM_HEAD] = [0, 7, 0, 0, 0, 1, 0, 0];
    let sent = socket.send(&[&HEAD[..], request].concat());
    sent.expect("the server has a socket there");
    let mut parts: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut datagram = [0; 64 << 10];
        let len = socket.recv(&mut datagram).expect("datagrams are answered");
        let number = |at: usize| usize::from(u16::from_be_bytes([datagram[at], datagram[at + 1]]));
        parts.resize(number(4), Vec::new());
        parts[number(2)] = datagram[DATAGRAM_HEAD..len].to_vec();
        if parts.iter().all(|part| !part.is_empty()) {
            return parts.concat();
        }
    }
}
