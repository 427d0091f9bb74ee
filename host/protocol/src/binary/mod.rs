//! The binary protocol: requests in, responses out. Old, but several clients speak nothing else.
//!
//! Every message starts with 24 bytes, numbers big-endian:
//!
//! ```text
//!  0 magic  0x80 request, 0x81 response
//!  1 opcode
//!  2 key length, 2 bytes
//!  4 extras length
//!  5 data type, 0
//!  6 request: 2 bytes ignored; response: status
//!  8 body length, 4 bytes: extras + key + value
//! 12 opaque, 4 bytes, echoed
//! 16 CAS, 8 bytes
//! 24 extras, key, value
//! ```

mod command;
mod request;
mod response;
#[cfg(test)]
mod tests;

pub use command::*;
pub use request::{parse, parse_before_login};
pub use response::*;

/// First byte of a request: tells the binary protocol from the text one.
pub const REQUEST_MAGIC: u8 = 0x80;
/// First byte of a response.
pub const RESPONSE_MAGIC: u8 = 0x81;
/// Length of the fixed part of a message in bytes.
pub const HEADER_BYTES: usize = 24;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Status {
    /// Done.
    Ok = 0x00,
    /// No such item.
    NotFound = 0x01,
    /// The CAS differs, or an item to add is there.
    Exists = 0x02,
    /// Value over the limit.
    TooLarge = 0x03,
    /// Lengths that do not fit the opcode.
    Invalid = 0x04,
    /// Nothing to append to.
    NotStored = 0x05,
    /// Arithmetic on something that is no number.
    NonNumeric = 0x06,
    /// Wrong or missing credentials.
    AuthError = 0x20,
    /// SASL wants another step.
    AuthContinue = 0x21,
    /// No such opcode.
    UnknownCommand = 0x81,
    /// Nothing could be evicted.
    OutOfMemory = 0x82,
    /// The write cannot be kept on disk at present.
    NotSaved = 0x86,
}

impl Status {
    /// The usual text for the status, when there is nothing better to say.
    pub fn text(self) -> &'static str {
        match self {
            Status::Ok | Status::AuthContinue => "",
            Status::NotFound => "Not found",
            Status::Exists => "Data exists for key.",
            Status::TooLarge => "Too large.",
            Status::Invalid => "Invalid arguments",
            Status::NotStored => "Not stored.",
            Status::NonNumeric => "Non-numeric server-side value for incr or decr",
            Status::AuthError => "Auth failure.",
            Status::UnknownCommand => "Unknown command",
            Status::OutOfMemory => "Out of memory",
            Status::NotSaved => "Not saved: the disk fails",
        }
    }
}
