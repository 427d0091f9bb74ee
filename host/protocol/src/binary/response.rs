//! Binary responses, appended to a buffer.

use super::{RESPONSE_MAGIC, Status};

/// What a response repeats from its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// The opcode as sent, quiet or not.
    pub opcode: u8,
    /// The client's mark.
    pub opaque: [u8; 4],
}

impl Echo {
    /// Success without a body.
    pub fn ok(&self, out: &mut Vec<u8>, cas: u64) {
        self.head(out, Status::Ok, cas, 0, 0, 0);
    }

    /// Success with a text: a version, a list of mechanisms, `Authenticated`.
    pub fn text(&self, out: &mut Vec<u8>, text: &[u8]) {
        self.message(out, Status::Ok, text);
    }

    /// Success of an increment or decrement.
    pub fn number(&self, out: &mut Vec<u8>, cas: u64, number: u64) {
        self.head(out, Status::Ok, cas, 0, 0, 8);
        out.extend_from_slice(&number.to_be_bytes());
    }

    /// Everything of a hit but the value, whose `value_bytes` bytes the caller appends. The key is empty unless it was
    /// asked for.
    pub fn hit(&self, out: &mut Vec<u8>, flags: u32, cas: u64, key: &[u8], value_bytes: usize) {
        self.head(out, Status::Ok, cas, 4, key.len(), value_bytes);
        out.extend_from_slice(&flags.to_be_bytes());
        out.extend_from_slice(key);
    }

    /// A miss: with the key when it was asked for, otherwise with a text.
    pub fn miss(&self, out: &mut Vec<u8>, key: &[u8]) {
        if key.is_empty() {
            return self.error(out, Status::NotFound);
        }
        self.head(out, Status::NotFound, 0, 0, key.len(), 0);
        out.extend_from_slice(key);
    }

    /// One statistic; an empty name and value end the list.
    pub fn stat(&self, out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        self.head(out, Status::Ok, 0, 0, name.len(), value.len());
        out.extend_from_slice(name);
        out.extend_from_slice(value);
    }

    /// A failure with its usual text.
    pub fn error(&self, out: &mut Vec<u8>, status: Status) {
        self.message(out, status, status.text().as_bytes());
    }

    /// Any status with a text of its own.
    pub fn message(&self, out: &mut Vec<u8>, status: Status, text: &[u8]) {
        self.head(out, status, 0, 0, 0, text.len());
        out.extend_from_slice(text);
    }

    fn head(
        &self,
        out: &mut Vec<u8>,
        status: Status,
        cas: u64,
        extras: u8,
        key: usize,
        value: usize,
    ) {
        let body = u64::from(extras) + key as u64 + value as u64;
        let key = u16::try_from(key).expect("keys and names of statistics are short");
        let body = u32::try_from(body).expect("values are at most as long as a request's body");
        out.reserve(super::HEADER_BYTES + body as usize);
        out.extend_from_slice(&[RESPONSE_MAGIC, self.opcode]);
        out.extend_from_slice(&key.to_be_bytes());
        out.extend_from_slice(&[extras, 0]);
        out.extend_from_slice(&(status as u16).to_be_bytes());
        out.extend_from_slice(&body.to_be_bytes());
        out.extend_from_slice(&self.opaque);
        out.extend_from_slice(&cas.to_be_bytes());
    }
}
