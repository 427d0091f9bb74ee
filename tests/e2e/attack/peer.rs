//! A server that scripts ask: it answers every question at once, with much.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// A server that answers fast and much, as long as the test runs.
pub(super) struct Peer(SocketAddr);

impl Peer {
    /// Starts it; each answer is a value of so many bytes.
    pub(super) fn start(value_bytes: usize) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let value = "p".repeat(value_bytes);
        let answer = format!("VALUE k 0 {value_bytes}\r\n{value}\r\nEND\r\n");
        let answer: Arc<[u8]> = answer.into_bytes().into();
        std::thread::spawn(move || {
            for asker in listener.incoming().flatten() {
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || serve(asker, &answer));
            }
        });
        Peer(address)
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port()
    }
}

/// Answers until the asker goes.
fn serve(asker: TcpStream, answer: &[u8]) {
    let mut reader = BufReader::new(asker);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
        if reader.get_mut().write_all(answer).is_err() {
            return;
        }
        line.clear();
    }
}
