//! Binary requests: hostile bytes make progress or wait within bounds, and where the input is cut
//! changes no answer.

#![no_main]

mod cuts;

use cacheismo_protocol::Limits;
use cacheismo_protocol::binary::{HEADER_BYTES, Parsed, Refusal, Status, parse};
use libfuzzer_sys::fuzz_target;

const VALUE_BYTES_MAX: usize = 64;

fuzz_target!(|input: &[u8]| {
    let limits = Limits {
        value_bytes_max: VALUE_BYTES_MAX,
        ..Limits::default()
    };
    let whole = parse(input, &limits);
    for end in cuts::ends(input) {
        match (parse(&input[..end], &limits), whole) {
            (Parsed::Incomplete { needed }, _) => assert!(needed > end),
            (
                Parsed::Error(Refusal { answer: None, .. }),
                Parsed::Error(Refusal { answer: None, .. }),
            ) => {}
            (early, late) => assert_eq!(early, late),
        }
    }
    let mut out = Vec::new();
    let mut rest = input;
    loop {
        let consumed = match parse(rest, &limits) {
            Parsed::Incomplete { needed } => {
                assert!(needed > rest.len() && needed <= HEADER_BYTES + 255 + 250 + 4096);
                return;
            }
            Parsed::Request { request, consumed } => {
                request.echo.ok(&mut out, request.cas);
                consumed
            }
            Parsed::Announced { .. } => unreachable!("not asked for"),
            Parsed::Error(Refusal { answer: None, .. } | Refusal { close: true, .. }) => return,
            Parsed::Error(refusal) => refusal.consumed,
            Parsed::TooLarge(large) => {
                large.echo.error(&mut out, Status::TooLarge);
                large.consumed
            }
        };
        assert!((1..=rest.len()).contains(&consumed));
        rest = &rest[consumed..];
    }
});
