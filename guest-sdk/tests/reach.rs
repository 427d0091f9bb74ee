//! A type opens objects of other types only when its attribute names those types.

use cacheismo_sdk::Object;
use cacheismo_sdk::testing::{Failure, Harness};

struct Plain;

#[cacheismo_sdk::object(name = "plain")]
impl Plain {
    fn read(o: &Object, type_name: &str) -> bool {
        o.open(type_name, b"k").exists()
    }

    fn change(o: &mut Object, type_name: &str) -> bool {
        o.open_mut(type_name, b"k").create()
    }
}

struct Joined;

#[cacheismo_sdk::object(name = "joined", opens = ["plain"], writes = ["third"])]
impl Joined {
    fn read(o: &Object, type_name: &str) -> bool {
        o.open(type_name, b"k").exists()
    }

    fn change(o: &mut Object, type_name: &str) -> bool {
        o.open_mut(type_name, b"k").create()
    }
}

struct Third;

#[cacheismo_sdk::object(name = "third")]
impl Third {
    fn nothing(_o: &Object) {}
}

#[track_caller]
fn refused(harness: &mut Harness, key: &str) {
    match harness.get(key) {
        Err(Failure::Trapped(text)) if text.contains("`writes`") => {}
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn other_types_are_open_to_who_names_them() {
    let mut harness = Harness::new::<Plain>();
    harness.register::<Joined>();
    harness.register::<Third>();
    assert_eq!(harness.get("plain:change:x:plain"), Ok("1"));
    refused(&mut harness, "plain:read:x:third");
    refused(&mut harness, "plain:change:x:joined");
    assert_eq!(harness.get("joined:read:x:plain"), Ok("1"));
    assert_eq!(harness.get("joined:read:x:third"), Ok("0"));
    assert_eq!(harness.get("joined:change:x:third"), Ok("1"));
    refused(&mut harness, "joined:change:x:plain");
}
