//! The contract between the cacheismo host and a guest module, compiled by both sides.
//!
//! A guest is a core wasm module for `wasm32-unknown-unknown`. It imports only from
//! [`IMPORT_MODULE`] (and, with the capability, [`ITEMS_MODULE`]), and exports
//!
//! - `memory`, its only linear memory;
//! - [`BUFFER_EXPORT`], an immutable `i32` global: the address of a static scratch buffer of
//!   `buffer` bytes (see the metadata), 8-byte aligned;
//! - [`RESERVE_EXPORT`] `(len: i32) -> i32`: an address with room for `len` bytes, valid until
//!   the end of the call, asked for when the arguments do not fit the scratch buffer;
//! - for every function of the metadata an export `fn:<name>` `(len: i32) -> i64`.
//!
//! and carries one custom section [`META_SECTION`]: JSON, described in `guest-sdk/ABI.md`.
//!
//! # A call
//!
//! The host writes the arguments into the scratch buffer (or the reserved one): `u32` count,
//! then `count` times a `u32` length, then the bytes of all arguments one after another. All
//! integers are little endian. Argument 0 is the object's key. `len` is the total length in
//! bytes; it is negated when the arguments are in the reserved buffer.
//!
//! The function returns `(address << 32) | length` of its reply, which the host appends to
//! whatever was streamed with `reply`, or [`FAILED`] after it called `fail(text)`: the client
//! then reads `SERVER_ERROR type:function: text`. Either way of ending is "returned"; only a
//! successful reply commits the writes. [`REFUSED`] beside the address says that the reply is a refusal: a storing command
//! that made the call answers `NOT_STORED` then. What the function wrote is committed all the same.
//!
//! # The value cell
//!
//! A module whose objects are one short opaque value may export [`VALUE_EXPORT`], an immutable `i32` global: the
//! address of a static cell of [`VALUE_CELL_BYTES`], 8-byte aligned: `i32` length, `i32` changed, then room for
//! [`VALUE_BYTES`]. Before a call the host puts the value of the call's own object there, with [`ABSENT`] for the
//! length of none and [`VALUE_ELSEWHERE`] when it is longer, and 0 for `changed`. When the function returned a reply
//! and `changed` is not 0, the host sets the value to what the cell holds, as `value_set` does. So the value comes with
//! the arguments and goes with the reply, without a host call. The host neither looks at the cell nor changes it while
//! the function runs: before a host function that has to see a changed value, the guest sets it with `value_set`.
//!
//! A host that knows no cell leaves it as the module has it: its length begins as [`VALUE_ELSEWHERE`], and a guest
//! neither puts a value into a cell nor believes that there is none while its length says so.
//!
//! Pointers and lengths chosen by the guest are checked by the host; a bad one is a trap.
#![no_std]

/// Number in the metadata's `abi` field. A host refuses any other.
pub const ABI_VERSION: u32 = 1;
/// Import module of every function an object may call.
pub const IMPORT_MODULE: &str = "cacheismo_1";
/// Import module of the `items` capability: plain items, peers, host commands.
pub const ITEMS_MODULE: &str = "cacheismo_items_1";
/// Custom section that holds the metadata.
pub const META_SECTION: &str = "cacheismo.meta";
/// Exported global: address of the scratch buffer.
pub const BUFFER_EXPORT: &str = "cacheismo_buffer";
/// Exported function that finds room for arguments longer than the scratch buffer.
pub const RESERVE_EXPORT: &str = "cacheismo_reserve";
/// Exported global, optional: address of the value cell.
pub const VALUE_EXPORT: &str = "cacheismo_value";
/// Longest value that a cell holds.
pub const VALUE_BYTES: usize = 120;
/// Bytes of a cell: length, `changed`, value.
pub const VALUE_CELL_BYTES: usize = 8 + VALUE_BYTES;
/// Length in the cell when the value is not there: the guest asks for it with `value_get`.
pub const VALUE_ELSEWHERE: i32 = -2;
/// Prefix of the export of a function.
pub const FUNCTION_PREFIX: &str = "fn:";

/// What a function returns after it called `fail`.
pub const FAILED: i64 = -1;

/// Set in what a function returns when its reply is a refusal. No address reaches this far.
pub const REFUSED: i64 = 1 << 62;

/// Handle of the object the call was made on. Always open.
pub const SELF: i32 = 0;

/// Returned by reads: the object, field or value does not exist.
pub const ABSENT: i32 = -1;

/// TTL meaning "never expires", in milliseconds; also what `object_ttl` returns for it.
pub const TTL_NEVER: i64 = -1;
/// What `object_ttl` returns when the object does not exist.
pub const TTL_ABSENT: i64 = -2;

/// `field_scan` flag: start after `from`, not at it.
pub const SCAN_AFTER: i32 = 1;
/// `field_scan` flag: descending order; an empty `from` starts at the last field.
pub const SCAN_REVERSE: i32 = 2;
/// `field_scan` flag: keys only; every entry's value length is 0.
pub const SCAN_KEYS: i32 = 4;

/// Bytes of the head of an entry in a `field_scan` batch: `u32` key length, `u32` value length.
pub const SCAN_ENTRY_HEAD: usize = 8;

/// Log levels of `log`.
pub mod level {
    /// Shown with `-vv`.
    pub const DEBUG: i32 = 0;
    /// Shown with `-v`.
    pub const INFO: i32 = 1;
    /// Always shown.
    pub const WARN: i32 = 2;
    /// Always shown.
    pub const ERROR: i32 = 3;
}

/// The capabilities a module's metadata may ask for.
pub mod capability {
    /// Plain items by their full key, listing keys, and deleting from the LRU tail.
    pub const ITEMS: &str = "items";
    /// Requests to other servers.
    pub const PEERS: &str = "peers";
}

/// Signatures of the imports, in the order the SDK declares them.
///
/// `h` is an object handle, `k`/`kl` pointer and length of a field name, `v`/`vl` of a value,
/// `out`/`cap` a buffer the host fills with at most `cap` bytes.
pub mod imports {
    /// Opens another object than the call's own.
    pub const OBJECT_OPEN: &str = "object_open";

    /// Names and wasm types, `i` for `i32` and `I` for `i64`, parameters then `:` then result.
    pub const CORE: &[(&str, &str)] = &[
        // Opens another object: (type, key) -> handle. Opening the same object again gives the same handle.
        (OBJECT_OPEN, "iiii:i"),
        // (h) -> 1 when the object exists, else 0.
        ("object_exists", "i:i"),
        // (h) -> 1 when it was created (empty, never expiring), 0 when it was there.
        ("object_create", "i:i"),
        // (h) -> 1 when it was there and is deleted, else 0.
        ("object_delete", "i:i"),
        // (h) -> milliseconds left, TTL_NEVER or TTL_ABSENT.
        ("object_ttl", "i:I"),
        // (h, milliseconds or TTL_NEVER) -> 1, or 0 when the object does not exist.
        ("object_ttl_set", "iI:i"),
        // (h, offset, out, cap) -> full length of the opaque value, or ABSENT when the object or its value does not exist.
        ("value_get", "iiii:i"),
        // (h, v, vl): sets the opaque value, creating the object when absent.
        ("value_set", "iii:"),
        // (h, k, kl, out, cap) -> full length of the field's value (min(cap, length) bytes copied), or ABSENT.
        ("field_get", "iiiii:i"),
        // (h, k, kl, v, vl) -> 1 when the field is new, 0 when replaced. Creates the object when absent.
        ("field_put", "iiiii:i"),
        // As field_put, but ABSENT, and nothing is written, when the object does not exist.
        ("field_update", "iiiii:i"),
        // (h, k, kl) -> 1 when it was there, else 0.
        ("field_delete", "iii:i"),
        // (h) -> number of fields, 0 for an absent object.
        ("field_count", "i:I"),
        // (h, from, from_len, flags, out, cap) -> bytes filled with whole entries in key order, 0 at the end,
        // or -(bytes needed) when the first entry does not fit.
        ("field_scan", "iiiiii:i"),
        // (h): deletes every field.
        ("field_clear", "i:"),
        // () -> milliseconds since 1970, the same during the whole call.
        ("now_ms", ":I"),
        // (unix seconds) -> offset of local time from UTC then, in seconds.
        ("utc_offset_s", "I:i"),
        // (unix seconds, out, cap) -> full length of the abbreviation of local time's name then, as "CET", in UTF-8.
        ("zone_name", "Iii:i"),
        // () -> 64 random bits.
        ("random", ":I"),
        // (text): the reason, for a function that returns FAILED; also the message of a panic before it traps.
        ("fail", "ii:"),
        // (bytes): appends to the reply.
        ("reply", "ii:"),
        // (h, k, kl, before, before_len) -> full length of the field's value, once `before` and the value are appended
        // to the reply; or ABSENT, and nothing is appended.
        ("reply_field", "iiiii:i"),
        // (level, text).
        ("log", "iii:"),
    ];

    /// Imports of [`super::ITEMS_MODULE`]; they need the capability in the metadata.
    ///
    /// An import that answers with bytes of unknown length parks them in the host and returns the length; `result_read`
    /// copies them out.
    pub const ITEMS: &[(&str, &str)] = &[
        // (key) -> length of the parked item `u32 flags, i64 expiry (unix ms, -1 never), data`, or ABSENT.
        ("item_get", "ii:i"),
        // (key, flags, expiry as above, data).
        ("item_put", "iiiIii:"),
        // (key) -> 1 when it was there, else 0.
        ("item_delete", "ii:i"),
        // (bytes): evicts from the LRU tail until at least that many bytes were freed. Takes effect at commit.
        ("item_delete_lru", "I:"),
        // (prefix) -> length of the parked list of keys, each `u32` length and bytes.
        ("item_keys", "ii:i"),
        // (requests) -> length of the parked answers. A request is `u32` length and bytes of "host:port", `u32` count of keys,
        // then each key as `u32` length and bytes. An answer, for each hit, is `u32` index of the request, key, value, both
        // as `u32` length and bytes. What was written before is committed first; atomicity starts anew after it.
        ("peer_get", "ii:i"),
        // (offset, out, cap) -> bytes copied of what is parked.
        ("result_read", "iii:i"),
    ];
}

/// Stands between the type and the key of an object in the name under which the store keeps the object.
pub const OBJECT_SEPARATOR: u8 = b'$';
