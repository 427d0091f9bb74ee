//! The first line of a buffer, and the answers that depend on where it ends.

use crate::{Command, Limits, Parsed, Refusal, reply};

pub(super) use crate::reply::{BAD_FORMAT, ERROR};

/// Why there is no command.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// There may be a command when the input is `needed` bytes long.
    Incomplete { needed: usize },
    /// The bytes are no command.
    Refused(Refusal),
}

impl From<Stop> for Parsed<'_> {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Incomplete { needed } => Parsed::Incomplete { needed },
            Stop::Refused(refusal) => Parsed::Error(refusal),
        }
    }
}

/// The first line of the input.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    /// The whole input, for the data block behind the line.
    input: &'a [u8],
    /// The line without its end.
    pub(super) text: &'a [u8],
    /// Length of the line with its end, in bytes.
    pub(super) consumed: usize,
}

impl<'a> Line<'a> {
    /// Finds the line, or tells what to do without one.
    #[inline]
    pub(super) fn find(input: &'a [u8], limits: &Limits) -> Result<Self, Stop> {
        match memchr::memchr(b'\n', input) {
            Some(end)
                if end <= limits.line_bytes_max
                    || is_get(input) && end <= limits.get_line_bytes_max =>
            {
                let text = &input[..end];
                Ok(Line {
                    input,
                    text: text.strip_suffix(b"\r").unwrap_or(text),
                    consumed: end + 1,
                })
            }
            end => Err(unfinished(input, end, limits)),
        }
    }

    /// The line is a whole command.
    #[inline]
    pub(super) fn command(&self, command: Command<'a>) -> Parsed<'a> {
        Parsed::Command {
            command,
            consumed: self.consumed,
        }
    }

    /// The line is refused.
    pub(super) fn refuse(&self, reply: &'static str) -> Stop {
        self.refuse_and_skip(reply, 0)
    }

    /// The line is refused, silently when the client wants no reply.
    pub(super) fn refuse_unless(&self, noreply: bool, reply: &'static str) -> Stop {
        self.refuse(if noreply { "" } else { reply })
    }

    /// The line is refused together with the `swallow` bytes behind it.
    pub(super) fn refuse_and_skip(&self, reply: &'static str, swallow: u64) -> Stop {
        Stop::Refused(Refusal {
            reply,
            consumed: self.consumed,
            swallow,
            close: false,
        })
    }

    /// The line ends the connection, without an answer.
    pub(super) fn close(&self) -> Stop {
        close(self.consumed, "")
    }

    /// The command made of the data block of `len` bytes behind the line and its `\r\n`; or why there is none.
    pub(super) fn with_block(
        &self,
        len: usize,
        noreply: bool,
        limits: &Limits,
        command: impl FnOnce(&'a [u8]) -> Command<'a>,
    ) -> Result<Parsed<'a>, Stop> {
        let consumed = self.consumed + len + 2;
        let Some(block) = self.input.get(self.consumed..consumed) else {
            if len >= limits.announced_bytes_min {
                return Ok(Parsed::Announced {
                    command: command(&[]),
                    consumed: self.consumed,
                    len,
                });
            }
            return Err(Stop::Incomplete { needed: consumed });
        };
        match block.split_at(len) {
            (value, b"\r\n") => Ok(Parsed::Command {
                command: command(value),
                consumed,
            }),
            _ => Err(Stop::Refused(Refusal {
                reply: if noreply { "" } else { reply::BAD_CHUNK },
                consumed,
                swallow: 0,
                close: false,
            })),
        }
    }
}

/// What to do without an acceptable line: it may still grow, or it is too long already.
#[cold]
fn unfinished(input: &[u8], end: Option<usize>, limits: &Limits) -> Stop {
    let seen = end.unwrap_or(input.len());
    if seen <= limits.line_bytes_max
        || end.is_none() && is_get(input) && seen <= limits.get_line_bytes_max
    {
        return Stop::Incomplete {
            needed: input.len() + 1,
        };
    }
    // memcached says nothing here; after a get the client deserves to know that it asked for too much.
    let reply = if is_get(input) {
        "CLIENT_ERROR line too long\r\n"
    } else {
        ""
    };
    close(input.len(), reply)
}

fn close(consumed: usize, reply: &'static str) -> Stop {
    Stop::Refused(Refusal {
        reply,
        consumed,
        swallow: 0,
        close: true,
    })
}

/// Whether the line is a `get` or its kin, whose list of keys may be far longer than other lines.
fn is_get(input: &[u8]) -> bool {
    [&b"get "[..], b"gets ", b"gat ", b"gats "]
        .iter()
        .any(|name| input.starts_with(name))
}
