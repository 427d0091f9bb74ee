//! Promises about all inputs: what is printed reads back, where the input is cut does not matter, and
//! hostile bytes neither panic nor stall.

use super::super::*;
use proptest::prelude::*;

/// The pieces that commands are made of.
#[derive(Debug, Clone)]
struct Pieces {
    keys: Vec<Vec<u8>>,
    value: Vec<u8>,
    numbers: [u64; 3],
    times: [i64; 3],
    flags: u32,
    noreply: bool,
    meta_letters: Vec<u8>,
    opaque: String,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![8 => 0x21..=0xffu8, 1 => 0x01..0x0au8];
    prop::collection::vec(byte, 1..20).prop_filter("a key, not a word of the grammar", |key| {
        key != b"noreply" && key != b"0"
    })
}

fn pieces() -> impl Strategy<Value = Pieces> {
    let letters =
        prop::sample::subsequence(b"ICDEFJLMNOPRTcfhklqstuvx".to_vec(), 0..15).prop_shuffle();
    (
        prop::collection::vec(key(), 1..6),
        prop::collection::vec(any::<u8>(), 0..40),
        (
            any::<[u64; 3]>(),
            any::<[i64; 3]>(),
            any::<u32>(),
            any::<bool>(),
        ),
        letters,
        "[!-~]{0,31}",
    )
        .prop_map(
            |(keys, value, (numbers, times, flags, noreply), meta_letters, opaque)| Pieces {
                keys,
                value,
                numbers,
                times,
                flags,
                noreply,
                meta_letters,
                opaque,
            },
        )
}

/// The meta flags as a client writes them, for a command whose `M` takes `mode`.
fn flag_line(pieces: &Pieces, mode: u8) -> Vec<u8> {
    let mut line = Vec::new();
    for &letter in &pieces.meta_letters {
        line.extend_from_slice(&[b' ', letter]);
        let argument = match letter {
            b'T' => pieces.times[0].to_string(),
            b'N' => pieces.times[1].to_string(),
            b'R' => pieces.times[2].to_string(),
            b'C' => pieces.numbers[0].to_string(),
            b'E' => pieces.numbers[1].to_string(),
            b'J' => pieces.numbers[2].to_string(),
            b'D' => pieces.numbers[0].to_string(),
            b'F' => pieces.flags.to_string(),
            b'M' => char::from(mode).to_string(),
            b'O' | b'P' | b'L' => pieces.opaque.clone(),
            _ => String::new(),
        };
        line.extend_from_slice(argument.as_bytes());
    }
    line
}

fn meta<'a>(pieces: &'a Pieces, line: &'a [u8], mode: Mode) -> Meta<'a> {
    let has = |letter| pieces.meta_letters.contains(&letter);
    Meta {
        key: MetaKey::plain(&pieces.keys[0]),
        flags: MetaFlags {
            letters: pieces
                .meta_letters
                .iter()
                .fold(0, |set, letter| set | 1 << (letter - b'A')),
            tokens: Tokens::new(line),
            mode: if has(b'M') { mode } else { Mode::Unset },
        },
    }
}

/// Checks that the numbers among the flags are those of the pieces.
fn numbers_are_right(pieces: &Pieces, flags: &MetaFlags<'_>) {
    let has = |letter| pieces.meta_letters.contains(&letter);
    let [cas_compare, cas_override, initial] = pieces.numbers;
    let [ttl, vivify, recache] = pieces.times;
    assert_eq!(flags.ttl(), has(b'T').then_some(ttl));
    assert_eq!(flags.vivify(), has(b'N').then_some(vivify));
    assert_eq!(flags.recache(), has(b'R').then_some(recache));
    assert_eq!(flags.cas_compare(), has(b'C').then_some(cas_compare));
    assert_eq!(flags.cas_override(), has(b'E').then_some(cas_override));
    assert_eq!(
        flags.client_flags(),
        if has(b'F') { pieces.flags } else { 0 }
    );
    assert_eq!(flags.initial(), if has(b'J') { initial } else { 0 });
    assert_eq!(flags.delta(), if has(b'D') { cas_compare } else { 1 });
}

/// Each kind of command that can be made of the pieces, with the bytes a client would send for it.
#[expect(clippy::too_many_lines, reason = "one arm for each kind of command")]
fn commands<'a>(
    pieces: &'a Pieces,
    list: &'a [u8],
    set_flags: &'a [u8],
    arith_flags: &'a [u8],
) -> Vec<(Vec<u8>, Command<'a>)> {
    let key = &pieces.keys[0][..];
    let text = |line: String| [key_after(&line, key), b"\r\n".to_vec()].concat();
    let (noreply, word) = (pieces.noreply, if pieces.noreply { " noreply" } else { "" });
    let (flags, [exptime, delay, _], [cas, delta, _]) =
        (pieces.flags, pieces.times, pieces.numbers);
    let value = &pieces.value[..];
    let mut all = Vec::new();
    for (name, with_cas) in [("get", false), ("gets", true)] {
        let get = Get {
            keys: Tokens::new(list),
            only: pieces
                .keys
                .first()
                .filter(|_| pieces.keys.len() == 1)
                .map(Vec::as_slice),
            cas: with_cas,
            touch: None,
        };
        all.push(([name.as_bytes(), list, b"\r\n"].concat(), Command::Get(get)));
        let get = Get {
            touch: Some(exptime),
            ..get
        };
        let line = if with_cas { "gats" } else { "gat" };
        all.push((
            [format!("{line} {exptime}").as_bytes(), list, b"\r\n"].concat(),
            Command::Get(get),
        ));
    }
    for (name, verb) in [
        ("set", StoreVerb::Set),
        ("add", StoreVerb::Add),
        ("replace", StoreVerb::Replace),
        ("append", StoreVerb::Append),
        ("prepend", StoreVerb::Prepend),
        ("cas", StoreVerb::Cas(cas)),
    ] {
        let token = if name == "cas" {
            format!(" {cas}")
        } else {
            String::new()
        };
        let line = text(format!(
            "{name} KEY {flags} {exptime} {}{token}{word}",
            value.len()
        ));
        let store = Store {
            verb,
            key,
            flags,
            exptime,
            value,
            noreply,
        };
        all.push(([&line, value, b"\r\n"].concat(), Command::Store(store)));
    }
    for (name, decrement) in [("incr", false), ("decr", true)] {
        let arith = Arith {
            key,
            delta,
            decrement,
            noreply,
        };
        all.push((
            text(format!("{name} KEY {delta}{word}")),
            Command::Arith(arith),
        ));
    }
    all.push((
        text(format!("touch KEY {exptime}{word}")),
        Command::Touch {
            key,
            exptime,
            noreply,
        },
    ));
    all.push((
        text(format!("delete KEY{word}")),
        Command::Delete { key, noreply },
    ));
    all.push((
        text(format!("flush_all {delay}{word}")),
        Command::FlushAll {
            delay: Some(delay),
            noreply,
        },
    ));
    all.push((
        text(format!("verbosity {flags}{word}")),
        Command::Verbosity {
            level: flags,
            noreply,
        },
    ));

    let line = |name: &str, flags: &[u8]| {
        [
            key_after(&format!("{name} KEY"), key),
            flags.to_vec(),
            b"\r\n".to_vec(),
        ]
        .concat()
    };
    all.push((
        line("mg", set_flags),
        Command::MetaGet(meta(pieces, set_flags, Mode::Unset)),
    ));
    all.push((
        line("md", set_flags),
        Command::MetaDelete(meta(pieces, set_flags, Mode::Unset)),
    ));
    all.push((
        line("ma", arith_flags),
        Command::MetaArith(meta(pieces, arith_flags, Mode::Decrement)),
    ));
    let head = [
        key_after(&format!("ms KEY {}", value.len()), key),
        set_flags.to_vec(),
        b"\r\n".to_vec(),
    ]
    .concat();
    let set = Command::MetaSet {
        meta: meta(pieces, set_flags, Mode::Append),
        value,
    };
    all.push(([&head, value, b"\r\n"].concat(), set));
    all.push((
        line("me", b""),
        Command::MetaDebug {
            key: MetaKey::plain(key),
        },
    ));
    all
}

/// The line with the bytes of the key, which need not be text, where it says KEY.
fn key_after(line: &str, key: &[u8]) -> Vec<u8> {
    match line.split_once("KEY") {
        Some((before, after)) => [before.as_bytes(), key, after.as_bytes()].concat(),
        None => line.as_bytes().to_vec(),
    }
}

/// Lines that are nearly right: words of the grammar in any order, with numbers, noise and bad line ends.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => prop::sample::select(vec![
            "get", "gets", "gat", "set", "cas", "append", "delete", "incr", "touch", "mg", "ms", "md", "ma", "mn", "me",
            "flush_all", "verbosity", "stats", "lru", "lru_crawler", "slabs", "automove", "shutdown", "GET", "/", "HTTP/1.1", "quit",
        ]).prop_map(|word| word.as_bytes().to_vec()),
        3 => prop::sample::select(vec!["k", "key", "noreply", "0", "1", "2", "5", "-1", "b", "v", "q", "T5", "C1", "Oab", "x", "99999999999999999999"])
            .prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    let end = prop::sample::select(vec![
        "\r\n",
        "\r\n",
        "\n",
        "\r",
        "",
        "\r\nab\r\n",
        "\r\nhello\r\n",
    ]);
    let line = (prop::collection::vec(word, 0..8), end)
        .prop_map(|(words, end)| [words.join(&b' '), end.as_bytes().to_vec()].concat());
    prop::collection::vec(line, 1..3).prop_map(|lines| lines.concat())
}

const LIMITS: Limits = Limits {
    line_bytes_max: 100,
    get_line_bytes_max: 120,
    value_bytes_max: 50,
    announced_bytes_min: usize::MAX,
};

fn value_of<'a>(command: &Command<'a>) -> &'a [u8] {
    match command {
        Command::Store(store) => store.value,
        Command::MetaSet { value, .. } => value,
        _ => b"",
    }
}

fn without_value(command: Command<'_>) -> Command<'_> {
    match command {
        Command::Store(store) => Command::Store(Store {
            value: b"",
            ..store
        }),
        Command::MetaSet { meta, .. } => Command::MetaSet { meta, value: b"" },
        other => other,
    }
}

/// Whether both answers are the same, except that a closed connection leaves no rest to agree about.
fn same(early: &Parsed<'_>, late: &Parsed<'_>) -> bool {
    let closes = |parsed: &Parsed<'_>| matches!(parsed, Parsed::Error(Refusal { close: true, .. }));
    early == late || closes(early) && closes(late)
}

proptest! {
    #[test]
    fn a_printed_command_reads_back(pieces in pieces()) {
        let list = pieces.keys.iter().flat_map(|key| [b" ", &key[..]].concat()).collect::<Vec<_>>();
        let (set_flags, arith_flags) = (flag_line(&pieces, b'A'), flag_line(&pieces, b'D'));
        for (bytes, command) in commands(&pieces, &list, &set_flags, &arith_flags) {
            match parse_text(&bytes, &Limits::default()) {
                Parsed::Command { command: read, consumed } => {
                    prop_assert_eq!(consumed, bytes.len());
                    if let Command::MetaGet(meta) | Command::MetaSet { meta, .. } | Command::MetaArith(meta) = &read {
                        numbers_are_right(&pieces, &meta.flags);
                    }
                    // The list of keys may start behind the space that ends the name.
                    match (read, command) {
                        (Command::Get(read), Command::Get(meant)) => {
                            prop_assert!(read.keys.eq(meant.keys));
                            prop_assert_eq!((read.cas, read.touch), (meant.cas, meant.touch));
                        }
                        (read, meant) => prop_assert_eq!(read, meant),
                    }
                }
                other => prop_assert!(false, "{:?} gave {:?}", String::from_utf8_lossy(&bytes), other),
            }
            for end in 0..bytes.len() {
                let cut = parse_text(&bytes[..end], &Limits::default());
                let waits = matches!(cut, Parsed::Incomplete { needed } if (end + 1..=bytes.len()).contains(&needed));
                prop_assert!(waits, "{:?} cut at {} gave {:?}", String::from_utf8_lossy(&bytes), end, cut);
            }
        }
    }

    #[test]
    fn input_cut_anywhere_gets_the_same_answer_later(input in nearly()) {
        let whole = parse_text(&input, &LIMITS);
        for end in 0..input.len() {
            match parse_text(&input[..end], &LIMITS) {
                Parsed::Incomplete { needed } => prop_assert!(needed > end),
                early => prop_assert!(same(&early, &whole), "cut at {}: {:?}, later {:?}", end, early, whole),
            }
        }
    }

    #[test]
    fn an_announced_command_is_the_one_that_comes(input in nearly()) {
        let limits = Limits { announced_bytes_min: 1, ..LIMITS };
        let whole = parse_text(&input, &limits);
        for end in 0..input.len() {
            let Parsed::Announced { command, consumed, len } = parse_text(&input[..end], &limits) else {
                continue;
            };
            prop_assert!(consumed <= end && len >= 1);
            match whole {
                Parsed::Command { command: came, consumed: all } => {
                    prop_assert_eq!(all, consumed + len + 2);
                    prop_assert_eq!(&input[consumed..consumed + len], value_of(&came));
                    prop_assert_eq!(without_value(came), command);
                }
                Parsed::Error(refusal) => {
                    prop_assert_eq!((refusal.consumed, refusal.swallow), (consumed + len + 2, 0));
                    prop_assert!(["", crate::reply::BAD_CHUNK].contains(&refusal.reply));
                }
                other => prop_assert!(same(&parse_text(&input[..end], &limits), &other)),
            }
        }
    }

    #[test]
    fn any_bytes_make_progress_or_wait_within_bounds(input in prop_oneof![nearly(), prop::collection::vec(any::<u8>(), 0..300)]) {
        let mut rest = &input[..];
        loop {
            let done = match parse_text(rest, &LIMITS) {
                Parsed::Incomplete { needed } => {
                    prop_assert!(needed > rest.len() && needed <= LIMITS.get_line_bytes_max + LIMITS.value_bytes_max + 4);
                    break;
                }
                Parsed::Command { consumed, .. } => consumed,
                Parsed::Announced { .. } => unreachable!("not asked for"),
                Parsed::Error(Refusal { close: true, .. }) => break,
                Parsed::Error(refusal) => {
                    prop_assert!(refusal.reply.is_empty() || refusal.reply.ends_with("\r\n"));
                    refusal.consumed
                }
                Parsed::TooLarge(large) => large.consumed,
            };
            prop_assert!((1..=rest.len()).contains(&done));
            rest = &rest[done..];
        }
    }
}
