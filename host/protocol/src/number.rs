//! Digits by hand: `str::parse` would first check that the bytes are UTF-8.

/// A decimal number, with an optional `+`.
pub(super) fn unsigned(token: &[u8]) -> Option<u64> {
    let digits = token.strip_prefix(b"+").unwrap_or(token);
    if digits.is_empty() {
        return None;
    }
    let mut sum = 0u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        sum = sum.checked_mul(10)?.checked_add(digit.into())?;
    }
    Some(sum)
}

/// A decimal number of at most 32 bits.
pub(super) fn unsigned_32(token: &[u8]) -> Option<u32> {
    unsigned(token)?.try_into().ok()
}

/// A decimal number with an optional sign.
pub(super) fn signed(token: &[u8]) -> Option<i64> {
    match token.strip_prefix(b"-") {
        Some([b'+', ..]) => None,
        Some(digits) => 0i64.checked_sub_unsigned(unsigned(digits)?),
        None => unsigned(token)?.try_into().ok(),
    }
}

/// The length of a data block in bytes. No sign; at most what memcached can count, its line end included.
pub(super) fn length(token: &[u8]) -> Option<usize> {
    const MAX: u64 = i32::MAX as u64 - 2;
    match token.first()? {
        b'+' => None,
        _ => unsigned(token)
            .filter(|&len| len <= MAX)
            .map(|len| len as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_edges_of_each_type_are_numbers_and_one_more_is_none() {
        assert_eq!(unsigned(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(unsigned(b"18446744073709551616"), None);
        assert_eq!(unsigned_32(b"4294967295"), Some(u32::MAX));
        assert_eq!(unsigned_32(b"4294967296"), None);
        assert_eq!(signed(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(signed(b"9223372036854775808"), None);
        assert_eq!(length(b"2147483645"), Some(2147483645));
        assert_eq!(length(b"2147483646"), None);
    }

    #[test]
    fn a_sign_alone_or_twice_is_no_number() {
        for text in ["", "+", "-", "-+1", "+-1", "--1", "1-", " 1", "0x1"] {
            assert_eq!(signed(text.as_bytes()), None, "{text}");
        }
        assert_eq!(unsigned(b"-1"), None);
        assert_eq!(length(b"+1"), None);
        assert_eq!(signed(b"+1"), Some(1));
    }

    proptest! {
        #[test]
        fn printed_numbers_read_back(n in any::<i64>(), u in any::<u64>()) {
            prop_assert_eq!(signed(n.to_string().as_bytes()), Some(n));
            prop_assert_eq!(unsigned(u.to_string().as_bytes()), Some(u));
        }
    }
}
