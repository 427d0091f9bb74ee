//! Lua scripts from a directory, through a real server.

use std::path::Path;
use std::time::Duration;

use cacheismo_tests::scripts::Scripts;
use cacheismo_tests::server::{Server, refusal, wait_until};
use rustix::process::Signal;

const GREETER: &str = "greeter = {}
function greeter.hello(command, key, object)
  writeStringAsValue(command, key, 'hello ' .. object)
end
function greeter.fail() error('boom') end
function greeter.loop() pcall(function() while true do end end) end
";

#[test]
fn the_shipped_scripts_answer_and_keep_plain_items() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts-lua");
    let server = Server::start(&["--lua-scripts", directory.to_str().expect("text")]);
    let mut client = server.connect();
    assert_eq!(client.call("set:new:fruit"), "CREATED");
    assert_eq!(client.call("set:put:fruit:fig"), "SUCCESS");
    assert_eq!(client.call("set:exist:fruit:fig"), "EXISTS");
    assert_eq!(client.call("map:new:m"), "CREATED");
    assert_eq!(client.call("map:put:m:k:v"), "SUCCESS");
    assert_eq!(client.call("map:get:m:k"), "k : v");
    assert_eq!(client.call("leaderboard:add:game:bob:5"), "5");
    // Legacy state is a plain item that clients may delete.
    assert_eq!(client.ask("delete set$fruit\r\n"), "DELETED\r\n");
    assert_eq!(client.call("set:exist:fruit:fig"), "ERROR_CACHE_MISS");
    // Globals of the language are no types.
    for key in [
        "os:exit",
        "lua:call:x",
        "string:len:x",
        "Command:writeString:hi",
    ] {
        assert_eq!(client.ask(format!("get {key}\r\n")), "END\r\n", "{key}");
    }
}

#[test]
fn errors_and_loops_of_a_script_harm_nobody() {
    let scripts = Scripts::new("greeter.lua", GREETER);
    let server = Server::start(&["--lua-scripts", scripts.path(), "-t", "1"]);
    let mut client = server.connect();
    assert_eq!(client.call("greeter:hello:you"), "hello you");
    let failed = client.ask("get greeter:fail:x\r\n");
    assert_eq!(
        failed,
        "SERVER_ERROR lua greeter:fail: boom (greeter.lua:5)\r\n"
    );
    let stopped = client.ask("get greeter:loop:x\r\n");
    assert!(
        stopped.starts_with("SERVER_ERROR lua greeter:loop: stopped at its deadline"),
        "{stopped}"
    );
    assert_eq!(client.call("greeter:hello:again"), "hello again");
}

#[test]
fn a_broken_script_stops_the_start_and_a_broken_edit_changes_nothing() {
    let scripts = Scripts::new("greeter.lua", "greeter = {\n");
    let refused = refusal(&["--lua-scripts", scripts.path()]);
    assert!(refused.log.contains("greeter.lua"), "{refused:?}");

    scripts.write("greeter.lua", GREETER);
    let server = Server::start(&["--lua-scripts", scripts.path()]);
    let mut client = server.connect();
    assert_eq!(client.call("greeter:hello:you"), "hello you");

    scripts.write("greeter.lua", "greeter = nonsense nonsense");
    server.signal(Signal::HUP);
    server.wait_for_log("not reloaded");
    assert_eq!(client.call("greeter:hello:you"), "hello you");

    scripts.write("greeter.lua", &GREETER.replace("hello ", "goodbye "));
    server.signal(Signal::HUP);
    let reloaded = wait_until(Duration::from_secs(10), || {
        client.call("greeter:hello:you") == "goodbye you"
    });
    assert!(reloaded, "the edited script is never used");
}

#[test]
fn a_lenient_start_leaves_out_only_what_is_broken() {
    let scripts = Scripts::new("greeter.lua", GREETER);
    scripts.write("broken.lua", "x = = 1");
    let refused = refusal(&["--lua-scripts", scripts.path()]);
    assert!(
        refused
            .log
            .contains("broken.lua:1: unexpected symbol near '='"),
        "{refused:?}"
    );
    let server = Server::start(&["--objects-lenient", "--lua-scripts", scripts.path()]);
    assert!(server.log().contains("broken.lua:1:"), "{}", server.log());
    assert_eq!(server.connect().call("greeter:hello:you"), "hello you");
}

#[test]
fn a_function_that_answers_nothing_is_a_miss_by_every_command() {
    let scripts = Scripts::new(
        "quiet.lua",
        "quiet = {
           nothing = function() end,
           raw = function(command) command:writeString('X\\r\\n') end,
         }",
    );
    let server = Server::start(&["--lua-scripts", scripts.path()]);
    let mut client = server.connect();
    for (request, reply) in [
        ("get quiet:nothing:x\r\n", "END\r\n"),
        ("gat 10 quiet:nothing:x\r\n", "END\r\n"),
        ("mg quiet:nothing:x v\r\n", "EN\r\n"),
        (
            "mg quiet:raw:x v\r\n",
            "SERVER_ERROR raw output is only possible for get\r\n",
        ),
        ("set quiet:nothing:x 0 0 1\r\n1\r\n", "STORED\r\n"),
    ] {
        assert_eq!(client.ask(request), reply, "{request}");
    }
    client.send("get quiet:raw:x\r\n");
    assert_eq!(client.read_until(b"END\r\n"), b"X\r\nEND\r\n");
}
