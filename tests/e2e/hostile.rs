//! An object type that breaks every limit: the call ends with an error, what it wrote is gone, and
//! everybody else is served meanwhile, on the same and only worker thread.

use std::sync::atomic::{AtomicBool, Ordering};

use cacheismo_tests::server::Server;
use cacheismo_tests::tools;

/// Plays one hostile call, `function:object[:argument...]`.
fn survives(call: &str) {
    let fixtures = tools::fixtures();
    let fixtures = fixtures.to_str().expect("the repository's path is UTF-8");
    let server = Server::start(&["-t", "1", "--objects", fixtures]);
    let mut client = server.connect();
    let key = format!("hostile:{call}");
    client.ask("get hostile:put:x:field:before\r\n");
    assert_eq!(client.call("hostile:get:x:field"), "before");
    client.set("plain", "value");

    let ended = AtomicBool::new(false);
    let (reply, served) = std::thread::scope(|scope| {
        let gets = scope.spawn(|| {
            let mut other = server.connect();
            let mut served = 0;
            // The loop runs at least once, also when the call ends before.
            loop {
                assert_eq!(other.call("plain"), "value");
                served += 1;
                if ended.load(Ordering::SeqCst) {
                    return served;
                }
            }
        });
        let reply = client.ask(format!("get {key}\r\n"));
        ended.store(true, Ordering::SeqCst);
        (reply, gets.join().expect("plain gets are served"))
    });
    assert!(
        reply.starts_with("SERVER_ERROR "),
        "{key} is answered with {reply}"
    );
    assert!(reply.contains("hostile"), "{reply} doesn't say what failed");
    assert!(served > 0);

    // The stream is in step, the state as before, and the server as it was.
    assert_eq!(client.ask("mn\r\n"), "MN\r\n");
    assert_eq!(client.call("plain"), "value");
    let kept = client.ask("get hostile$x\r\n");
    assert!(
        kept.contains("before") && !kept.contains("must not stay"),
        "the state is now {kept}"
    );
    assert_eq!(server.connect().call("plain"), "value");
}

macro_rules! hostile {
    ($($name:ident: $call:literal,)*) => {
        $(#[test] fn $name() { survives($call); })*
    };
}

hostile! {
    an_endless_loop_is_stopped: "spin:x",
    an_endless_loop_after_a_write_leaves_no_write: "spin_after_write:x:field",
    a_memory_bomb_is_stopped: "memory:x",
    a_deep_recursion_is_stopped: "recurse:x",
    a_storm_of_host_calls_is_stopped: "storm:x",
    a_storm_of_reads_is_stopped: "read_storm:x",
    a_storm_of_scans_is_stopped: "scan_storm:x",
    a_storm_of_writes_is_stopped: "write_storm:x",
    a_storm_of_opened_objects_is_stopped: "open_storm:x",
    an_unknown_type_cannot_be_opened: "open_unknown:x",
    a_panic_after_a_write_leaves_no_write: "panic_after_write:x:field",
    a_refusal_after_a_write_leaves_no_write: "refuse_after_write:x:field:y",
    a_panic_after_a_delete_leaves_the_object: "panic_after_delete:x",
    an_endless_reply_is_stopped: "reply_bomb:x",
}

#[test]
fn many_hostile_calls_at_once_leave_the_server_whole() {
    let fixtures = tools::fixtures();
    let server = Server::start(&["-t", "2", "--objects", fixtures.to_str().expect("UTF-8")]);
    server.connect().set("plain", "value");
    std::thread::scope(|scope| {
        for client in 0..8 {
            let server = &server;
            scope.spawn(move || {
                let mut client_connection = server.connect();
                for function in [
                    "panic_after_write",
                    "recurse",
                    "memory",
                    "spin",
                    "reply_bomb",
                ] {
                    let reply = client_connection
                        .ask(format!("get hostile:{function}:x{client}:field\r\n"));
                    assert!(reply.starts_with("SERVER_ERROR "), "{function}: {reply}");
                    assert_eq!(client_connection.call("plain"), "value");
                }
            });
        }
    });
    let mut client = server.connect();
    assert_eq!(client.call("set:new:after"), "CREATED");
    assert_eq!(client.call("set:put:after:x"), "SUCCESS");
}

#[test]
fn no_increment_of_a_loaded_object_is_lost() {
    const CLIENTS: usize = 8;
    const CALLS: usize = 300;
    let fixtures = tools::fixtures();
    let server = Server::start(&["-t", "4", "--objects", fixtures.to_str().expect("UTF-8")]);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = server.connect();
                for _ in 0..CALLS {
                    client.call("hostile:increment:shared");
                }
            });
        }
    });
    assert_eq!(
        server.connect().call("hostile:increment:shared"),
        (CLIENTS * CALLS + 1).to_string()
    );
}
