//! The value cell: what the host puts there, what it takes from there, and what it refuses.

use cacheismo_abi::{ABSENT, VALUE_BYTES, VALUE_ELSEWHERE};

use super::api::{Budget, CallError, Instances, LimitsTable, NoLog, Registry};
use super::plain_host::Object;
use super::{PlainHost, engine, module, registry, source};

const CELL: usize = 8192;

/// A guest that answers with its cell as it came, and puts into it what its second argument holds: length, `changed`
/// and bytes. `fail` does the same and fails, `look` may not write.
fn guest() -> String {
    let functions = ["put", "fail", "look"].map(|name| {
        let writes = name != "look";
        format!(
            r#"{{"name":"{name}","writes":{writes},"args":[{{"name":"cell","kind":"bytes","optional":true}}]}}"#
        )
    });
    let body = format!(
        r#"(global (export "cacheismo_value") i32 (i32.const {CELL}))
        (func $put (param $len i32) (result i64)
          (memory.copy (i32.const 16384) (i32.const {CELL}) (i32.const 128))
          (if (i32.eq (i32.load (i32.const 1024)) (i32.const 2)) (then
            (memory.copy (i32.const {CELL})
              (i32.add (i32.const 1036) (i32.load (i32.const 1028)))
              (i32.load (i32.const 1032)))))
          (i64.or (i64.shl (i64.const 16384) (i64.const 32)) (i64.const 128)))
        (export "fn:put" (func $put))
        (export "fn:look" (func $put))
        (func (export "fn:fail") (param $len i32) (result i64)
          (drop (call $put (local.get $len))) (i64.const -1))"#
    );
    module("cell", &functions.join(","), &body)
}

struct Caller {
    registry: Registry,
    instances: Instances<PlainHost>,
    host: PlainHost,
}

impl Caller {
    fn new(limits: &[&str]) -> Caller {
        let registry = registry(limits, &[source("cell.wasm", &guest())]);
        let instances = Instances::new(&registry, std::sync::Arc::new(NoLog));
        Caller {
            registry,
            instances,
            host: PlainHost::new(),
        }
    }

    fn with(value: Option<&[u8]>) -> Caller {
        let mut caller = Caller::new(&[]);
        let object = Object {
            value: value.map(<[u8]>::to_vec),
            ..Object::default()
        };
        caller.host.objects.insert("self".to_owned(), object);
        caller
    }

    /// The cell as the guest found it, and the value afterwards.
    fn call(&mut self, function: &str, cell: Option<&[u8]>) -> Result<Vec<u8>, CallError> {
        let types = self.registry.types();
        let function = types.find(format!("cell:{function}").as_bytes()).unwrap();
        let args = [Some(&b"key"[..]), cell];
        let args: Vec<&[u8]> = args.into_iter().flatten().collect();
        let mut host = Some(Box::new(self.host.clone()));
        let mut reply = Vec::new();
        let result = self
            .instances
            .call(function, &args, &mut host, Budget::Full, &mut reply);
        match result {
            Ok(_) => self.host = *host.unwrap(),
            Err(error) => return Err(*error),
        }
        Ok(reply)
    }

    fn value(&self) -> Option<&[u8]> {
        self.host.objects.get("self")?.value.as_deref()
    }
}

/// A cell's bytes.
fn cell(length: i32, changed: i32, value: &[u8]) -> Vec<u8> {
    [&length.to_le_bytes()[..], &changed.to_le_bytes(), value].concat()
}

#[test]
fn a_short_value_comes_with_the_call() {
    let mut absent = Caller::new(&[]);
    assert_eq!(
        absent.call("look", None).unwrap()[..8],
        cell(ABSENT, 0, b"")
    );
    let mut none = Caller::with(None);
    assert_eq!(none.call("look", None).unwrap()[..8], cell(ABSENT, 0, b""));
    for bytes in [0, 1, VALUE_BYTES] {
        let value = vec![b'x'; bytes];
        let seen = Caller::with(Some(&value)).call("look", None).unwrap();
        assert_eq!(seen[..8 + bytes], cell(bytes as i32, 0, &value));
    }
    let long = vec![b'x'; VALUE_BYTES + 1];
    let seen = Caller::with(Some(&long)).call("look", None).unwrap();
    assert_eq!(seen[..8], cell(VALUE_ELSEWHERE, 0, b""));
}

#[test]
fn a_changed_one_is_set_when_the_call_succeeded() {
    let mut caller = Caller::with(Some(b"before"));
    caller.call("put", Some(&cell(3, 0, b"new"))).unwrap();
    assert_eq!(caller.value(), Some(&b"before"[..]), "it says unchanged");
    caller.call("fail", Some(&cell(3, 1, b"new"))).unwrap_err();
    assert_eq!(caller.value(), Some(&b"before"[..]));
    caller.call("put", Some(&cell(3, 1, b"new"))).unwrap();
    assert_eq!(caller.value(), Some(&b"new"[..]));
    // What a call left in the cell is not there for the next.
    assert_eq!(caller.call("put", None).unwrap()[..11], cell(3, 0, b"new"));
    let longest = [b'y'; VALUE_BYTES];
    let whole = cell(VALUE_BYTES as i32, -1, &longest);
    caller.call("put", Some(&whole)).unwrap();
    assert_eq!(caller.value(), Some(&longest[..]));
}

#[test]
fn a_cell_that_cannot_be_is_a_trap() {
    let mut caller = Caller::with(Some(b"before"));
    for length in [
        ABSENT,
        VALUE_ELSEWHERE,
        i32::MIN,
        VALUE_BYTES as i32 + 1,
        i32::MAX,
    ] {
        match caller.call("put", Some(&cell(length, 1, b""))) {
            Err(CallError::Trap(trap)) => assert!(trap.message.contains("value cell"), "{trap:?}"),
            other => panic!("{length}: {other:?}"),
        }
        assert_eq!(caller.value(), Some(&b"before"[..]));
    }
}

#[test]
fn setting_it_is_a_write() {
    let mut caller = Caller::with(Some(b"before"));
    match caller.call("look", Some(&cell(3, 1, b"new"))) {
        Err(CallError::Trap(trap)) => assert_eq!(trap.message, "write in a read-only function"),
        other => panic!("{other:?}"),
    }
    assert_eq!(caller.value(), Some(&b"before"[..]));
    let mut limited = Caller::new(&["written_bytes=2"]);
    match limited.call("put", Some(&cell(3, 1, b"new"))) {
        Err(CallError::Limit(text)) => assert_eq!(text, "limit of 2 bytes written reached"),
        other => panic!("{other:?}"),
    }
    assert_eq!(limited.value(), None);
    limited.call("put", Some(&cell(2, 1, b"ok"))).unwrap();
    assert_eq!(limited.value(), Some(&b"ok"[..]));
}

#[test]
fn a_cell_has_its_place_in_the_memory() {
    let refusal = |from: &str, to: &str| {
        let registry = Registry::new(engine(), LimitsTable::default());
        let refused = registry.load(&[source("cell.wasm", &guest().replace(from, to))]);
        refused.first().expect("it is refused").to_string()
    };
    let global = |global: &str| refusal("i32 (i32.const 8192))\n", global);
    for address in ["8196", "131064", "-8"] {
        let text = global(&format!("i32 (i32.const {address}))\n"));
        assert!(text.contains("128 bytes at"), "{text}");
        assert!(text.contains("cacheismo_value"), "{text}");
    }
    for wrong in ["(mut i32) (i32.const 8192))\n", "i64 (i64.const 8192))\n"] {
        let text = global(wrong);
        assert!(text.contains("a constant i32 global"), "{text}");
    }
}
