//! What scripts can do, and how calls end.

use crate::host::{Answer, Client, Host, Store, pack_list};
use cacheismo_lua_contract::{Command, MAIN, Main};

fn client(script: &str) -> Client {
    Client::new(&[("scripts/t.lua", script)]).expect("loads")
}

/// Runs the body of a function `t.f(c, k, o, ...)` and returns its value.
fn run(body: &str) -> String {
    client(&one(body)).value("t:f:x")
}

/// The text with which the body fails.
fn fails(body: &str) -> String {
    client(&one(body)).failure("t:f:x")
}

fn one(body: &str) -> String {
    format!("t = {{}} function t.f(c, k, o, ...) {body} end")
}

#[test]
fn arguments_and_the_data_block_reach_the_function() {
    let script =
        "t = {} function t.f(c, k, ...) writeStringAsValue(c, k, table.concat({...}, '|')) end";
    let mut client = client(script);
    assert_eq!(client.value("t:f:x:y"), "x|y");
    assert_eq!(client.value("t:f:x::z:"), "x||z");
    let answer = client.call("t:f:x", &["t:f:x"], Some(b"a:b\0c"));
    assert_eq!(answer, Some(Answer::Reply(b"Vx|a:b\0c".to_vec())));
}

#[test]
fn an_error_names_script_and_line_and_keeps_nothing() {
    let mut client = client(
        "t = {}\nfunction t.f(c, k)\n  c:setKey('a') c:setData('b') getHashMap():put(c:newCacheItem())\n  error('boom')\nend",
    );
    assert_eq!(client.failure("t:f:x"), "boom (t.lua:4)");
    assert!(client.host.data().world.items.is_empty());
    assert_eq!(fails("error({})"), "(the error is not a string)");
    assert_eq!(fails("error('plain', 0)"), "plain");
    assert_eq!(
        fails("local x = nil; x.y = 1"),
        "attempt to index local 'x' (a nil value) (t.lua:1)"
    );
}

#[test]
fn wrong_receivers_and_arguments_are_errors() {
    for (body, text) in [
        (
            "getHashMap().get(5, 'x')",
            "bad argument #1 to 'get' (HashMap expected, got number)",
        ),
        (
            "getHashMap().get(c, 'x')",
            "bad argument #1 to 'get' (HashMap expected, got userdata)",
        ),
        (
            "getHashMap():get()",
            "bad argument #1 to 'get' (string expected, got no value)",
        ),
        (
            "getHashMap():get({})",
            "bad argument #1 to 'get' (string expected, got table)",
        ),
        (
            "getHashMap():put('x')",
            "bad argument #1 to 'put' (CacheItem expected, got string)",
        ),
        (
            "CacheItem.getData(newproxy())",
            "bad argument #1 to 'getData' (CacheItem expected, got userdata)",
        ),
        (
            "Command.getKey(nil)",
            "bad argument #1 to 'getKey' (Command expected, got nil)",
        ),
        (
            "Consistent.findServerForKey({}, 'x')",
            "bad argument #1 to 'findServerForKey' (Consistent expected, got table)",
        ),
        (
            "c:setFlags('x')",
            "bad argument #1 to 'setFlags' (number expected, got string)",
        ),
        (
            "table.marshal(5)",
            "bad argument #1 to 'marshal' (table expected, got number)",
        ),
        (
            "table.unmarshal(nil)",
            "bad argument #1 to 'unmarshal' (string expected, got nil)",
        ),
        (
            "c:getInParallel(5)",
            "bad argument #1 to 'getInParallel' (table expected, got number)",
        ),
        (
            "c:getInParallel{a = {{}}}",
            "getInParallel: a key must be a string",
        ),
        (
            "local r = newConsistent('a') deleteConsistent(r) r:findServerForKey('x')",
            "the ring was deleted",
        ),
        (
            "c:setKey('x') local i = c:newCacheItem() i:delete() i:getData()",
            "the item was deleted",
        ),
        (
            "setmetatable({}, CacheItem):getData()",
            "calling 'getData' on bad self (CacheItem expected, got table)",
        ),
    ] {
        assert_eq!(fails(body), format!("{text} (t.lua:1)"), "{body}");
    }
}

#[test]
fn what_a_sandbox_has_not_is_a_clear_error() {
    for name in [
        "io.open",
        "io.write",
        "os.execute",
        "os.exit",
        "os.remove",
        "dofile",
        "loadfile",
        "debug.sethook",
        "debug.getregistry",
        "debug.setmetatable",
        "package.loadlib",
    ] {
        let text = fails(&format!("{name}('x')"));
        assert_eq!(
            text,
            format!("{name} is not available in cacheismo (t.lua:1)")
        );
    }
}

#[test]
fn items_have_flags_and_expiry() {
    let mut world = Store::default();
    world.now_ms = 10_999;
    let host = Host::with_world(&[("t.lua", &one(
        "c:setKey('a') c:setFlags(7) c:setExpiryTime(5) c:setData('v') getHashMap():put(c:newCacheItem()) \
         local i = getHashMap():get('a') \
         writeStringAsValue(c, k, i:getKey() .. i:getFlags() .. i:getData() .. i:getExpiryTime())",
    ))], world).expect("loads");
    let mut client = Client::of(host).expect("types");
    assert_eq!(client.value("t:f:x"), "a7v15");
    assert_eq!(
        client.host.data().world.items[b"a".as_slice()].expiry_ms,
        15_000
    );
}

#[test]
fn raw_bytes_and_several_answers_are_sent_as_they_are() {
    let mut client = client(&one("c:writeString('hi ') writeStringAsValue(c, k, 'x')"));
    let reply = client.call("t:f:x", &["t:f:x"], None);
    assert_eq!(
        reply,
        Some(Answer::Reply(b"Rhi VALUE t:f:x 0 1\r\nx\r\n".to_vec()))
    );
}

#[test]
fn a_megabyte_is_answered() {
    let text = run("writeStringAsValue(c, k, ('x'):rep(1024 * 1024))");
    assert_eq!(text.len(), 1024 * 1024);
}

#[test]
fn marshalled_tables_come_back() {
    let body = "local t = { 1, 'two', { three = 3, deep = { true, false } }, [0.5] = 'half' } \
        t.again = t[3] local u = table.unmarshal(table.marshal(t)) \
        local v = table:unmarshal(table.marshal(u)) \
        writeStringAsValue(c, k, v[1] .. v[2] .. v[3].three .. tostring(v[3].deep[1]) .. v[0.5] .. tostring(v.again == v[3]))";
    assert_eq!(run(body), "1two3truehalftrue");
}

#[test]
fn bytes_of_others_never_become_code_or_a_crash() {
    let body = "local s = table.marshal{ a = { 1, 'x', {} }, b = { true } } local n = 0 \
        for cut = 0, #s do pcall(table.unmarshal, s:sub(1, cut)) n = n + 1 end \
        for at = 1, #s do for _, b in ipairs{ 0, 1, 5, 6, 7, 127, 128, 255 } do \
          local ok, t = pcall(table.unmarshal, s:sub(1, at - 1) .. string.char(b) .. s:sub(at + 1)) \
          if ok then pcall(table.marshal, t) end n = n + 1 end end \
        local function deep(n) return '\\142' .. ('\\004\\001\\0\\0\\0k\\005\\002\\255\\255\\255\\127'):rep(n) end \
        pcall(table.unmarshal, deep(1000)) \
        writeStringAsValue(c, k, tostring(n > 500) .. tostring(select(2, pcall(table.unmarshal, '\\142\\003\\0\\0\\0\\0\\0\\0\\240\\063\\006\\002\\0\\0\\0\\0'))))";
    assert_eq!(run(body), "truebad code: functions are not loaded");
    assert_eq!(
        fails("table.marshal{ function() end }"),
        "attempt to persist a function (t.lua:1)"
    );
    let deep = "local t = {} for i = 1, 1000 do t = { t } end table.marshal(t)";
    assert_eq!(fails(deep), "tables are nested too deep (t.lua:1)");
}

#[test]
fn clones_are_deep() {
    let body = "local f = function() return 'f' end local t = { a = { 1 }, f = f } t.b = t.a \
        local u = table.clone(t) u.a[1] = 2 \
        writeStringAsValue(c, k, t.a[1] .. u.b[1] .. tostring(u.b == u.a) .. u.f())";
    assert_eq!(run(body), "12truef");
}

#[test]
fn whole_numbers_of_new_style_types_keep_all_digits() {
    let script = "local object = require 'object' object.type('o', { \
        give = function(self, n) return tonumber(n) end, \
        keep = function(self, n) self:put('n', tonumber(n)) return self:get('n') end, \
        value = function(self, n) self:value(tonumber(n)) return self:value() end, \
        text = function(self, n) return tostring(tonumber(n)) end }) \
        t = { f = function(c, k, n) writeStringAsValue(c, k, tonumber(n)) end }";
    let mut client = client(script);
    for (number, exact, rounded) in [
        ("99999999999999", "99999999999999", "99999999999999"),
        ("100000000000000", "100000000000000", "1e+14"),
        (
            "-123456789012345",
            "-123456789012345",
            "-1.2345678901234e+14",
        ),
        ("9007199254740991", "9007199254740991", "9.007199254741e+15"),
        // From 2^53 on a double stands for several whole numbers.
        (
            "9007199254740992",
            "9.007199254741e+15",
            "9.007199254741e+15",
        ),
        ("0.5", "0.5", "0.5"),
        ("1e300", "1e+300", "1e+300"),
    ] {
        for function in ["give", "keep", "value"] {
            let key = format!("o:{function}:k:{number}");
            assert_eq!(client.value(&key), exact, "{key}");
        }
        // `tostring` is Lua's, and old-style answers are the original's.
        assert_eq!(client.value(&format!("o:text:k:{number}")), rounded);
        assert_eq!(client.value(&format!("t:f:{number}")), rounded);
    }
}

#[test]
fn a_function_of_a_command_with_too_many_keys_is_told_so() {
    let mut client = client(
        "t = { f = function(c, k) writeStringAsValue(c, k, c:hasMultipleKeys() .. #(c:getMultipleKeys() or {})) end, \
               g = function(c, k) writeStringAsValue(c, k, tostring(c:getKey())) end }",
    );
    let many = vec!["t:f:some-key"; 10_000];
    assert_eq!(client.value("t:f:x"), "00");
    let few = client.call("t:f:x", &many[..3], None);
    assert_eq!(few, Some(Answer::Reply(b"V33".to_vec())));
    let told = "the command has more keys than a function is told of (t.lua:1)";
    let answer = client.call("t:f:x", &many, None);
    assert_eq!(answer, Some(Answer::Failed(told.to_owned())));
    let answer = client.call("t:g:x", &many, None);
    assert_eq!(answer, Some(Answer::Reply(b"Vnil".to_vec())));
}

#[test]
fn both_orders_of_set_server_available_work() {
    let body = "local r = newConsistent('a b') local s = '' \
        r:setServerAvailable('a', 0) s = s .. r:isServerAvailable('a') r:setServerAvailable(1, 'a') \
        s = s .. r:isServerAvailable('a') r:setServerAvailable('a', false) s = s .. r:isServerAvailable('a') \
        writeStringAsValue(c, k, s .. r:findServerForKey('x'))";
    assert_eq!(run(body), "010b");
}

#[test]
fn peers_that_fail_are_absent() {
    let body = "local r = c:getInParallel{ ['down:1'] = 'x', ['up:1'] = { 'a', 'b' } } \
        writeStringAsValue(c, k, tostring(next(r['down:1'])) .. r['up:1'].a .. tostring(r['up:1'].b) .. tostring(c:getFromServer('down:1', 'x')))";
    let mut client = client(&one(body));
    let up = |key: &[u8]| (key == b"a").then(|| b"A".to_vec());
    client
        .host
        .data()
        .world
        .peers
        .insert("up:1".to_owned(), Box::new(up));
    assert_eq!(client.value("t:f:x"), "nilAnilnil");
}

#[test]
fn dates_follow_the_hosts_clock_and_zone() {
    let mut world = Store::default();
    world.now_ms = 1_690_000_000_000;
    world.zone = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
    let body = "local t = os.date('*t') t.hour = t.hour + 24 * 150 \
        writeStringAsValue(c, k, os.date('%Y-%m-%d %H:%M:%S %z') .. ' ' .. tostring(t.isdst) .. ' ' .. os.time(os.date('*t')) - os.time() \
        .. ' ' .. os.time{year=2023,month=12,day=24,hour=12} .. ' ' .. os.time(t) - os.time() \
        .. os.date(' %Z') .. os.date(' %Z', 1700000000) .. os.date('! %Z'))";
    let host = Host::with_world(&[("t.lua", &one(body))], world).expect("loads");
    let mut client = Client::of(host).expect("types");
    // 150 days on it is winter, but the table still says summer: glibc takes its word.
    assert_eq!(
        client.value("t:f:x"),
        "2023-07-22 06:26:40 +0200 true 0 1703415600 12960000 CEST CET GMT"
    );
}

#[test]
fn print_goes_to_the_log_and_is_bounded() {
    let mut client = client(&one(
        "for i = 1, 100 do print(i, nil, {} ~= nil) end writeStringAsValue(c, k, 'ok')",
    ));
    assert_eq!(client.value("t:f:x"), "ok");
    let log = &client.host.data().log;
    assert_eq!(log[0], "1\tnil\ttrue");
    assert_eq!(log.len(), 21);
    assert!(log[20].contains("left out"), "{log:?}");
}

#[test]
fn a_script_that_does_not_load_is_named() {
    let mut host = Host::bare(Store::default()).expect("an instance");
    for (scripts, expected) in [
        (
            vec![("a/x.lua", "x = {}\ny ="), ("a/b.lua", "ok = 1")],
            r#"{"error":{"script":"x.lua","line":2,"message":"unexpected symbol near '<eof>'"}}"#,
        ),
        (
            vec![("z.lua", "\n\nerror('no')")],
            r#"{"error":{"script":"z.lua","line":3,"message":"no"}}"#,
        ),
        (
            vec![("z.lua", "\x1bLua")],
            r#"{"error":{"script":"z.lua","line":0,"message":"byte code is not accepted"}}"#,
        ),
    ] {
        host = Host::bare(Store::default()).expect("an instance");
        host.set_scripts(&scripts);
        assert_eq!(host.load().expect("answers"), expected);
    }
    drop(host);
}

#[test]
fn load_lists_types_and_functions() {
    let scripts = [
        (
            "d/b.lua",
            "b = { g = function() end, n = 5 } notatype = { x = 1 } local hidden = {} function hidden.f() end",
        ),
        (
            "d/a.lua",
            "#!/usr/bin/lua\nlocal object = require 'object' object.type('new', { r = function() end, w = function() end }, { readonly = { 'r' } })",
        ),
        ("d/config.lua", "fromconfig = { f = function() end }"),
    ];
    let client = Client::new(&scripts).expect("loads");
    assert_eq!(
        client.host.types,
        concat!(
            r#"{"types":[{"name":"b","style":"legacy","functions":[{"name":"g","writes":true}]},"#,
            r#"{"name":"fromconfig","style":"legacy","functions":[{"name":"f","writes":true}]},"#,
            r#"{"name":"new","style":"object","functions":[{"name":"r","writes":false},{"name":"w","writes":true}]}]}"#
        )
    );
}

#[test]
fn scripts_can_require_each_other() {
    let scripts = [
        (
            "a.lua",
            "local b = require 'b' t = { f = function(c, k) writeStringAsValue(c, k, b.x) end }",
        ),
        (
            "b.lua",
            "loads = (loads or 0) + 1 return { x = 'from b ' .. loads }",
        ),
    ];
    assert_eq!(
        Client::new(&scripts).expect("loads").value("t:f:x"),
        "from b 1"
    );
}

#[test]
fn new_style_objects_keep_fields() {
    let script = "local object = require 'object' object.type('o', { \
        set = function(self, f, v) return self:put(f, v) end, \
        get = function(self, f) return self:get(f) end, \
        incr = function(self, f, n) return self:incr(f, n) end, \
        all = function(self, from) local r = {} for f, v in self:each { prefix = from } do r[#r + 1] = f .. '=' .. v end return table.concat(r, ' ') end, \
        back = function(self) local r = {} for f in self:each { reverse = true } do r[#r + 1] = f end return table.concat(r, ' ') end, \
        count = function(self) return self:count() end, bad = function() return {} end, \
        gone = function(self) return self:remove() end, ttl = function(self) self:expire(5) return self:ttl() end, \
        other = function(self, key) object.open('o', key):put('x', 'y') end })";
    let mut client = client(script);
    assert_eq!(client.value("o:set:k:a:1"), "true");
    assert_eq!(client.value("o:set:k:a:2"), "false");
    assert_eq!(client.value("o:get:k:a"), "2");
    assert_eq!(client.value("o:incr:k:n"), "1");
    assert_eq!(client.value("o:incr:k:n:2.5"), "3.5");
    assert_eq!(
        client.value("o:incr:k:big:9007199254740991"),
        "9007199254740991"
    );
    assert_eq!(client.value("o:get:k:big"), "9007199254740991");
    assert_eq!(
        client.call("o:get:k:none", &[""], None),
        Some(Answer::Reply(b"R".to_vec()))
    );
    assert_eq!(
        client.failure("o:incr:k:bad:x"),
        "bad argument #2 to 'incr' (number expected, got string) (t.lua:1)"
    );
    for i in 0..700 {
        client.value(&format!("o:set:many:f{i:04}:{}", "v".repeat(20)));
    }
    assert_eq!(client.value("o:count:many"), "700");
    let all = client.value("o:all:many:f00");
    assert_eq!(all.split(' ').count(), 100);
    let back: Vec<String> = client
        .value("o:back:many")
        .split(' ')
        .map(str::to_owned)
        .collect();
    assert!(back.len() == 700 && back[0] == "f0699" && back[699] == "f0000");
    assert_eq!(client.value("o:ttl:k"), "5");
    assert_eq!(
        client.failure("o:bad:k"),
        "the result must be a string, a number, a boolean or nil"
    );
    assert_eq!(client.value("o:gone:k"), "true");
    client.call("o:other:k:z", &[""], None);
    assert_eq!(client.value("o:get:z:x"), "y");
}

/// A command through `fn:main`.
fn main(client: &mut Client, name: &str, keys: &[&str], data: Option<&[u8]>) -> Answer {
    let keys = pack_list(keys.iter().map(|k| k.as_bytes()));
    let command = Command {
        name: name.as_bytes(),
        numbers: b"",
        keys: &keys,
        data,
    };
    let args: Vec<_> = Main { command }.arguments().collect();
    let answer = client.host.invoke(MAIN, &args, 300);
    answer.expect("the host works")
}

#[test]
fn commands_pass_through_the_scripts() {
    let mut client = client(
        "t = {} function t.f(c, k, o) writeStringAsValue(c, k, o) end \
        local old = core.set function core.set(c) c:setData(c:getData():upper()) return old(c) end",
    );
    let reply = |text: &str| Answer::Reply(text.as_bytes().to_vec());
    assert_eq!(
        main(&mut client, "set", &["a"], Some(b"abc")),
        reply("RSTORED\r\n")
    );
    assert_eq!(
        main(&mut client, "get", &["a", "t:f:x", "none"], None),
        reply("RVALUE a 0 3\r\nABC\r\nVALUE t:f:x 0 1\r\nx\r\nEND\r\n")
    );
    assert_eq!(
        main(&mut client, "add", &["a"], Some(b"x")),
        reply("RNOT_STORED\r\n")
    );
    assert_eq!(
        main(&mut client, "append", &["a"], Some(b"x")),
        reply("RSTORED\r\n")
    );
    assert_eq!(
        main(&mut client, "prepend", &["a"], Some(b"y")),
        reply("RSTORED\r\n")
    );
    assert_eq!(
        client.host.data().world.items[b"a".as_slice()].data,
        *b"yABCx"
    );
    assert_eq!(
        main(&mut client, "replace", &["none"], Some(b"x")),
        reply("RNOT_STORED\r\n")
    );
    assert_eq!(
        main(&mut client, "delete", &["a"], None),
        reply("RDELETED\r\n")
    );
    assert_eq!(
        main(&mut client, "delete", &["a"], None),
        reply("RNOT_FOUND\r\n")
    );
    assert_eq!(
        main(&mut client, "version", &[], None),
        reply("RVERSION 1.4.2\r\n")
    );
    assert_eq!(main(&mut client, "incr", &["a"], None), reply("N"));
    assert_eq!(main(&mut client, "stats", &[], None), reply("N"));
    assert_eq!(main(&mut client, "quit", &[], None), reply("Q"));
}
