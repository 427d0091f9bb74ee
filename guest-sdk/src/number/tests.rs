use super::*;

fn lua(number: f64) -> String {
    String::from_utf8(Lua::from(number).text().to_vec()).expect("digits are ASCII")
}

#[test]
fn numbers_print_as_c_prints_percent_14_g() {
    // Left: taken from a C program's printf("%.14g").
    for (expected, number) in [
        ("0", 0.0),
        ("-0", -0.0),
        ("1", 1.0),
        ("-1.5", -1.5),
        ("0.1", 0.1),
        ("0.3", 0.1 + 0.2),
        ("100", 100.0),
        ("33.333333333333", 100.0 / 3.0),
        ("0.0001", 0.0001),
        ("0.00012345", 0.000_123_45),
        ("1e-05", 0.00001),
        ("99999999999999", 99_999_999_999_999.0),
        ("1e+14", 100_000_000_000_000.0),
        ("1e+14", 99_999_999_999_999.5),
        ("12345678901234", 12_345_678_901_234.4),
        ("1.2345678901235e+17", 123_456_789_012_345_678.0),
        ("1e+300", 1e300),
        ("1.7976931348623e+308", f64::MAX),
        ("-1.7976931348623e+308", f64::MIN),
        ("4.9406564584125e-324", 5e-324),
        ("-2.2250738585072e-308", -f64::MIN_POSITIVE),
        ("inf", f64::INFINITY),
        ("-inf", f64::NEG_INFINITY),
        ("nan", f64::NAN),
        ("nan", -f64::NAN),
    ] {
        assert_eq!(lua(number), expected, "{number:e}");
    }
}

#[test]
fn integers_print_to_their_limits() {
    assert_eq!(Integer::from(0u8).text(), b"0");
    assert_eq!(
        Integer::from(i64::MIN).text(),
        i64::MIN.to_string().as_bytes()
    );
    assert_eq!(
        Integer::from(u64::MAX).text(),
        u64::MAX.to_string().as_bytes()
    );
    assert_eq!(Integer::from(-128i8).text(), b"-128");
}

#[test]
fn numbers_are_read_as_lua_reads_them() {
    for (text, number) in [
        ("10", 10.0),
        ("+10", 10.0),
        ("-2.5", -2.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("1E-3", 0.001),
        ("0x10", 16.0),
        ("-0XfF", -255.0),
        (" \t7\r\n", 7.0),
        ("\u{b}7\u{c}", 7.0),
    ] {
        assert_eq!(parse(text.as_bytes()), Some(number), "{text:?}");
    }
    for text in [
        "", " ", "-", "+-1", "--1", "abc", "1x", "0x", "0xg", "1e", ".", "inf", "-inf", "nan",
        "1e999", "1 2", "1,5", "0x-1",
    ] {
        assert_eq!(parse(text.as_bytes()), None, "{text:?}");
    }
}

/// Digits and exponent by the standard library's exact formatting.
fn oracle(magnitude: f64) -> (Vec<u8>, i32) {
    let text = format!("{magnitude:.13e}");
    let (digits, exponent) = text.split_once('e').expect("an exponent");
    let digits = digits.bytes().filter(|byte| *byte != b'.').collect();
    (digits, exponent.parse().expect("a number"))
}

#[track_caller]
fn has_the_right_digits(magnitude: f64) {
    let (digits, exponent) = super::decimal::digits(magnitude);
    assert_eq!(
        (digits.to_vec(), exponent),
        oracle(magnitude),
        "{magnitude:e}"
    );
}

#[test]
fn digits_are_exact_at_every_power_and_halfway() {
    for exponent in -1074..=1023 {
        let power = if exponent < -1022 {
            f64::from_bits(1 << (exponent + 1074))
        } else {
            2f64.powi(exponent)
        };
        has_the_right_digits(power);
        has_the_right_digits(power.next_up());
        has_the_right_digits(power.next_down().max(f64::from_bits(1)));
    }
    for exponent in -323..=308 {
        let power: f64 = format!("1e{exponent}").parse().expect("a number");
        for neighbour in [
            power,
            power.next_up(),
            power.next_down(),
            power * 5.0,
            power * 9.999_999_999_999_95,
        ] {
            if neighbour.is_finite() {
                has_the_right_digits(neighbour);
            }
        }
    }
    // Integers of 15 digits that end in 5 lie halfway: the even neighbour is chosen.
    for half in (100_000_000_000_005..100_000_000_001_000u64).step_by(10) {
        has_the_right_digits(half as f64);
    }
    has_the_right_digits(999_999_999_999_995.0);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    #[test]
    fn digits_are_those_of_the_standard_library(bits in 1..f64::INFINITY.to_bits()) {
        has_the_right_digits(f64::from_bits(bits));
    }

    #[test]
    fn digits_of_everyday_numbers_are_too(units in 1..u64::MAX, scale in 0..20) {
        has_the_right_digits(units as f64 / 10f64.powi(scale));
    }

    #[test]
    fn what_was_printed_reads_back_within_fourteen_digits(number: f64) {
        proptest::prop_assume!(number.is_finite());
        let back = parse(lua(number).as_bytes());
        // Printing may round beyond the largest number.
        proptest::prop_assume!(back.is_some());
        let back = back.expect("checked above");
        proptest::prop_assert!((back - number).abs() <= number.abs() * 1e-13 + f64::from_bits(1), "{number:e} {back:e}");
    }

    #[test]
    fn whole_numbers_read_as_the_standard_library_reads_them(number: u64, digits in 1..21usize) {
        let text = &format!("{number:020}")[20 - digits..];
        proptest::prop_assert_eq!(parse(text.as_bytes()), text.parse().ok());
    }

    #[test]
    fn no_bytes_make_the_parser_panic(text: Vec<u8>) {
        let _ = parse(&text);
    }

    #[test]
    fn integers_print_as_the_standard_library_prints(number: i64, unsigned: u64) {
        let (signed, unsigned_text) = (Integer::from(number), Integer::from(unsigned));
        let expected = (number.to_string(), unsigned.to_string());
        proptest::prop_assert_eq!(signed.text(), expected.0.as_bytes());
        proptest::prop_assert_eq!(unsigned_text.text(), expected.1.as_bytes());
    }
}
