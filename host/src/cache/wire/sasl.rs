//! Login of binary clients by SASL PLAIN (RFC 4616).

use crate::cache::flow::{Executor, Flow, GO_ON, Halt};
use crate::cache::host::Login;
use crate::protocol::binary::{Echo, Status};

/// The only mechanism.
const MECHANISM: &[u8] = b"PLAIN";

/// `SASL list mechanisms`.
pub(super) fn list(x: &Executor<'_>, echo: Echo, out: &mut Vec<u8>) {
    match x.ops.shared.host.asks_for_sasl() {
        true => echo.text(out, MECHANISM),
        false => echo.error(out, Status::UnknownCommand),
    }
}

/// A step of a login, which decides whether the connection is `authenticated`.
pub(super) fn login(
    x: &Executor<'_>,
    authenticated: &mut bool,
    echo: Echo,
    (mechanism, message, step): (&[u8], &[u8], bool),
    out: &mut Vec<u8>,
) -> Flow {
    let host = &x.ops.shared.host;
    if !host.asks_for_sasl() {
        echo.error(out, Status::UnknownCommand);
        return GO_ON;
    }
    x.ops.counters.auth_cmds.add_alone(1);
    // An authorisation identity, user and password, separated by NUL.
    let mut words = message.splitn(3, |&b| b == 0).skip(1);
    let login = match (words.next(), words.next()) {
        (Some(user), Some(password)) if mechanism == MECHANISM && !step => {
            host.sasl(x.ops.client(), user, password)
        }
        _ => Login::Denied,
    };
    *authenticated = login == Login::Granted;
    if *authenticated {
        echo.text(out, b"Authenticated");
        return GO_ON;
    }
    x.ops.counters.auth_errors.add_alone(1);
    echo.error(out, Status::AuthError);
    match login {
        Login::Cut => Halt::Refuse.now(),
        _ => GO_ON,
    }
}
