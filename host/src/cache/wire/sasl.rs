//! Login of binary clients by SASL PLAIN (RFC 4616).

use crate::cache::ops::Ops;
use crate::protocol::binary::{Command, Echo, Status};

/// The mechanism there is.
pub(super) const MECHANISM: &[u8] = b"PLAIN";

/// Whether a connection may send `command`: everything, unless a login is needed first.
pub(in crate::cache) fn allows(ops: &Ops, authenticated: bool, command: &Command<'_>) -> bool {
    authenticated
        || matches!(
            command,
            Command::SaslList | Command::Sasl { .. } | Command::Version | Command::Quit
        )
        || ops.shared.host.sasl(b"", b"").is_none()
}

/// `SASL list mechanisms`.
pub(super) fn list(ops: &Ops, echo: Echo, out: &mut Vec<u8>) {
    match ops.shared.host.sasl(b"", b"") {
        Some(_) => echo.text(out, MECHANISM),
        None => echo.error(out, Status::UnknownCommand),
    }
}

/// A step of a login. Returns whether the connection is logged in.
pub(super) fn login(
    ops: &Ops,
    echo: Echo,
    (mechanism, message, step): (&[u8], &[u8], bool),
    out: &mut Vec<u8>,
) -> bool {
    ops.counters.auth_cmds.add_alone(1);
    // An authorisation identity, user and password, separated by NUL.
    let mut words = message.splitn(3, |&b| b == 0).skip(1);
    let host = &ops.shared.host;
    let granted = match (words.next(), words.next()) {
        (Some(user), Some(password)) if mechanism == MECHANISM && !step => {
            host.sasl(user, password)
        }
        _ => host.sasl(b"", b"").map(|_| false),
    };
    match granted {
        None => echo.error(out, Status::UnknownCommand),
        Some(true) => echo.text(out, b"Authenticated"),
        Some(false) => {
            ops.counters.auth_errors.add_alone(1);
            echo.error(out, Status::AuthError);
        }
    }
    granted == Some(true)
}
