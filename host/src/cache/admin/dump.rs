//! Answers as long as the cache is full: lists of all keys, and the sizes of all items.
//!
//! They are made in pieces. Between two of them the piece is written, however slowly the client reads, and the
//! worker's other connections have their turn.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::cache::calls::LaneResult;
use crate::cache::flow::{Executor, Flow, GO_ON, Halt, Unfinished};
use crate::protocol::binary::Echo;
use crate::protocol::reply::{self, ItemFacts};
use crate::store::{Cursor, ItemInfo, Now};

/// Output past which a piece ends, in bytes.
const OUT_BYTES_MAX: usize = 256 * 1024;
/// Calls of `Store::scan` for one piece: some thousand items, about a millisecond.
const SCANS_PER_PIECE: usize = 32;
/// Width in bytes of the classes of `stats sizes`.
const SIZE_STEP: usize = 32;
/// Bytes of one answer of `stats cachedump` without a limit, as in memcached.
const CACHEDUMP_BYTES_MAX: usize = 2 << 20;

/// A list that is not finished.
#[derive(Debug)]
pub(super) struct Dump {
    what: What,
    /// Items not visited yet; `None` when all were.
    cursor: Option<Cursor>,
    /// What each line for a binary client repeats; `None` for a text client.
    echo: Option<Echo>,
}

/// What is listed.
#[derive(Debug)]
enum What {
    /// `lru_crawler metadump`.
    Details,
    /// `lru_crawler mgdump`.
    Keys,
    /// `stats cachedump`: keys and bytes still to be listed, at most.
    Cachedump { keys: usize, bytes: usize },
    /// `stats sizes`: number of items by the upper end of their size class.
    Sizes(BTreeMap<usize, u64>),
}

impl Dump {
    fn of(what: What) -> Dump {
        Dump {
            what,
            cursor: Some(Cursor::default()),
            echo: None,
        }
    }

    /// All keys, with what is known of each or as commands that read them.
    pub(super) fn keys(details: bool) -> Dump {
        Dump::of(if details { What::Details } else { What::Keys })
    }

    /// Lists up to `keys` keys, or all when that is 0; the answer is bounded either way.
    pub(super) fn cachedump(keys: u32) -> Dump {
        let keys = match keys {
            0 => usize::MAX,
            keys => keys as usize,
        };
        Dump::of(What::Cachedump {
            keys,
            bytes: CACHEDUMP_BYTES_MAX,
        })
    }

    /// Counts the items of each size.
    pub(super) fn sizes(echo: Option<Echo>) -> Dump {
        Dump {
            echo,
            ..Dump::of(What::Sizes(BTreeMap::new()))
        }
    }

    /// Lists or counts one item.
    fn visit(
        &mut self,
        now: Now,
        (key, info): (&[u8], &ItemInfo),
        value_len: usize,
        out: &mut Vec<u8>,
    ) {
        match &mut self.what {
            What::Details => {
                let facts = ItemFacts {
                    expiry: info.expiry.0.map(|at| at / 1000),
                    accessed: u64::from(now.unix_s.saturating_sub(info.idle_s)),
                    cas: info.cas,
                    fetched: info.fetched,
                    size: (key.len() + value_len) as u64,
                    flags: info.flags,
                };
                reply::metadump_line(out, key, &facts);
            }
            What::Keys => reply::mgdump_line(out, key),
            What::Cachedump { keys: 0, .. } => {}
            What::Cachedump { keys, bytes } => {
                let before = out.len();
                let expiry = info.expiry.0.map_or(0, |at| at / 1000);
                reply::cachedump_line(out, key, value_len, expiry);
                *keys -= 1;
                *bytes = bytes.saturating_sub(out.len() - before);
                if *bytes == 0 {
                    *keys = 0;
                }
            }
            What::Sizes(sizes) => {
                let class = (key.len() + value_len).div_ceil(SIZE_STEP) * SIZE_STEP;
                *sizes.entry(class).or_default() += 1;
            }
        }
    }

    /// Whether everything asked for was listed before the last item.
    fn is_full(&self) -> bool {
        matches!(self.what, What::Cachedump { keys: 0, .. })
    }

    /// Writes what could only be written once all items were visited, until the piece is long enough. True when all of
    /// it is written.
    fn conclude(&mut self, out: &mut Vec<u8>) -> bool {
        let echo = self.echo;
        if let What::Sizes(sizes) = &mut self.what {
            while let Some((size, count)) = sizes.pop_first() {
                stat(out, echo, &size.to_string(), &count);
                if out.len() > OUT_BYTES_MAX {
                    return false;
                }
            }
        }
        match (echo, &self.what) {
            (Some(echo), _) => echo.stat(out, b"", b""),
            (None, What::Keys) => out.extend_from_slice(reply::EN.as_bytes()),
            (None, _) => out.extend_from_slice(reply::END.as_bytes()),
        }
        true
    }
}

fn stat(out: &mut Vec<u8>, echo: Option<Echo>, name: &str, value: &dyn Display) {
    match echo {
        Some(echo) => echo.stat(out, name.as_bytes(), value.to_string().as_bytes()),
        None => reply::stat(out, name, value),
    }
}

impl Dump {
    /// Writes the first piece.
    pub(in crate::cache) fn begin(self, x: &mut Executor<'_>, out: &mut Vec<u8>) -> Flow {
        self.piece(x, out)
    }

    /// Writes the next piece.
    fn piece(mut self, x: &mut Executor<'_>, out: &mut Vec<u8>) -> Flow {
        let now = x.ops.now;
        for _ in 0..SCANS_PER_PIECE {
            let Some(cursor) = self.cursor.filter(|_| !self.is_full()) else {
                return match self.conclude(out) {
                    true => GO_ON,
                    false => Box::new(Halt::Write).then(self),
                };
            };
            let mut visit =
                |key: &[u8], info: &ItemInfo, len| self.visit(now, (key, info), len, out);
            let next = x
                .ops
                .shared
                .store
                .scan(now, cursor, &mut |key, info, value| {
                    visit(key, info, value.len())
                });
            self.cursor = next;
            if out.len() > OUT_BYTES_MAX {
                break;
            }
        }
        Box::new(Halt::Write).then(self)
    }
}

impl Unfinished for Dump {
    fn resume(
        self: Box<Self>,
        x: &mut Executor<'_>,
        _: Option<LaneResult>,
        out: &mut Vec<u8>,
    ) -> Flow {
        self.piece(x, out)
    }
}
