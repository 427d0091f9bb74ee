//! Base64 of keys that are not text.

/// Most bytes that `encoded` base64 characters stand for.
pub const fn decoded_bytes_max(encoded: usize) -> usize {
    encoded.div_ceil(4) * 3
}

/// Decodes standard base64 with padding into `out`; `None` when it is none, or stands for no bytes.
pub fn decode(_text: &[u8], _out: &mut [u8]) -> Option<usize> {
    None
}
