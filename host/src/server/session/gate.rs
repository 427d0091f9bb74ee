//! What stands between a new connection and the service: its protocol, and its password.

use super::{Gate, Session};
use crate::cache::Next;
use crate::protocol::binary::REQUEST_MAGIC;
use crate::server::auth::{self, Verdict};
use crate::server::service::Service;
use crate::server::socket::Socket;

impl<S: Service, T: Socket> Session<S, T> {
    /// Asks the gate about `input`. Without a next step the gate is open, and so many bytes are used up. Binary clients
    /// give their passwords by SASL, behind the gate.
    pub(super) fn pass_gate(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> (usize, Option<Next<S::Job>>) {
        let process = &self.worker.process;
        let passwords = process.logins.text();
        if self.gate == Gate::Protocol {
            if !process.config.protocol.speaks(input.first()) {
                return (0, Some(Next::Refuse));
            }
            let binary = input.first() == Some(&REQUEST_MAGIC);
            if passwords.is_none() || binary {
                self.gate = Gate::Open;
                return (0, None);
            }
            self.gate = Gate::Password;
        }
        let Some(passwords) = passwords else {
            return (0, None);
        };
        let mut at = 0;
        loop {
            if at == input.len() {
                return (at, Some(Next::Read { needed: 1 }));
            }
            let entry = &self.link.entry;
            match auth::gate(&process.logins, passwords, entry, &input[at..], out) {
                Verdict::Consumed(consumed) => at += consumed,
                Verdict::Needs(needed) => return (at, Some(Next::Read { needed })),
                Verdict::Close => return (at, Some(Next::Refuse)),
                Verdict::Denied(consumed) => {
                    self.count_login(false);
                    at += consumed;
                }
                Verdict::Cut => {
                    self.count_login(false);
                    return (at, Some(Next::Refuse));
                }
                Verdict::Open(consumed) => {
                    self.count_login(true);
                    self.gate = Gate::Open;
                    return (at + consumed, None);
                }
            }
        }
    }

    fn count_login(&self, granted: bool) {
        self.worker.service.borrow_mut().login_tried(granted);
    }
}
