//! Conversations: text files of what a client says and what it must hear.
//!
//! ```text
//! # The old value survives a refused add.
//! > set a 0 0 1
//! > 1
//! < STORED
//! > get a
//! < VALUE a 0 1
//! < 1
//! < END
//! ```
//!
//! A line starting with `> ` is sent and one with `< ` expected, each with CRLF added; `#` starts a
//! comment. Escapes: `\r \n \t \0 \\ \xHH`, and `\*N(text)` for N times `text`. A line that ends in
//! `\c` gets no CRLF. In an expected line `\u` stands for any number and `\?` for the rest of the line.
//! `! closed` says that the server closes the connection here. `% reconnect` goes on with a fresh connection.

use std::fmt::Write as _;
use std::path::Path;

use crate::client::{Client, show};
use crate::server::Server;

/// A parsed conversation: exchanges in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// Requests with their replies.
    pub exchanges: Vec<Exchange>,
}

/// Something sent, and what comes back for it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// The line of the file it starts at, for messages.
    pub line: usize,
    /// Bytes to send.
    pub request: Vec<u8>,
    /// What must come.
    pub reply: Vec<Expected>,
    /// Whether the server closes the connection after the reply.
    pub closed: bool,
    /// Whether it starts on a fresh connection.
    pub fresh: bool,
}

/// A part of an expected reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Exactly these bytes.
    Bytes(Vec<u8>),
    /// A decimal number.
    Number,
    /// Whatever stands before the next CRLF.
    RestOfLine,
}

/// How a conversation's bytes are cut into writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Each request in one write; the next one is sent when the reply is complete.
    Request,
    /// Each byte in its own write.
    Byte,
    /// All requests in one write, then all replies.
    Pipelined,
}

/// Every cut.
pub const CUTS: [Cut; 3] = [Cut::Request, Cut::Byte, Cut::Pipelined];

impl Conversation {
    /// Reads a file.
    ///
    /// # Errors
    /// With the line number, when a line can't be understood.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        Self::parse(&text).map_err(|error| error.context(path.display().to_string()))
    }

    /// Reads a conversation's text.
    ///
    /// # Errors
    /// With the line number, when a line can't be understood.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut conversation = Self::default();
        let mut current = Exchange::default();
        let mut fresh = false;
        for (number, line) in text.lines().enumerate() {
            let at = || format!("line {}", number + 1);
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let answered = !current.reply.is_empty() || current.closed;
            if line.starts_with('>') && answered || line.starts_with('%') {
                conversation.close(&mut current);
            }
            match line.split_at(1) {
                (">", rest) => {
                    if current.request.is_empty() {
                        current.line = number + 1;
                        current.fresh = std::mem::take(&mut fresh);
                    }
                    for part in unescape(rest.strip_prefix(' ').unwrap_or(rest))
                        .map_err(|e| e.context(at()))?
                    {
                        match part {
                            Expected::Bytes(bytes) => current.request.extend(bytes),
                            other => anyhow::bail!("{}: {other:?} in a request", at()),
                        }
                    }
                }
                ("<", rest) => {
                    let parts = unescape(rest.strip_prefix(' ').unwrap_or(rest))
                        .map_err(|e| e.context(at()))?;
                    current.reply.extend(parts);
                }
                ("!", " closed") => current.closed = true,
                ("%", " reconnect") => fresh = true,
                _ => anyhow::bail!("{}: neither `>`, `<`, `!`, `%` nor `#`", at()),
            }
        }
        conversation.close(&mut current);
        Ok(conversation)
    }

    fn close(&mut self, current: &mut Exchange) {
        if current != &Exchange::default() {
            self.exchanges.push(std::mem::take(current));
        }
    }

    /// Plays the conversation against `server`.
    ///
    /// # Errors
    /// With the line and both texts, at the first reply that isn't as expected.
    pub fn replay(&self, server: &Server, cut: Cut) -> anyhow::Result<()> {
        let mut client = server.connect();
        for group in self
            .exchanges
            .chunk_by(|before, after| !before.closed && !after.fresh)
        {
            if group[0].fresh || group[0].line != self.exchanges[0].line {
                client = server.connect();
            }
            if cut == Cut::Pipelined {
                let all: Vec<u8> = group
                    .iter()
                    .flat_map(|exchange| exchange.request.clone())
                    .collect();
                client.send(all);
            }
            for exchange in group {
                match cut {
                    Cut::Request => client.send(&exchange.request),
                    // A server that closes early takes no more: what it answered decides.
                    Cut::Byte => drop(exchange.request.iter().all(|byte| client.try_send([*byte]))),
                    Cut::Pipelined => {}
                }
                exchange
                    .check(&mut client)
                    .map_err(|error| error.context(format!("{cut:?}, line {}", exchange.line)))?;
            }
        }
        Ok(())
    }
}

impl Exchange {
    fn check(&self, client: &mut Client) -> anyhow::Result<()> {
        let mut heard = String::new();
        for expected in &self.reply {
            let (good, bytes) = match expected {
                Expected::Bytes(bytes) => {
                    let got = client.read(bytes.len());
                    (got == *bytes, got)
                }
                Expected::Number => {
                    let got = client.read_while(u8::is_ascii_digit);
                    (!got.is_empty(), got)
                }
                Expected::RestOfLine => (true, client.read_while(|byte| *byte != b'\r')),
            };
            let _ = write!(heard, "{}", bytes.escape_ascii());
            let request = show(&self.request);
            anyhow::ensure!(
                good,
                "for {request} expected {:?}\nheard: {heard}",
                self.reply_text()
            );
        }
        if self.closed {
            let rest = client.read_to_close();
            anyhow::ensure!(
                rest.is_empty(),
                "expected the end of the connection, heard {}",
                show(&rest)
            );
        }
        Ok(())
    }

    fn reply_text(&self) -> String {
        self.reply.iter().fold(String::new(), |mut text, part| {
            let _ = match part {
                Expected::Bytes(bytes) => write!(text, "{}", bytes.escape_ascii()),
                Expected::Number => write!(text, "\\u"),
                Expected::RestOfLine => write!(text, "\\?"),
            };
            text
        })
    }
}

/// A line's text with its escapes resolved and CRLF added.
fn unescape(text: &str) -> anyhow::Result<Vec<Expected>> {
    let mut parts = Vec::new();
    let mut bytes = Vec::new();
    let mut rest = text;
    loop {
        let Some((before, after)) = rest.split_once('\\') else {
            bytes.extend_from_slice(rest.as_bytes());
            bytes.extend_from_slice(b"\r\n");
            break;
        };
        bytes.extend_from_slice(before.as_bytes());
        let mut chars = after.chars();
        let name = chars
            .next()
            .ok_or_else(|| anyhow::anyhow!("`\\` at the end"))?;
        rest = chars.as_str();
        match name {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            '0' => bytes.push(0),
            '\\' => bytes.push(b'\\'),
            'x' => {
                let digits = rest
                    .get(..2)
                    .ok_or_else(|| anyhow::anyhow!("`\\x` needs two digits"))?;
                bytes.push(u8::from_str_radix(digits, 16)?);
                rest = &rest[2..];
            }
            '*' => {
                let (count, tail) = rest
                    .split_once('(')
                    .ok_or_else(|| anyhow::anyhow!("`\\*N(text)`"))?;
                let (repeated, tail) = tail
                    .split_once(')')
                    .ok_or_else(|| anyhow::anyhow!("`\\*N(text)`"))?;
                bytes.extend(repeated.repeat(count.parse()?).as_bytes());
                rest = tail;
            }
            'u' | '?' => {
                parts.push(Expected::Bytes(std::mem::take(&mut bytes)));
                parts.push(if name == 'u' {
                    Expected::Number
                } else {
                    Expected::RestOfLine
                });
            }
            'c' if rest.is_empty() => break,
            other => anyhow::bail!("unknown escape `\\{other}`"),
        }
    }
    parts.push(Expected::Bytes(bytes));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &[u8]) -> Expected {
        Expected::Bytes(text.to_vec())
    }

    #[test]
    fn lines_become_exchanges() {
        let text = "# a comment\n> set a 0 0 1\n> x\n< STORED\n\n> quit\n! closed\n% reconnect\n> mn\n< MN\n";
        let found = Conversation::parse(text).unwrap().exchanges;
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].request, b"set a 0 0 1\r\nx\r\n");
        assert_eq!(found[0].reply, [bytes(b"STORED\r\n")]);
        assert!(found[1].closed && found[1].reply.is_empty());
        assert!(found[2].fresh);
    }

    #[test]
    fn escapes_are_bytes() {
        assert_eq!(
            unescape(r"a\x00\r\\\*3(ab)\c").unwrap(),
            [bytes(b"a\x00\r\\ababab")]
        );
        assert_eq!(
            unescape(r"VALUE a 0 1 \u").unwrap(),
            [bytes(b"VALUE a 0 1 "), Expected::Number, bytes(b"\r\n")]
        );
        assert!(unescape(r"\q").is_err() && unescape(r"\x4").is_err() && unescape("\\").is_err());
    }

    #[test]
    fn a_line_of_another_kind_is_refused() {
        assert!(Conversation::parse("get a\n").is_err());
        assert!(Conversation::parse("> \\u\n").is_err());
    }
}
