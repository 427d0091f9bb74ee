//! `--lua-main`: scripts handle every text command.

use cacheismo_tests::scripts::Scripts;
use cacheismo_tests::server::{Server, refusal};

fn start(script: &str) -> (Server, Scripts) {
    let scripts = Scripts::new("main.lua", script);
    let server = Server::start(&["--lua-main", "--lua-scripts", scripts.path()]);
    (server, scripts)
}

#[test]
fn overridden_handlers_see_and_change_every_command() {
    let (server, _scripts) = start("local set, get = core.set, core.get
         function core.set(command)
           command:setData(command:getData():upper())
           command:setFlags(command:getFlags() + 1)
           return set(command)
         end
         function core.touch(command)
           command:writeString('SEEN ' .. command:getKey() .. ' ' .. command:getExpiryTime() .. '\\r\\n')
           return 0
         end
         function core.incr(command)
           command:writeString(command:getDelta() * 2 .. '\\r\\n')
         end
         function core.mg(command)
           command:writeString('HD ' .. command:getCommand() .. '\\r\\n')
         end",
    );
    let mut client = server.connect();
    assert_eq!(client.ask("set k 6 0 5\r\nhello\r\n"), "STORED\r\n");
    assert_eq!(client.ask("get k\r\n"), "VALUE k 7 5\r\nHELLO\r\nEND\r\n");
    assert_eq!(client.ask("touch k 30\r\n"), "SEEN k 30\r\n");
    assert_eq!(client.ask("incr k 21\r\n"), "42\r\n");
    assert_eq!(client.ask("mg k v\r\n"), "HD mg\r\n");
    // What no script handles is the server's own.
    assert_eq!(
        client.ask("gets k\r\n").split(' ').next(),
        Some("VALUE"),
        "a command without a handler"
    );
    assert_eq!(client.ask("ms k 2\r\nhi\r\n"), "HD\r\n");
    assert_eq!(client.ask("get k\r\n"), "VALUE k 0 2\r\nhi\r\nEND\r\n");
    assert!(client.ask("stats\r\n").contains("STAT pid "));
    // The reply nobody wants is not sent.
    client.send("set k 0 0 1 noreply\r\nx\r\n");
    assert_eq!(
        client.ask("get k\r\n"),
        "VALUE k 0 1\r\nX\r\nEND\r\n".replace("k 0", "k 1")
    );
}

#[test]
fn an_item_lives_as_long_through_scripts_as_without() {
    let (server, _scripts) = start("");
    let mut client = server.connect();
    // Most tries would show a second too much: it is there unless the clock is at the very beginning of a second.
    for _ in 0..20 {
        assert_eq!(client.ask("set k 0 100 1\r\nx\r\n"), "STORED\r\n");
        let left = client.ask("mg k t\r\n");
        assert!(left == "HD t100\r\n" || left == "HD t99\r\n", "{left}");
    }
}

#[test]
fn a_whole_main_of_ones_own_sees_all_keys_and_may_close() {
    let (server, _scripts) = start(
        "function mainVirtualKey(command)
           local name = command:getCommand()
           if name == 'get' and command:hasMultipleKeys() > 0 then
             command:writeString(table.concat(command:getMultipleKeys(), '+') .. '\\r\\n')
             return 0
           elseif name == 'delete' then
             command:writeString('BYE\\r\\n')
             return -1
           elseif name == 'add' then
             error('no adding here')
           end
           return 'native'
         end",
    );
    let mut client = server.connect();
    assert_eq!(client.ask("get a b c\r\n"), "a+b+c\r\n");
    assert_eq!(client.ask("set a 0 0 1\r\nx\r\n"), "STORED\r\n");
    assert_eq!(client.ask("get a\r\n"), "VALUE a 0 1\r\nx\r\nEND\r\n");
    assert_eq!(
        client.ask("add b 0 0 1\r\nx\r\n"),
        "SERVER_ERROR lua main:add: no adding here (main.lua:10)\r\n"
    );
    assert_eq!(client.ask("get b\r\n"), "END\r\n");
    client.send("delete a\r\nget a\r\n");
    assert_eq!(client.read_to_close(), b"BYE\r\n");
}

#[test]
fn objects_that_are_no_scripts_stay_in_reach() {
    let (server, _scripts) = start(
        "greeter = {}
         function greeter.hello(command, key, name)
           writeStringAsValue(command, key, 'hello ' .. name)
         end",
    );
    let mut client = server.connect();
    client.set("plain", "p");
    assert_eq!(
        client.ask("get set:new:s greeter:hello:you set:put:s:x plain none greeter:hello:me\r\n"),
        "VALUE set:new:s 0 7\r\nCREATED\r\nVALUE greeter:hello:you 0 9\r\nhello you\r\n\
         VALUE set:put:s:x 0 7\r\nSUCCESS\r\nVALUE plain 0 1\r\np\r\n\
         VALUE greeter:hello:me 0 8\r\nhello me\r\nEND\r\n"
    );
    // A storage command that calls a function is framed by the server, for a script's type, too.
    assert_eq!(client.ask("set set:put:s 0 0 3\r\na:b\r\n"), "STORED\r\n");
    assert_eq!(client.call("set:exist:s:x"), "EXISTS");
    assert_eq!(client.call("set:count:s"), "2");
    // State stays out of clients' hands.
    assert!(
        client
            .ask("set set$s 0 0 1\r\nx\r\n")
            .starts_with("CLIENT_ERROR")
    );
    assert_eq!(client.ask("delete set$s\r\n"), "DELETED\r\n");
    assert_eq!(client.call("set:count:s"), "ERROR_CACHE_MISS");
}

#[test]
fn a_slow_handler_holds_up_nobody_else() {
    let (server, _scripts) = start(
        "function core.touch(command)
           local n = 0
           for i = 1, 3e5 do n = n + i end
           command:writeString('SLOW\\r\\n')
         end
         function core.decr(command)
           while true do end
         end",
    );
    let mut client = server.connect();
    for _ in 0..3 {
        assert_eq!(client.ask("touch k 1\r\n"), "SLOW\r\n");
        assert_eq!(client.ask("get k\r\n"), "END\r\n");
    }
    let stopped = client.ask("decr k 1\r\n");
    assert!(
        stopped.starts_with("SERVER_ERROR lua main:decr: stopped at its deadline"),
        "{stopped}"
    );
    assert_eq!(client.ask("get k\r\n"), "END\r\n");
}

#[test]
fn what_would_lead_round_the_scripts_is_refused() {
    let scripts = Scripts::new("main.lua", "");
    for options in [
        &["--lua-main"][..],
        &[
            "--lua-main",
            "--lua-scripts",
            scripts.path(),
            "-B",
            "binary",
        ],
    ] {
        let refused = refusal(options);
        assert!(refused.log.contains("--lua-main"), "{refused:?}");
    }
    let server = Server::start(&["--lua-main", "--lua-scripts", scripts.path(), "-F"]);
    let mut client = server.connect();
    client.set("k", "v");
    assert!(client.ask("flush_all\r\n").starts_with("CLIENT_ERROR"));
    assert_eq!(client.ask("get k\r\n"), "VALUE k 0 1\r\nv\r\nEND\r\n");
    // The binary protocol would not be heard by the scripts.
    let mut binary = server.connect();
    binary.send([&[0x80, 0x0b][..], &[0; 22]].concat());
    assert_eq!(binary.read_to_close(), b"");
}

/// A config.lua as directories of 2011 have it: dispatch through globals, `arg`, `table:unmarshal`.
const OLD_CONFIG: &str = "function writeStringAsValue(command, key, value)
  command:writeString('VALUE ' .. key .. ' 0 ' .. string.len(value) .. '\\r\\n')
  command:writeString(value)
  command:writeString('\\r\\n')
end
function executeReadWrite(command, originalKey, objectType, cacheKey, func, ...)
  local hashMap = getHashMap()
  local item = hashMap:get(objectType .. '$' .. cacheKey)
  if item == nil then
    writeStringAsValue(command, originalKey, 'ERROR_CACHE_MISS')
    return
  end
  local object = table:unmarshal(item:getData())
  local value = func(object, unpack(arg))
  command:setKey(objectType .. '$' .. cacheKey)
  command:setData(table.marshal(object))
  item:delete()
  hashMap:delete(objectType .. '$' .. cacheKey)
  hashMap:put(command:newCacheItem())
  writeStringAsValue(command, originalKey, value)
end
function executeNew(command, originalKey, objectType, cacheKey, func, ...)
  command:setKey(objectType .. '$' .. cacheKey)
  command:setData(table.marshal(func(unpack(arg))))
  getHashMap():delete(objectType .. '$' .. cacheKey)
  getHashMap():put(command:newCacheItem())
  writeStringAsValue(command, originalKey, 'CREATED')
end
function getVirtualKeyHandler(key)
  local parts = split(key)
  if #parts < 2 or _G[parts[1]] == nil then return nil, nil end
  local arguments = {}
  for i = 3, #parts do arguments[#arguments + 1] = parts[i] end
  return _G[parts[1]][parts[2]], arguments
end
function handleGET(command, key)
  local item = getHashMap():get(key)
  if item ~= nil then
    command:writeCacheItem(item)
    item:delete()
  end
end
function mainNormal(command)
  local handler = core[command:getCommand()]
  if handler ~= nil then return handler(command) end
  return -1
end
function mainVirtualKey(command)
  if command:getCommand() ~= 'get' then return mainNormal(command) end
  local keys = command:getMultipleKeys() or { command:getKey() }
  for _, key in ipairs(keys) do
    local func, arguments = getVirtualKeyHandler(key)
    if func ~= nil then func(command, key, unpack(arguments)) else handleGET(command, key) end
  end
  command:writeString('END\\r\\n')
  return 0
end
";

#[test]
fn a_directory_with_a_config_of_its_own_works_both_ways() {
    let scripts = Scripts::new("config.lua", OLD_CONFIG);
    scripts.write(
        "tally.lua",
        "tally = {
           new = function(command, key, name)
             executeNew(command, key, 'tally', name, function() return { total = 0, log = {} } end)
           end,
           add = function(command, key, name, n)
             executeReadWrite(command, key, 'tally', name, function(t, n)
               t.total = t.total + n
               table.insert(t.log, n)
               return #t.log .. ':' .. t.total
             end, n)
           end,
         }",
    );
    for main in [&[][..], &["--lua-main"]] {
        let server = Server::start(&[&["--lua-scripts", scripts.path()], main].concat());
        let mut client = server.connect();
        client.set("plain", "p");
        assert_eq!(client.call("tally:add:t:5"), "ERROR_CACHE_MISS");
        assert_eq!(
            client.ask("get tally:new:t tally:add:t:5 plain tally:add:t:0x10\r\n"),
            "VALUE tally:new:t 0 7\r\nCREATED\r\nVALUE tally:add:t:5 0 3\r\n1:5\r\n\
             VALUE plain 0 1\r\np\r\nVALUE tally:add:t:0x10 0 4\r\n2:21\r\nEND\r\n",
            "{main:?}"
        );
        let failed = client.ask("get tally:add:t:x\r\n");
        assert!(
            failed.starts_with("SERVER_ERROR lua tally:add: attempt to perform arithmetic")
                && failed.ends_with("(tally.lua:7)\r\n"),
            "{failed}"
        );
        assert_eq!(client.call("tally:add:t:1"), "3:22");
    }
}
