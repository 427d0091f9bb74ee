//! Datagrams: a request is its header and the rest, and an answer cut into datagrams is put together again from their
//! numbers.

#![no_main]

use cacheismo_protocol::udp::{DATA_BYTES_MAX, HEADER_BYTES, datagrams, parse};
use cacheismo_protocol::{Limits, Parsed, parse_text};
use libfuzzer_sys::fuzz_target;

/// Longest answer that is tried, in bytes.
const ANSWER_BYTES_MAX: usize = 5 * DATA_BYTES_MAX;

fuzz_target!(|datagram: &[u8]| {
    let Some((frame, commands)) = parse(datagram) else {
        assert!(datagram.len() < HEADER_BYTES);
        return;
    };
    let word = |at: usize| u16::from_be_bytes([datagram[at], datagram[at + 1]]);
    assert_eq!((frame.request_id, frame.total), (word(0), word(4)));
    assert_eq!(commands, &datagram[HEADER_BYTES..]);
    execute(commands);

    // The other two fields of the header choose how long the answer is.
    let len = (usize::from(word(2)) ^ usize::from(word(6))) % (ANSWER_BYTES_MAX + 1);
    let answer: Vec<u8> = datagram.iter().copied().cycle().take(len).collect();
    let sent: Vec<_> = datagrams(frame.request_id, &answer).collect();
    assert_eq!(sent.len(), len.div_ceil(DATA_BYTES_MAX));
    let mut whole = Vec::with_capacity(len);
    for (number, (header, part)) in sent.iter().enumerate() {
        let numbers = [frame.request_id, number as u16, sent.len() as u16, 0];
        assert_eq!(header[..], numbers.map(u16::to_be_bytes).concat());
        assert!((1..=DATA_BYTES_MAX).contains(&part.len()));
        whole.extend_from_slice(part);
    }
    assert!(whole == answer);
});

/// All commands of a datagram are found; what is incomplete at its end never becomes complete.
fn execute(mut commands: &[u8]) {
    let limits = Limits::default();
    loop {
        let consumed = match parse_text(commands, &limits) {
            Parsed::Command { consumed, .. } => consumed,
            Parsed::Error(refusal) if !refusal.close => refusal.consumed,
            Parsed::TooLarge(large) => large.consumed,
            _ => return,
        };
        assert!((1..=commands.len()).contains(&consumed));
        commands = &commands[consumed..];
    }
}
