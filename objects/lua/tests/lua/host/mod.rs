//! A small host for the Lua module: an in-memory store behind the imports of the ABI.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "a host for tests")]

mod client;
#[path = "../../../../../host/src/runtime/lua.rs"]
pub mod lua_imports;
mod store;

use cacheismo_abi as abi;
use cacheismo_lua_contract::packed::put_counted;
use cacheismo_lua_contract::{LOAD, Rules, load_arguments};
pub use client::Client;
use std::sync::OnceLock;
use std::time::Duration;
pub use store::{Item, Store};
use wasmtime::{Caller, Config, Engine, Extern, Instance, Linker, Memory, Module, TypedFunc};
use wasmtime::{Result, bail, error::Context as _, format_err};

/// Data of the wasm store: the world, and what a call leaves behind.
pub struct Data {
    pub world: Store,
    pub reply: Vec<u8>,
    pub failure: Option<String>,
    pub log: Vec<String>,
    memory: Option<Memory>,
    invoke: Option<lua_imports::Invoke>,
    limits: wasmtime::StoreLimits,
}

impl lua_imports::LuaData for Data {
    fn invoke(&mut self) -> &mut Option<lua_imports::Invoke> {
        &mut self.invoke
    }
}

/// How a call ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The function returned these bytes.
    Reply(Vec<u8>),
    /// The function failed with this text.
    Failed(String),
    /// The function trapped, and the instance is gone. The text of `fail`, if any, else the trap's.
    Trapped(String),
}

/// One instance of the module with its world.
pub struct Host {
    store: wasmtime::Store<Data>,
    instance: Instance,
    memory: Memory,
    buffer: usize,
    reserve: TypedFunc<i32, i32>,
    scripts: Vec<(String, String)>,
    /// What `fn:load` answered.
    pub types: String,
}

fn engine() -> &'static (Engine, Module) {
    static ENGINE: OnceLock<(Engine, Module)> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut config = Config::new();
        config.epoch_interruption(true);
        config.wasm_backtrace_max_frames(None);
        let engine = Engine::new(&config).expect("a plain engine");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../prebuilt/lua.wasm");
        let module = Module::from_file(&engine, path).expect("the prebuilt module compiles");
        let ticker = engine.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(10));
                ticker.increment_epoch();
            }
        });
        (engine, module)
    })
}

/// Most bytes of memory an instance may have.
pub const MEMORY_BYTES_MAX: usize = 64 << 20;

impl Host {
    /// An instance without scripts.
    pub fn bare(world: Store) -> Result<Self> {
        let (engine, module) = engine();
        let mut linker = Linker::new(engine);
        lua_imports::add_to_linker(&mut linker)?;
        add_imports(&mut linker)?;
        let limits = wasmtime::StoreLimitsBuilder::new()
            .memory_size(MEMORY_BYTES_MAX)
            .build();
        let data = Data {
            world,
            reply: Vec::new(),
            failure: None,
            log: Vec::new(),
            memory: None,
            invoke: None,
            limits,
        };
        let mut store = wasmtime::Store::new(engine, data);
        store.limiter(|data| &mut data.limits);
        store.set_epoch_deadline(1000);
        let instance = linker.instantiate(&mut store, module)?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .context("memory")?;
        store.data_mut().memory = Some(memory);
        let buffer = instance
            .get_global(&mut store, abi::BUFFER_EXPORT)
            .context("buffer")?;
        let buffer = buffer.get(&mut store).i32().context("an address")? as usize;
        let reserve = instance.get_typed_func(&mut store, abi::RESERVE_EXPORT)?;
        Ok(Self {
            store,
            instance,
            memory,
            buffer,
            reserve,
            scripts: Vec::new(),
            types: String::new(),
        })
    }

    /// An instance that loaded these (name, text) scripts.
    pub fn new(scripts: &[(&str, &str)]) -> Result<Self> {
        Self::with_world(scripts, Store::default())
    }

    /// As `new`, over an existing world.
    pub fn with_world(scripts: &[(&str, &str)], world: Store) -> Result<Self> {
        let mut host = Self::bare(world)?;
        host.set_scripts(scripts);
        let answer = host.load()?;
        if answer.starts_with("{\"error\"") {
            bail!("{answer}");
        }
        host.types = answer;
        Ok(host)
    }

    /// Sets the scripts of the next `load`.
    pub fn set_scripts(&mut self, scripts: &[(&str, &str)]) {
        self.scripts = scripts
            .iter()
            .map(|(n, t)| ((*n).to_owned(), (*t).to_owned()))
            .collect();
    }

    /// Calls `fn:load` and returns its JSON.
    pub fn load(&mut self) -> Result<String> {
        let scripts = self.scripts.clone();
        let mut rules = Vec::new();
        Rules::write(&mut rules, u32::MAX, std::iter::empty());
        let pairs = scripts
            .iter()
            .map(|(name, text)| (name.as_bytes(), text.as_bytes()));
        let args: Vec<&[u8]> = load_arguments(&rules, pairs).collect();
        match self.invoke(LOAD, &args, 1000)? {
            Answer::Reply(json) => Ok(String::from_utf8(json)?),
            other => bail!("{other:?}"),
        }
    }

    /// The module's state.
    pub fn data(&mut self) -> &mut Data {
        self.store.data_mut()
    }

    /// Bytes of linear memory.
    pub fn memory_bytes(&self) -> usize {
        self.memory.data_size(&self.store)
    }

    /// A fresh instance over the same world, as after a trap.
    pub fn rebuild(&mut self) -> Result<()> {
        let world = std::mem::take(&mut self.store.data_mut().world);
        let scripts = std::mem::take(&mut self.scripts);
        let list: Vec<_> = scripts
            .iter()
            .map(|(n, t)| (n.as_str(), t.as_str()))
            .collect();
        *self = Self::with_world(&list, world)?;
        Ok(())
    }

    /// Calls an export with arguments; commits the writes when it succeeds.
    pub fn invoke(&mut self, function: &str, args: &[&[u8]], ticks: u64) -> Result<Answer> {
        let func: TypedFunc<i32, i64> = self
            .instance
            .get_typed_func(&mut self.store, &format!("fn:{function}"))?;
        let packed = pack(args);
        let len = i32::try_from(packed.len())?;
        self.store.set_epoch_deadline(ticks);
        let (at, len) = if packed.len() <= 16384 {
            (self.buffer, len)
        } else {
            (self.reserve.call(&mut self.store, len)? as usize, -len)
        };
        self.memory.write(&mut self.store, at, &packed)?;
        let data = self.store.data_mut();
        data.reply.clear();
        data.failure = None;
        let result = func.call(&mut self.store, len);
        match result {
            Ok(abi::FAILED) => {
                let data = self.store.data_mut();
                data.world.roll_back();
                Ok(Answer::Failed(data.failure.take().unwrap_or_default()))
            }
            Ok(reply) => {
                let (at, len) = ((reply >> 32) as usize, (reply & 0xffff_ffff) as usize);
                let bytes = self.memory.data(&self.store);
                let bytes = bytes.get(at..at + len).context("reply in memory")?.to_vec();
                let data = self.store.data_mut();
                data.world.commit();
                let mut reply = std::mem::take(&mut data.reply);
                reply.extend_from_slice(&bytes);
                Ok(Answer::Reply(reply))
            }
            Err(trap) => {
                let data = self.store.data_mut();
                data.world.roll_back();
                let text = data
                    .failure
                    .take()
                    .unwrap_or_else(|| format!("{:?}", trap.root_cause()));
                self.rebuild()
                    .map_err(|e| format_err!("after {text}: {e}"))?;
                Ok(Answer::Trapped(text))
            }
        }
    }
}

/// Arguments as the ABI packs them.
pub fn pack(args: &[&[u8]]) -> Vec<u8> {
    let mut out = (args.len() as u32).to_le_bytes().to_vec();
    for arg in args {
        out.extend_from_slice(&(arg.len() as u32).to_le_bytes());
    }
    for arg in args {
        out.extend_from_slice(arg);
    }
    out
}

/// A list of keys: each its length and bytes.
pub fn pack_list<'a>(keys: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    keys.into_iter().for_each(|key| put_counted(&mut out, key));
    out
}

type Call<'a> = Caller<'a, Data>;

fn memory(caller: &mut Call<'_>) -> Memory {
    caller.data().memory.expect("set after instantiation")
}

/// Bytes of the guest and the data, at once.
fn parts<'a>(caller: &'a mut Call<'_>) -> (&'a mut [u8], &'a mut Data) {
    let memory = memory(caller);
    memory.data_and_store_mut(caller)
}

fn slice(bytes: &[u8], at: u32, len: u32) -> wasmtime::Result<&[u8]> {
    bytes
        .get(at as usize..(at as usize).saturating_add(len as usize))
        .ok_or_else(|| wasmtime::Error::msg("out of bounds"))
}

fn fill(bytes: &mut [u8], at: u32, cap: u32, source: &[u8]) -> wasmtime::Result<()> {
    let n = source.len().min(cap as usize);
    bytes
        .get_mut(at as usize..at as usize + n)
        .ok_or_else(|| wasmtime::Error::msg("out of bounds"))?
        .copy_from_slice(&source[..n]);
    Ok(())
}

fn found(value: Option<usize>) -> i32 {
    value.map_or(abi::ABSENT, |n| n as i32)
}

/// Every import of the ABI.
fn add_imports(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    add_objects(linker)?;
    add_fields(linker)?;
    add_items(linker)?;
    let m = abi::IMPORT_MODULE;
    linker.func_wrap(m, "now_ms", |c: Call<'_>| c.data().world.now_ms)?;
    linker.func_wrap(m, "utc_offset_s", |c: Call<'_>, s: i64| {
        c.data().world.utc_offset_s(s)
    })?;
    linker.func_wrap(
        m,
        "zone_name",
        |mut c: Call<'_>, s: i64, out: u32, cap: u32| -> wasmtime::Result<i32> {
            let (bytes, data) = parts(&mut c);
            let name = data.world.zone_name(s);
            fill(bytes, out, cap, name.as_bytes())?;
            Ok(name.len() as i32)
        },
    )?;
    linker.func_wrap(m, "random", |mut c: Call<'_>| c.data_mut().world.random())?;
    linker.func_wrap(
        m,
        "fail",
        |mut c: Call<'_>, at: u32, len: u32| -> wasmtime::Result<()> {
            let (bytes, data) = parts(&mut c);
            data.failure = Some(String::from_utf8_lossy(slice(bytes, at, len)?).into_owned());
            Ok(())
        },
    )?;
    linker.func_wrap(
        m,
        "reply",
        |mut c: Call<'_>, at: u32, len: u32| -> wasmtime::Result<()> {
            let (bytes, data) = parts(&mut c);
            data.reply.extend_from_slice(slice(bytes, at, len)?);
            Ok(())
        },
    )?;
    linker.func_wrap(
        m,
        "log",
        |mut c: Call<'_>, _: i32, at: u32, len: u32| -> wasmtime::Result<()> {
            let (bytes, data) = parts(&mut c);
            data.log
                .push(String::from_utf8_lossy(slice(bytes, at, len)?).into_owned());
            Ok(())
        },
    )?;
    Ok(())
}

fn add_objects(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    let m = abi::IMPORT_MODULE;
    linker.func_wrap(
        m,
        "object_open",
        |mut c: Call<'_>, t: u32, tl: u32, k: u32, kl: u32| -> wasmtime::Result<i32> {
            let (bytes, data) = parts(&mut c);
            Ok(data.world.open(slice(bytes, t, tl)?, slice(bytes, k, kl)?))
        },
    )?;
    linker.func_wrap(m, "object_exists", |mut c: Call<'_>, h: i32| {
        c.data_mut().world.exists(h)
    })?;
    linker.func_wrap(m, "object_create", |mut c: Call<'_>, h: i32| {
        c.data_mut().world.create(h)
    })?;
    linker.func_wrap(m, "object_delete", |mut c: Call<'_>, h: i32| {
        c.data_mut().world.delete(h)
    })?;
    linker.func_wrap(m, "object_ttl", |mut c: Call<'_>, h: i32| {
        c.data_mut().world.ttl(h)
    })?;
    linker.func_wrap(m, "object_ttl_set", |mut c: Call<'_>, h: i32, ms: i64| {
        c.data_mut().world.set_ttl(h, ms)
    })?;
    linker.func_wrap(
        m,
        "value_get",
        |mut c: Call<'_>, h: i32, offset: u32, out: u32, cap: u32| -> wasmtime::Result<i32> {
            let (bytes, data) = parts(&mut c);
            let Some(value) = data.world.value(h) else {
                return Ok(abi::ABSENT);
            };
            fill(
                bytes,
                out,
                cap,
                &value[(offset as usize).min(value.len())..],
            )?;
            Ok(value.len() as i32)
        },
    )?;
    linker.func_wrap(
        m,
        "value_set",
        |mut c: Call<'_>, h: i32, v: u32, vl: u32| -> wasmtime::Result<()> {
            let (bytes, data) = parts(&mut c);
            data.world.set_value(h, slice(bytes, v, vl)?);
            Ok(())
        },
    )?;
    Ok(())
}

fn add_fields(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    let m = abi::IMPORT_MODULE;
    linker.func_wrap(
        m,
        "field_get",
        |mut c: Call<'_>, h: i32, k: u32, kl: u32, out: u32, cap: u32| -> wasmtime::Result<i32> {
            let (bytes, data) = parts(&mut c);
            let key = slice(bytes, k, kl)?.to_vec();
            let Some(value) = data.world.field(h, &key) else {
                return Ok(abi::ABSENT);
            };
            fill(bytes, out, cap, value)?;
            Ok(value.len() as i32)
        },
    )?;
    linker.func_wrap(
        m,
        "field_put",
        |mut c: Call<'_>, h: i32, k: u32, kl: u32, v: u32, vl: u32| -> wasmtime::Result<i32> {
            let (bytes, data) = parts(&mut c);
            Ok(data
                .world
                .put_field(h, slice(bytes, k, kl)?, slice(bytes, v, vl)?))
        },
    )?;
    linker.func_wrap(
        m,
        "field_delete",
        |mut c: Call<'_>, h: i32, k: u32, kl: u32| -> wasmtime::Result<i32> {
            let (bytes, data) = parts(&mut c);
            Ok(data.world.delete_field(h, slice(bytes, k, kl)?))
        },
    )?;
    linker.func_wrap(m, "field_count", |mut c: Call<'_>, h: i32| {
        c.data_mut().world.count(h)
    })?;
    linker.func_wrap(m, "field_clear", |mut c: Call<'_>, h: i32| {
        c.data_mut().world.clear(h)
    })?;
    linker.func_wrap(
        m,
        "field_scan",
        |mut c: Call<'_>,
         h: i32,
         k: u32,
         kl: u32,
         flags: i32,
         out: u32,
         cap: u32|
         -> wasmtime::Result<i32> {
            let (bytes, data) = parts(&mut c);
            let from = slice(bytes, k, kl)?.to_vec();
            match data.world.scan(h, &from, flags, cap as usize) {
                Ok(batch) => {
                    fill(bytes, out, cap, &batch)?;
                    Ok(batch.len() as i32)
                }
                Err(needed) => Ok(-(needed as i32)),
            }
        },
    )?;
    Ok(())
}

fn add_items(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    let m = abi::ITEMS_MODULE;
    linker.func_wrap(
        m,
        "item_get",
        |mut c: Call<'_>, k: u32, kl: u32| -> wasmtime::Result<i32> {
            let (bytes, data) = parts(&mut c);
            Ok(found(data.world.park_item(slice(bytes, k, kl)?)))
        },
    )?;
    linker.func_wrap(
        m,
        "item_put",
        |mut c: Call<'_>,
         k: u32,
         kl: u32,
         flags: u32,
         expiry: i64,
         v: u32,
         vl: u32|
         -> wasmtime::Result<()> {
            let (bytes, data) = parts(&mut c);
            let item = Item {
                flags,
                expiry_ms: expiry,
                data: slice(bytes, v, vl)?.to_vec(),
            };
            data.world.put_item(slice(bytes, k, kl)?, Some(item));
            Ok(())
        },
    )?;
    linker.func_wrap(
        m,
        "item_delete",
        |mut c: Call<'_>, k: u32, kl: u32| -> wasmtime::Result<i32> {
            let (bytes, data) = parts(&mut c);
            Ok(i32::from(data.world.put_item(slice(bytes, k, kl)?, None)))
        },
    )?;
    linker.func_wrap(m, "item_delete_lru", |mut c: Call<'_>, n: i64| {
        c.data_mut().world.delete_lru(n);
    })?;
    linker.func_wrap(
        m,
        "item_keys",
        |mut c: Call<'_>, k: u32, kl: u32| -> wasmtime::Result<i32> {
            let (bytes, data) = parts(&mut c);
            Ok(data.world.park_keys(slice(bytes, k, kl)?) as i32)
        },
    )?;
    linker.func_wrap(
        m,
        "peer_get",
        |mut c: Call<'_>, k: u32, kl: u32| -> wasmtime::Result<i32> {
            let (bytes, data) = parts(&mut c);
            Ok(data.world.park_answers(slice(bytes, k, kl)?) as i32)
        },
    )?;
    linker.func_wrap(
        m,
        "result_read",
        |mut c: Call<'_>, offset: u32, out: u32, cap: u32| -> wasmtime::Result<i32> {
            let (bytes, data) = parts(&mut c);
            let rest = &data.world.parked()[(offset as usize).min(data.world.parked().len())..];
            fill(bytes, out, cap, rest)?;
            Ok(rest.len().min(cap as usize) as i32)
        },
    )?;
    Ok(())
}

/// The function of an instance's export, for tests that look around.
pub fn has_export(host: &mut Host, name: &str) -> bool {
    matches!(
        host.instance.get_export(&mut host.store, name),
        Some(Extern::Func(_))
    )
}
