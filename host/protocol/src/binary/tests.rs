use super::*;
use crate::Limits;
use proptest::prelude::*;

const OPAQUE: [u8; 4] = *b"mark";

/// A request as a client would write it.
fn message(opcode: u8, extras: &[u8], key: &[u8], value: &[u8], cas: u64) -> Vec<u8> {
    let body = (extras.len() + key.len() + value.len()) as u32;
    let mut out = vec![REQUEST_MAGIC, opcode];
    out.extend_from_slice(&(key.len() as u16).to_be_bytes());
    out.extend_from_slice(&[extras.len() as u8, 0, 0, 0]);
    out.extend_from_slice(&body.to_be_bytes());
    out.extend_from_slice(&OPAQUE);
    out.extend_from_slice(&cas.to_be_bytes());
    [&out, extras, key, value].concat()
}

fn request(message: &[u8]) -> Request<'_> {
    match parse(message, &Limits::default()) {
        Parsed::Request { request, consumed } if consumed == message.len() => request,
        other => panic!("{other:?}"),
    }
}

fn refusal(message: &[u8]) -> (Status, bool, u64) {
    match parse(message, &Limits::default()) {
        Parsed::Error(Refusal {
            answer: Some((echo, status)),
            consumed,
            swallow,
            close,
        }) => {
            assert_eq!((echo.opaque, consumed), (OPAQUE, HEADER_BYTES));
            (status, close, swallow)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn every_opcode_is_read_and_its_quiet_twin_means_the_same() {
    let exptime = [0, 0, 0, 9];
    let flags_and_exptime = [0, 0, 0, 5, 0, 0, 0, 9];
    let numbers = [&3u64.to_be_bytes()[..], &4u64.to_be_bytes(), &exptime].concat();
    let store = |verb, flags, exptime| {
        Command::Store(Store {
            verb,
            key: b"k",
            flags,
            exptime,
            value: b"v",
        })
    };
    let arith = |decrement| {
        Command::Arith(Arith {
            key: b"k",
            delta: 3,
            decrement,
            create: Some((4, 9)),
        })
    };
    let get = |with_key, touch| Command::Get {
        key: b"k",
        with_key,
        touch,
    };
    let sasl = |step| Command::Sasl {
        mechanism: b"k",
        message: b"v",
        step,
    };
    for (loud, quiet, extras, key, value, command) in [
        (0x00, Some(0x09), &[][..], "k", "", get(false, None)),
        (0x0c, Some(0x0d), &[], "k", "", get(true, None)),
        (0x1d, Some(0x1e), &exptime, "k", "", get(false, Some(9))),
        (0x23, Some(0x24), &exptime, "k", "", get(true, Some(9))),
        (
            0x1c,
            None,
            &exptime,
            "k",
            "",
            Command::Touch {
                key: b"k",
                exptime: 9,
            },
        ),
        (
            0x01,
            Some(0x11),
            &flags_and_exptime,
            "k",
            "v",
            store(StoreVerb::Set, 5, 9),
        ),
        (
            0x02,
            Some(0x12),
            &flags_and_exptime,
            "k",
            "v",
            store(StoreVerb::Add, 5, 9),
        ),
        (
            0x03,
            Some(0x13),
            &flags_and_exptime,
            "k",
            "v",
            store(StoreVerb::Replace, 5, 9),
        ),
        (
            0x0e,
            Some(0x19),
            &[],
            "k",
            "v",
            store(StoreVerb::Append, 0, 0),
        ),
        (
            0x0f,
            Some(0x1a),
            &[],
            "k",
            "v",
            store(StoreVerb::Prepend, 0, 0),
        ),
        (
            0x04,
            Some(0x14),
            &[],
            "k",
            "",
            Command::Delete { key: b"k" },
        ),
        (0x05, Some(0x15), &numbers, "k", "", arith(false)),
        (0x06, Some(0x16), &numbers, "k", "", arith(true)),
        (0x07, Some(0x17), &[], "", "", Command::Quit),
        (
            0x08,
            Some(0x18),
            &[],
            "",
            "",
            Command::Flush { delay: None },
        ),
        (
            0x08,
            Some(0x18),
            &exptime,
            "",
            "",
            Command::Flush { delay: Some(9) },
        ),
        (0x0a, None, &[], "", "", Command::Noop),
        (0x0b, None, &[], "", "", Command::Version),
        (0x10, None, &[], "", "", Command::Stat { key: b"" }),
        (0x10, None, &[], "k", "", Command::Stat { key: b"k" }),
        (
            0x1b,
            None,
            &exptime,
            "",
            "",
            Command::Verbosity { level: 9 },
        ),
        (0x20, None, &[], "", "", Command::SaslList),
        (0x21, None, &[], "k", "v", sasl(false)),
        (0x22, None, &[], "k", "v", sasl(true)),
    ] {
        for opcode in [Some(loud), quiet].into_iter().flatten() {
            let message = message(opcode, extras, key.as_bytes(), value.as_bytes(), 77);
            let echo = Echo {
                opcode,
                opaque: OPAQUE,
            };
            let quiet = opcode != loud;
            assert_eq!(
                request(&message),
                Request {
                    echo,
                    cas: 77,
                    quiet,
                    command
                }
            );
        }
    }
}

#[test]
fn an_increment_that_must_not_create_says_so() {
    let numbers = [&1u64.to_be_bytes()[..], &0u64.to_be_bytes(), &[0xff; 4]].concat();
    let message = message(0x05, &numbers, b"k", b"", 0);
    let Command::Arith(arith) = request(&message).command else {
        panic!("not an increment")
    };
    assert_eq!(arith.create, None);
}

#[test]
fn lengths_that_do_not_fit_the_opcode_close_the_connection() {
    let long_key = [b'k'; 251];
    for bad in [
        message(0x00, b"", b"", b"", 0),
        message(0x00, b"x", b"k", b"", 0),
        message(0x00, b"", b"k", b"v", 0),
        message(0x01, b"1234", b"k", b"v", 0),
        message(0x01, b"12345678", b"", b"v", 0),
        message(0x05, b"12345678", b"k", b"", 0),
        message(0x08, b"12", b"", b"", 0),
        message(0x0a, b"", b"k", b"", 0),
        message(0x10, b"", b"k", b"v", 0),
        message(0x1c, b"", b"k", b"", 0),
        message(0x00, b"", &long_key, b"", 0),
        message(0x21, b"", b"", b"v", 0),
    ] {
        let (status, close, _) = refusal(&bad);
        assert_eq!((status, close), (Status::Invalid, true), "{bad:?}");
    }
    let mut body_too_short = message(0x00, b"", b"key", b"", 0);
    body_too_short[11] = 2;
    assert_eq!(refusal(&body_too_short), (Status::UnknownCommand, true, 2));
    assert_eq!(
        refusal(&message(0x0e, b"1234", b"k", b"v", 0)).0,
        Status::Invalid
    );
}

#[test]
fn what_can_be_skipped_leaves_the_connection_open() {
    assert_eq!(
        refusal(&message(0x77, b"ab", b"key", b"value", 0)),
        (Status::UnknownCommand, false, 10)
    );
    assert_eq!(
        refusal(&message(0x21, b"", &[b'M'; 33], b"v", 0)),
        (Status::Invalid, false, 34)
    );
    assert_eq!(
        refusal(&message(0x21, b"", b"PLAIN", &[0; 4097], 0)),
        (Status::OutOfMemory, false, 4102)
    );
}

#[test]
fn a_verbosity_of_another_shape_is_unknown_as_in_memcached() {
    for message in [
        message(0x1b, b"", b"", b"", 0),
        message(0x1b, b"1234", b"key", b"", 0),
    ] {
        let body = (message.len() - HEADER_BYTES) as u64;
        assert_eq!(refusal(&message), (Status::UnknownCommand, false, body));
    }
}

#[test]
fn before_a_login_a_request_is_refused_by_its_header() {
    let limits = Limits::default();
    let early = |message: &[u8]| match parse_before_login(message, &limits) {
        Parsed::Error(refusal) => refusal.answer.map(|(_, status)| (status, refusal.swallow)),
        _ => None,
    };
    let set = message(0x01, b"12345678", b"k", &[b'v'; 1000], 0);
    assert_eq!(
        early(&set[..HEADER_BYTES]),
        Some((Status::AuthError, 1009)),
        "nothing of the value is waited for"
    );
    assert_eq!(early(&set[..HEADER_BYTES - 1]), None);
    assert_eq!(
        early(&message(0x77, b"", b"", b"", 0)),
        Some((Status::AuthError, 0))
    );
    for (opcode, key, value) in [
        (0x20, "", ""),
        (0x21, "PLAIN", "\0foo\0bar"),
        (0x22, "PLAIN", "x"),
        (0x0b, "", ""),
        (0x07, "", ""),
        (0x17, "", ""),
    ] {
        let message = message(opcode, b"", key.as_bytes(), value.as_bytes(), 0);
        assert!(
            matches!(
                parse_before_login(&message, &limits),
                Parsed::Request { consumed, .. } if consumed == message.len()
            ),
            "{opcode:#x}"
        );
    }
    assert_eq!(
        parse_before_login(b"get a\r\n", &limits),
        parse(b"get a\r\n", &limits)
    );
}

#[test]
fn bytes_of_another_protocol_are_not_answered() {
    for input in [&b"\x81"[..], b"get a\r\n", &[0; 24]] {
        assert_eq!(
            parse(input, &Limits::default()),
            Parsed::Error(Refusal {
                answer: None,
                consumed: input.len(),
                swallow: 0,
                close: true
            })
        );
    }
}

#[test]
fn a_value_over_the_limit_is_skipped_and_known_by_its_key() {
    let limits = Limits {
        value_bytes_max: 3,
        ..Limits::default()
    };
    for (opcode, drop_old) in [(0x01, true), (0x11, true), (0x02, false), (0x0e, false)] {
        let extras: &[u8] = if opcode == 0x0e { b"" } else { b"12345678" };
        let message = message(opcode, extras, b"k", b"four", 0);
        let front = HEADER_BYTES + extras.len() + 1;
        let echo = Echo {
            opcode,
            opaque: OPAQUE,
        };
        let expected = TooLarge {
            echo,
            key: b"k",
            drop_old,
            consumed: front,
            swallow: 4,
        };
        assert_eq!(parse(&message, &limits), Parsed::TooLarge(expected));
        assert_eq!(
            parse(&message[..front], &limits),
            Parsed::TooLarge(expected)
        );
        assert_eq!(
            parse(&message[..front - 1], &limits),
            Parsed::Incomplete { needed: front }
        );
    }
}

#[test]
fn responses_are_laid_out_as_documented() {
    let echo = Echo {
        opcode: 0x0c,
        opaque: OPAQUE,
    };
    let mut out = Vec::new();
    echo.hit(&mut out, 0xdeadbeef, 0x0102, b"key", 5);
    assert_eq!(
        out,
        b"\x81\x0c\0\x03\x04\0\0\0\0\0\0\x0cmark\0\0\0\0\0\0\x01\x02\xde\xad\xbe\xefkey"
    );
    out.clear();
    echo.miss(&mut out, b"key");
    assert_eq!(
        out,
        b"\x81\x0c\0\x03\0\0\0\x01\0\0\0\x03mark\0\0\0\0\0\0\0\0key"
    );
    out.clear();
    echo.miss(&mut out, b"");
    assert_eq!(
        out,
        b"\x81\x0c\0\0\0\0\0\x01\0\0\0\x09mark\0\0\0\0\0\0\0\0Not found"
    );
    out.clear();
    echo.number(&mut out, 3, 4);
    assert_eq!(
        out,
        b"\x81\x0c\0\0\0\0\0\0\0\0\0\x08mark\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04"
    );
    out.clear();
    echo.stat(&mut out, b"pid", b"12");
    assert_eq!(
        out,
        b"\x81\x0c\0\x03\0\0\0\0\0\0\0\x05mark\0\0\0\0\0\0\0\0pid12"
    );
    out.clear();
    echo.ok(&mut out, 9);
    assert_eq!(out, b"\x81\x0c\0\0\0\0\0\0\0\0\0\0mark\0\0\0\0\0\0\0\x09");
}

/// Headers whose lengths are often right, so that bodies get read too.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let fitting = (
        0u8..0x26,
        prop::collection::vec(any::<u8>(), 0..21),
        prop::collection::vec(any::<u8>(), 0..4),
        prop::collection::vec(any::<u8>(), 0..9),
    )
        .prop_map(|(opcode, extras, key, value)| {
            let extras = match opcode {
                0x01..=0x03 | 0x11..=0x13 => &extras[..extras.len().min(8)],
                0x05 | 0x06 | 0x15 | 0x16 => &extras,
                0x08 | 0x18 | 0x1b..=0x1e | 0x23 | 0x24 => &extras[..extras.len().min(4)],
                _ => b"",
            };
            message(opcode, extras, &key, &value, 1)
        });
    let noise = prop::collection::vec(any::<u8>(), 0..60);
    (fitting, noise, 0..80usize, any::<u8>()).prop_map(|(mut bytes, noise, at, flip)| {
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= flip;
        }
        bytes.extend(noise);
        bytes
    })
}

proptest! {
    #[test]
    fn hostile_bytes_make_progress_or_wait_within_bounds(input in hostile()) {
        let limits = Limits { value_bytes_max: 8, ..Limits::default() };
        match parse(&input, &limits) {
            Parsed::Incomplete { needed } => {
                prop_assert!(needed > input.len());
                prop_assert!(needed <= HEADER_BYTES + 255 + 250 + 4096);
            }
            Parsed::Request { consumed, .. } => prop_assert!((HEADER_BYTES..=input.len()).contains(&consumed)),
            Parsed::Announced { .. } => unreachable!("not asked for"),
            Parsed::Error(refusal) => prop_assert!((1..=input.len()).contains(&refusal.consumed)),
            Parsed::TooLarge(large) => prop_assert!((HEADER_BYTES..=input.len()).contains(&large.consumed)),
        }
    }

    #[test]
    fn an_announced_request_is_the_one_that_comes(input in hostile()) {
        let limits = Limits { announced_bytes_min: 1, ..Limits::default() };
        for end in 0..input.len() {
            let Parsed::Announced { request, consumed, len } = parse(&input[..end], &limits) else {
                continue;
            };
            prop_assert!(consumed <= end && len >= 1);
            match parse(&input, &limits) {
                Parsed::Request { request: came, consumed: all } => {
                    prop_assert_eq!(all, consumed + len);
                    let Command::Store(store) = came.command else {
                        return Err(TestCaseError::fail("only stores have large values"));
                    };
                    prop_assert_eq!(store.value, &input[consumed..all]);
                    let command = Command::Store(Store { value: b"", ..store });
                    prop_assert_eq!(Request { command, ..came }, request);
                }
                other => prop_assert_eq!(other, Parsed::Announced { request, consumed, len }),
            }
        }
    }

    #[test]
    fn a_request_cut_anywhere_is_the_same_request_later(input in hostile()) {
        let limits = Limits { value_bytes_max: 8, ..Limits::default() };
        let whole = parse(&input, &limits);
        for end in 0..input.len() {
            match (parse(&input[..end], &limits), whole) {
                (Parsed::Incomplete { needed }, _) => {
                    prop_assert!(needed > end);
                    let done = match whole {
                        Parsed::Request { consumed, .. } => consumed,
                        Parsed::Error(refusal) => refusal.consumed,
                        Parsed::TooLarge(large) => large.consumed,
                        Parsed::Incomplete { needed } => needed,
                        Parsed::Announced { .. } => unreachable!("not asked for"),
                    };
                    prop_assert!(needed <= done);
                }
                // Bytes that are no request have no length that both parses must agree on.
                (Parsed::Error(Refusal { answer: None, .. }), Parsed::Error(Refusal { answer: None, .. })) => {}
                (early, late) => prop_assert_eq!(early, late),
            }
        }
    }
}
