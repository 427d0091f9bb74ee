//! What stands between a new connection and the service: its protocol, and its password.

use super::{Gate, Session};
use crate::cache::Next;
use crate::protocol::binary::REQUEST_MAGIC;
use crate::server::auth::{self, Verdict};
use crate::server::options::WireProtocol;
use crate::server::service::Service;
use crate::server::socket::Socket;

impl<S: Service, T: Socket> Session<S, T> {
    /// Asks the gate. Without a turn it is open, and so many bytes are used up.
    pub(super) fn pass_gate(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> (usize, Option<Next<S::Job>>) {
        let process = &self.shard.process;
        if self.gate == Gate::Protocol {
            // Passwords of binary clients are SASL's business, behind the gate.
            let binary = input.first() == Some(&REQUEST_MAGIC);
            match (process.config.protocol, &process.passwords) {
                (WireProtocol::Binary, _) if !binary => return (0, Some(Next::Close)),
                (WireProtocol::Ascii, _) if binary => return (0, Some(Next::Close)),
                (_, Some(_)) if !binary => self.gate = Gate::Password,
                _ => {
                    self.gate = Gate::Open;
                    return (0, None);
                }
            }
        }
        let Some(passwords) = &process.passwords else {
            return (0, None);
        };
        let mut at = 0;
        loop {
            if at == input.len() {
                return (at, Some(Next::Read { needed: 1 }));
            }
            match auth::gate(passwords, &input[at..], out) {
                Verdict::Consumed(consumed) => at += consumed,
                Verdict::Needs(needed) => return (at, Some(Next::Read { needed })),
                Verdict::Close => return (at, Some(Next::Close)),
                Verdict::Open(consumed) => {
                    self.gate = Gate::Open;
                    return (at + consumed, None);
                }
            }
        }
    }
}
