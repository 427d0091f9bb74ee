//! Meta commands: what the parser makes of key and flags against a plain reading of the line's words.
//!
//! Random bytes hardly ever spell a second valid flag, so half of the mutations work on words: flags are added, taken
//! away, repeated and given numbers at the ends of their ranges.

#![no_main]

mod cuts;

use cacheismo_protocol::{Command, KeyBuffer, Limits, Meta, Mode, Parsed, Refusal, base64, parse_text};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

/// Small, so that inputs reach the limits.
const LIMITS: Limits = Limits {
    line_bytes_max: 200,
    get_line_bytes_max: 300,
    value_bytes_max: 64,
    announced_bytes_min: usize::MAX,
};
/// Words that begin a meta command.
const COMMANDS: &[&str] = &["mg", "ms", "md", "ma", "me", "mn"];
/// Flags with arguments, and some that are none.
const FLAGS: &[&str] = &[
    "b", "c", "f", "h", "k", "l", "q", "s", "t", "u", "v", "x", "I", "C", "D", "E", "F", "J", "L", "M", "N", "O", "P",
    "R", "T", "MS", "MA", "MP", "ME", "MR", "MI", "MD", "M+", "M-", "Z", "~",
];
/// Arguments at the ends of what the flags take.
const NUMBERS: &[&str] = &[
    "0", "1", "-1", "+1", "+-1", "-+1", "60", "2592000", "2592001", "4294967295", "4294967296", "9223372036854775807",
    "9223372036854775808", "-9223372036854775808", "18446744073709551615", "18446744073709551616", "1x",
];
const KEYS: &[&str] = &["key", "Zm9v", "Zm8=", "Zm9=", "Z", "a:b:c", "\u{e9}"];

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = Random(seed | 1);
    if random.below(2) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut words: Vec<Vec<u8>> = data[..size].split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect();
    for _ in 0..=random.below(3) {
        change(&mut words, &mut random);
    }
    let mut made = words.join(&b' ');
    if !made.ends_with(b"\n") && random.below(4) > 0 {
        made.extend_from_slice(b"\r\n");
    }
    let size = made.len().min(max_size);
    data[..size].copy_from_slice(&made[..size]);
    size
});

/// One change of a line's words.
fn change(words: &mut Vec<Vec<u8>>, random: &mut Random) {
    let at = random.below(words.len());
    let flag = |random: &mut Random| {
        let number = if random.below(2) == 0 { "" } else { random.one_of(NUMBERS) };
        [random.one_of(FLAGS), number].concat().into_bytes()
    };
    match random.below(9) {
        0 => words[0] = random.one_of(COMMANDS).into(),
        1 => drop(words.remove(at)),
        2 => words.insert(at, words[at].clone()),
        3 => words[at] = flag(random),
        4 => words[at] = random.one_of(KEYS).into(),
        5 => words[at] = random.one_of(NUMBERS).into(),
        _ => words.insert(at + 1, flag(random)),
    }
    if words.is_empty() {
        words.push(random.one_of(COMMANDS).into());
    }
}

/// Xorshift: the fuzzer's seed chooses everything.
struct Random(u32);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % end
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

fuzz_target!(|input: &[u8]| {
    let whole = parse_text(input, &LIMITS);
    let closes = |parsed| matches!(parsed, Parsed::Error(Refusal { close: true, .. }));
    for end in cuts::ends(input) {
        match parse_text(&input[..end], &LIMITS) {
            Parsed::Incomplete { needed } => assert!(needed > end),
            early => assert!(early == whole || closes(early) && closes(whole)),
        }
    }
    let mut rest = input;
    loop {
        let consumed = match parse_text(rest, &LIMITS) {
            Parsed::Command { command, consumed } => {
                let line = rest.split(|byte| *byte == b'\n').next().expect("the first always is");
                check(&command, line.strip_suffix(b"\r").unwrap_or(line));
                consumed
            }
            Parsed::Error(Refusal { close: false, consumed, .. }) => consumed,
            Parsed::TooLarge(large) => large.consumed,
            _ => return,
        };
        assert!((1..=rest.len()).contains(&consumed));
        rest = &rest[consumed..];
    }
});

fn check(command: &Command<'_>, line: &[u8]) {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
    let (meta, flags_at) = match command {
        Command::MetaGet(meta) | Command::MetaDelete(meta) | Command::MetaArith(meta) => (meta, 2),
        Command::MetaSet { meta, value } => {
            assert_eq!(number::<usize>(words[2]), Some(value.len()));
            (meta, 3)
        }
        _ => return,
    };
    assert_eq!(meta.key.token, words[1]);
    check_flags(meta, &words[flags_at..]);
    let mut buffer = KeyBuffer::default();
    let key = meta.key.bytes(&mut buffer);
    assert!((1..=250).contains(&key.len()));
    assert_eq!(meta.key.base64, meta.flags.has(b'b'));
    if meta.key.base64 {
        let mut encoded = Vec::new();
        base64::encode(key, &mut encoded);
        assert_eq!(encoded, meta.key.token, "two tokens name one key");
    } else {
        assert_eq!(key, meta.key.token);
    }
    let detached = meta.detach();
    assert_eq!(detached.meta().key, meta.key);
    assert!(detached.meta().flags.in_order().eq(meta.flags.in_order()));
}

fn check_flags(meta: &Meta<'_>, words: &[&[u8]]) {
    let flags = meta.flags;
    assert!(flags.in_order().eq(words.iter().map(|word| (word[0], &word[1..]))));
    let argument = |letter: u8| words.iter().find(|word| word[0] == letter).map(|word| &word[1..]);
    for letter in 0..=u8::MAX {
        let count = words.iter().filter(|word| word[0] == letter).count();
        assert!(count < 2, "a flag twice");
        assert_eq!(flags.has(letter), count == 1);
    }
    assert_eq!(flags.quiet(), argument(b'q').is_some());
    let given = [(b'T', flags.ttl()), (b'N', flags.vivify()), (b'R', flags.recache())];
    for (letter, read) in given {
        assert_eq!(argument(letter).map(|word| number(word).expect("a number")), read);
    }
    let given = [(b'C', flags.cas_compare()), (b'E', flags.cas_override())];
    for (letter, read) in given {
        assert_eq!(argument(letter).map(|word| number(word).expect("a number")), read);
    }
    let or = |letter, default| argument(letter).map_or(default, |word| number(word).expect("a number"));
    assert_eq!(u64::from(flags.client_flags()), or(b'F', 0));
    assert_eq!((flags.initial(), flags.delta()), (or(b'J', 0), or(b'D', 1)));
    assert!(flags.mode == Mode::Unset || argument(b'M').is_some());
}

/// The standard library's reading of a number.
fn number<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    std::str::from_utf8(word).ok()?.parse().ok()
}
