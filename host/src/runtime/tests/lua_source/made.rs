//! Lua that nobody would write: statements put together by chance, and scripts with bytes and lines changed.

use fastrand::Rng;

/// Statements of a made script.
const STATEMENTS_MAX: usize = 6;
/// How deep statements and expressions are nested.
const DEPTH_MAX: usize = 4;

/// Expressions without parts. What is long or deep is made where it runs.
const ATOMS: &[&str] = &[
    "nil",
    "true",
    "0",
    "-1",
    "1e308*10",
    "0/0",
    "2^53",
    "-2^63",
    "1e15",
    "''",
    "'x'",
    "'%s'",
    "'%'",
    "('a'):rep(1000)",
    "('x'):rep(1e5)",
    "('x'):rep(1e9)",
    "'\\0\\r\\n'",
    "{}",
    "{1,2,3}",
    "{{}}",
    "_G",
    "string",
    "command",
    "key",
    "name",
    "getHashMap()",
    "function(...) return ... end",
    "print",
    "pcall",
    "error",
    "setmetatable",
    "coroutine",
    "io",
    "os.exit",
    "debug",
    "a",
    "b",
    "i",
    "_VERSION",
    "math.huge",
    "...",
    "require",
    "newproxy",
    "collectgarbage('count')",
];
/// Functions of the library and of cacheismo, called with anything.
const FUNCTIONS: &[&str] = &[
    "string.format",
    "string.rep",
    "string.find",
    "string.gsub",
    "string.match",
    "string.byte",
    "string.char",
    "string.sub",
    "string.reverse",
    "string.upper",
    "string.dump",
    "table.concat",
    "table.sort",
    "table.insert",
    "table.remove",
    "table.marshal",
    "table.unmarshal",
    "table.clone",
    "unpack",
    "select",
    "tonumber",
    "tostring",
    "rawset",
    "rawget",
    "rawequal",
    "next",
    "pairs",
    "ipairs",
    "type",
    "pcall",
    "xpcall",
    "error",
    "assert",
    "loadstring",
    "load",
    "setmetatable",
    "getmetatable",
    "setfenv",
    "getfenv",
    "math.floor",
    "math.random",
    "math.randomseed",
    "math.fmod",
    "math.max",
    "os.date",
    "os.time",
    "os.clock",
    "os.difftime",
    "collectgarbage",
    "require",
    "dofile",
    "writeStringAsValue",
    "executeNew",
    "executeReadOnly",
    "executeReadWrite",
    "getHashMap",
    "setLogLevel",
    "print",
    "command.setKey",
    "command.setData",
    "command.getData",
    "command.newCacheItem",
    "command.getFromServer",
    "command.getInParallel",
    "command.writeString",
    "command.setExpiryTime",
    "command.setFlags",
    "coroutine.wrap",
];
const OPERATORS: &[&str] = &[
    "+", "-", "*", "/", "%", "^", "..", "==", "<", "<=", "and", "or", "~=",
];
/// Patterns and formats that make the library work hard.
const PATTERNS: &[&str] = &[
    "('a'):rep(30)..'b', ('a*'):rep(20)..'c'",
    "('a'):rep(1e4), '(.-)(.-)(.-)(.-)b'",
    "'x', '%f[%w]%b()'",
    "'x', '%'",
    "'x', '[^'",
    "'x', '(()'",
    "'x', '%9'",
    "('('):rep(1e4), '%b()'",
    "'%99999d', 1",
    "'%.99f', 1e308",
    "'%q', ('\\0'):rep(1e4)",
    "'x', ('('):rep(40)",
    "'%s', setmetatable({}, {__tostring = function() return 1 end})",
];
/// Whole statements that attack one thing each.
const MISDEEDS: &[&str] = &[
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "repeat local t = {} until false",
    "local t = {} while true do t[#t + 1] = ('x'):rep(1e4) .. #t end",
    "local s = 'x' while true do s = s .. s end",
    "local function f() return f() + 1 end f()",
    "local function f() return f() end f()",
    "local function f() pcall(f) pcall(f) end f()",
    "local t = setmetatable({}, { __index = function(t, k) return t[k .. 'x'] end }) return t.x",
    "local t = {} t.t = t return table.marshal(t)",
    "local t = {} for n = 1, 200 do t = { t } end return table.marshal(t)",
    "local t = {} for n = 1, 1e5 do t[n] = n end table.sort(t, function() return true end)",
    "loadstring('return ' .. ('('):rep(1000) .. '1' .. (')'):rep(1000))()",
    "loadstring(('local a = {'):rep(500))",
    "loadstring(('a = a .. '):rep(2e4) .. '1')()",
    "loadstring('\\27Lua\\81\\0\\1\\4\\4\\4\\8\\0' .. ('\\0'):rep(100))",
    "local names = {} for n = 1, 300 do names[n] = 'v' .. n end loadstring('local ' .. table.concat(names, ','))",
    "return unpack({}, 1, 1e6)",
    "return unpack({}, -2^31, 2^31 - 1)",
    "return select(-1, unpack({}, 1, 7000))",
    "return string.char(unpack({}, 1, 8000))",
    "for n in pairs(_G) do _G[n] = nil end",
    "for n in pairs(string) do string[n] = nil end",
    "getmetatable('').__index = nil",
    "setmetatable(_G, { __index = function() error('x') end, __newindex = function() end })",
    "setfenv(0, {})",
    "setfenv(writeStringAsValue, {})",
    "witness = nil map = nil",
    "witness.check = function() end",
    "pairs = nil tostring = error",
    "table.sort = nil",
    "local ok, e = pcall(string.rep, 'x', -1) error(setmetatable({}, { __tostring = function() error('y') end }))",
    "error(nil)",
    "error({})",
    "error(('x'):rep(1e5) .. '\\r\\nEND\\r\\n')",
    "xpcall(function() error('x') end, function() error('y') end)",
    "command:writeString(('x'):rep(2e6))",
    "for n = 1, 1e4 do command:writeString('END\\r\\n') end",
    "for n = 1, 1e5 do print(n) end",
    "local map = getHashMap() for n = 1, 1e4 do map:get('k' .. n) end",
    "local map = getHashMap() map:deleteLRU(-1)",
    "local map = getHashMap() return map:getPrefixMatchingKeys('')",
    "command:setKey('map$m') command:setData('forged') getHashMap():put(command:newCacheItem())",
    "command:setKey(('k'):rep(1e4)) getHashMap():put(command:newCacheItem())",
    "collectgarbage('stop') local t = {} for n = 1, 1e6 do t[n] = {} end",
    "setmetatable(newproxy and newproxy(true) or {}, { __gc = error }) collectgarbage()",
    "return os.date(('%c'):rep(1e4)), os.date('%', -1e300), os.time({ year = 1e300, month = 1, day = 1 })",
    "return tonumber('1e' .. ('9'):rep(1e4)), tonumber(('z'):rep(1e4), 36)",
    "math.randomseed(0/0) return math.random(0), math.random(2^31), math.random(-1e300, 1e300)",
];

/// A script put together by chance.
pub(super) fn script(random: &mut Rng) -> String {
    if random.u8(0..3) == 0 {
        return (*one_of(MISDEEDS, random)).to_owned();
    }
    let mut text = String::from("local a, b, i = {}, 'b', 1\n");
    for _ in 0..random.usize(1..=STATEMENTS_MAX) {
        // Each is tried, whatever becomes of those before.
        text += &format!("pcall(function(...) {} end)\n", statement(random, 0));
    }
    text
}

fn one_of<'a>(all: &[&'a str], random: &mut Rng) -> &'a str {
    all[random.usize(0..all.len())]
}

fn statement(random: &mut Rng, depth: usize) -> String {
    let mut part = || expression(random, depth + 1);
    let (first, second, third) = (part(), part(), part());
    if depth >= DEPTH_MAX {
        return format!("a = {first}");
    }
    let mut inner = || statement(random, depth + 1);
    let (body, other) = (inner(), inner());
    match random.u8(0..14) {
        0 => format!("for n = {first}, {second} do {body} end"),
        1 => format!("for k, v in pairs({first}) do {body} end"),
        2 => format!("if {first} then {body} else {other} end"),
        3 => format!("pcall(function(...) {body} {other} end, {first})"),
        4 => format!("a[{first}] = {second}"),
        5 => format!(
            "a = setmetatable({{}}, {{ __index = {first}, __call = {second}, __lt = {third} }})"
        ),
        6 => format!("local a = function(...) {body} return {first} end pcall(a, {second})"),
        7 => format!(
            "while {first} do {body} {} end",
            one_of(&["break", "", "i = i + 1"], random)
        ),
        8 => format!("coroutine.wrap(function(...) {body} end)()"),
        9 => format!("do local b = {first} {body} end"),
        10 => (*one_of(MISDEEDS, random)).to_owned(),
        11 => format!(
            "pcall({}, {})",
            one_of(FUNCTIONS, random),
            one_of(PATTERNS, random)
        ),
        _ => format!(
            "pcall({}, {first}, {second}, {third})",
            one_of(FUNCTIONS, random)
        ),
    }
}

fn expression(random: &mut Rng, depth: usize) -> String {
    if depth >= DEPTH_MAX || random.bool() {
        return (*one_of(ATOMS, random)).to_owned();
    }
    let mut part = || expression(random, depth + 1);
    let (first, second) = (part(), part());
    match random.u8(0..6) {
        0 => format!("({first} {} {second})", one_of(OPERATORS, random)),
        1 => format!("#{first}"),
        2 => format!("-({first})"),
        3 => format!("({first})[{second}]"),
        4 => format!("{{{first}, x = {second}}}"),
        _ => format!("{}({first}, {second})", one_of(FUNCTIONS, random)),
    }
}

/// One of the seeds with some bytes and lines changed, which need not be text any more.
pub(super) fn mutated(seeds: &[String], random: &mut Rng) -> Vec<u8> {
    let pick = |random: &mut Rng| seeds[random.usize(0..seeds.len())].as_bytes().to_vec();
    let mut script = pick(random);
    for _ in 0..random.usize(1..8) {
        let at = random.usize(0..script.len());
        let end = (at + random.usize(1..200)).min(script.len());
        match random.u8(0..6) {
            0 => script[at] = random.u8(..),
            1 => script[at] ^= 1 << random.u8(0..8),
            2 => drop(script.drain(at..end)),
            3 => {
                let copy = script[at..end].to_vec();
                script.splice(at..at, copy);
            }
            4 => {
                let other = pick(random);
                let from = random.usize(0..other.len());
                script.splice(
                    at..end,
                    other[from..(from + end - at).min(other.len())]
                        .iter()
                        .copied(),
                );
            }
            _ => {
                let text = [" ", one_of(ATOMS, random), " "].concat();
                script.splice(at..at, text.into_bytes());
            }
        }
        if script.is_empty() {
            script.push(b' ');
        }
    }
    script
}
