//! A type whose value comes with the call answers as a type that asks the host for its value.

use cacheismo_sdk::testing::{Failure, Harness, Limits};
use cacheismo_sdk::{Error, Object, Rest, Ttl};
use proptest::prelude::*;

/// Carries out the steps, and answers the result of each.
fn steps(o: &mut Object, own_type: &str, steps: Rest) -> Result<String, Error> {
    let mut seen = String::new();
    for step in steps {
        let (step, other) = match step {
            [b'o', step @ ..] => (step, true),
            step => (step, false),
        };
        let key = o.key();
        // The same object, by another way.
        let opened = &mut o.open_mut(own_type, key);
        let o = if other { opened } else { &mut *o };
        let (&kind, rest) = step.split_first().expect("a kind");
        let number = usize::from(rest.first().copied().unwrap_or(0));
        seen += &match kind {
            b'v' => format!("{:?} ", o.value()),
            b'r' => {
                let mut out = [b'.'; 9];
                format!("{:?}{out:?} ", o.value_read(number as u32, &mut out))
            }
            b's' => format!("{:?} ", o.set_value(&vec![b'a' + rest[0]; number])),
            b'e' => format!("{} ", o.exists()),
            b'c' => format!("{} ", o.create()),
            b'd' => format!("{} ", o.delete()),
            b't' => format!("{:?} ", o.ttl()),
            b'T' => format!("{} ", o.set_ttl(Ttl::Ms(1000))),
            b'u' => format!("{:?} ", o.update(b"field", rest)),
            b'p' => format!("{} ", o.put(b"field", rest)),
            b'f' => return Err(seen.into()),
            _ => panic!("{seen}"),
        };
    }
    Ok(seen)
}

struct Told;

#[cacheismo_sdk::object(name = "told", value = true)]
impl Told {
    fn run(o: &mut Object, rest: Rest) -> Result<String, Error> {
        steps(o, "told", rest)
    }

    fn look(o: &Object) -> Vec<u8> {
        o.value().map_or_else(Vec::new, |value| value.into_vec())
    }
}

struct Asks;

#[cacheismo_sdk::object(name = "asks")]
impl Asks {
    fn run(o: &mut Object, rest: Rest) -> Result<String, Error> {
        steps(o, "asks", rest)
    }
}

/// A kind of step and its number: lengths around those that fit the cell are the interesting ones.
fn step() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![Just(0u8), 1u8..12, 118u8..124];
    let kind = prop::sample::select(&b"vrssscdetTupf"[..]);
    (any::<bool>(), kind, number).prop_map(|(other, kind, number)| match other {
        true => vec![b'o', kind, number],
        false => vec![kind, number],
    })
}

proptest! {
    #[test]
    fn a_value_that_comes_with_the_call_is_the_one_to_ask_for(
        calls in prop::collection::vec(prop::collection::vec(step(), 0..12), 1..6),
    ) {
        let (mut told, mut asks) = (Harness::new::<Told>(), Harness::new::<Asks>());
        for steps in calls {
            let args = [vec![b"key".to_vec()], steps].concat();
            let (answer, expected) = (told.call("run", &args), asks.call("run", &args));
            prop_assert_eq!(answer, expected);
            prop_assert_eq!(told.object("key"), asks.object("key"));
        }
    }
}

#[test]
fn a_short_value_takes_no_host_call() {
    let mut told = Harness::new::<Told>();
    told.call("run", &[&b"key"[..], b"s\x08"]).expect("it may");
    let open_itself = 1;
    assert_eq!(told.host_calls(), open_itself);
    assert_eq!(told.call("look", &["key"]), Ok("iiiiiiii"));
    assert_eq!(told.host_calls(), 0);
    told.assert_all_or_nothing("run", &[&b"key"[..], b"s\x09", b"T", b"s\x0a"]);
}

#[test]
fn what_changed_counts_as_written() {
    let mut told = Harness::new::<Told>();
    told.set_limits(Limits {
        written_bytes: 7,
        ..Limits::default()
    });
    let too_long = told.call("run", &[&b"key"[..], b"s\x08"]);
    assert_eq!(
        too_long,
        Err(Failure::Limit("too many bytes written".into()))
    );
    assert_eq!(told.object("key"), None);
}
