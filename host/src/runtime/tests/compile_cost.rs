//! What compiling costs, at the bounds of `runtime/bounds.rs` and beyond: functions made to be dear.

use std::time::{Duration, Instant};

use super::api::bounds::{MODULE_EFFORT_US_MAX, check};
use super::engine;

/// Bytes of a function's body.
#[derive(Clone, Debug, Default)]
struct Code(Vec<u8>);

impl Code {
    fn op(mut self, bytes: &[u8]) -> Code {
        self.0.extend(bytes);
        self
    }
    fn leb(mut self, mut value: u32) -> Code {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }
    /// Appends a signed number.
    fn sleb(mut self, mut value: i64) -> Code {
        loop {
            let byte = value as u8 & 0x7f;
            value >>= 7;
            let done = (value == 0 && byte & 0x40 == 0) || (value == -1 && byte & 0x40 != 0);
            self.0.push(if done { byte } else { byte | 0x80 });
            if done {
                return self;
            }
        }
    }
    fn repeat(self, times: usize, piece: impl Fn(Code, usize) -> Code) -> Code {
        (0..times).fold(self, piece)
    }
    fn get(self, local: u32) -> Code {
        self.op(&[0x20]).leb(local)
    }
    fn set(self, local: u32) -> Code {
        self.op(&[0x21]).leb(local)
    }
    fn end(self) -> Code {
        self.op(&[0x0b])
    }
}

/// A module of `copies` functions `(i32) -> i64` of type 0, with the body and so many more locals of i64 (type 0x7e).
fn module(
    copies: usize,
    locals: u32,
    local_type: u8,
    body: &Code,
    types: &[(usize, usize)],
) -> Vec<u8> {
    let mut wasm = b"\0asm\x01\0\0\0".to_vec();
    let section = |wasm: &mut Vec<u8>, id: u8, payload: Code| {
        wasm.push(id);
        wasm.extend(Code::default().leb(payload.0.len() as u32).0);
        wasm.extend(payload.0);
    };
    let mut payload = Code::default().leb(1 + types.len() as u32);
    payload = payload.op(&[0x60, 1, 0x7f, 1, 0x7e]);
    for (params, results) in types {
        payload = payload
            .op(&[0x60])
            .leb(*params as u32)
            .repeat(*params, |c, _| c.op(&[0x7e]));
        payload = payload
            .leb(*results as u32)
            .repeat(*results, |c, _| c.op(&[0x7e]));
    }
    section(&mut wasm, 1, payload);
    section(
        &mut wasm,
        3,
        Code::default()
            .leb(copies as u32)
            .repeat(copies, |c, _| c.op(&[0])),
    );
    section(&mut wasm, 4, Code::default().op(&[1, 0x70, 0, 16]));
    section(&mut wasm, 5, Code::default().op(&[1, 0, 2]));
    let head = match locals {
        0 => Code::default().leb(0),
        _ => Code::default().leb(1).leb(locals).op(&[local_type]),
    };
    let whole = head.op(&body.0).end();
    let mut payload = Code::default().leb(copies as u32);
    for _ in 0..copies {
        payload = payload.leb(whole.0.len() as u32).op(&whole.0);
    }
    section(&mut wasm, 10, payload);
    wasm
}

/// `depth` loops in each other, each of which changes every one of `locals`.
fn nested(depth: usize, locals: u32) -> Code {
    let touch = |code: Code, n: usize| {
        code.get(1 + n as u32)
            .get(1 + (n as u32 + 1) % locals)
            .op(&[0x7c])
            .set(1 + n as u32)
    };
    Code::default()
        .repeat(depth, |code, _| {
            code.op(&[0x03, 0x40])
                .repeat(if locals < 64 { locals as usize } else { 4 }, touch)
        })
        .repeat(locals as usize, touch)
        .repeat(depth, |code, _| code.get(0).op(&[0x0d, 0]).end())
        .get(1)
}

/// `count` loops after each other over `locals`.
fn row(count: usize, locals: u32) -> Code {
    let touch = |code: Code, n: usize| {
        let n = n as u32 * 7919 % locals;
        code.op(&[0x03, 0x40])
            .get(1 + n)
            .get(1 + (n + 1) % locals)
            .op(&[0x7c])
            .set(1 + n)
            .get(0)
            .op(&[0x0d, 0])
            .end()
    };
    Code::default().repeat(count, touch).get(1)
}

/// `tables` branches by table to `targets` blocks around them.
fn tables(tables: usize, depth: u32, targets: u32) -> Code {
    Code::default()
        .repeat(depth as usize, |code, _| code.op(&[0x02, 0x40]))
        .repeat(tables, |code, _| {
            let code = code.op(&[0x02, 0x40]).get(0).op(&[0x0e]).leb(targets);
            code.repeat(targets as usize + 1, |code, t| {
                code.leb(t as u32 % (depth + 1))
            })
            .end()
        })
        .repeat(depth as usize, |code, _| {
            code.get(1).get(1).op(&[0x7c]).set(1).end()
        })
        .get(1)
}

/// A long expression, all of whose operands are alive at once.
fn wide(width: usize, rounds: usize) -> Code {
    let one = |code: Code, _| {
        code.repeat(width, |code, n| {
            code.get(0)
                .op(&[0x41])
                .sleb(8 * n as i64)
                .op(&[0x6a])
                .op(&[0x29, 3])
                .leb(n as u32 * 8)
        })
        .repeat(width - 1, |code, _| code.op(&[0x7c]))
        .set(1)
    };
    Code::default().repeat(rounds, one).get(1)
}

/// Blocks with many parameters and results, type 1.
fn params(blocks: usize, values: usize, op: u8) -> Code {
    Code::default()
        .repeat(values, |code, _| code.get(1))
        .repeat(blocks, |code, _| code.op(&[op, 1]))
        .repeat(blocks, |code, _| code.get(0).op(&[0x0d, 0]).end())
        .repeat(values - 1, |code, _| code.op(&[0x1a]))
}

/// Branches out of one block, each with other variables changed.
fn branches(count: usize, locals: u32) -> Code {
    let touch = |code: Code, n: usize| {
        let k = 1 + n as u32 % locals;
        let other = 1 + (n as u32 * 7 + 3) % locals;
        code.get(k)
            .get(other)
            .op(&[0x7c])
            .set(k)
            .get(0)
            .op(&[0x0d, 0])
    };
    Code::default()
        .op(&[0x02, 0x40])
        .repeat(count, touch)
        .end()
        .get(1)
}

/// The same piece again and again.
fn same(count: usize, piece: &[u8]) -> Code {
    Code::default()
        .repeat(count, |code, _| code.op(piece))
        .get(1)
}

/// A call through a table.
const CALL_INDIRECT: &[u8] = &[0x20, 0, 0x20, 0, 0x11, 0, 0, 0x1a];
/// A `memory.copy`.
const COPY: &[u8] = &[0x20, 0, 0x20, 0, 0x20, 0, 0xfc, 10, 0, 0];

/// What a module is made of: functions, local variables of each, and its body.
type Dear = (&'static str, usize, u32, Code);

/// Modules that take from seconds to minutes, most of them of a few kilobytes.
fn too_dear() -> Vec<Dear> {
    vec![
        ("nested loops", 1, 128, nested(400, 128)),
        ("many nested loops", 130, 16, nested(250, 16)),
        ("a row of loops", 1, 200, row(4000, 200)),
        ("operands alive at once", 1, 1, wide(9000, 1)),
        ("tables of branches", 1, 1, tables(1000, 100, 100)),
        ("branches", 1, 200, branches(8000, 200)),
        ("calls through a table", 1, 1, same(15_000, CALL_INDIRECT)),
        ("copies", 200, 1, same(500, COPY)),
    ]
}

/// Modules just below the bounds.
fn dear() -> Vec<Dear> {
    vec![
        ("nested loops", 3, 1000, nested(60, 1000)),
        ("many nested loops", 8, 16, nested(250, 16)),
        ("a row of loops", 4, 200, row(1000, 200)),
        ("operands alive at once", 2, 1, wide(5000, 1)),
        ("tables of branches", 2, 1, tables(300, 100, 100)),
        ("branches", 6, 200, branches(1000, 200)),
        ("calls through a table", 40, 1, same(1000, CALL_INDIRECT)),
        ("copies", 100, 1, same(500, COPY)),
        (
            "arithmetic",
            150,
            1,
            same(3000, &[0x20, 1, 0x20, 1, 0x7f, 0x21, 1]),
        ),
    ]
}

#[test]
fn what_would_take_long_is_refused_unseen() {
    for (name, copies, locals, body) in too_dear() {
        let wasm = module(copies, locals, 0x7e, &body, &[]);
        let begun = Instant::now();
        let text = check(&wasm).expect_err(name).to_string();
        assert!(
            text.contains("microseconds to compile are more than"),
            "{name}: {text}"
        );
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{name}: {:?}",
            begun.elapsed()
        );
    }
    let loops = params(490, 64, 0x03);
    let text = check(&module(1, 1, 0x7e, &loops, &[(64, 64)]))
        .expect_err("loops")
        .to_string();
    assert!(text.contains("microseconds to compile"), "{text}");
    // As large as a module may be.
    let copies = 3_900_000 / nested(490, 16).0.len();
    let text = check(&module(copies, 16, 0x7e, &nested(490, 16), &[]))
        .expect_err("large")
        .to_string();
    assert!(text.contains("microseconds to compile"), "{text}");
}

#[test]
fn every_bound_has_its_refusal() {
    let plain = Code::default().get(1);
    let refused = |wasm: Vec<u8>, text: &str| {
        let error = check(&wasm).expect_err(text).to_string();
        assert!(error.contains(text), "{error}");
    };
    refused(
        module(10_001, 1, 0x7e, &plain, &[]),
        "10001 functions are more than 10000",
    );
    refused(
        module(1, 2001, 0x7e, &plain, &[]),
        "function 0: 2001 local variables are more than 2000",
    );
    refused(
        module(1, 1, 0x7e, &nested(501, 1), &[]),
        "501 blocks inside each other are more than 500",
    );
    refused(
        module(1, 1, 0x7e, &same(70_000, &[0x01, 0x01]), &[]),
        "bytes are more than 131072",
    );
    refused(
        module(1, 1, 0x7e, &plain, &[(65, 0)]),
        "65 parameters are more than 64",
    );
    refused(
        module(1, 1, 0x7e, &plain, &[(0, 65)]),
        "65 results are more than 64",
    );
    refused(
        module(1, 1, 0x7e, &plain, &[(0, 0); 2000]),
        "2001 types are more than 2000",
    );
    let text = |body: &str| wat::parse_str(format!("(module {body})")).expect("right");
    refused(
        text(r#"(import "a" "b" (func))"#.repeat(101).as_str()),
        "101 imports are more than 100",
    );
    refused(
        text("(global i32 (i32.const 0))".repeat(2001).as_str()),
        "2001 globals are more than 2000",
    );
    refused(
        text("(table 1 funcref)".repeat(2).as_str()),
        "2 tables are more than 1",
    );
    refused(
        text("(memory 1)".repeat(2).as_str()),
        "2 memories are more than 1",
    );
    let exports: String = (0..2001)
        .map(|n| format!(r#"(export "{n}" (memory 0))"#))
        .collect();
    refused(
        text(&format!("(memory 1) {exports}")),
        "2001 exports are more than 2000",
    );
    let data = r#"(data (i32.const 0) "")"#.repeat(10_001);
    refused(
        text(&format!("(memory 1) {data}")),
        "10001 data segments are more than 10000",
    );
    let element = format!(
        "(table 1 funcref) (func) (elem (i32.const 0) {})",
        "0 ".repeat(20_001)
    );
    refused(text(&element), "20001 table entries are more than 20000");
}

#[test]
fn the_shipped_modules_have_room_to_spare() {
    let prebuilt = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../objects/prebuilt");
    let mut modules = 0;
    for entry in std::fs::read_dir(prebuilt).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            let us = check(&std::fs::read(&path).unwrap()).expect("it is small");
            assert!(us < MODULE_EFFORT_US_MAX / 4, "{}: {us} us", path.display());
            modules += 1;
        }
    }
    assert!(modules >= 7);
}

#[test]
#[ignore = "a measurement: of memory, so run it alone"]
fn what_passes_is_compiled_within_what_was_estimated() {
    for (name, copies, locals, body) in dear() {
        let wasm = module(copies, locals, 0x7e, &body, &[]);
        let estimated_us = check(&wasm).expect(name);
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let (before_kib, before) = (peak_kib(), processor_time());
        wasmtime::Module::from_binary(&engine().wasm, &wasm).expect(name);
        let took = processor_time() - before;
        let mib = peak_kib().saturating_sub(before_kib) / 1024;
        println!(
            "{name:24} {:8} bytes {took:?}, estimated {estimated_us} us, {mib} MiB",
            wasm.len()
        );
        assert!(took < Duration::from_micros(2 * estimated_us) && mib < 512);
    }
}

/// Processor time of this process, so far.
fn processor_time() -> Duration {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("of this process");
    let spent = [usage.user_time(), usage.system_time()];
    let spent = spent.map(|time| Duration::new(time.tv_sec() as u64, 1000 * time.tv_usec() as u32));
    spent.into_iter().sum()
}

/// Most memory in KiB that this process had since the mark was last set back.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("of this process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    number.expect("a number of KiB")
}
