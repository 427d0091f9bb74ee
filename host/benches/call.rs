//! What a call costs beyond the guest's own work.
//!
//! `cargo bench --bench call`. The guests are a few instructions each and the host is one map, so
//! what is measured is the way in and out.

use std::collections::BTreeMap;
use std::sync::Arc;

use cacheismo::runtime::{
    Budget, Engine, EngineOptions, FunctionRef, Handle, Instances, LimitsTable, NoLog, ObjectHost,
    Registry, Scan, Source, Stop,
};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const GUEST: &str = r#"(module
  (@custom "cacheismo.meta" "{\22abi\22:1,\22type\22:\22bench\22,\22version\22:\221\22,\22buffer\22:4096,\22functions\22:["
    "{\22name\22:\22nop\22,\22writes\22:false}"
    ",{\22name\22:\22echo\22,\22writes\22:false,\22args\22:[{\22name\22:\22text\22,\22kind\22:\22bytes\22}]}"
    ",{\22name\22:\22get\22,\22writes\22:false}"
    ",{\22name\22:\22get_put\22,\22writes\22:true}"
    ",{\22name\22:\22calls\22,\22writes\22:false}]}")
  (import "cacheismo_1" "field_get" (func $field_get (param i32 i32 i32 i32 i32) (result i32)))
  (import "cacheismo_1" "field_put" (func $field_put (param i32 i32 i32 i32 i32) (result i32)))
  (import "cacheismo_1" "now_ms" (func $now_ms (result i64)))
  (memory (export "memory") 1)
  (global (export "cacheismo_buffer") i32 (i32.const 1024))
  (func (export "cacheismo_reserve") (param i32) (result i32) (i32.const 32768))
  (func (export "fn:nop") (param i32) (result i64) (i64.const 0))
  ;; The bytes after the head of two arguments: the key and 61 more.
  (func (export "fn:echo") (param i32) (result i64) (i64.const 0x40c_0000_0040))
  (func (export "fn:get") (param i32) (result i64)
    (i64.or (i64.const 0x2000_0000_0000)
      (i64.extend_i32_u (call $field_get (i32.const 0) (i32.const 1032) (i32.const 3) (i32.const 8192) (i32.const 64)))))
  (func (export "fn:get_put") (param i32) (result i64)
    (drop (call $field_get (i32.const 0) (i32.const 1032) (i32.const 3) (i32.const 8192) (i32.const 64)))
    (drop (call $field_put (i32.const 0) (i32.const 1032) (i32.const 3) (i32.const 8192) (i32.const 8)))
    (i64.const 0x2000_0000_0008))
  ;; A thousand host calls.
  (func (export "fn:calls") (param i32) (result i64) (local $n i32)
    (loop $next
      (drop (call $now_ms))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (i32.const 1000))))
    (i64.const 0)))"#;

/// Fields of one object.
struct OneObject(BTreeMap<Vec<u8>, Vec<u8>>);

struct Bench {
    instances: Instances<OneObject>,
    function: FunctionRef,
    host: Option<Box<OneObject>>,
    reply: Vec<u8>,
}

impl Bench {
    fn new(function: &str, limits: &[&str]) -> Bench {
        let options = EngineOptions {
            instances_max: 100,
            cache_directory: None,
            ..EngineOptions::default()
        };
        let engine = Engine::new(&options).expect("this processor is supported");
        let mut table = LimitsTable::default();
        limits
            .iter()
            .for_each(|limit| table.set(limit).expect("such a limit"));
        let registry = Registry::new(engine, table);
        let wasm = wat::parse_str(GUEST).expect("the guest is well-formed");
        let source = Source {
            name: "bench".to_owned(),
            wasm: wasm.into(),
            unread: None,
            bytes_max: 1 << 20,
            setup: None,
            scripted: std::sync::Arc::default(),
        };
        let refused = registry.load(&[source]);
        assert!(refused.is_empty(), "{refused:?}");
        let function = registry
            .types()
            .find(format!("bench:{function}").as_bytes())
            .expect("such a function");
        let fields = BTreeMap::from([(b"key".to_vec(), b"12345678".to_vec())]);
        Bench {
            instances: Instances::new(&registry, Arc::new(NoLog)),
            function,
            host: Some(Box::new(OneObject(fields))),
            reply: Vec::with_capacity(1024),
        }
    }

    fn call(&mut self, args: &[&[u8]]) {
        self.reply.clear();
        let (host, reply) = (&mut self.host, &mut self.reply);
        self.instances
            .call(self.function, args, host, Budget::Full, reply)
            .expect("the call succeeds");
    }

    fn run(mut self, bencher: Bencher, args: &[&[u8]]) {
        bencher.bench_local(|| self.call(black_box(args)));
    }
}

/// The yardstick: a typed call of wasmtime's with a deadline, and a thousand imports that do nothing.
#[divan::bench(args = ["nop", "calls"], sample_size = 1000)]
fn bare_wasmtime(bencher: Bencher, function: &str) {
    let mut config = wasmtime::Config::new();
    config.epoch_interruption(true);
    let engine = wasmtime::Engine::new(&config).expect("this processor is supported");
    let wasm = wat::parse_str(GUEST).expect("the guest is well-formed");
    let module = wasmtime::Module::new(&engine, wasm).expect("it is valid");
    let mut linker = wasmtime::Linker::<u64>::new(&engine);
    linker
        .func_wrap(
            "cacheismo_1",
            "now_ms",
            |mut caller: wasmtime::Caller<'_, u64>| {
                *caller.data_mut() += 1;
                *caller.data() as i64
            },
        )
        .and_then(|linker| linker.define_unknown_imports_as_traps(&module))
        .expect("no name is defined twice");
    let mut store = wasmtime::Store::new(&engine, 0);
    let instance = linker
        .instantiate(&mut store, &module)
        .expect("it has what it imports");
    let export = instance
        .get_typed_func::<i32, i64>(&mut store, &format!("fn:{function}"))
        .expect("it exports that");
    bencher.bench_local(|| {
        store.set_epoch_deadline(10);
        export.call(&mut store, black_box(15)).expect("it returns")
    });
}

#[divan::bench(sample_size = 1000)]
fn nop(bencher: Bencher) {
    Bench::new("nop", &[]).run(bencher, &[b"key"]);
}

#[divan::bench(sample_size = 1000)]
fn echo_64_bytes(bencher: Bencher) {
    Bench::new("echo", &[]).run(bencher, &[b"key", &[b'x'; 64]]);
}

#[divan::bench(sample_size = 1000)]
fn field_get(bencher: Bencher) {
    Bench::new("get", &[]).run(bencher, &[b"key"]);
}

#[divan::bench(sample_size = 1000)]
fn field_get_and_put(bencher: Bencher) {
    Bench::new("get_put", &[]).run(bencher, &[b"key"]);
}

/// The yardstick of [`field_get`] and [`field_get_and_put`]: the same in native Rust.
#[divan::bench(args = [false, true], sample_size = 1000)]
fn native_field_get(bencher: Bencher, and_put: bool) {
    let mut object = OneObject(BTreeMap::from([(b"key".to_vec(), b"12345678".to_vec())]));
    let mut reply = Vec::with_capacity(1024);
    bencher.bench_local(|| {
        let mut value = [0; 64];
        let len = object.field(Handle(0), black_box(b"key"), |field| {
            value[..field.len()].copy_from_slice(field);
            field.len()
        });
        let len = len.expect("it is there").unwrap_or_default();
        if and_put {
            let put = object.field_put(Handle(0), black_box(b"key"), &value[..len]);
            put.expect("it may be written");
        }
        reply.clear();
        reply.extend_from_slice(&value[..len]);
        black_box(&reply).len()
    });
}

#[divan::bench(sample_size = 1000)]
fn a_thousand_host_calls(bencher: Bencher) {
    Bench::new("calls", &[]).run(bencher, &[b"key"]);
}

#[divan::bench(sample_size = 1000)]
fn nop_on_a_fresh_instance(bencher: Bencher) {
    Bench::new("nop", &["instance_calls=1"]).run(bencher, &[b"key"]);
}

#[divan::bench(args = ["bench:get", "bench:none", "user:1234"])]
fn find(bencher: Bencher, call: &str) {
    let mut bench = Bench::new("nop", &[]);
    bencher.bench_local(|| bench.instances.types().find(black_box(call.as_bytes())));
}

impl ObjectHost for OneObject {
    fn field<R>(
        &mut self,
        _: Handle,
        field: &[u8],
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, Stop> {
        Ok(self.0.get(field).map(|value| read(value)))
    }
    fn field_put(&mut self, _: Handle, field: &[u8], value: &[u8]) -> Result<bool, Stop> {
        match self.0.get_mut(field) {
            Some(place) => {
                place.clear();
                place.extend_from_slice(value);
                Ok(false)
            }
            None => Ok(self.0.insert(field.to_vec(), value.to_vec()).is_none()),
        }
    }
    fn now_ms(&self) -> i64 {
        1_700_000_000_000
    }

    // The guest calls none of these.
    fn open(&mut self, _: &[u8], _: &[u8]) -> Result<Handle, Stop> {
        Err(Stop::Misuse("not in this host"))
    }
    fn exists(&mut self, _: Handle) -> Result<bool, Stop> {
        Ok(true)
    }
    fn create(&mut self, _: Handle) -> Result<bool, Stop> {
        Ok(false)
    }
    fn delete(&mut self, _: Handle) -> Result<bool, Stop> {
        Ok(false)
    }
    fn ttl_ms(&mut self, _: Handle) -> Result<i64, Stop> {
        Ok(-1)
    }
    fn set_ttl_ms(&mut self, _: Handle, _: i64) -> Result<bool, Stop> {
        Ok(true)
    }
    fn value_get(&mut self, _: Handle, _: usize, _: &mut [u8]) -> Result<Option<usize>, Stop> {
        Ok(None)
    }
    fn value_set(&mut self, _: Handle, _: &[u8]) -> Result<(), Stop> {
        Ok(())
    }
    fn field_delete(&mut self, _: Handle, _: &[u8]) -> Result<bool, Stop> {
        Ok(false)
    }
    fn field_count(&mut self, _: Handle) -> Result<u64, Stop> {
        Ok(1)
    }
    fn field_scan(&mut self, _: Handle, _: &[u8], _: i32, _: &mut [u8]) -> Result<Scan, Stop> {
        Ok(Scan::Filled(0))
    }
    fn field_clear(&mut self, _: Handle) -> Result<(), Stop> {
        Ok(())
    }
    fn utc_offset_s(&self, _: i64) -> i32 {
        0
    }
    fn zone_name(&self, _: i64) -> String {
        "UTC".to_owned()
    }
    fn random(&mut self) -> u64 {
        4
    }
    fn item_get(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<bool, Stop> {
        Ok(false)
    }
    fn item_put(&mut self, _: &[u8], _: u32, _: i64, _: &[u8]) -> Result<(), Stop> {
        Ok(())
    }
    fn item_delete(&mut self, _: &[u8]) -> Result<bool, Stop> {
        Ok(false)
    }
    fn item_delete_lru(&mut self, _: u64) -> Result<(), Stop> {
        Ok(())
    }
    fn item_keys(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<(), Stop> {
        Ok(())
    }
    fn peer_get(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<(), Stop> {
        Ok(())
    }
}
