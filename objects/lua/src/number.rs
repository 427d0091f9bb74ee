//! Numbers as text in fields. Most are whole and small, for which the general ways are far too thorough. Pure.

/// Digits that are read and written the short way: as many as a double holds exactly.
const DIGITS_MAX: usize = 15;
/// The least whole number with more digits.
const WHOLE_END: f64 = 1e15;

/// Reads a number; `None` when the text is none.
pub(crate) fn parse(text: &[u8]) -> Option<f64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if (1..=DIGITS_MAX).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) {
        let whole = digits
            .iter()
            .fold(0_i64, |n, d| n * 10 + i64::from(d - b'0'));
        let whole = whole as f64;
        return Some(if digits.len() < text.len() {
            -whole
        } else {
            whole
        });
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Calls `f` with the shortest text that reads back as the number.
pub(crate) fn with_text<R>(n: f64, f: impl FnOnce(&[u8]) -> R) -> R {
    let whole = n as i64;
    if whole as f64 != n || n.abs() >= WHOLE_END || (n == 0.0 && n.is_sign_negative()) {
        return f(n.to_string().as_bytes());
    }
    let mut text = [0; DIGITS_MAX + 1];
    let mut at = text.len();
    let mut rest = whole.unsigned_abs();
    loop {
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if whole < 0 {
        at -= 1;
        text[at] = b'-';
    }
    f(&text[at..])
}

/// The first whole number that a double holds, but not its successor: 2^53.
const EXACT_END: f64 = 9_007_199_254_740_992.0;

/// Whether a number is whole, and a double holds exactly this number and no other. From 10^14 on `tostring` rounds such
/// numbers to 14 digits; [`with_text`] does not.
pub(crate) fn is_exact(n: f64) -> bool {
    n.abs() < EXACT_END && (n as i64) as f64 == n && (n != 0.0 || n.is_sign_positive())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_ways_agree_with_the_general_ones() {
        for n in [
            0.0,
            -0.0,
            1.0,
            -1.0,
            42.0,
            0.5,
            -2.25,
            1e15,
            -1e15,
            999_999_999_999_999.0,
            -999_999_999_999_999.0,
            9_007_199_254_740_992.0,
            1e300,
            -1e-300,
            0.1 + 0.2,
        ] {
            with_text(n, |text| {
                let text = std::str::from_utf8(text).expect("digits");
                assert_eq!(text, n.to_string());
                assert_eq!(
                    parse(text.as_bytes()).map(f64::to_bits),
                    Some(n.to_bits()),
                    "{text}"
                );
            });
        }
        for (n, text) in [
            (-5.0, "-5"),
            (1e14, "100000000000000"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (-9_007_199_254_740_991.0, "-9007199254740991"),
        ] {
            assert!(is_exact(n), "{n}");
            with_text(n, |made| assert_eq!(made, text.as_bytes()));
        }
        let others = [0.5, -0.0, 9_007_199_254_740_992.0, 1e300];
        for n in others.into_iter().chain([f64::NAN, f64::INFINITY]) {
            assert!(!is_exact(n), "{n}");
        }
        for text in ["", "-", "1x", "--1", " 1", "1e", "0x10"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(b"1e3"), Some(1000.0));
        assert_eq!(parse(b"007"), Some(7.0));
    }
}
