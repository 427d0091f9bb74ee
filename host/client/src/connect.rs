//! A connection until its server has proved that it lives.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::reply::{self, Kind, Reply};
use crate::{Cause, Login, Options, command};

/// Connects to one of the addresses of `host`, logs in, and waits for the answer to a command that does nothing.
///
/// The name is looked up each time, so a server that came back elsewhere is found. Each address is tried in turn, all within
/// [`Options::connect_ms`].
///
/// # Errors
/// When no address can be connected to, or the server there does not answer as it should.
pub(crate) async fn connect(host: &str, port: u16, options: &Options) -> Result<TcpStream, Cause> {
    let limit = Duration::from_millis(options.connect_ms);
    match timeout(limit, open(host, port, options)).await {
        Ok(result) => result,
        Err(_) => Err(Cause::Connect(format!(
            "no answer within {} ms",
            options.connect_ms
        ))),
    }
}

async fn open(host: &str, port: u16, options: &Options) -> Result<TcpStream, Cause> {
    let failed = |error: std::io::Error| Cause::Connect(error.to_string());
    let mut last = Cause::Connect("the name has no address".to_owned());
    for address in lookup_host((host, port)).await.map_err(failed)? {
        match TcpStream::connect(address).await {
            Ok(mut stream) => {
                // Commands are small, and each is waited for.
                stream.set_nodelay(true).map_err(failed)?;
                greet(&mut stream, options).await?;
                return Ok(stream);
            }
            Err(error) => last = Cause::Connect(format!("{address}: {error}")),
        }
    }
    Err(last)
}

async fn greet(stream: &mut TcpStream, options: &Options) -> Result<(), Cause> {
    if let Some(Login { user, password }) = &options.login {
        let len = user.len() + 1 + password.len();
        let login = format!("set login 0 0 {len}\r\n{user} {password}\r\n");
        expect_done(stream, login.as_bytes(), options, "the login was refused").await?;
    }
    let refusal = "the server must speak meta commands, as memcached does since 1.6";
    expect_done(stream, command::NOOP, options, refusal).await
}

/// Sends a command and waits until it is done.
async fn expect_done(
    stream: &mut TcpStream,
    command: &[u8],
    options: &Options,
    refusal: &str,
) -> Result<(), Cause> {
    let broken = |error: std::io::Error| Cause::Connect(error.to_string());
    stream.write_all(command).await.map_err(broken)?;
    let mut input = BytesMut::new();
    loop {
        match reply::take(&mut input, options.value_bytes_max) {
            Ok(Some(Reply {
                kind: Kind::Done, ..
            })) if input.is_empty() => return Ok(()),
            Ok(Some(Reply {
                kind: Kind::Refused(line),
                ..
            })) => {
                return Err(Cause::Connect(format!("{refusal}: {line}")));
            }
            Ok(Some(_)) => {
                return Err(Cause::Connect(format!(
                    "{refusal}: an answer to something else"
                )));
            }
            Ok(None) => (),
            Err(line) => return Err(Cause::Connect(format!("{refusal}: {line}"))),
        }
        if stream.read_buf(&mut input).await.map_err(broken)? == 0 {
            return Err(Cause::Closed);
        }
    }
}
