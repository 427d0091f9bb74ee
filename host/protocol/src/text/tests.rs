mod junk;

use super::*;
use crate::*;

fn parse(input: &[u8]) -> Parsed<'_> {
    parse_text(input, &Limits::default())
}

/// The reply to a refused line, and the rest of the input after what is done with or skipped.
fn refused(input: &[u8]) -> (&'static str, String) {
    match parse(input) {
        Parsed::Error(refusal) => {
            let done = refusal.consumed + refusal.swallow as usize;
            let rest = input.get(done..).unwrap_or_default();
            let reply = if refusal.close {
                "closed"
            } else {
                refusal.reply.trim_end()
            };
            (reply, String::from_utf8_lossy(rest).into_owned())
        }
        other => panic!("{:?} gave {other:?}", String::from_utf8_lossy(input)),
    }
}

fn command(input: &[u8]) -> Command<'_> {
    match parse(input) {
        Parsed::Command { command, consumed } => {
            assert_eq!(
                consumed,
                input.len(),
                "{:?}",
                String::from_utf8_lossy(input)
            );
            command
        }
        other => panic!("{:?} gave {other:?}", String::from_utf8_lossy(input)),
    }
}

#[test]
fn lists_of_keys_are_walked_in_order() {
    let Command::Get(get) = command(b"gets a  bb c \r\n") else {
        panic!("not a get")
    };
    assert!(get.cas);
    assert_eq!(get.keys.collect::<Vec<_>>(), [&b"a"[..], b"bb", b"c"]);
    let Command::Get(get) = command(b"gat -1 a b\n") else {
        panic!("not a gat")
    };
    assert_eq!((get.touch, get.cas, get.keys.count()), (Some(-1), false, 2));
}

#[test]
fn a_line_of_keys_may_be_far_longer_than_other_lines() {
    let line = format!("get {}\r\n", "key ".repeat(32 * 1024));
    let Command::Get(get) = command(line.as_bytes()) else {
        panic!("not a get")
    };
    assert_eq!(get.keys.count(), 32 * 1024);

    let junk = [b'x'; 2049];
    assert_eq!(refused(&junk).0, "closed");
    assert!(matches!(
        parse(&junk[..2048]),
        Parsed::Incomplete { needed: 2049 }
    ));
    let keys = format!("get {}", "key ".repeat(512 * 1024));
    assert!(matches!(
        parse(keys.as_bytes()),
        Parsed::Error(Refusal {
            reply: "CLIENT_ERROR line too long\r\n",
            close: true,
            ..
        })
    ));
}

#[test]
fn keys_are_1_to_250_bytes_without_space_and_nul() {
    let longest = [b'k'; 250];
    let line = [b"get ", &longest[..], b"\r\n"].concat();
    assert!(matches!(command(&line), Command::Get(_)));
    let line = [b"get a ", &longest[..], b"k\r\n"].concat();
    assert_eq!(refused(&line).0, "CLIENT_ERROR bad command line format");
    for key in ["a\0", "\0", "a\t\0b"] {
        for line in [
            format!("get {key}\r\n"),
            format!("get b {key}\r\n"),
            format!("delete {key}\r\n"),
            format!("mg {key} v\r\n"),
            format!("incr {key} 1\r\n"),
        ] {
            assert_eq!(
                refused(line.as_bytes()).0,
                "CLIENT_ERROR bad command line format",
                "{line:?}"
            );
        }
    }
    for key in ["sch\u{f6}n", "a\tb", "a\rb", "\x10\x10", "a\x7f", "a\r"] {
        for line in [
            format!("delete {key}\r\n"),
            format!("mg {key} v\r\n"),
            format!("incr {key} 1\r\n"),
            format!("set {key} 0 0 1\r\nx\r\n"),
        ] {
            command(line.as_bytes());
        }
        let line = format!("get {key} {key} b\r\n");
        let Command::Get(get) = command(line.as_bytes()) else {
            panic!("not a get")
        };
        assert_eq!(
            get.keys.collect::<Vec<_>>(),
            [key.as_bytes(), key.as_bytes(), b"b"]
        );
    }
    let long = "\t".repeat(251);
    assert_eq!(
        refused(format!("get {long}\r\n").as_bytes()).0,
        "CLIENT_ERROR bad command line format"
    );
}

#[test]
fn a_store_carries_its_data_block() {
    let expected = Store {
        verb: StoreVerb::Cas(7),
        key: b"k",
        flags: u32::MAX,
        exptime: -1,
        value: b"a\r\nb\n",
        noreply: true,
    };
    assert_eq!(
        command(b"cas k 4294967295 -1 5 7 noreply\r\na\r\nb\n\r\n"),
        Command::Store(expected)
    );
    assert!(matches!(
        command(b"set k 0 0 0\n\r\n"),
        Command::Store(Store {
            value: b"",
            noreply: false,
            ..
        })
    ));
    assert!(matches!(
        parse(b"set k 0 0 5\r\nab"),
        Parsed::Incomplete { needed: 20 }
    ));
}

#[test]
fn a_refused_store_takes_its_data_block_with_it() {
    let long = "k".repeat(251);
    for line in [
        "set k -1 0 5",
        "set k 4294967296 0 5",
        "set k 0 x 5",
        "cas k 0 0 5",
        "cas k 0 0 5 x",
        &format!("set {long} 0 0 5"),
        &format!("ms {long} 5"),
    ] {
        let input = format!("{line}\r\nhello\r\nversion\r\n");
        assert_eq!(
            refused(input.as_bytes()),
            ("CLIENT_ERROR bad command line format", "version\r\n".into()),
            "{line}"
        );
    }
    assert_eq!(
        refused(b"cas k 0 0 2 x noreply\r\nab\r\nmn\r\n"),
        ("", "mn\r\n".into())
    );
    for line in [
        "set k 0 0 -1",
        "set k 0 0 x",
        "set k 0 0",
        "set k",
        "set",
        "ms k",
        "ms k S5",
        "ms",
        "set k 0 0 2147483646",
    ] {
        let input = format!("{line}\r\nversion\r\n");
        assert_eq!(
            refused(input.as_bytes()),
            ("CLIENT_ERROR bad command line format", "version\r\n".into()),
            "{line}"
        );
    }
}

#[test]
fn a_block_that_is_longer_than_it_said_is_a_bad_chunk() {
    assert_eq!(
        refused(b"set k 0 0 3\r\nabcdef\r\n"),
        ("CLIENT_ERROR bad data chunk", "f\r\n".into())
    );
    assert_eq!(
        refused(b"set k 0 0 3 noreply\r\nabcdef\r\n"),
        ("", "f\r\n".into())
    );
    assert_eq!(
        refused(b"ms k 3 q\r\nabcdef\r\n"),
        ("CLIENT_ERROR bad data chunk", "f\r\n".into())
    );
    assert_eq!(
        refused(b"set k 0 0 3\r\nabc\nmn\r\n"),
        ("CLIENT_ERROR bad data chunk", "n\r\n".into())
    );
}

#[test]
fn a_value_over_the_limit_is_skipped_and_known_by_its_key() {
    let limits = Limits {
        value_bytes_max: 3,
        ..Limits::default()
    };
    let too_large = |input| match parse_text(input, &limits) {
        Parsed::TooLarge(t) => (t.key.token[0], t.drop_old, t.noreply, t.consumed, t.swallow),
        other => panic!("{other:?}"),
    };
    assert_eq!(too_large(b"set k 0 0 4\r\n"), (b'k', true, false, 13, 6));
    assert_eq!(
        too_large(b"add k 0 0 4 noreply\r\nab"),
        (b'k', false, true, 21, 6)
    );
    assert_eq!(too_large(b"ms k 4 q\r\n"), (b'k', true, false, 10, 6));
    assert_eq!(too_large(b"ms k 4 ME\r\n"), (b'k', false, false, 11, 6));
    assert!(matches!(
        parse_text(b"set k 0 0 3\r\nabc\r\n", &limits),
        Parsed::Command { .. }
    ));
}

#[test]
fn what_is_no_command_gets_the_answer_of_memcached() {
    for line in [
        "",
        "a",
        "ab",
        "get",
        "get ",
        "gets",
        "gat",
        "gat 1",
        "incr",
        "incr k",
        "decr k",
        "delete",
        "touch k",
        "verbosity",
        "mg",
        "md",
        "ma",
        "me",
    ] {
        let expected = if line.len() == 2 && !line.starts_with('m') {
            "ERROR"
        } else {
            "CLIENT_ERROR bad command line format"
        };
        assert_eq!(
            refused(format!("{line}\r\n").as_bytes()).0,
            expected,
            "{line}"
        );
    }
    for line in [
        "foo",
        "GET k",
        "Get k",
        " get k",
        "f",
        "flush",
        "gett k",
        "extstore x",
        "foo noreply",
    ] {
        if line.len() > 1 {
            assert_eq!(
                refused(format!("{line}\r\n").as_bytes()).0,
                "ERROR",
                "{line}"
            );
        }
    }
    for line in [
        "GET / HTTP/1.1",
        "POST /x HTTP/1.0",
        "GET /",
        "DELETE HTTP/1.1",
        "PUT /k",
        "foo bar HTTP/1.1",
    ] {
        assert_eq!(
            refused(format!("{line}\r\n").as_bytes()).0,
            "closed",
            "{line}"
        );
    }
}

#[test]
fn meta_flags_keep_their_order_and_numbers() {
    let Command::MetaGet(meta) = command(b"mg key s v Oab12 k t R30 N-1 q\r\n") else {
        panic!("not an mg")
    };
    let order: Vec<_> = meta
        .flags
        .in_order()
        .map(|(flag, argument)| (flag as char, argument.len()))
        .collect();
    assert_eq!(
        order,
        [
            ('s', 0),
            ('v', 0),
            ('O', 4),
            ('k', 0),
            ('t', 0),
            ('R', 2),
            ('N', 2),
            ('q', 0)
        ]
    );
    assert_eq!(
        (meta.flags.recache(), meta.flags.vivify(), meta.flags.ttl()),
        (Some(30), Some(-1), None)
    );
    assert!(
        meta.flags.quiet()
            && meta.flags.has(b'v')
            && !meta.flags.has(b'c')
            && !meta.flags.has(0xff)
    );

    let Command::MetaSet { meta, value } = command(b"ms a2V5 2 b T90 F5 C7 E9 MA I\r\nhi\r\n")
    else {
        panic!("not an ms")
    };
    let mut buffer = KeyBuffer::default();
    assert_eq!(
        (meta.key.bytes(&mut buffer), value),
        (&b"key"[..], &b"hi"[..])
    );
    let flags = meta.flags;
    assert_eq!(
        (
            flags.ttl(),
            flags.client_flags(),
            flags.cas_compare(),
            flags.cas_override(),
            flags.mode
        ),
        (Some(90), 5, Some(7), Some(9), Mode::Append)
    );

    let Command::MetaArith(meta) = command(b"ma k\r\n") else {
        panic!("not an ma")
    };
    assert_eq!(
        (meta.flags.delta(), meta.flags.initial(), meta.flags.mode),
        (1, 0, Mode::Unset)
    );
    let Command::MetaArith(meta) = command(b"ma k D5 J18446744073709551615 MDecr\r\n") else {
        panic!("not an ma")
    };
    assert_eq!(
        (meta.flags.delta(), meta.flags.initial(), meta.flags.mode),
        (5, u64::MAX, Mode::Decrement)
    );
}

#[test]
fn wrong_meta_flags_are_named() {
    for (line, reply) in [
        ("mg k v v", "duplicate flag"),
        ("mg k v \u{e9}", "duplicate flag"),
        ("mg k !", "invalid flag"),
        ("mg k S100", "invalid flag"),
        ("mg k Tx", "bad token in command line format"),
        ("mg k T", "bad token in command line format"),
        ("mg k Cx", "bad token in command line format"),
        ("mg k Fx", "bad command line format"),
        ("mg k Tx !", "invalid flag"),
        ("mg k Tx Fx", "bad token in command line format"),
        ("mg ?? b", "error decoding key"),
        ("md k Jx", "invalid numeric initial value"),
        ("md k Dx", "invalid numeric delta value"),
        ("md k q q", "duplicate flag"),
        ("ma k q q", "invalid or duplicate flag"),
        ("ma k Nx", "invalid or duplicate flag"),
        ("ma k MX", "invalid mode for ma M token"),
        ("ma k M", "invalid mode for ma M token"),
        (
            "mg k O1234567890123456789012345678901x",
            "opaque token too long",
        ),
        (
            "mg k v v v v v v v v v v v v v v v v v v v",
            "options flags are too long",
        ),
        ("me ?? b", "bad command line format"),
    ] {
        assert_eq!(
            refused(format!("{line}\r\n").as_bytes()).0,
            format!("CLIENT_ERROR {reply}"),
            "{line}"
        );
    }
    assert!(matches!(
        command(b"mg k O1234567890123456789012345678901\r\n"),
        Command::MetaGet(_)
    ));
    assert_eq!(
        refused(b"ms k 2 Mx\r\nhi\r\nmn\r\n"),
        ("CLIENT_ERROR invalid mode for ms M token", "mn\r\n".into())
    );
    assert_eq!(
        refused(b"ms k 2 T T\r\nhi\r\nmn\r\n"),
        ("CLIENT_ERROR duplicate flag", "mn\r\n".into())
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn commands_about_the_server_are_read() {
    assert_eq!(command(b"version\n"), Command::Version);
    assert_eq!(command(b"version x\r\n"), Command::Version);
    assert_eq!(command(b"quit\r\n"), Command::Quit);
    assert_eq!(command(b"mn\r\n"), Command::MetaNoop);
    assert_eq!(command(b"mn\n"), Command::MetaNoop);
    assert_eq!(
        command(b"me k\r\n"),
        Command::MetaDebug {
            key: MetaKey::plain(b"k")
        }
    );
    assert_eq!(
        command(b"flush_all\r\n"),
        Command::FlushAll {
            delay: None,
            noreply: false
        }
    );
    assert_eq!(
        command(b"flush_all noreply\r\n"),
        Command::FlushAll {
            delay: None,
            noreply: true
        }
    );
    assert_eq!(
        command(b"flush_all 10 noreply\r\n"),
        Command::FlushAll {
            delay: Some(10),
            noreply: true
        }
    );
    assert_eq!(
        command(b"verbosity 1 noreply\r\n"),
        Command::Verbosity {
            level: 1,
            noreply: true
        }
    );
    assert_eq!(
        command(b"cache_memlimit 64\r\n"),
        Command::CacheMemlimit {
            megabytes: 64,
            noreply: false
        }
    );
    assert_eq!(
        command(b"shutdown graceful\r\n"),
        Command::Shutdown { graceful: true }
    );
    assert_eq!(command(b"refresh_certs\r\n"), Command::RefreshCerts);
    assert_eq!(command(b"snapshot\r\n"), Command::Snapshot);
    assert_eq!(
        command(b"lru_crawler metadump all\r\n"),
        Command::LruCrawler(LruCrawler::Metadump(Classes(!0)))
    );
    assert_eq!(
        command(b"lru_crawler sleep 100\r\n"),
        Command::LruCrawler(LruCrawler::Sleep(100))
    );
    assert_eq!(
        command(b"slabs reassign -1 2\r\n"),
        Command::Slabs(Slabs::Reassign {
            source: -1,
            target: 2
        })
    );
    assert_eq!(
        command(b"slabs automove window 3\r\n"),
        Command::Slabs(Slabs::AutomoveTuning)
    );
    assert!(matches!(
        command(b"lru tune 10 25 0.1 2.0\r\n"),
        Command::Lru { .. }
    ));
    assert!(matches!(command(b"lru mode flat\r\n"), Command::Lru { .. }));
    let Command::Stats { mut args } = command(b"stats detail on\r\n") else {
        panic!("not stats")
    };
    assert_eq!((args.next(), args.count()), (Some(&b"detail"[..]), 1));
    assert_eq!(
        command(b"stats cachedump 1 20\r\n"),
        Command::Cachedump {
            class: 1,
            keys_max: 20
        }
    );
    assert_eq!(
        command(b"lru_crawler mgdump 2,1,63\r\n"),
        Command::LruCrawler(LruCrawler::Mgdump(Classes(1 << 2 | 1 << 1 | 1 << 63)))
    );
    for (line, reply) in [
        ("lru_crawler metadump 1,64", "BADCLASS invalid class id"),
        ("lru_crawler mgdump x", "BADCLASS invalid class id"),
        ("stats cachedump", "CLIENT_ERROR bad command line"),
        ("stats cachedump 1", "CLIENT_ERROR bad command line"),
        (
            "stats cachedump x 1",
            "CLIENT_ERROR bad command line format",
        ),
        ("stats cachedump 64 0", "CLIENT_ERROR Illegal slab id"),
        ("flush_all x", "CLIENT_ERROR invalid exptime argument"),
        ("flush_all x noreply", ""),
        ("cache_memlimit", "ERROR"),
        (
            "cache_memlimit 4",
            "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m",
        ),
        (
            "cache_memlimit 1000000001",
            "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes",
        ),
        ("shutdown now", "CLIENT_ERROR invalid shutdown mode"),
        ("lru_crawler", "ERROR"),
        (
            "lru_crawler sleep x",
            "CLIENT_ERROR bad command line format",
        ),
        (
            "lru_crawler sleep 1000001",
            "CLIENT_ERROR sleep must be one second or less",
        ),
        (
            "lru tune 50 31 1 1",
            "ERROR hot and warm pcts must not exceed 80",
        ),
        (
            "lru tune 5 3 0 1",
            "ERROR hot/warm age factors must be greater than 0",
        ),
        ("lru mode x", "ERROR"),
        ("lru", "ERROR"),
        ("slabs automove 3", "ERROR"),
        ("slabs automove x", "CLIENT_ERROR bad command line format"),
        ("slabs", "ERROR"),
    ] {
        assert_eq!(refused(format!("{line}\r\n").as_bytes()).0, reply, "{line}");
    }
}
