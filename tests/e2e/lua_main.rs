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
           for i = 1, 2e6 do n = n + i end
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
