//! A server to run objects in plain `cargo test`: no wasm, no sockets, a clock set by hand.
//!
//! ```
//! # use cacheismo_sdk::{Error, Object};
//! # pub struct Purse;
//! # #[cacheismo_sdk::object(name = "purse")]
//! # impl Purse {
//! #     fn pay(o: &mut Object, amount: u64) -> Result<u64, Error> {
//! #         let left = o.field_as::<u64>(b"coins").unwrap_or(10).checked_sub(amount).ok_or("too little")?;
//! #         o.put(b"coins", left.to_string().as_bytes());
//! #         Ok(left)
//! #     }
//! # }
//! use cacheismo_sdk::testing::{Failure, Harness};
//!
//! let mut purse = Harness::new::<Purse>();
//! assert_eq!(purse.call("pay", &["mine", "3"]), Ok("7"));
//! assert_eq!(purse.call("pay", &["mine", "8"]), Err(Failure::Refused("too little".into())));
//! assert_eq!(purse.field("mine", "coins"), Some(&b"7"[..]));
//! // Fails the call at each of its host calls in turn: nothing of it may be kept.
//! purse.assert_all_or_nothing("pay", &["mine", "1"]);
//! ```
//!
//! Arguments go through the packed form of the ABI and answers through the same code as in wasm.
//! What a native test cannot show is the limits of memory and time, which only the server has.

mod host;
pub(crate) mod sys;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::call::{self, Function, ObjectType};
use host::{Host, Stop};

pub use host::{Limits, State, Stored};

/// Bytes of an answer kept before it is streamed, as in a module.
const ANSWER_BYTES: usize = 4096;

/// Why a call gave no answer. Nothing it wrote was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No such type or function.
    Unknown(String),
    /// Fewer arguments than needed; the usage.
    Usage(String),
    /// The function returned this error.
    Refused(String),
    /// The function panicked, or broke a rule such as writing when it only reads.
    Trapped(String),
    /// The call was stopped by a limit.
    Limit(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(text) | Self::Refused(text) => f.write_str(text),
            Self::Usage(usage) => write!(f, "usage: {usage}"),
            Self::Trapped(text) => write!(f, "trapped: {text}"),
            Self::Limit(text) => write!(f, "stopped: {text}"),
        }
    }
}

impl std::error::Error for Failure {}

/// A registered type.
#[derive(Clone, Copy)]
struct Registered {
    name: &'static str,
    value: bool,
    opens: &'static [&'static str],
    writes: &'static [&'static str],
    functions: &'static [Function],
}

/// A server with some object types and their objects, for tests.
///
/// Functions that take no type name mean the type that the harness was made for.
pub struct Harness {
    types: Vec<Registered>,
    host: Host,
    answer: Vec<u8>,
    /// The last answer was a refusal.
    refused: bool,
    fail_at: Option<u64>,
}

impl Harness {
    /// A server that knows `T`, holds no objects, and shows the first second of 2024 in UTC.
    pub fn new<T: ObjectType>() -> Self {
        let mut harness = Self {
            types: Vec::new(),
            host: Host::default(),
            answer: Vec::new(),
            refused: false,
            fail_at: None,
        };
        harness.register::<T>();
        harness
    }

    /// Adds a type, for objects that open others.
    pub fn register<T: ObjectType>(&mut self) {
        self.types.push(Registered {
            name: T::NAME,
            value: T::VALUE,
            opens: T::OPENS,
            writes: T::WRITES,
            functions: T::FUNCTIONS,
        });
        self.host.types.push(T::NAME);
    }

    /// Answers a virtual key, `type:function:object:argument...`, as `get` does. An empty last part
    /// is dropped.
    ///
    /// # Errors
    /// When the call gave no answer.
    ///
    /// # Panics
    /// When the key has no function, or the answer is not UTF-8.
    pub fn get(&mut self, virtual_key: &str) -> Result<&str, Failure> {
        let mut parts: Vec<&str> = virtual_key.split(':').collect();
        parts.pop_if(|last| last.is_empty());
        let [type_name, function, args @ ..] = parts.as_slice() else {
            panic!("{virtual_key:?} is not a virtual key: type:function:object:argument...");
        };
        let answer = self.call_type(type_name, function, args)?;
        Ok(std::str::from_utf8(answer).expect("an answer that is not UTF-8 is for `call_bytes`"))
    }

    /// Calls a function; the first argument is the object's key. Extra arguments are ignored, as
    /// by the server.
    ///
    /// # Errors
    /// When the call gave no answer.
    ///
    /// # Panics
    /// When the answer is not UTF-8; see [`call_bytes`](Self::call_bytes).
    pub fn call(&mut self, function: &str, args: &[impl AsRef<[u8]>]) -> Result<&str, Failure> {
        let answer = self.call_bytes(function, args)?;
        Ok(std::str::from_utf8(answer).expect("an answer that is not UTF-8 is for `call_bytes`"))
    }

    /// Whether the last answer was a refusal, an `Err` of a [`Word`](crate::Word): a storing command answers `NOT_STORED` then.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.refused
    }

    /// [`call`](Self::call) for answers that are not text.
    ///
    /// # Errors
    /// When the call gave no answer.
    pub fn call_bytes(
        &mut self,
        function: &str,
        args: &[impl AsRef<[u8]>],
    ) -> Result<&[u8], Failure> {
        let name = self.types[0].name;
        self.call_type(name, function, args)
    }

    /// Calls a function of any registered type.
    ///
    /// # Errors
    /// When the call gave no answer.
    pub fn call_type(
        &mut self,
        type_name: &str,
        function: &str,
        args: &[impl AsRef<[u8]>],
    ) -> Result<&[u8], Failure> {
        let (registered, function) = self.find(type_name, function)?;
        if args.len() < function.required + 1 {
            return Err(Failure::Usage(format!(
                "{type_name}:{}:key {}",
                function.name, function.usage
            )));
        }
        self.host.begin(
            type_name,
            args[0].as_ref(),
            function.writes,
            self.fail_at.take(),
        );
        self.host.reach = [registered.opens, registered.writes];
        let mut buffer = [0; ANSWER_BYTES];
        let packed = pack(args);
        let cell = registered.value.then(|| self.host.fill(sys::cell()));
        let (host, outcome) = sys::with(std::mem::take(&mut self.host), || {
            catch_unwind(AssertUnwindSafe(|| {
                call::run(&packed, &mut buffer, cell, function.handler)
                    .map(|(tail, refused)| (tail.to_vec(), refused))
            }))
        });
        self.host = host;
        let outcome = match outcome {
            Ok(Some((tail, refused))) => {
                self.refused = refused;
                self.host.take_answer(&tail, cell).map_err(Failure::from)
            }
            Ok(None) => Err(Failure::Refused(self.host.take_refusal())),
            Err(panic) => Err(failure(&*panic)),
        };
        self.host.end(outcome.is_ok());
        self.answer = outcome?;
        Ok(&self.answer)
    }

    fn find(&self, type_name: &str, function: &str) -> Result<(Registered, Function), Failure> {
        let registered = self.types.iter().find(|known| known.name == type_name);
        let found = registered.and_then(|known| {
            let mut functions = known.functions.iter();
            Some((*known, *functions.find(|known| known.name == function)?))
        });
        found.ok_or_else(|| Failure::Unknown(format!("there is no {type_name}:{function}")))
    }

    /// Gets each virtual key and compares its answer.
    ///
    /// # Panics
    /// At the first answer that differs or is missing.
    pub fn assert_session(&mut self, session: &[(&str, &str)]) {
        for (number, (virtual_key, answer)) in session.iter().enumerate() {
            let number = number + 1;
            assert_eq!(
                self.get(virtual_key),
                Ok(*answer),
                "line {number}: get {virtual_key}"
            );
        }
    }

    /// Makes the next call trap at its `n`-th host call, counted from 1.
    pub fn fail_at_host_call(&mut self, n: u64) {
        self.fail_at = Some(n);
    }

    /// Runs the call once for every host call it makes and traps it there, then lets it through.
    ///
    /// # Panics
    /// When a failed call answers or leaves a trace.
    pub fn assert_all_or_nothing(&mut self, function: &str, args: &[impl AsRef<[u8]>]) {
        let before = self.state().clone();
        for n in 1.. {
            self.fail_at_host_call(n);
            let stopped = self.call_bytes(function, args).is_err();
            if self.host_calls() < n {
                return;
            }
            assert!(stopped, "{function} answered although host call {n} failed");
            assert!(
                *self.state() == before,
                "{function} left a trace although host call {n} failed"
            );
        }
    }

    /// How many host calls the last call made.
    pub fn host_calls(&self) -> u64 {
        self.host.calls
    }

    /// Sets the limits of the calls that follow.
    pub fn set_limits(&mut self, limits: Limits) {
        self.host.limits = limits;
    }

    /// Sets the clock, in milliseconds since 1970. Objects expire by it.
    pub fn set_time(&mut self, unix_ms: i64) {
        self.host.set_time(unix_ms);
    }

    /// Moves the clock forward.
    pub fn advance(&mut self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).expect("a test does not wait for ages");
        self.host.set_time(self.host.now_ms + ms);
    }

    /// Sets the time zone: from Unix seconds to the offset from UTC in seconds.
    pub fn set_time_zone(&mut self, offset_s: impl Fn(i64) -> i32 + 'static) {
        self.host.utc_offset_s = Box::new(offset_s);
    }

    /// Sets where the random numbers start; the same seed gives the same numbers.
    pub fn set_seed(&mut self, seed: u64) {
        self.host.random = seed;
    }

    /// What was logged so far: level, as in the ABI, and text.
    pub fn logged(&self) -> &[(i32, String)] {
        &self.host.logged
    }

    /// All objects of all types, by type and key.
    pub fn state(&self) -> &State {
        &self.host.state
    }

    /// An object.
    pub fn object(&self, key: &str) -> Option<&Stored> {
        self.host.state.get(&(
            self.types[0].name.as_bytes().to_vec(),
            key.as_bytes().to_vec(),
        ))
    }

    /// An object, to be changed behind its functions: what they do with damaged state is for a test, too.
    pub fn object_mut(&mut self, key: &str) -> Option<&mut Stored> {
        let type_name = self.types[0].name.as_bytes().to_vec();
        self.host
            .state
            .get_mut(&(type_name, key.as_bytes().to_vec()))
    }

    /// A field of an object.
    pub fn field(&self, key: &str, field: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.object(key)?
            .fields
            .get(field.as_ref())
            .map(Vec::as_slice)
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Limit(text) => Self::Limit(text.to_owned()),
            Stop::Trap(text) => Self::Trapped(text.to_owned()),
        }
    }
}

/// Packs arguments as the server does.
fn pack(args: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let length = |length: usize| {
        u32::try_from(length)
            .expect("a test's arguments are short")
            .to_le_bytes()
    };
    let mut packed = length(args.len()).to_vec();
    args.iter()
        .for_each(|argument| packed.extend(length(argument.as_ref().len())));
    args.iter()
        .for_each(|argument| packed.extend(argument.as_ref()));
    packed
}

fn failure(panic: &(dyn std::any::Any + Send)) -> Failure {
    if let Some(stop) = panic.downcast_ref::<Stop>() {
        return Failure::from(*stop);
    }
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    Failure::Trapped(
        text.or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "panic".to_owned()),
    )
}
