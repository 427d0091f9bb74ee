//! Logins: who asks for them, how many may be wrong, and what the operator hears of them.

use std::sync::Arc;
use std::time::Instant;

use super::Passwords;
use super::throttle::Throttle;
use crate::stats::{ConnectionEntry, log};

/// Wrong logins of one connection, the last of which ends it.
const WRONG_MAX: u8 = 3;
/// Bytes of a user's name that are logged.
const NAME_BYTES_MAX: usize = 64;

/// How a login ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// User and password are right.
    Granted,
    /// They are wrong; the client may try again.
    Denied,
    /// They were wrong once too often: answer as to any wrong login, then close.
    Cut,
}

/// The passwords of this server, and who gave wrong ones.
#[derive(Debug)]
pub struct Logins {
    text: Option<Arc<Passwords>>,
    sasl: Option<Arc<Passwords>>,
    throttle: Throttle,
}

impl Logins {
    /// Logins with the passwords of text clients and of SASL clients; where there are none everybody is let in.
    pub fn new(text: Option<Arc<Passwords>>, sasl: Option<Arc<Passwords>>) -> Logins {
        Logins {
            text,
            sasl,
            throttle: Throttle::new(Instant::now()),
        }
    }

    /// Passwords of text clients (`-Y`).
    pub fn text(&self) -> Option<&Passwords> {
        self.text.as_deref()
    }

    /// Passwords of SASL clients (`-S`).
    pub fn sasl(&self) -> Option<&Passwords> {
        self.sasl.as_deref()
    }

    /// Whether a connection has to log in.
    pub fn are_asked_for(&self) -> bool {
        self.text.is_some() || self.sasl.is_some()
    }

    /// Reads the files again.
    pub(in crate::server) fn reload(&self) -> Vec<Result<(), String>> {
        let both = [self.text(), self.sasl()];
        both.into_iter().flatten().map(Passwords::reload).collect()
    }

    /// Checks a login of this connection. An address that was wrong too often isn't listened to for a while: its logins
    /// are refused without a look, and end their connections.
    pub fn check(
        &self,
        passwords: &Passwords,
        connection: &ConnectionEntry,
        user: &[u8],
        password: &[u8],
    ) -> Outcome {
        let (host, now) = (connection.endpoint().host, Instant::now());
        if !self.throttle.admits(host, now) {
            log::client(
                0,
                format_args!("login from {host} refused unheard: too many wrong ones"),
            );
            return Outcome::Cut;
        }
        let right = passwords.check(user, password);
        connection.login.set_granted(right);
        if right {
            return Outcome::Granted;
        }
        self.throttle.count_wrong(host, now);
        let name = &user[..user.len().min(NAME_BYTES_MAX)];
        log::client(
            0,
            format_args!(
                "wrong login from {}, user \"{}\"",
                connection.peer,
                String::from_utf8_lossy(name)
            ),
        );
        match connection.login.count_wrong() {
            WRONG_MAX.. => Outcome::Cut,
            _ => Outcome::Denied,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::passwords::tests::passwords;
    use super::*;
    use crate::stats::Connections;

    #[test]
    fn the_third_wrong_login_of_a_connection_is_its_last() {
        let passwords = Arc::new(passwords(b"ann:secret\n"));
        let logins = Logins::new(None, Some(Arc::clone(&passwords)));
        let connections = Connections::default();
        let open = || connections.open("tcp:10.0.0.1:1".into(), "l".into(), 0);
        let connection = open();
        let outcomes = [(); 3].map(|()| logins.check(&passwords, &connection, b"ann", b"x"));
        assert_eq!(outcomes, [Outcome::Denied, Outcome::Denied, Outcome::Cut]);
        assert!(!connection.login.is_granted());
        let connection = open();
        assert_eq!(
            logins.check(&passwords, &connection, b"ann", b"secret"),
            Outcome::Granted
        );
        assert!(connection.login.is_granted());
    }

    #[test]
    fn an_address_that_was_wrong_too_often_is_refused_unheard() {
        let passwords = Arc::new(passwords(b"ann:secret\n"));
        let logins = Logins::new(Some(Arc::clone(&passwords)), None);
        let connections = Connections::default();
        let open = |peer: &str| connections.open(peer.into(), "l".into(), 0);
        for _ in 0..100 {
            logins.check(&passwords, &open("tcp:10.0.0.1:1"), b"ann", b"guess");
        }
        assert_eq!(
            logins.check(&passwords, &open("tcp:10.0.0.1:2"), b"ann", b"secret"),
            Outcome::Cut
        );
        assert_eq!(
            logins.check(&passwords, &open("tcp:10.0.0.2:2"), b"ann", b"secret"),
            Outcome::Granted
        );
    }
}
