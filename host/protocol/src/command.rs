//! What a client can ask for, borrowed from the bytes it sent.

use super::{Meta, MetaKey, Tokens};

/// What the front of the input holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parsed<'a> {
    /// Nothing complete yet: read more, then parse again from the same start.
    Incomplete {
        /// Length the input must reach before it makes sense to parse again: exact once the
        /// command's line is there, one more byte than now until then.
        needed: usize,
    },
    /// One command.
    Command {
        /// What is asked.
        command: Command<'a>,
        /// Bytes of the input that the command takes, data block included.
        consumed: usize,
    },
    /// A command whose large data block is not all there. It may be taken as it comes, or read like
    /// [`Parsed::Incomplete`].
    Announced {
        /// What is asked, its value left empty.
        command: Command<'a>,
        /// Bytes of the input before the data block.
        consumed: usize,
        /// Length of the data block without its line end.
        len: usize,
    },
    /// Bytes that are no command, already answered by the parser.
    Error(Refusal),
    /// A well-formed store command whose value is over the limit.
    TooLarge(TooLarge<'a>),
}

/// How to go on after bytes that are no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What to send, line end included; empty when `noreply` silenced it.
    pub reply: &'static str,
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// Bytes to skip unread after the consumed ones, possibly more than the input holds.
    pub swallow: u64,
    /// Close the connection after the reply.
    pub close: bool,
}

/// A value over the limit. The answer is [`reply::TOO_LARGE`](super::reply::TOO_LARGE) unless `noreply`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge<'a> {
    /// The key whose value was sent.
    pub key: MetaKey<'a>,
    /// Whether the old value under the key must go, as it would be stale: after `set` and an `ms` that sets, not after
    /// the others.
    pub drop_old: bool,
    /// Whether the command was a meta command.
    pub meta: bool,
    /// Send no answer. Always false for `ms`: quiet mode hides no errors.
    pub noreply: bool,
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// Bytes to skip unread after the consumed ones: the value and its line end.
    pub swallow: u64,
}

/// One text command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command<'a> {
    /// `get`, `gets`, `gat`, `gats`.
    Get(Get<'a>),
    /// `set`, `add`, `replace`, `append`, `prepend`, `cas`.
    Store(Store<'a>),
    /// `delete`.
    Delete {
        /// The item's key.
        key: &'a [u8],
        /// Send no answer.
        noreply: bool,
    },
    /// `incr`, `decr`.
    Arith(Arith<'a>),
    /// `touch`.
    Touch {
        /// The item's key.
        key: &'a [u8],
        /// The exptime as sent; see [`expiry`](super::expiry).
        exptime: i64,
        /// Send no answer.
        noreply: bool,
    },
    /// `flush_all`.
    FlushAll {
        /// The delay as sent: `None` or 0 is now, otherwise relative or absolute as an exptime.
        delay: Option<i64>,
        /// Send no answer.
        noreply: bool,
    },
    /// `version`.
    Version,
    /// `verbosity`.
    Verbosity {
        /// New level.
        level: u32,
        /// Send no answer.
        noreply: bool,
    },
    /// `quit`: close without an answer.
    Quit,
    /// `stats`, with whatever follows it.
    Stats {
        /// The words after `stats`.
        args: Tokens<'a>,
    },
    /// `stats cachedump`.
    Cachedump {
        /// The class whose keys are listed.
        class: u32,
        /// Most keys to list; 0 is no bound.
        keys_max: u32,
    },
    /// `cache_memlimit`.
    CacheMemlimit {
        /// New limit in MiB.
        megabytes: u32,
        /// Send no answer.
        noreply: bool,
    },
    /// `shutdown`.
    Shutdown {
        /// Finish what is in flight and save first.
        graceful: bool,
    },
    /// `watch`.
    Watch {
        /// The streams asked for; none means `fetchers`.
        args: Tokens<'a>,
    },
    /// `lru_crawler`.
    LruCrawler(LruCrawler),
    /// `lru`: tuning of an LRU with segments, which this store does not have.
    Lru {
        /// The words after `lru`.
        args: Tokens<'a>,
    },
    /// `slabs`: moving of slab pages, which this store does not have.
    Slabs(Slabs),
    /// `refresh_certs`.
    RefreshCerts,
    /// `snapshot`: writes all items down, where they are kept over a restart.
    Snapshot,
    /// `mg`.
    MetaGet(Meta<'a>),
    /// `ms`.
    MetaSet {
        /// Key and flags.
        meta: Meta<'a>,
        /// The data block.
        value: &'a [u8],
    },
    /// `md`.
    MetaDelete(Meta<'a>),
    /// `ma`.
    MetaArith(Meta<'a>),
    /// `mn`.
    MetaNoop,
    /// `me`.
    MetaDebug {
        /// The item's key.
        key: MetaKey<'a>,
    },
}

impl Command<'_> {
    /// The command's name.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Get(get) => get.name(),
            Command::Store(store) => store.verb.name(),
            Command::Delete { .. } => "delete",
            Command::Arith(arith) if arith.decrement => "decr",
            Command::Arith(_) => "incr",
            Command::Touch { .. } => "touch",
            Command::FlushAll { .. } => "flush_all",
            Command::Version => "version",
            Command::Verbosity { .. } => "verbosity",
            Command::Quit => "quit",
            Command::Stats { .. } | Command::Cachedump { .. } => "stats",
            Command::CacheMemlimit { .. } => "cache_memlimit",
            Command::Shutdown { .. } => "shutdown",
            Command::Watch { .. } => "watch",
            Command::LruCrawler(_) => "lru_crawler",
            Command::Lru { .. } => "lru",
            Command::Slabs(_) => "slabs",
            Command::RefreshCerts => "refresh_certs",
            Command::Snapshot => "snapshot",
            Command::MetaGet(_) => "mg",
            Command::MetaSet { .. } => "ms",
            Command::MetaDelete(_) => "md",
            Command::MetaArith(_) => "ma",
            Command::MetaNoop => "mn",
            Command::MetaDebug { .. } => "me",
        }
    }
}

/// A retrieval of one or many keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Get<'a> {
    /// At least one key, each within the limits.
    pub keys: Tokens<'a>,
    /// The key, when it is known to be the only one.
    pub only: Option<&'a [u8]>,
    /// Show the CAS (`gets`, `gats`).
    pub cas: bool,
    /// New exptime for every item found (`gat`, `gats`).
    pub touch: Option<i64>,
}

impl<'a> Get<'a> {
    /// The command's name.
    pub fn name(&self) -> &'static str {
        match (self.touch, self.cas) {
            (None, false) => "get",
            (None, true) => "gets",
            (Some(_), false) => "gat",
            (Some(_), true) => "gats",
        }
    }
}

/// How a classic command stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreVerb {
    /// `set`.
    Set,
    /// `add`.
    Add,
    /// `replace`.
    Replace,
    /// `append`.
    Append,
    /// `prepend`.
    Prepend,
    /// `cas`, with the token to compare.
    Cas(u64),
}

impl StoreVerb {
    /// The command's name.
    pub fn name(self) -> &'static str {
        match self {
            StoreVerb::Set => "set",
            StoreVerb::Add => "add",
            StoreVerb::Replace => "replace",
            StoreVerb::Append => "append",
            StoreVerb::Prepend => "prepend",
            StoreVerb::Cas(_) => "cas",
        }
    }
}

/// A classic command with a data block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store<'a> {
    /// The verb.
    pub verb: StoreVerb,
    /// The item's key.
    pub key: &'a [u8],
    /// Client flags.
    pub flags: u32,
    /// The exptime as sent; see [`expiry`](super::expiry).
    pub exptime: i64,
    /// The data block.
    pub value: &'a [u8],
    /// Send no answer.
    pub noreply: bool,
}

/// `incr` or `decr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arith<'a> {
    /// The item's key.
    pub key: &'a [u8],
    /// The number to add or subtract.
    pub delta: u64,
    /// Subtract instead of add.
    pub decrement: bool,
    /// Send no answer.
    pub noreply: bool,
}

/// A command to the walker over all items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LruCrawler {
    /// `enable`.
    Enable,
    /// `disable`.
    Disable,
    /// `sleep N`, in microseconds.
    Sleep(u32),
    /// `tocrawl N`.
    ToCrawl(u32),
    /// `crawl all` or class numbers.
    Crawl(Classes),
    /// `metadump all`, `metadump hash` or class numbers.
    Metadump(Classes),
    /// `mgdump all`, `mgdump hash` or class numbers.
    Mgdump(Classes),
}

/// A set of slab classes. All items are in class [`Classes::OURS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classes(pub(crate) u64);

impl Classes {
    /// The class all items are in.
    pub const OURS: u32 = 1;
    /// Numbers from here on are no classes.
    pub const END: u32 = 64;

    /// Whether the set has the class that all items are in.
    pub fn has_items(self) -> bool {
        self.0 & 1 << Self::OURS != 0
    }
}

/// `slabs` and its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slabs {
    /// `reassign SRC DST`.
    Reassign {
        /// The class to move a page from; -1 for any.
        source: i32,
        /// The class to move a page to.
        target: i32,
    },
    /// `automove N`, N up to 2.
    Automove(u32),
    /// `automove ratio`, `freeratio` or `window` with a number.
    AutomoveTuning,
}
