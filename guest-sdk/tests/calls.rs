//! Calls through the macro's code and the harness: arguments, answers, metadata, failures.

use cacheismo_sdk::testing::{Failure, Harness, Limits};
use cacheismo_sdk::{Error, Level, Object, Reply, Rest, Stop, Ttl, Word};

struct Probe;

/// Tries everything.
///
/// In two paragraphs.
#[cacheismo_sdk::object(name = "probe_1", example = "get probe_1:echo:k:x", buffer = 2048)]
impl Probe {
    /// Echoes.
    fn echo(_o: &Object, bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    fn key(o: &Object) -> Vec<u8> {
        o.key().to_vec()
    }

    fn types(_o: &Object, text: &str, int: i64, small: u8, float: f64, truth: bool) -> String {
        format!("{text} {int} {small} {float} {truth}")
    }

    fn optional(_o: &Object, a: &[u8], b: Option<i32>, rest: Rest) -> String {
        format!(
            "{} {b:?} {}",
            a.len(),
            rest.map(|word| word.len()).sum::<usize>()
        )
    }

    fn integer(_o: &Object) -> i64 {
        i64::MIN
    }

    fn float(_o: &Object) -> f64 {
        0.1 + 0.2
    }

    fn boolean(_o: &Object) -> bool {
        true
    }

    fn nothing(_o: &Object) {}

    fn word(_o: &Object, found: bool) -> Result<u8, Word> {
        if found { Ok(7) } else { Err(Word("NOT_FOUND")) }
    }

    /// Writes, then ends with a word or with a refusal.
    fn stop(o: &mut Object, word: bool) -> Result<u8, Stop> {
        o.put(b"field", b"new");
        if word {
            return Err(Word("NOT_FOUND").into());
        }
        Err("as told")?
    }

    fn r#move(_o: &Object) -> &'static str {
        "moved"
    }

    /// Writes, then ends as `end` says.
    fn write_then(o: &mut Object, end: &str) -> Result<&'static str, Error> {
        o.put(b"field", b"new");
        o.set_value(b"new");
        o.set_ttl(Ttl::Ms(10));
        match end {
            "refuse" => Err("as told".into()),
            "panic" => panic!("as {}", "told"),
            "clear" => {
                o.clear();
                Ok("cleared")
            }
            "delete" => {
                o.delete();
                o.put(b"other", b"");
                Ok("deleted")
            }
            _ => Ok("kept"),
        }
    }

    fn stream(_o: &Object, n: u32, out: &mut Reply) -> &'static str {
        for i in 0..n {
            out.line(i.to_string().as_bytes());
        }
        out.write(&vec![b'x'; 10_000]);
        "end"
    }

    fn update(o: &mut Object, field: &[u8], value: &[u8]) -> Result<bool, Word> {
        o.update(field, value).ok_or(Word("ABSENT"))
    }

    /// Writes so many bytes for each number; a negative one asks for a field with so many before it.
    fn pieces(o: &Object, end: &str, out: &mut Reply, rest: Rest) -> Result<(), Word> {
        for piece in rest {
            let piece = std::str::from_utf8(piece)
                .ok()
                .and_then(|text| text.parse().ok());
            let piece: i32 = piece.expect("the test sends numbers");
            let bytes = vec![b'a'; piece.unsigned_abs() as usize];
            if piece >= 0 {
                out.write(&bytes);
            } else {
                let found = out.field(o, b"field", &[&bytes, b"="]);
                assert!(found && !out.field(o, b"nosuch", &[&bytes]));
            }
        }
        match end {
            "word" => Err(Word("WORD")),
            _ => Ok(()),
        }
    }

    fn move_to(o: &mut Object, other: &[u8]) -> u64 {
        let mut other = o.open_mut("probe_1", other);
        let mut fields = o.scan();
        while let Some((field, value)) = fields.next_entry() {
            other.put(field, value);
        }
        o.delete();
        other.count()
    }

    fn unknown(o: &Object) -> bool {
        o.open("nosuch", b"k").exists()
    }

    fn world(_o: &Object) -> String {
        cacheismo_sdk::log(Level::Warn, "hello");
        format!(
            "{} {} {}",
            cacheismo_sdk::now_ms(),
            cacheismo_sdk::utc_offset_s(5),
            cacheismo_sdk::random()
        )
    }

    fn ttl(o: &Object) -> String {
        format!("{:?}", o.ttl())
    }
}

proptest::proptest! {
    /// Pieces of any length around that of the buffer, and fields between them, keep their order.
    #[test]
    fn an_answer_in_pieces_is_their_sequence(
        pieces in proptest::collection::vec(-5000..5000i32, 0..6),
        small in proptest::collection::vec(-20..20i32, 0..6),
        word: bool,
    ) {
        let mut t = Harness::new::<Probe>();
        t.call("write_then", &["k", "keep"]).expect("it keeps");
        let pieces = [small, pieces].concat();
        let mut expected = String::new();
        for piece in &pieces {
            expected.push_str(&"a".repeat(piece.unsigned_abs() as usize));
            expected.push_str(if *piece < 0 { "=new" } else { "" });
        }
        expected.push_str(if word { "WORD" } else { "" });
        let mut args = vec!["k".to_owned(), if word { "word" } else { "" }.to_owned()];
        args.extend(pieces.iter().map(i32::to_string));
        proptest::prop_assert_eq!(t.call("pieces", &args), Ok(expected.as_str()));
    }
}

#[test]
fn only_what_exists_is_updated() {
    let mut t = Harness::new::<Probe>();
    assert_eq!(t.call("update", &["k", "f", "1"]), Ok("ABSENT"));
    assert!(t.state().is_empty());
    assert_eq!(t.call("write_then", &["k", "keep"]), Ok("kept"));
    assert_eq!(t.call("update", &["k", "f", "1"]), Ok("1"));
    assert_eq!(t.call("update", &["k", "f", "2"]), Ok("0"));
    assert_eq!(t.field("k", "f"), Some(&b"2"[..]));
    t.assert_all_or_nothing("update", &["k", "f", "3"]);
}

fn refused(text: &str) -> Result<&str, Failure> {
    Err(Failure::Refused(text.to_owned()))
}

#[test]
fn a_stop_is_a_word_that_keeps_or_a_refusal_that_drops() {
    let mut t = Harness::new::<Probe>();
    assert_eq!(t.call("stop", &["k", "0"]), refused("as told"));
    assert_eq!(t.field("k", "field"), None);
    assert_eq!(t.call("stop", &["k", "1"]), Ok("NOT_FOUND"));
    assert!(t.refused());
    assert_eq!(t.field("k", "field"), Some(&b"new"[..]));
}

#[test]
fn arguments_become_what_the_signature_says() {
    let mut t = Harness::new::<Probe>();
    assert_eq!(
        t.call("types", &["k", "é", "-5", "255", "1.5", "true"]),
        Ok("é -5 255 1.5 true")
    );
    let binary = b"\0\xff\r\n:";
    assert_eq!(
        t.call_bytes("echo", &[b"k".as_slice(), binary]),
        Ok(&binary[..])
    );
    assert_eq!(t.call_bytes("echo", &[b"k".as_slice(), b""]), Ok(&b""[..]));
    assert_eq!(t.call_bytes("key", &[binary]), Ok(&binary[..]));
    assert_eq!(t.call("move", &["k"]), Ok("moved"));
}

#[test]
fn a_wrong_argument_is_refused_by_name() {
    let mut t = Harness::new::<Probe>();
    let mut with = |index: usize, bad: &'static str, text: &str| {
        let mut args = ["k", "t", "1", "1", "1", "1"].map(str::as_bytes);
        args[index] = if bad == "\u{fffd}" {
            b"\xff"
        } else {
            bad.as_bytes()
        };
        assert_eq!(t.call("types", &args), refused(text), "{bad}");
    };
    with(1, "\u{fffd}", "text is not UTF-8");
    with(2, "9223372036854775808", "int is not an integer of 64 bits");
    with(2, "", "int is not an integer of 64 bits");
    with(2, "1.0", "int is not an integer of 64 bits");
    with(3, "256", "small is not an integer from 0 to 255");
    with(3, "-1", "small is not an integer from 0 to 255");
    with(4, "inf", "float is not a finite number");
    with(4, "NaN", "float is not a finite number");
    with(4, "1e999", "float is not a finite number");
    with(5, "yes", "truth is not 0 or 1");
}

#[test]
fn optional_and_further_arguments_may_be_left_out() {
    let mut t = Harness::new::<Probe>();
    assert_eq!(t.call("optional", &["k", "abc"]), Ok("3 None 0"));
    assert_eq!(t.call("optional", &["k", "abc", "-4"]), Ok("3 Some(-4) 0"));
    assert_eq!(
        t.call("optional", &["k", "abc", "-4", "de", "", "f"]),
        Ok("3 Some(-4) 3")
    );
    assert_eq!(
        t.call("optional", &["k", "abc", "x"]),
        refused("b is not an integer of 32 bits")
    );
    assert_eq!(
        t.call("optional", &["k"]),
        Err(Failure::Usage(
            "probe_1:optional:key a [b] [rest...]".into()
        ))
    );
    assert_eq!(
        t.call("word", &["k", "1", "extra", "extra"]),
        Ok("7"),
        "extra arguments are ignored"
    );
}

#[test]
fn answers_of_every_type() {
    let mut t = Harness::new::<Probe>();
    assert_eq!(t.call("integer", &["k"]), Ok("-9223372036854775808"));
    assert_eq!(t.call("float", &["k"]), Ok("0.30000000000000004"));
    assert_eq!(t.call("boolean", &["k"]), Ok("1"));
    assert_eq!(t.call("nothing", &["k"]), Ok(""));
    assert_eq!(t.call("word", &["k", "0"]), Ok("NOT_FOUND"));
}

#[test]
fn a_long_answer_is_streamed_in_order() {
    let mut t = Harness::new::<Probe>();
    let mut expected: String = (0..5000).map(|i| format!("{i}\r\n")).collect();
    expected.push_str(&"x".repeat(10_000));
    expected.push_str("end");
    assert_eq!(t.call("stream", &["k", "5000"]), Ok(expected.as_str()));
    t.set_limits(Limits {
        reply_bytes: 9_000,
        ..Limits::default()
    });
    assert_eq!(
        t.call("stream", &["k", "1"]),
        Err(Failure::Limit("the answer is too long".into()))
    );
}

#[test]
fn only_an_answer_keeps_what_was_written() {
    let mut t = Harness::new::<Probe>();
    assert_eq!(t.call("write_then", &["k", "refuse"]), refused("as told"));
    assert!(t.state().is_empty());
    assert_eq!(
        t.call("write_then", &["k", "panic"]),
        Err(Failure::Trapped("as told".into()))
    );
    assert!(t.state().is_empty());
    assert_eq!(t.call("write_then", &["k", "keep"]), Ok("kept"));
    let kept = t.state().clone();
    for end in ["refuse", "panic"] {
        assert!(t.call("write_then", &["k", end]).is_err());
        assert_eq!(*t.state(), kept);
    }
    for end in ["keep", "clear", "delete"] {
        t.assert_all_or_nothing("write_then", &["k", end]);
    }
    assert_eq!(t.call("write_then", &["k", "delete"]), Ok("deleted"));
    assert_eq!(t.field("k", "other"), Some(&b""[..]));
    assert_eq!(t.object("k").and_then(|object| object.value.clone()), None);
}

#[test]
fn limits_stop_a_call_without_a_trace() {
    let mut t = Harness::new::<Probe>();
    t.set_limits(Limits {
        host_calls: 2,
        ..Limits::default()
    });
    assert_eq!(
        t.call("write_then", &["k", ""]),
        Err(Failure::Limit("too many host calls".into()))
    );
    t.set_limits(Limits {
        written_bytes: 8,
        ..Limits::default()
    });
    assert_eq!(
        t.call("write_then", &["k", ""]),
        Err(Failure::Limit("too many bytes written".into()))
    );
    assert!(t.state().is_empty());
}

#[test]
fn several_objects_change_together() {
    let mut t = Harness::new::<Probe>();
    for key in ["a", "b"] {
        assert_eq!(t.call("write_then", &[key, ""]), Ok("kept"));
    }
    t.assert_all_or_nothing("move_to", &["a", "c"]);
    assert_eq!(
        t.call("move_to", &["a", "d"]),
        Ok("0"),
        "it was moved to c before"
    );
    assert_eq!(t.call("move_to", &["c", "b"]), Ok("1"));
    assert!(t.object("c").is_none());
    assert_eq!(t.field("b", "field"), Some(&b"new"[..]));
    assert!(matches!(
        t.call("unknown", &["a"]),
        Err(Failure::Trapped(_))
    ));
}

#[test]
fn time_chance_and_log_come_from_the_test() {
    let mut t = Harness::new::<Probe>();
    t.set_time(1234);
    t.set_time_zone(|unix_s| unix_s as i32 * 2);
    t.set_seed(1);
    let first = t.call("world", &["k"]).map(str::to_owned);
    assert!(
        first
            .as_ref()
            .is_ok_and(|text| text.starts_with("1234 10 ")),
        "{first:?}"
    );
    assert_ne!(
        t.call("world", &["k"]).map(str::to_owned),
        first,
        "random numbers go on"
    );
    t.set_seed(1);
    assert_eq!(
        t.call("world", &["k"]).map(str::to_owned),
        first,
        "the same seed gives the same numbers"
    );
    assert_eq!(t.logged()[0], (2, "hello".to_owned()));
}

#[test]
fn objects_expire_by_the_clock() {
    let mut t = Harness::new::<Probe>();
    assert_eq!(t.call("ttl", &["k"]), Ok("None"));
    assert_eq!(t.call("write_then", &["k", ""]), Ok("kept"));
    t.advance(std::time::Duration::from_millis(9));
    assert_eq!(t.call("ttl", &["k"]), Ok("Some(Ms(1))"));
    t.advance(std::time::Duration::from_millis(1));
    assert_eq!(t.call("ttl", &["k"]), Ok("None"));
    assert!(t.object("k").is_none());
}

#[test]
fn what_is_unknown_is_named() {
    let mut t = Harness::new::<Probe>();
    assert_eq!(
        t.call("nosuch", &["k"]),
        Err(Failure::Unknown("there is no probe_1:nosuch".into()))
    );
}

#[test]
fn the_metadata_is_what_the_abi_page_describes() {
    use cacheismo_sdk::private::ObjectType;
    let meta: serde_json::Value = serde_json::from_str(Probe::META).expect("metadata is JSON");
    assert_eq!(meta["abi"], cacheismo_abi::ABI_VERSION);
    assert_eq!(meta["type"], "probe_1");
    assert_eq!(meta["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(meta["doc"], "Tries everything.\n\nIn two paragraphs.");
    assert_eq!(meta["example"], "get probe_1:echo:k:x");
    assert_eq!(meta["buffer"], 2048);
    assert_eq!(meta["capabilities"], serde_json::json!([]));
    let functions = meta["functions"].as_array().expect("an array");
    let named = |name| {
        functions
            .iter()
            .find(|function| function["name"] == name)
            .expect("it is declared")
    };
    assert_eq!(named("echo")["writes"], false);
    assert_eq!(named("write_then")["writes"], true);
    assert_eq!(
        named("write_then")["doc"],
        "Writes, then ends as `end` says."
    );
    assert_eq!(
        named("stream")["args"].as_array().map(Vec::len),
        Some(1),
        "the reply is not an argument"
    );
    assert_eq!(
        named("optional")["args"],
        serde_json::json!([
            {"name": "a", "kind": "bytes", "optional": false, "rest": false},
            {"name": "b", "kind": "int", "optional": true, "rest": false},
            {"name": "rest", "kind": "bytes", "optional": false, "rest": true},
        ])
    );
    let kinds: Vec<_> = named("types")["args"]
        .as_array()
        .expect("an array")
        .iter()
        .map(|arg| arg["kind"].clone())
        .collect();
    assert_eq!(kinds, ["str", "int", "uint", "float", "bool"]);
    assert_eq!(functions.len(), Probe::FUNCTIONS.len());
}
