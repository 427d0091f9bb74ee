//! Text commands: hostile bytes make progress or wait within bounds, and where the input is cut
//! changes no answer.

#![no_main]

mod cuts;

use cacheismo_protocol::{Command, KeyBuffer, Limits, Meta, Parsed, Refusal, parse_text};
use libfuzzer_sys::fuzz_target;

/// Small, so that inputs reach the limits.
const LIMITS: Limits = Limits {
    line_bytes_max: 200,
    get_line_bytes_max: 300,
    value_bytes_max: 64,
    announced_bytes_min: usize::MAX,
};

fuzz_target!(|input: &[u8]| {
    check_cuts(input);
    let mut rest = input;
    loop {
        let consumed = match parse_text(rest, &LIMITS) {
            Parsed::Incomplete { needed } => {
                assert!(needed > rest.len() && needed <= 300 + 64 + 4);
                return;
            }
            Parsed::Command { command, consumed } => {
                look_at(&command);
                consumed
            }
            Parsed::Announced { .. } => unreachable!("not asked for"),
            Parsed::Error(Refusal { close: true, .. }) => return,
            Parsed::Error(refusal) => {
                assert!(refusal.reply.is_empty() || refusal.reply.ends_with("\r\n"));
                refusal.consumed
            }
            Parsed::TooLarge(large) => {
                assert!(!large.key.bytes(&mut KeyBuffer::default()).is_empty());
                large.consumed
            }
        };
        assert!((1..=rest.len()).contains(&consumed));
        rest = &rest[consumed..];
    }
});

fn check_cuts(input: &[u8]) {
    let whole = parse_text(input, &LIMITS);
    let closes = |parsed| matches!(parsed, Parsed::Error(Refusal { close: true, .. }));
    for end in cuts::ends(input) {
        match parse_text(&input[..end], &LIMITS) {
            Parsed::Incomplete { needed } => assert!(needed > end),
            early => assert!(early == whole || closes(early) && closes(whole)),
        }
    }
}

/// Walks everything that is read lazily.
fn look_at(command: &Command<'_>) {
    match command {
        Command::Get(get) => {
            assert!(get.keys.count() > 0);
            assert!(
                get.keys
                    .into_iter()
                    .all(|key| (1..=250).contains(&key.len()))
            );
        }
        Command::MetaGet(meta) | Command::MetaDelete(meta) | Command::MetaArith(meta) => {
            look_at_meta(meta)
        }
        Command::MetaSet { meta, value } => {
            look_at_meta(meta);
            assert!(value.len() <= LIMITS.value_bytes_max);
        }
        Command::MetaDebug { key } => assert!(!key.bytes(&mut KeyBuffer::default()).is_empty()),
        Command::Stats { args } | Command::Watch { args } | Command::Lru { args } => {
            assert!(args.into_iter().all(|word| !word.is_empty()));
        }
        _ => {}
    }
}

fn look_at_meta(meta: &Meta<'_>) {
    assert!((1..=250).contains(&meta.key.bytes(&mut KeyBuffer::default()).len()));
    assert!(meta.flags.in_order().all(|(flag, _)| meta.flags.has(flag)));
}
