//! What the rest of the host says to the store, and what it hears back.

/// A moment, handed in by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Seconds since 1970. Expiry has this resolution for plain items.
    pub unix_s: u32,
    /// Milliseconds within the second.
    pub millis: u16,
}

impl Now {
    /// Before all times. Effects that are replayed are applied now, since later ones may give an item more time, and
    /// whether its time is over is seen when all were applied.
    pub const BEFORE_ALL: Now = Now {
        unix_s: 0,
        millis: 0,
    };
}

/// When an item stops existing: milliseconds since 1970, or never. (Stored at the resolution the layout chooses; at
/// least seconds.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiry(pub Option<u64>);

/// A key with its hash, computed once per request.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// 1 to 250 bytes for clients; type$key names of objects may be a little longer.
    pub bytes: &'a [u8],
    /// `Store::hash(bytes)`.
    pub hash: u64,
}

/// An item as seen under the lock. Copy out what is needed.
#[derive(Clone, Copy, Debug)]
pub struct ItemInfo {
    /// Client flags.
    pub flags: u32,
    /// Value length in bytes.
    pub len: u32,
    /// When the item expires.
    pub expiry: Expiry,
    /// When the item expired before this request touched it; `expiry` if the request didn't.
    pub expiry_before: Expiry,
    /// CAS token; 0 when the item has none yet (see `GetOptions::want_cas`).
    pub cas: u64,
    /// Whether a get returned the item before this one.
    pub fetched: bool,
    /// Seconds since the last access before this one, if [`GetOptions::want_idle`] or scanned; else 0.
    pub idle_s: u32,
    /// Whether the item was marked stale, by a meta delete or an old-CAS set.
    pub stale: bool,
    /// Whether this get won the right to recache (W).
    pub won: bool,
    /// Whether somebody else already has that right (Z).
    pub token_sent: bool,
    /// Whether the item holds keyed fields: written by object calls, not by clients.
    pub object: bool,
}

/// What a get does besides reading. `Default` is a plain `get`.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetOptions {
    /// The caller will show the CAS: assign one if the item has none.
    pub want_cas: bool,
    /// The caller will show for how long nobody asked for the item, which takes longer to find out than all else.
    pub want_idle: bool,
    /// Leave the LRU position, fetched mark and access time alone.
    pub no_bump: bool,
    /// Set a new expiry (gat, meta T).
    pub touch: Option<Expiry>,
    /// Create an empty item with this expiry on a miss; the caller won (meta N).
    pub vivify: Option<Expiry>,
    /// Win when the remaining time is below this many seconds (meta R).
    pub recache_below_s: Option<u32>,
    /// The caller can be told that it won a stale item (meta commands).
    pub may_win: bool,
    /// Give the item this CAS when it is vivified (meta E).
    pub cas_override: Option<u64>,
}

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetMode {
    /// Always.
    Set,
    /// Only when absent. (A hit is bumped in the LRU.)
    Add,
    /// Only when present.
    Replace,
    /// After the present value; flags and expiry stay.
    Append,
    /// Before the present value; flags and expiry stay.
    Prepend,
}

/// One write of a whole value.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// Client flags.
    pub flags: u32,
    /// New expiry.
    pub expiry: Expiry,
    /// The value.
    pub value: &'a [u8],
    /// When to store.
    pub mode: SetMode,
    /// Store only over this CAS: `Exists` when it differs, `NotFound` when there is no item.
    pub cas_compare: Option<u64>,
    /// With `cas_compare`: an older token stores the value marked stale instead of refusing (meta I).
    pub stale_if_older: bool,
    /// Use this as the new CAS (meta E).
    pub cas_override: Option<u64>,
    /// The caller will show the new CAS.
    pub want_cas: bool,
    /// For Append/Prepend: create with this expiry on a miss (meta N).
    pub vivify: Option<Expiry>,
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOutcome {
    /// Stored. The CAS is 0 unless the item has one.
    Stored {
        /// New CAS token.
        cas: u64,
        /// Length of the whole value, in bytes.
        len: u32,
    },
    /// The mode refused the write, or the value would have grown beyond what there is room for. What was there stays.
    NotStored,
    /// CAS differs.
    Exists,
    /// CAS given, no item.
    NotFound,
    /// The value is larger than the item limit, or no memory can be found for it. A plain [`SetMode::Set`] without
    /// `cas_compare` has deleted what was there, as it would be served as if it were current; all others leave it.
    TooLarge,
    /// The item is an object's state and the write did not come from an object call.
    IsObject,
}

/// Arithmetic on a decimal value.
#[derive(Clone, Copy, Debug)]
pub struct Arith {
    /// Amount.
    pub delta: u64,
    /// Subtract (stops at 0) instead of add (wraps at 2^64).
    pub decrement: bool,
    /// Create with this value and expiry on a miss.
    pub vivify: Option<(u64, Expiry)>,
    /// Set a new expiry (meta T).
    pub touch: Option<Expiry>,
    /// Only over this CAS.
    pub cas_compare: Option<u64>,
    /// New CAS.
    pub cas_override: Option<u64>,
    /// The caller will show the CAS.
    pub want_cas: bool,
}

/// How arithmetic ended.
#[derive(Clone, Copy, Debug)]
pub enum ArithOutcome {
    /// New number and the item after it.
    Done {
        /// The number.
        value: u64,
        /// The item.
        info: ItemInfo,
        /// Whether `vivify` created the item.
        created: bool,
    },
    /// No item.
    NotFound,
    /// The value is not a decimal number of at most 20 digits.
    NonNumeric,
    /// CAS differs.
    Exists,
    /// The item is an object's state.
    IsObject,
    /// No memory could be found for the longer number. The old one stays.
    TooLarge,
}

/// What a delete does. `Default` is a plain `delete`.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeleteOptions {
    /// Only over this CAS.
    pub cas_compare: Option<u64>,
    /// Mark stale, with a new CAS, instead of removing (meta I).
    pub mark_stale: bool,
    /// With `mark_stale` or `drop_value`: new expiry (meta T).
    pub touch: Option<Expiry>,
    /// Keep the item with an empty value and zero flags (meta x).
    pub drop_value: bool,
    /// New CAS (meta E).
    pub cas_override: Option<u64>,
}

/// How a delete or a touch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// Done.
    Done,
    /// No item.
    NotFound,
    /// CAS differs.
    Exists,
}

/// Which item leaves when memory is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Eviction {
    /// The least recently used, exactly, over all items.
    #[default]
    Lru,
    /// The largest size x idle time among sampled items: more hits per byte where sizes vary.
    SizeIdle,
    /// None leaves; writes are refused (`-M`).
    Refuse,
}

/// How a store is made.
#[derive(Clone, Debug)]
pub struct Config {
    /// Limit on everything the store takes, metadata included, in bytes.
    pub memory_bytes_max: usize,
    /// Largest value in bytes (`-I`).
    pub item_bytes_max: usize,
    /// Locks the index is split over; a power of two.
    pub shards: usize,
    /// Eviction policy.
    pub eviction: Eviction,
    /// Seed of the key hash, random per process outside tests.
    pub hash_seed: u64,
}

/// Counters of the store. Sums over shards, taken without stopping anything.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "named as memcached's stats name them")]
pub struct StoreStats {
    pub limit_maxbytes: u64,
    /// Bytes of live items with all their metadata.
    pub bytes: u64,
    /// Bytes of keys and values only.
    pub payload_bytes: u64,
    /// Bytes of the index.
    pub hash_bytes: u64,
    /// Memory taken from the operating system.
    pub resident_bytes: u64,
    pub curr_items: u64,
    pub total_items: u64,
    pub evictions: u64,
    /// Evicted items never fetched.
    pub evicted_unfetched: u64,
    /// Evicted items that had an expiry.
    pub evicted_nonzero: u64,
    /// Expired items removed.
    pub reclaimed: u64,
    pub expired_unfetched: u64,
    /// Idle seconds of the oldest item.
    pub tail_age_s: u64,
}

/// Version of an object, new with every commit; how a transaction notices that the object it read is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u64);

/// An object as a transaction sees it when it opens it.
#[derive(Clone, Copy, Debug)]
pub struct ObjectInfo {
    /// The object's version, which changes with every commit.
    pub version: Version,
    /// Number of fields.
    pub fields: u64,
    /// When the object expires.
    pub expiry: Expiry,
    /// True when the whole state was copied out at open ("small"): reads need not ask the store again.
    pub loaded: bool,
    /// Where the object stands, for its commit.
    pub place: Place,
}

/// Where an object stood when it was opened. A commit looks there first: nearly always nothing has happened to it
/// since.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The number of the object's slot in its bucket, or of any other slot: then the place is of no use.
    pub(super) slot: u8,
    pub(super) addr: crate::memory::arena::Addr,
    /// Bytes of the item's value.
    pub(super) len: usize,
    /// Tick of the access that opened the object.
    pub(super) tick: u32,
}

/// The object changed or left since it was opened: run the call again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// New state of one object, or of one plain item, in a commit.
#[derive(Clone, Debug)]
pub enum Change<'a> {
    /// The whole small state, as `fields::Small` encodes it.
    Small(&'a [u8]),
    /// Changes of a large object's fields, in key order, and of its opaque value.
    Fields {
        /// Field name, new value or `None` to delete.
        fields: &'a std::collections::BTreeMap<Vec<u8>, Option<Vec<u8>>>,
        /// All fields not in `fields` are deleted first.
        clear: bool,
        /// Nothing of the old state stays, not even the opaque value. Implies `clear`.
        fresh: bool,
        /// New opaque value.
        value: Option<&'a [u8]>,
    },
    /// A plain item.
    Plain {
        /// Client flags.
        flags: u32,
        /// The value.
        value: &'a [u8],
    },
    /// Only the expiry changes.
    Expiry,
    /// The object or item is deleted.
    Delete,
    /// Nothing changes, but the version must still hold.
    Unchanged,
}

/// One object of a commit.
#[derive(Clone, Debug)]
pub struct Commit<'a> {
    /// Full name, `type$key` for an object.
    pub key: Key<'a>,
    /// The version that the transaction saw, `None` when there was no object. Where the store has another, the whole
    /// commit is `Gone`.
    pub expected: Option<Version>,
    /// Where the transaction saw the object, if it knows.
    pub place: Option<Place>,
    /// Skip the check of `expected` (plain items written blindly).
    pub blind: bool,
    /// The new state.
    pub change: Change<'a>,
    /// Expiry after the commit.
    pub expiry: Expiry,
}

/// Why a commit did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// A version no longer holds.
    Gone,
    /// An object would not fit the store, or nothing may be evicted.
    TooLarge,
}
