//! The `map` object: values by key, one field each, so that a key is found, set and removed in
//! O(log n) however large the map is. Listings are in byte order of the keys.
#![forbid(unsafe_code)]

use cacheismo_sdk::{Object, Reply, Word};

/// The answer when the map does not exist.
const ABSENT: Word = Word("ERROR_CACHE_MISS");

/// The type.
pub struct Map;

/// Values by key. Every function but new answers ERROR_CACHE_MISS when the map does not exist.
/// Listings are in byte order of the keys, each entry followed by CRLF.
#[cacheismo_sdk::object(
    name = "map",
    example = "get map:new:m map:put:m:color:green map:get:m:color"
)]
impl Map {
    /// Makes an empty map, replacing one that exists. CREATED.
    fn new(o: &mut Object) -> &'static str {
        o.delete();
        o.create();
        "CREATED"
    }

    /// Sets the value of a key; without a value, removes the key. SUCCESS.
    fn put(o: &mut Object, key: &[u8], value: Option<&[u8]>) -> Result<&'static str, Word> {
        existing(o)?;
        match value {
            Some(value) => o.put(key, value),
            None => o.remove(key),
        };
        Ok("SUCCESS")
    }

    /// The entry as `key : value`, or NOT_FOUND.
    fn get(o: &Object, key: &[u8], out: &mut Reply) -> Result<(), Word> {
        let Some(value) = o.get(key) else {
            existing(o)?;
            return Err(Word("NOT_FOUND"));
        };
        entry(out, key, &value);
        Ok(())
    }

    /// Removes a key. SUCCESS, also when it was not there.
    fn delete(o: &mut Object, key: &[u8]) -> Result<&'static str, Word> {
        if !o.remove(key) {
            existing(o)?;
        }
        Ok("SUCCESS")
    }

    /// Number of keys.
    fn count(o: &Object) -> Result<u64, Word> {
        existing(o)?;
        Ok(o.count())
    }

    /// Lists the keys.
    fn getkeys(o: &Object, out: &mut Reply) -> Result<(), Word> {
        existing(o)?;
        let mut keys = o.scan();
        while let Some(key) = keys.next_key() {
            out.line(key);
        }
        Ok(())
    }

    /// Lists the values, in order of their keys.
    fn getvalues(o: &Object, out: &mut Reply) -> Result<(), Word> {
        existing(o)?;
        let mut entries = o.scan();
        while let Some((_, value)) = entries.next_entry() {
            out.line(value);
        }
        Ok(())
    }

    /// Lists the entries as `key : value`.
    fn getall(o: &Object, out: &mut Reply) -> Result<(), Word> {
        existing(o)?;
        let mut entries = o.scan();
        while let Some((key, value)) = entries.next_entry() {
            entry(out, key, value);
            out.write(b"\r\n");
        }
        Ok(())
    }
}

fn existing(o: &Object) -> Result<(), Word> {
    if o.exists() { Ok(()) } else { Err(ABSENT) }
}

fn entry(out: &mut Reply, key: &[u8], value: &[u8]) {
    out.write(key);
    out.write(b" : ");
    out.write(value);
}
