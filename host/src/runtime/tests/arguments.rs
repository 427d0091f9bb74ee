//! Every import with hostile arguments: ends of ranges, any pointers and lengths, buffers that overlap, unknown handles,
//! twice in a row and after an error.
//!
//! The imports are those of `abi::imports`, so one that is added there is attacked at once. A case is made from its number
//! alone: that of a failure makes it again. The cache's own tests make the same calls on a real store.

use cacheismo_abi::imports::{CORE, ITEMS};
use fastrand::Rng;

use super::api::{Budget, CallError, Source};
use super::driver::{Driver, OUT, Param, arguments, import, text};
use super::{Step, source};

/// Cases tried, unless `CACHEISMO_ABI_CASES` says otherwise.
const CASES: u64 = 200;
/// Steps of one call.
const STEPS_MAX: usize = 8;
/// Time that a case may take: a host function may write over the guest's own steps, which then loop. It runs as on a worker, so
/// that the good call after it may have longer.
pub(crate) const HOSTILE: Budget = Budget::Inline { ms: 20 };
/// Bytes of the guest's memory.
const MEMORY: i32 = 2 * 65536;
/// Name and value that no case makes up.
const WITNESS: &str = "the witness's field";

/// Pointers, lengths and offsets at the ends of what they may be.
const ENDS: &[i32] = &[
    0,
    1,
    -1,
    7,
    8,
    -8,
    249,
    250,
    251,
    256,
    1023,
    1024,
    4096,
    65535,
    65536,
    OUT as i32,
    OUT as i32 + 1,
    MEMORY - 1,
    MEMORY,
    MEMORY + 1,
    i32::MAX,
    i32::MAX - 1,
    i32::MIN,
    i32::MIN + 1,
];
const HANDLES: &[i32] = &[0, 0, 0, 0, 1, 2, -1, 127, 128, 256, i32::MAX, i32::MIN];
const LONG_ENDS: &[i64] = &[
    0,
    1,
    -1,
    -2,
    1000,
    1 << 31,
    1 << 32,
    1_700_000_000_123,
    i64::MAX,
    i64::MAX - 1_700_000_000_123,
    i64::MIN,
    i64::MIN + 1,
];
/// Imports whose last two parameters are room for the host to fill.
const FILLED: &[&str] = &[
    "value_get",
    "field_get",
    "field_scan",
    "result_read",
    "zone_name",
];
const NAMES: &[&str] = &[
    "driver",
    "driver",
    "driver",
    "set",
    "",
    "f",
    "a:b",
    "$",
    "key",
    "o1",
    "driver$o1",
];

/// A call of the attack.
pub(crate) struct Case {
    /// The function's arguments, that of the object's key among them.
    pub(crate) args: Vec<Vec<u8>>,
    /// Whether the function may write.
    pub(crate) writes: bool,
    /// What the guest does, for the report of a failure.
    pub(crate) steps: String,
    /// Whether a step commits what was done before it, as a question to peers does.
    pub(crate) commits: bool,
}

/// How many cases are to be tried.
pub(crate) fn cases() -> u64 {
    std::env::var("CACHEISMO_ABI_CASES")
        .map_or(CASES, |cases| cases.parse().expect("a number of cases"))
}

/// The module that plays the cases: type `driver`, with functions `run`, which may write, and `look`.
pub(crate) fn module() -> Source {
    source("driver.wasm", &text("driver", "1"))
}

/// The case of that number.
pub(crate) fn hostile(number: u64) -> Case {
    let mut random = Rng::with_seed(number);
    let mut steps = Vec::new();
    // Some cases are hostile in every other step. Others come to their end, and what they write is committed.
    let one_in = [2, 64][random.usize(0..2)];
    let imports: Vec<_> = CORE.iter().chain(ITEMS).collect();
    // Every import comes first in turn, others follow it.
    let mut next = number as usize % imports.len();
    for _ in 0..random.usize(1..=STEPS_MAX) {
        let (name, signature) = imports[next];
        let params = match random.u8(0..one_in) {
            0 => hostile_params(name, signature, &mut random),
            _ => fair_params(name, signature, &mut random),
        };
        let step = Step::Import(name, params);
        if random.u8(0..4) == 0 {
            steps.push(step.clone());
        }
        steps.push(step);
        next = random.usize(0..imports.len());
    }
    match random.u8(0..24) {
        0 => steps.push(Step::Unreachable),
        1 => steps.push(Step::Fail),
        2 => steps.push(Step::Grow(*one_of(ENDS, &mut random))),
        3 => {
            let address = i64::from(*one_of(ENDS, &mut random)) << 32;
            let len = i64::from(*one_of(ENDS, &mut random) as u32);
            steps.push(Step::Return(address | len));
        }
        4 => steps.push(Step::Return(*one_of(LONG_ENDS, &mut random))),
        _ => {}
    }
    Case {
        args: arguments(&steps),
        writes: random.u8(0..4) > 0,
        steps: format!("{steps:?}"),
        commits: steps
            .iter()
            .any(|step| matches!(step, Step::Import("peer_get", _))),
    }
}

/// The arguments of a call that does nothing.
pub(crate) fn nothing() -> Vec<Vec<u8>> {
    arguments(&[])
}

/// A call that does what is right, to be made after each case.
pub(crate) fn good(number: u64) -> Vec<Vec<u8>> {
    let value = number.to_le_bytes().to_vec();
    arguments(&[
        import!(field_delete, 0, WITNESS),
        import!(field_put, 0, WITNESS, value),
        import!(field_get, 0, WITNESS, Param::Out(8)),
        import!(reply_field, 0, WITNESS, "the witness says "),
        import!(field_delete, 0, WITNESS),
        import!(field_get, 0, WITNESS, Param::Out(8)),
    ])
}

/// Whether that is the reply of the good call of that number.
pub(crate) fn is_good(number: u64, reply: &[u8]) -> bool {
    let value = number.to_le_bytes();
    let streamed = [&b"the witness says "[..], &value].concat();
    let Some(returned) = reply.strip_prefix(&streamed[..]) else {
        return false;
    };
    let results = [0, 1, 8, 8, 1, -1_i64].map(i64::to_le_bytes).concat();
    returned.starts_with(&results) && returned[OUT - super::driver::RESULTS..].starts_with(&value)
}

fn one_of<'a, T>(all: &'a [T], random: &mut Rng) -> &'a T {
    &all[random.usize(0..all.len())]
}

/// The types of the parameters behind the handle of an object, and whether there is one.
fn letters<'a>(name: &str, signature: &'a str) -> (&'a str, bool) {
    let (letters, _) = signature.split_once(':').expect("a colon");
    let rooms = ["object_", "value_", "field_", "reply_field"];
    let handle = name != "object_open" && rooms.iter().any(|room| name.starts_with(room));
    (&letters[usize::from(handle)..], handle)
}

/// Parameters for the import that may be anything. Two numbers in a row may be pointer and length of something.
fn hostile_params(name: &str, signature: &str, random: &mut Rng) -> Vec<Param> {
    let (mut letters, handle) = letters(name, signature);
    let mut params = Vec::new();
    if handle {
        params.push(Param::I(*one_of(HANDLES, random)));
    }
    while let Some(letter) = letters.chars().next() {
        let pair = letters.starts_with("ii") && random.bool();
        letters = &letters[if pair { 2 } else { 1 }..];
        params.push(match letter {
            'I' => Param::L(long(random)),
            _ if pair && letters.is_empty() && random.bool() => Param::Out(random.i32(0..1024)),
            _ if pair => Param::Data(data(random)),
            _ => Param::I(number(random)),
        });
    }
    params
}

/// Parameters for the import as an honest guest chooses them.
fn fair_params(name: &str, signature: &str, random: &mut Rng) -> Vec<Param> {
    let (mut letters, handle) = letters(name, signature);
    let mut params = Vec::new();
    if handle {
        params.push(Param::I(0));
    }
    while let Some(letter) = letters.chars().next() {
        // Before the last pointer and length an offset, flags or a level stand alone.
        let pair = letters.starts_with("ii") && letters != "iii";
        letters = &letters[if pair { 2 } else { 1 }..];
        params.push(match letter {
            'I' => Param::L(random.i64(0..2_000_000_000_000)),
            _ if pair && letters.is_empty() && FILLED.contains(&name) => {
                Param::Out(random.i32(0..1024))
            }
            _ if pair => Param::Data(data(random)),
            _ => Param::I(random.i32(0..4)),
        });
    }
    params
}

fn number(random: &mut Rng) -> i32 {
    match random.u8(0..4) {
        0 => random.i32(..),
        1 => random.i32(0..MEMORY),
        2 => random.i32(0..8),
        _ => *one_of(ENDS, random),
    }
}

fn long(random: &mut Rng) -> i64 {
    match random.u8(0..3) {
        0 => random.i64(..),
        _ => *one_of(LONG_ENDS, random),
    }
}

fn data(random: &mut Rng) -> Vec<u8> {
    match random.u8(0..4) {
        0 => (0..random.usize(0..300)).map(|_| random.u8(..)).collect(),
        _ => one_of(NAMES, random).as_bytes().to_vec(),
    }
}

#[test]
fn hostile_arguments_end_in_a_status_or_an_error() {
    let mut driver = Driver::new(&[]);
    let (mut done, mut failed) = (0, 0);
    for number in 0..cases() {
        let case = hostile(number);
        if number % 64 == 0 {
            // What cases have written is copied for each call.
            driver.host = super::PlainHost::new();
        }
        // Calls on one object that are stopped again and again would be paused.
        driver.host.object_hash = number + 1;
        driver.budget = HOSTILE;
        let before = driver.host.clone();
        let function = if case.writes { "run" } else { "look" };
        match driver.attempt(function, &case.args) {
            Ok(_) => done += 1,
            Err(CallError::Paused { .. } | CallError::Usage(_)) => {
                panic!("case {number} did not run: {}", case.steps)
            }
            Err(_) => failed += 1,
        }
        if !case.writes {
            let state = |host: &super::PlainHost| (host.objects.clone(), host.items.clone());
            let (was, is) = (state(&before), state(&driver.host));
            assert_eq!(is, was, "case {number}: {}", case.steps);
            assert_eq!(driver.host.lru_bytes, before.lru_bytes, "case {number}");
        }
        driver.host.object_hash = 0;
        driver.budget = Budget::Full;
        // A function that is stopped on many objects in a row is paused as a whole.
        driver.look(&[]).expect("nothing is asked of it");
        let reply = driver.attempt("run", &good(number));
        let right = reply.as_ref().is_ok_and(|reply| is_good(number, reply));
        assert!(right, "after case {number}, {}: {reply:?}", case.steps);
    }
    println!("ABI: {done} cases came to their end, {failed} were stopped");
    assert!(
        done > cases() / 10 && failed > cases() / 10,
        "{done} and {failed}"
    );
}
