//! Base64 of keys that are not text: the standard alphabet, padded.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Most bytes that `encoded` base64 characters stand for.
pub const fn decoded_bytes_max(encoded: usize) -> usize {
    encoded.div_ceil(4) * 3
}

/// Number of bytes `text` stands for; `None` when it is no base64, or stands for no bytes.
pub fn decoded_len(text: &[u8]) -> Option<usize> {
    if text.is_empty() || !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text
        .iter()
        .rev()
        .take(2)
        .take_while(|&&b| b == b'=')
        .count();
    let digits = &text[..text.len() - padding];
    let all = digits.iter().all(|&b| digit(b).is_some());
    // The last digit's bits that stand for nothing must be zero: else bytes had several spellings, and a key several
    // names.
    let spare_bits = (1 << (2 * padding)) - 1;
    let last = digits.last().and_then(|&b| digit(b))?;
    (all && last & spare_bits == 0).then_some(text.len() / 4 * 3 - padding)
}

/// Decodes into the front of `out` and returns how many bytes that took; `None` when `text` is no
/// base64, stands for no bytes, or does not fit.
pub fn decode(text: &[u8], out: &mut [u8]) -> Option<usize> {
    let len = decoded_len(text)?;
    let out = out.get_mut(..len)?;
    for (four, three) in text.chunks(4).zip(out.chunks_mut(3)) {
        let bits = four
            .iter()
            .fold(0, |bits, &b| bits << 6 | digit(b).unwrap_or(0));
        three.copy_from_slice(&bits.to_be_bytes()[1..][..three.len()]);
    }
    Some(len)
}

/// Appends `bytes` in base64.
pub fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for three in bytes.chunks(3) {
        let mut four = [0; 4];
        four[1..][..three.len()].copy_from_slice(three);
        let bits = u32::from_be_bytes(four);
        for place in 0..4 {
            out.push(match place <= three.len() {
                true => ALPHABET[(bits >> (18 - 6 * place) & 63) as usize],
                false => b'=',
            });
        }
    }
}

fn digit(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_vectors_of_the_rfc_hold() {
        for (plain, coded) in [
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = Vec::new();
            encode(plain.as_bytes(), &mut out);
            assert_eq!(out, coded.as_bytes());
        }
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in [
            "", "=", "====", "A===", "Zg=", "Zg", "Z=g=", "Zm8=Zm8=", "Zm 8", "\u{e9}AA", "Zm9=",
            "Zh==", "Zm9vYh==", "AAB=",
        ] {
            assert_eq!(decoded_len(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn encoded_bytes_decode_to_themselves(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
            let mut text = Vec::new();
            encode(&bytes, &mut text);
            let mut out = vec![0; decoded_bytes_max(text.len())];
            prop_assert_eq!(decode(&text, &mut out), Some(bytes.len()));
            prop_assert_eq!(&out[..bytes.len()], &bytes);
        }
    }
}
