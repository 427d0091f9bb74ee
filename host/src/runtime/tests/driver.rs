//! A guest that does what its arguments tell it, step by step: any import with any parameters, and any misdeed.
//!
//! Its text is made from `abi::imports`, so an import that is added there is callable here at once.

use std::sync::{Arc, Mutex};

use cacheismo_abi::imports::{CORE, ITEMS};
use cacheismo_abi::{IMPORT_MODULE, ITEMS_MODULE};

use super::api::{Budget, CallError, FunctionRef, Instances, Log, ObjectType, Registry};
use super::{PlainHost, registry, source};

mod guest;

pub(super) use guest::{text, text_with};

/// Where the guest expects its arguments: scratch buffer, and what its `reserve` returns.
const BUFFER: usize = 1024;
const BUFFER_BYTES: usize = 4096;
const RESERVED: usize = 65536;
/// Where the guest leaves the results of its steps, eight bytes each.
pub(super) const RESULTS: usize = 8192;
const STEPS_MAX: usize = 64;
/// Where [`Param::Out`] points.
pub(super) const OUT: usize = RESULTS + 8 * STEPS_MAX;
const OUT_BYTES: usize = 1024;

/// A parameter of an import.
#[derive(Clone, Debug)]
pub(super) enum Param {
    I(i32),
    L(i64),
    /// Pointer and length of bytes that travel with the step.
    Data(Vec<u8>),
    /// Pointer and length of room for this many bytes.
    Out(i32),
}

/// One thing for the guest to do.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Import(&'static str, Vec<Param>),
    /// Return `FAILED`.
    Fail,
    Unreachable,
    LoopForever,
    Recurse,
    /// Grow the memory until it is refused, then trap as an allocator does.
    GrowForever,
    /// Grow by so many pages; the result is what `memory.grow` says.
    Grow(i32),
    /// Call `now_ms` forever.
    Storm,
    /// Return this instead of the results.
    Return(i64),
    /// Call through an empty table.
    EmptyTable,
}

impl Step {
    /// The step as an argument that will lie at `address`.
    fn encode(&self, address: usize) -> Vec<u8> {
        match self {
            Step::Import(name, params) => encode_import(name, params, address),
            Step::Fail => vec![200],
            Step::Unreachable => vec![201],
            Step::LoopForever => vec![202],
            Step::Recurse => vec![203],
            Step::GrowForever => vec![204],
            Step::Grow(pages) => [&[205][..], &pages.to_le_bytes()].concat(),
            Step::Storm => vec![206],
            Step::Return(value) => [&[207][..], &value.to_le_bytes()].concat(),
            Step::EmptyTable => vec![208],
        }
    }
}

fn imports() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let core = CORE
        .iter()
        .map(|(name, signature)| (IMPORT_MODULE, *name, *signature));
    core.chain(
        ITEMS
            .iter()
            .map(|(name, signature)| (ITEMS_MODULE, *name, *signature)),
    )
}

fn encode_import(name: &str, params: &[Param], address: usize) -> Vec<u8> {
    let (op, (_, _, signature)) = imports()
        .enumerate()
        .find(|(_, import)| import.1 == name)
        .expect("such an import");
    let given: String = params
        .iter()
        .map(|param| match param {
            Param::I(_) => "i",
            Param::L(_) => "I",
            Param::Data(_) | Param::Out(_) => "ii",
        })
        .collect();
    assert_eq!(Some(given.as_str()), signature.split(':').next(), "{name}");
    let fixed = 1 + given.chars().map(width).sum::<usize>();
    let (mut bytes, mut data) = (vec![op as u8], Vec::new());
    for param in params {
        match param {
            Param::I(value) => bytes.extend(value.to_le_bytes()),
            Param::L(value) => bytes.extend(value.to_le_bytes()),
            Param::Data(content) => {
                bytes.extend(((address + fixed + data.len()) as u32).to_le_bytes());
                bytes.extend((content.len() as u32).to_le_bytes());
                data.extend(content);
            }
            Param::Out(capacity) => {
                bytes.extend((OUT as u32).to_le_bytes());
                bytes.extend(capacity.to_le_bytes());
            }
        }
    }
    [bytes, data].concat()
}

fn width(letter: char) -> usize {
    if letter == 'i' { 4 } else { 8 }
}

/// What a call left behind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Output {
    /// Results of the steps, in order.
    pub(super) results: Vec<i64>,
    /// What was streamed with `reply`.
    pub(super) streamed: Vec<u8>,
    out: Vec<u8>,
}

impl Output {
    /// What the host filled in for [`Param::Out`].
    pub(super) fn out(&self, len: usize) -> &[u8] {
        &self.out[..len]
    }
}

/// Lines that were logged.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<Vec<String>>);

impl Log for Lines {
    fn shows(&self, level: i32) -> bool {
        level > 0
    }
    fn line(&self, level: i32, subject: &str, text: &str) {
        self.0
            .lock()
            .unwrap()
            .push(format!("{level} {subject} {text}"));
    }
}

impl Lines {
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// The guest with a host and all that is needed to call it.
pub(super) struct Driver {
    pub(super) registry: Registry,
    pub(super) instances: Instances<PlainHost>,
    pub(super) host: PlainHost,
    pub(super) lines: Arc<Lines>,
    pub(super) budget: Budget,
}

impl Driver {
    /// A driver with some limits changed.
    pub(super) fn new(limits: &[&str]) -> Driver {
        Driver::of(limits, &text("driver", "1"))
    }

    /// A driver with one more member of the metadata, and no right to other types' objects but by that member.
    pub(super) fn with_metadata(member: &str) -> Driver {
        Driver::of(&[], &text_with("driver", "1", member))
    }

    fn of(limits: &[&str], text: &str) -> Driver {
        let limits = [&["slow_log_ms=0"], limits].concat();
        let registry = registry(&limits, &[source("driver.wasm", text)]);
        let lines = Arc::new(Lines::default());
        let instances = Instances::new(&registry, Arc::clone(&lines) as Arc<dyn Log>);
        Driver {
            registry,
            instances,
            host: PlainHost::new(),
            lines,
            budget: Budget::Full,
        }
    }

    pub(super) fn object(&self) -> Arc<ObjectType> {
        Arc::clone(self.registry.types().named(b"driver").unwrap())
    }

    pub(super) fn function(&self, name: &str) -> FunctionRef {
        self.registry
            .types()
            .find(format!("driver:{name}").as_bytes())
            .unwrap()
    }

    /// Does the steps in a function that may write; commits when it succeeds.
    pub(super) fn run(&mut self, steps: &[Step]) -> Result<Output, CallError> {
        self.call("run", steps)
    }

    /// Does the steps in a read-only function.
    pub(super) fn look(&mut self, steps: &[Step]) -> Result<Output, CallError> {
        self.call("look", steps)
    }

    pub(super) fn call(&mut self, function: &str, steps: &[Step]) -> Result<Output, CallError> {
        let reply = self.attempt(function, &arguments(steps))?;
        let (streamed, reply) = reply.split_at(reply.len() - 8 * STEPS_MAX - OUT_BYTES);
        let (results, out) = reply.split_at(8 * STEPS_MAX);
        let results = results.chunks(8).take(steps.len());
        Ok(Output {
            results: results
                .map(|r| i64::from_le_bytes(r.try_into().unwrap()))
                .collect(),
            streamed: streamed.to_vec(),
            out: out.to_vec(),
        })
    }

    /// Calls the function; commits when it succeeds, and gives its reply.
    pub(super) fn attempt(
        &mut self,
        function: &str,
        args: &[Vec<u8>],
    ) -> Result<Vec<u8>, CallError> {
        let before = b"before".to_vec();
        let mut reply = before.clone();
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let function = self.function(function);
        let mut host = Some(Box::new(self.host.clone()));
        let result = self
            .instances
            .call(function, &args, &mut host, self.budget, &mut reply);
        let host = host.expect("it came back");
        assert!(reply.starts_with(&before));
        if let Err(error) = result {
            assert_eq!(reply, before, "a failed call leaves no reply");
            return Err(*error);
        }
        self.host = PlainHost {
            handles: vec!["self".to_owned()],
            ..*host
        };
        Ok(reply.split_off(before.len()))
    }
}

/// The arguments of a call, laid out for where they will lie.
pub(super) fn arguments(steps: &[Step]) -> Vec<Vec<u8>> {
    assert!(steps.len() <= STEPS_MAX);
    let lay_out = |base: usize| {
        let mut address = base + 4 + 4 * (steps.len() + 1);
        let mut args = vec![b"key".to_vec()];
        for step in steps {
            address += args.last().map_or(0, Vec::len);
            args.push(step.encode(address));
        }
        args
    };
    let args = lay_out(BUFFER);
    let len = 4 + args.iter().map(|arg| 4 + arg.len()).sum::<usize>();
    if len <= BUFFER_BYTES {
        args
    } else {
        lay_out(RESERVED)
    }
}

/// `import!(name, params...)`: integers, `"data"`, and [`Param`] itself.
macro_rules! import {
    ($name:ident $(, $param:expr)* $(,)?) => {
        $crate::runtime::tests::Step::Import(
            stringify!($name),
            vec![$($crate::runtime::tests::driver::Param::from($param)),*],
        )
    };
}
pub(super) use import;

impl From<i32> for Param {
    fn from(value: i32) -> Param {
        Param::I(value)
    }
}

impl From<i64> for Param {
    fn from(value: i64) -> Param {
        Param::L(value)
    }
}

impl From<&str> for Param {
    fn from(data: &str) -> Param {
        Param::Data(data.as_bytes().to_vec())
    }
}

impl From<Vec<u8>> for Param {
    fn from(data: Vec<u8>) -> Param {
        Param::Data(data)
    }
}
