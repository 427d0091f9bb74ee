//! The `dict` object: values of a type by name.
//!
//! Each entry is a field. `value` has the types and their bytes, `number` adds, `json` checks nested values and writes all
//! of a dict.
#![forbid(unsafe_code)]

mod json;
mod number;
mod value;

use cacheismo_sdk::{Error, Object, Reply, Stop, Word};
use number::Number;
use value::{DAMAGED, Value};

/// The answer when the dict does not exist.
const ABSENT: Word = Word("ERROR_CACHE_MISS");
/// The answer when there is no such field.
const NOT_FOUND: Word = Word("NOT_FOUND");
const SUCCESS: Word = Word("SUCCESS");
/// What stands between name and value in a listing.
const BETWEEN: &[u8] = b" : ";

/// The type.
pub struct Dict;

/// Values by name, each of a type that it keeps: int (64 bits), float, string (UTF-8), bytes, bool, null, or json for a
/// nested array or object. set, add, increment and decrement make the dict, and it ends with its last field; every other
/// function answers ERROR_CACHE_MISS when there is none. Listings are in byte order of the names, with CRLF behind each.
#[cacheismo_sdk::object(
    name = "dict",
    example = "get dict:set:ann:age:int:42 dict:increment:ann:age dict:gets:ann:age"
)]
impl Dict {
    /// Sets a field to a value of the type int, float, string, bytes, bool, null or json. A string or bytes without a value
    /// are empty. SUCCESS.
    fn set(
        o: &mut Object,
        field: &str,
        r#type: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Word, Error> {
        let value = Value::parse(r#type, value)?;
        o.put(field.as_bytes(), &value.to_bytes());
        Ok(SUCCESS)
    }

    /// The value of a field as text, or NOT_FOUND. A bool is true or false, null is null.
    fn get(o: &Object, field: &str, out: &mut Reply) -> Result<(), Stop> {
        with(o, field, |value| value.write(out))
    }

    /// Type and value of a field with a space between them, or NOT_FOUND.
    fn gets(o: &Object, field: &str, out: &mut Reply) -> Result<(), Stop> {
        with(o, field, |value| typed(value, out))
    }

    /// The type of a field, or NOT_FOUND.
    fn r#type(o: &Object, field: &str) -> Result<Word, Stop> {
        with(o, field, |value| Word(value.type_name()))
    }

    /// Adds a number, int or float, to a field, which is made when it is not there. The sum is a float if one of the two
    /// is. The sum.
    fn add(o: &mut Object, field: &str, number: &[u8], out: &mut Reply) -> Result<(), Stop> {
        let number = Number::parse(number).ok_or("number is not an int or a finite float")?;
        add(o, field, number, out)
    }

    /// Adds a number, 1 when not given. The sum.
    fn increment(
        o: &mut Object,
        field: &str,
        number: Option<&[u8]>,
        out: &mut Reply,
    ) -> Result<(), Stop> {
        add(o, field, or_one(number)?, out)
    }

    /// Takes a number away, 1 when not given. What is left.
    fn decrement(
        o: &mut Object,
        field: &str,
        number: Option<&[u8]>,
        out: &mut Reply,
    ) -> Result<(), Stop> {
        add(
            o,
            field,
            or_one(number)?.negated().ok_or(number::TOO_LARGE)?,
            out,
        )
    }

    /// Looks for a field. EXISTS or NOT_FOUND.
    fn exist(o: &Object, field: &str) -> Result<Word, Stop> {
        if o.has(field.as_bytes()) {
            return Ok(Word("EXISTS"));
        }
        Err(missing(o))
    }

    /// Removes a field. SUCCESS, also when it was not there.
    fn delete(o: &mut Object, field: &str) -> Result<Word, Word> {
        if !o.remove(field.as_bytes()) {
            existing(o)?;
        } else if o.count() == 0 {
            o.delete();
        }
        Ok(SUCCESS)
    }

    /// Number of fields.
    fn count(o: &Object) -> Result<u64, Word> {
        existing(o)?;
        Ok(o.count())
    }

    /// Lists the names.
    fn getkeys(o: &Object, out: &mut Reply) -> Result<(), Word> {
        existing(o)?;
        let mut fields = o.scan();
        while let Some(field) = fields.next_key() {
            out.line(field);
        }
        Ok(())
    }

    /// Lists the fields as `name : type value`.
    fn getall(o: &Object, out: &mut Reply) -> Result<(), Stop> {
        existing(o)?;
        let mut fields = o.scan();
        while let Some((field, bytes)) = fields.next_entry() {
            out.write(field);
            out.write(BETWEEN);
            typed(Value::from_bytes(bytes).ok_or(DAMAGED)?, out);
            out.write(b"\r\n");
        }
        Ok(())
    }

    /// All of the dict as a JSON object; bytes are in base64.
    fn json(o: &Object, out: &mut Reply) -> Result<(), Stop> {
        existing(o)?;
        let mut fields = o.scan();
        let mut before: &[u8] = b"{";
        while let Some((field, bytes)) = fields.next_entry() {
            out.write(before);
            json::write_string(std::str::from_utf8(field).map_err(|_| DAMAGED)?, out);
            out.write(b":");
            match Value::from_bytes(bytes).ok_or(DAMAGED)? {
                Value::String(text) => json::write_string(text, out),
                Value::Bytes(bytes) => json::write_base64(bytes, out),
                value => value.write(out),
            }
            before = b",";
        }
        out.write(b"}");
        Ok(())
    }
}

fn existing(o: &Object) -> Result<(), Word> {
    if o.exists() { Ok(()) } else { Err(ABSENT) }
}

/// The answer when a field is not there.
fn missing(o: &Object) -> Stop {
    existing(o).err().unwrap_or(NOT_FOUND).into()
}

#[inline]
fn with<R>(o: &Object, field: &str, look: impl FnOnce(Value<'_>) -> R) -> Result<R, Stop> {
    let bytes = o.get(field.as_bytes()).ok_or_else(|| missing(o))?;
    Ok(look(Value::from_bytes(&bytes).ok_or(DAMAGED)?))
}

fn typed(value: Value<'_>, out: &mut Reply) {
    out.write(value.type_name().as_bytes());
    out.write(b" ");
    value.write(out);
}

fn or_one(number: Option<&[u8]>) -> Result<Number, Error> {
    let Some(number) = number else {
        return Ok(Number::Int(1));
    };
    Number::parse(number).ok_or("number is not an int or a finite float".into())
}

#[inline(never)]
fn add(o: &mut Object, field: &str, number: Number, out: &mut Reply) -> Result<(), Stop> {
    let sum = match o.get(field.as_bytes()) {
        None => number,
        Some(bytes) => {
            let value = Value::from_bytes(&bytes).ok_or(DAMAGED)?;
            let wrong = || {
                Error::new(["the field is of type ", value.type_name(), ", not a number"].concat())
            };
            Number::of(value)
                .ok_or_else(wrong)?
                .plus(number)
                .ok_or(number::TOO_LARGE)?
        }
    };
    let sum = Value::from(sum);
    o.put(field.as_bytes(), &sum.to_bytes());
    sum.write(out);
    Ok(())
}
