//! The `map` object: values by key, one field each, so that a key is found, set and removed in
//! O(log n) however large the map is. Listings are in byte order of the keys.
#![forbid(unsafe_code)]

use cacheismo_sdk::{Object, Reply, Word};

/// The answer when the map does not exist.
const ABSENT: Word = Word("ERROR_CACHE_MISS");
/// What stands between key and value in an answer.
const BETWEEN: &[u8] = b" : ";

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
    fn new(o: &mut Object) -> Word {
        o.delete();
        o.create();
        Word("CREATED")
    }

    /// Sets the value of a key; without a value, removes the key. SUCCESS.
    fn put(o: &mut Object, key: &[u8], value: Option<&[u8]>) -> Result<Word, Word> {
        match value {
            Some(value) => o.update(key, value).map(|_| ()).ok_or(ABSENT)?,
            None => remove(o, key)?,
        }
        Ok(Word("SUCCESS"))
    }

    /// The entry as `key : value`, or NOT_FOUND.
    fn get(o: &Object, key: &[u8], out: &mut Reply) -> Result<(), Word> {
        if out.field(o, key, &[key, BETWEEN]) {
            return Ok(());
        }
        existing(o)?;
        Err(Word("NOT_FOUND"))
    }

    /// Removes a key. SUCCESS, also when it was not there.
    fn delete(o: &mut Object, key: &[u8]) -> Result<Word, Word> {
        remove(o, key)?;
        Ok(Word("SUCCESS"))
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
            out.write(key);
            out.write(BETWEEN);
            out.line(value);
        }
        Ok(())
    }
}

fn existing(o: &Object) -> Result<(), Word> {
    if o.exists() { Ok(()) } else { Err(ABSENT) }
}

fn remove(o: &mut Object, key: &[u8]) -> Result<(), Word> {
    if o.remove(key) { Ok(()) } else { existing(o) }
}
