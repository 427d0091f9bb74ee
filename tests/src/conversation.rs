//! Conversations: text files of what a client says and what it must hear.
//! `tests/conversations/README.md` describes the format.

use std::fmt::Write as _;
use std::path::Path;

use crate::client::{Client, show};
use crate::server::Server;

/// A parsed conversation with a freshly started server.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// Options the server is started with.
    pub options: Vec<String>,
    /// Requests with their replies, in order.
    pub exchanges: Vec<Exchange>,
    /// Whether the server closes the connection after the last reply.
    pub closed: bool,
}

/// Something sent, and what comes back for it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// The line of the file at which the exchange starts, for messages.
    pub line: usize,
    /// Bytes to send.
    pub request: Vec<u8>,
    /// What must come.
    pub reply: Vec<Expected>,
}

/// A part of an expected reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Exactly these bytes.
    Bytes(Vec<u8>),
    /// A decimal number.
    Number,
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
        for (index, line) in text.lines().enumerate() {
            let taken = conversation.take(index + 1, line);
            taken.map_err(|error| error.context(format!("line {}", index + 1)))?;
        }
        Ok(conversation)
    }

    fn take(&mut self, number: usize, line: &str) -> anyhow::Result<()> {
        anyhow::ensure!(!self.closed, "the connection is closed already");
        let (marker, text) = line.split_once(' ').unwrap_or((line, ""));
        let comment = line.trim().is_empty() || line.starts_with('#');
        match (marker, text) {
            _ if comment => {}
            ("!", "closed") => self.closed = true,
            ("!", text) => {
                let options = text.strip_prefix("options ");
                let options = options.ok_or_else(|| anyhow::anyhow!("unknown directive"))?;
                self.options
                    .extend(options.split_whitespace().map(str::to_owned));
            }
            (marker, text) if marker.starts_with('>') => {
                let bytes = content(&marker[1..], text)?;
                let open = self
                    .exchanges
                    .last_mut()
                    .filter(|last| last.reply.is_empty());
                match open {
                    Some(exchange) => exchange.request.extend(bytes),
                    None => {
                        let exchange = Exchange {
                            line: number,
                            request: bytes,
                            reply: Vec::new(),
                        };
                        self.exchanges.push(exchange);
                    }
                }
            }
            ("<~", text) => self.answer()?.extend(numbers(text)),
            (marker, text) if marker.starts_with('<') => {
                let bytes = content(&marker[1..], text)?;
                self.answer()?.push(Expected::Bytes(bytes));
            }
            _ => anyhow::bail!("neither a request, an answer, a directive nor a comment"),
        }
        Ok(())
    }

    fn answer(&mut self) -> anyhow::Result<&mut Vec<Expected>> {
        let exchange = self.exchanges.last_mut();
        Ok(&mut exchange
            .ok_or_else(|| anyhow::anyhow!("an answer before any request"))?
            .reply)
    }

    /// Plays the conversation on a new connection to `server`.
    ///
    /// # Errors
    /// With the line and both texts, at the first reply that isn't as expected.
    pub fn replay(&self, server: &Server, cut: Cut) -> anyhow::Result<()> {
        let mut client = server.connect();
        if cut == Cut::Pipelined {
            // A server that closes early takes no more; what it answered decides.
            let requests: Vec<&[u8]> = self
                .exchanges
                .iter()
                .map(|exchange| &exchange.request[..])
                .collect();
            client.try_send(requests.concat());
        }
        for exchange in &self.exchanges {
            match cut {
                Cut::Request => drop(client.try_send(&exchange.request)),
                Cut::Byte => drop(exchange.request.iter().all(|byte| client.try_send([*byte]))),
                Cut::Pipelined => {}
            }
            let checked = exchange.check(&mut client);
            checked.map_err(|error| error.context(format!("{cut:?}, line {}", exchange.line)))?;
        }
        if self.closed {
            let rest = client.read_to_close();
            anyhow::ensure!(
                rest.is_empty(),
                "{cut:?}: the end wanted, heard {}",
                show(&rest)
            );
        } else {
            // Nothing more may have been said, and the connection must be in step.
            client.send("mn\r\n");
            let rest = client.read_until(b"MN\r\n");
            anyhow::ensure!(
                rest == b"MN\r\n",
                "{cut:?}: nothing more wanted, heard {}",
                show(&rest)
            );
        }
        Ok(())
    }
}

impl Exchange {
    fn check(&self, client: &mut Client) -> anyhow::Result<()> {
        let mut heard = Vec::new();
        let mut wanted = String::new();
        for expected in &self.reply {
            let good = match expected {
                Expected::Bytes(bytes) => {
                    let _ = write!(wanted, "{}", show(bytes));
                    let got = client.read_at_most(bytes.len());
                    heard.extend_from_slice(&got);
                    got == *bytes
                }
                Expected::Number => {
                    wanted.push_str("{}");
                    let got = client.read_while(u8::is_ascii_digit);
                    heard.extend_from_slice(&got);
                    !got.is_empty()
                }
            };
            let (request, heard) = (show(&self.request), show(&heard));
            anyhow::ensure!(good, "to {request}\n  wanted {wanted}\n  heard  {heard}");
        }
        Ok(())
    }
}

/// The bytes of a line: what follows its marker's first character says how they are written.
fn content(form: &str, text: &str) -> anyhow::Result<Vec<u8>> {
    match form {
        "" => Ok([text.as_bytes(), b"\r\n"].concat()),
        "\\" => unescape(text),
        "*" => {
            let (count, byte) = text
                .split_once(' ')
                .ok_or_else(|| anyhow::anyhow!("a count and a byte"))?;
            Ok([byte.repeat(count.parse()?).as_bytes(), b"\r\n"].concat())
        }
        other => anyhow::bail!("unknown form `{other}`"),
    }
}

fn unescape(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let mut letters = after.chars();
        bytes.push(match letters.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digits = letters
                    .as_str()
                    .get(..2)
                    .ok_or_else(|| anyhow::anyhow!("`\\x` needs two digits"))?;
                letters = letters.as_str()[2..].chars();
                u8::from_str_radix(digits, 16)?
            }
            other => anyhow::bail!("unknown escape {other:?}"),
        });
        rest = letters.as_str();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// A line whose `{}` stand for numbers.
fn numbers(text: &str) -> Vec<Expected> {
    let mut parts = Vec::new();
    for (index, piece) in text.split("{}").enumerate() {
        if index > 0 {
            parts.push(Expected::Number);
        }
        parts.push(Expected::Bytes(piece.as_bytes().to_vec()));
    }
    parts.push(Expected::Bytes(b"\r\n".to_vec()));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &[u8]) -> Expected {
        Expected::Bytes(text.to_vec())
    }

    #[test]
    fn lines_become_exchanges() {
        let text = "# a comment\n! options -I 2k\n> set a 0 0 1\n> x\n< STORED\n\n> get a\n<~ V {}\n> quit\n! closed\n";
        let found = Conversation::parse(text).unwrap();
        assert_eq!(found.options, ["-I", "2k"]);
        assert_eq!(found.exchanges.len(), 3);
        assert_eq!(found.exchanges[0].request, b"set a 0 0 1\r\nx\r\n");
        assert_eq!(found.exchanges[0].reply, [bytes(b"STORED\r\n")]);
        let line = [bytes(b"V "), Expected::Number, bytes(b""), bytes(b"\r\n")];
        assert_eq!(found.exchanges[1].reply, line);
        assert!(found.closed);
    }

    #[test]
    fn bytes_can_be_written_in_three_forms() {
        assert_eq!(content("", "a\\n ").unwrap(), b"a\\n \r\n");
        assert_eq!(content("\\", r"a\x00\r\\\0").unwrap(), b"a\x00\r\\\x00");
        assert_eq!(content("*", "3 x").unwrap(), b"xxx\r\n");
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        for text in [
            "get a",
            "< END",
            "! sing",
            ">? x",
            ">\\ \\q",
            ">\\ \\x4",
            ">* many x",
            "! closed\n> mn",
        ] {
            assert!(Conversation::parse(text).is_err(), "{text:?} is understood");
        }
    }
}
