//! The protocols: requests become operations and calls, and outcomes become bytes. Nothing is decided here that another
//! protocol would have to decide as well.

pub(super) mod binary;
pub(super) mod commands;
pub(super) mod get;
pub(super) mod meta;
mod sasl;
pub(super) mod text;
mod value;

/// Output past which a command stops to let it be written. In bytes.
pub(super) const OUT_BYTES_MAX: usize = 256 * 1024;

/// Refusal of a client's write to the state of an object.
const OBJECT_NAME: &str =
    "CLIENT_ERROR the state of an object is written by its functions only\r\n";
/// Refusal of a write that depends on what is there, where a function would be called.
const ONLY_SET_CALLS: &str = "CLIENT_ERROR only set calls a function\r\n";
/// Refusal of raw output, which a script may write only into the reply of `get` and its kin.
const RAW_REFUSED: &str = "raw output is only possible for get";

/// The sentence of a refusal, without the word in front and the line end.
fn sentence(line: &'static str) -> &'static [u8] {
    let text = line.strip_prefix("CLIENT_ERROR ").unwrap_or(line);
    text.trim_end().as_bytes()
}
