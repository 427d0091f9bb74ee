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
