//! The object host: what a call may do beyond its own memory, and how it can be stopped. The cache implements it.

use super::deadline::Deadline;

/// An object opened by a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(pub u32);

impl Handle {
    /// The call's own object.
    pub const OWN: Handle = Handle(0);
}

/// Why a host function ends the call. Nothing of the call is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Another call or client was faster, or the object left: run the call again.
    Conflict,
    /// The host function may take long: run the call again on a thread that may wait.
    NeedsLane,
    /// A limit was reached; the text goes to the client.
    Limit(String),
    /// The call's time is over, see [`Deadline::check`].
    Deadline,
    /// The call asks for what it may not have; the text goes to the client.
    Refused(String),
    /// The guest broke a rule (write in a read-only function, unknown handle ...); the text goes to the client.
    Misuse(&'static str),
}

/// State as seen by one call. Reads see the call's own writes; writes are kept only by a commit after the call.
pub trait ObjectHost: Send + 'static {
    /// A hash of the name of the call's own object: calls on one object that keep being stopped are paused, and those
    /// on others are not. A host that gives 0 makes all objects one.
    fn object_hash(&self) -> u64 {
        0
    }
    /// Opens another object.
    fn open(&mut self, type_name: &[u8], key: &[u8]) -> Result<Handle, Stop>;
    /// Whether the object exists.
    fn exists(&mut self, h: Handle) -> Result<bool, Stop>;
    /// Creates the object empty; false when it was there.
    fn create(&mut self, h: Handle) -> Result<bool, Stop>;
    /// Deletes the object; false when it was not there.
    fn delete(&mut self, h: Handle) -> Result<bool, Stop>;
    /// Milliseconds that the object has left, `abi::TTL_NEVER` or `abi::TTL_ABSENT`.
    fn ttl_ms(&mut self, h: Handle) -> Result<i64, Stop>;
    /// Sets how long the object lives from now on; false when it does not exist.
    fn set_ttl_ms(&mut self, h: Handle, ms: i64) -> Result<bool, Stop>;
    /// Copies the opaque value from `offset` into `out`; returns the value's full length.
    fn value_get(
        &mut self,
        h: Handle,
        offset: usize,
        out: &mut [u8],
    ) -> Result<Option<usize>, Stop>;
    /// Sets the opaque value.
    fn value_set(&mut self, h: Handle, value: &[u8]) -> Result<(), Stop>;
    /// Reads the field's value where it lies.
    fn field<R>(
        &mut self,
        h: Handle,
        field: &[u8],
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, Stop>;
    /// Sets a field; true when it is new.
    fn field_put(&mut self, h: Handle, field: &[u8], value: &[u8]) -> Result<bool, Stop>;
    /// Deletes a field; true when it was there.
    fn field_delete(&mut self, h: Handle, field: &[u8]) -> Result<bool, Stop>;
    /// Number of fields.
    fn field_count(&mut self, h: Handle) -> Result<u64, Stop>;
    /// Fills `out` with whole entries as `abi::SCAN_ENTRY_HEAD` says. `Filled(0)` is the end.
    fn field_scan(
        &mut self,
        h: Handle,
        from: &[u8],
        flags: i32,
        out: &mut [u8],
    ) -> Result<Scan, Stop>;
    /// Deletes every field.
    fn field_clear(&mut self, h: Handle) -> Result<(), Stop>;
    /// Tells when the call has to end, before each operation that may take long (`item_get`, `item_keys`, `peer_get`).
    /// These ask [`Deadline::check`] between two pieces of their work.
    fn set_deadline(&mut self, _deadline: &Deadline) {}
    /// Milliseconds since 1970, the same during the whole call.
    fn now_ms(&self) -> i64;
    /// Offset of local time from UTC at that second.
    fn utc_offset_s(&self, unix_s: i64) -> i32;
    /// Abbreviation of local time's name at that second, as `CET`.
    fn zone_name(&self, unix_s: i64) -> String;
    /// 64 random bits.
    fn random(&mut self) -> u64;

    /// Items capability: `u32 flags, i64 expiry unix ms or -1, data` appended to `out`; false on a miss.
    fn item_get(&mut self, key: &[u8], out: &mut Vec<u8>) -> Result<bool, Stop>;
    /// Items capability: stores a plain item.
    fn item_put(&mut self, key: &[u8], flags: u32, expiry_ms: i64, data: &[u8])
    -> Result<(), Stop>;
    /// Items capability: deletes a plain item; true when it was there.
    fn item_delete(&mut self, key: &[u8]) -> Result<bool, Stop>;
    /// Items capability: evicts from the tail at commit.
    fn item_delete_lru(&mut self, bytes: u64) -> Result<(), Stop>;
    /// Items capability: keys with the prefix, as `abi::imports::ITEMS` packs them.
    fn item_keys(&mut self, prefix: &[u8], out: &mut Vec<u8>) -> Result<(), Stop>;
    /// Peers capability: asks other servers, see `peer_get` of the ABI.
    fn peer_get(&mut self, requests: &[u8], out: &mut Vec<u8>) -> Result<(), Stop>;
}

/// Result of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Bytes filled.
    Filled(usize),
    /// The first entry needs this many bytes.
    Needs(usize),
}
