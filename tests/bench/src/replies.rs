//! Counting complete replies in a stream of bytes, wherever it is cut.

/// How a server frames its replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// memcache text: lines, and data blocks announced by `VALUE` lines.
    Text,
    /// Redis' protocol: typed lines, announced strings and arrays.
    Resp,
}

/// The state between two pieces of a stream.
#[derive(Debug)]
pub(crate) struct Replies {
    protocol: Protocol,
    /// Bytes of a data block still to come.
    skip: usize,
    /// Elements of an array still to come.
    elements: usize,
    /// The beginning of a line whose end hasn't come.
    partial: Vec<u8>,
    /// Whether the current reply had a value.
    found: bool,
    /// Replies that were errors or, since every key of every workload is there, misses.
    pub(crate) errors: u64,
}

impl Replies {
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            skip: 0,
            elements: 0,
            partial: Vec::new(),
            found: false,
            errors: 0,
        }
    }

    /// Takes the next piece; gives how many replies it completed.
    pub(crate) fn feed(&mut self, mut piece: &[u8]) -> usize {
        let mut complete = 0;
        loop {
            let skipped = self.skip.min(piece.len());
            self.skip -= skipped;
            piece = &piece[skipped..];
            let Some(end) = piece.iter().position(|byte| *byte == b'\n') else {
                break;
            };
            let (line, rest) = piece.split_at(end + 1);
            if self.partial.is_empty() {
                complete += usize::from(self.line(line));
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                complete += usize::from(self.line(&whole));
            }
            piece = rest;
        }
        self.partial.extend_from_slice(piece);
        complete
    }

    /// Whether this line ends a reply.
    fn line(&mut self, line: &[u8]) -> bool {
        let line = line.trim_ascii_end();
        match self.protocol {
            Protocol::Text if line.starts_with(b"VALUE ") => {
                self.skip = line.split(|byte| *byte == b' ').nth(3).map_or(0, number) + 2;
                self.found = true;
                false
            }
            Protocol::Text => {
                let word = line.split(|byte| *byte == b' ').next().unwrap_or_default();
                let miss = word == b"END" && !self.found;
                self.errors += u64::from(word.ends_with(b"ERROR") || miss);
                self.found = false;
                true
            }
            Protocol::Resp => {
                if line.starts_with(b"*") {
                    self.elements = number(&line[1..]);
                    return self.elements == 0;
                }
                if line.starts_with(b"$") && line != b"$-1" {
                    self.skip = number(&line[1..]) + 2;
                }
                self.errors += u64::from(line.starts_with(b"-") || line == b"$-1");
                self.elements = self.elements.saturating_sub(1);
                self.elements == 0
            }
        }
    }
}

fn number(word: &[u8]) -> usize {
    word.iter().fold(0, |sum, digit| {
        sum * 10 + usize::from(digit.wrapping_sub(b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(protocol: Protocol, stream: &[u8], pieces: usize) -> (usize, u64) {
        let mut replies = Replies::new(protocol);
        let complete = stream.chunks(pieces).map(|piece| replies.feed(piece)).sum();
        (complete, replies.errors)
    }

    #[test]
    fn replies_are_counted_however_they_are_cut() {
        let text = b"STORED\r\nVALUE a 0 5\r\nEND\r\n\r\nVALUE b 0 0\r\n\r\nEND\r\nEND\r\nSERVER_ERROR x\r\n";
        let resp =
            b"+OK\r\n$5\r\n*1\r\n-\r\n:1\r\n$-1\r\n*3\r\n$1\r\na\r\n$-1\r\n:5\r\n*0\r\n-ERR x\r\n";
        for pieces in 1..text.len().max(resp.len()) {
            assert_eq!(
                count(Protocol::Text, text, pieces),
                (4, 2),
                "in pieces of {pieces}"
            );
            assert_eq!(
                count(Protocol::Resp, resp, pieces),
                (7, 3),
                "in pieces of {pieces}"
            );
        }
    }
}
