//! `os`: dates and times on the host's clock and zone. The rest of `os` is refused by prelude.lua.

use crate::calendar::{self, Date};
use crate::sys::host;
use crate::sys::lua::{Lua, Outcome, Raise, kind};

/// Seconds since 1970 that C's `localtime` still takes.
const SECONDS_MAX: f64 = 6.7e16;

/// Defines the table.
pub(crate) fn install(lua: Lua) {
    lua.push_table(0, 11);
    lua.set_native("clock", |lua: Lua| {
        lua.push_number(host::now_ms() as f64 / 1000.0);
        Ok(1)
    });
    lua.set_native("date", date);
    lua.set_native("difftime", |lua: Lua| {
        let earlier = if lua.is_nil(2) {
            0.0
        } else {
            lua.check_number(2)
        };
        lua.push_number(lua.check_number(1) - earlier);
        Ok(1)
    });
    lua.set_native("time", time);
    lua.set_global("os");
}

/// `os.date([format [, time]])`.
fn date(lua: Lua) -> Outcome {
    let pattern = if lua.is_nil(1) {
        b"%c"
    } else {
        lua.check_bytes(1)
    };
    let at = if lua.is_nil(2) {
        host::now_ms().div_euclid(1000) as f64
    } else {
        lua.check_number(2)
    };
    if at.is_nan() || at.abs() >= SECONDS_MAX {
        lua.push_nil();
        return Ok(1);
    }
    let (date, pattern) = match pattern.strip_prefix(b"!") {
        Some(rest) => (calendar::utc(at as i64), rest),
        None => (calendar::local(at as i64, host::utc_offset_s), pattern),
    };
    if pattern.starts_with(b"*t") {
        push_fields(lua, &date);
    } else {
        let text = calendar::format(pattern, &date, &host::zone_name);
        lua.push_bytes(&text);
    }
    Ok(1)
}

fn push_fields(lua: Lua, date: &Date) {
    lua.push_table(0, 9);
    for (name, n) in [
        ("sec", date.second),
        ("min", date.minute),
        ("hour", date.hour),
        ("day", date.day),
        ("month", date.month),
        ("year", date.year),
        ("wday", date.weekday + 1),
        ("yday", date.yearday + 1),
    ] {
        lua.push_bytes(name.as_bytes());
        lua.push_number(n as f64);
        lua.raw_set(-3);
    }
    lua.push_bytes(b"isdst");
    lua.push_boolean(date.dst);
    lua.raw_set(-3);
}

/// `os.time([table])`.
fn time(lua: Lua) -> Outcome {
    if lua.is_nil(1) {
        lua.push_number(host::now_ms().div_euclid(1000) as f64);
        return Ok(1);
    }
    lua.check_kind(1, kind::TABLE);
    lua.set_top(1);
    let second = field(lua, "sec", Some(0))?;
    let minute = field(lua, "min", Some(0))?;
    let hour = field(lua, "hour", Some(12))?;
    let day = field(lua, "day", None)?;
    let month = field(lua, "month", None)?;
    let year = field(lua, "year", None)?;
    lua.raw_field(1, b"isdst");
    let dst = (!lua.is_nil(-1)).then(|| lua.boolean(-1));
    let as_utc = calendar::seconds(year, month, day, hour, minute, second);
    lua.push_number(calendar::from_local(as_utc, dst, host::utc_offset_s) as f64);
    Ok(1)
}

/// A whole number of the table at 1, as C's `int`.
fn field(lua: Lua, name: &'static str, default: Option<i64>) -> Result<i64, Raise> {
    lua.raw_field(1, name.as_bytes());
    let n = lua.number(-1);
    let is_number = match lua.kind(-1) {
        kind::NUMBER => true,
        kind::STRING => n != 0.0 || lua.bytes(-1).contains(&b'0'),
        _ => false,
    };
    lua.pop(1);
    match default {
        _ if is_number => Ok(i64::from(n as i32)),
        Some(default) => Ok(default),
        None => Err(format!("field '{name}' missing in date table").into()),
    }
}
