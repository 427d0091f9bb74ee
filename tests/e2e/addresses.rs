//! A server that may have few addresses, as under `ulimit -v`: objects work there, too, a little slower.

use std::process::Command;

use cacheismo_tests::server::Server;
use cacheismo_tests::tools;

#[test]
fn objects_answer_where_addresses_are_scarce() {
    for (bytes, options) in [
        (2_u64 << 30, &["-v"][..]),
        (8_000_000 << 10, &["-v", "-t", "8"]),
    ] {
        let mut command = Command::new("prlimit");
        let plain = Server::command(options);
        command
            .arg(format!("--as={bytes}"))
            .arg(plain.get_program())
            .args(plain.get_args())
            .args(["--objects", tools::fixtures().to_str().expect("UTF-8")])
            // Memory that grows by moving takes a development build longer than the usual 100 ms.
            .args(["--deadline-ms", "10000"]);
        let server = Server::spawn(&mut command);
        assert!(
            server.log().contains("there is no pool"),
            "{}",
            server.log()
        );
        let mut client = server.connect();
        assert_eq!(client.call("set:new:fruit"), "CREATED");
        assert_eq!(client.call("set:put:fruit:apple"), "SUCCESS");
        assert_eq!(client.call("set:getall:fruit"), "apple\r\n");
        // Memory grows by moving, up to its limit, and what a call took is given back.
        for _ in 0..3 {
            assert_eq!(client.call("hostile:hold:x:8000000"), "8000000");
            let refused = client.ask("get hostile:memory:x\r\n");
            assert!(refused.contains("bytes of memory reached"), "{refused}");
        }
        assert_eq!(client.call("set:count:fruit"), "1");
    }
}

/// Addresses that are left to a server under its limit, in bytes: less than each of the sizes below.
const LEFT_BYTES: u64 = 6 << 20;

#[test]
fn a_size_that_a_client_chose_is_refused_where_no_memory_is_left() {
    let server = Server::start(&["-m", "64", "-I", "32m", "--client-memory", "256", "-t", "2"]);
    let mut client = server.connect();
    let value = "v".repeat(60_000);
    for i in 0..200 {
        client.set(&format!("k{i}"), &value);
    }
    assert_eq!(client.call("map:new:m"), "CREATED");
    for i in 0..64 {
        let _ = client.call(&format!("map:put:m:{i}:{}", "f".repeat(200)));
    }
    assert!(client.call("map:get:m:1").contains(&"f".repeat(200)));
    limit_addresses(&server);
    let keys: String = (0..200).map(|i| format!(" k{i}")).collect();
    let block = "x".repeat(20_000_000);
    for _ in 0..3 {
        // A value that is refused is skipped, and the connection goes on.
        for request in [
            format!("append k1 0 0 {}\r\n{block}\r\n", block.len()),
            format!("set map:put:m:big 0 0 {}\r\n{block}\r\n", block.len()),
            format!("ms big {}\r\n{block}\r\n", block.len()),
        ] {
            let mut client = server.connect();
            let _ = client.try_send(&request);
            let _ = client.try_read_until(b"\r\n");
        }
        let mut line = server.connect();
        let _ = line.try_send(format!("get {}", "a ".repeat(500_000)));
        let mut many = server.connect();
        // Answers that nobody reads for now.
        let _ = many.try_send(format!("get{keys}\r\n").repeat(20));
        let mut client = server.connect();
        client.set("a", "b");
        assert_eq!(client.ask("get a\r\n"), "VALUE a 0 1\r\nb\r\nEND\r\n");
        assert!(client.call("map:get:m:1").contains(&"f".repeat(200)));
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// Lets the server map `LEFT_BYTES` more than it has mapped.
fn limit_addresses(server: &Server) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.expect("it runs");
    let mapped = status
        .lines()
        .find_map(|line| line.strip_prefix("VmSize:"))
        .and_then(|size| size.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .expect("Linux says how much is mapped");
    let limit = format!("--as={}", (mapped << 10) + LEFT_BYTES);
    let pid = format!("--pid={}", server.pid());
    let status = Command::new("prlimit").args([limit, pid]).status();
    assert!(status.expect("util-linux is there").success());
}
