//! Calls on one object from many clients: none may be lost.

use cacheismo_tests::server::Server;

const CLIENTS: usize = 8;
const CALLS: usize = 500;

#[test]
fn no_update_of_one_object_is_lost() {
    let server = Server::start(&[]);
    let limit = CLIENTS * CALLS;
    assert_eq!(
        server
            .connect()
            .call(&format!("quota:new:shared:{limit}:month")),
        "CREATED"
    );
    let granted = each_client(
        |client| {
            let mut client_granted = 0;
            // Every client asks for more than its share: exactly the limit may be granted.
            for _ in 0..CALLS + CALLS / 4 {
                match client.call("quota:addandcheck:shared:1").as_str() {
                    "QUOTA_OK" => client_granted += 1,
                    "QUOTA_EXCEEDED" => {}
                    other => panic!("unexpected answer {other}"),
                }
            }
            client_granted
        },
        &server,
    );
    assert_eq!(granted.iter().sum::<usize>(), limit);
}

#[test]
fn members_put_by_many_clients_are_all_there() {
    let server = Server::start(&[]);
    assert_eq!(server.connect().call("set:new:shared"), "CREATED");
    let numbers = std::sync::atomic::AtomicUsize::new(0);
    each_client(
        |client| {
            for _ in 0..CALLS {
                let member = numbers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                assert_eq!(
                    client.call(&format!("set:put:shared:member{member}")),
                    "SUCCESS"
                );
            }
        },
        &server,
    );
    assert_eq!(
        server.connect().call("set:count:shared"),
        (CLIENTS * CALLS).to_string()
    );
}

#[test]
fn incr_by_many_clients_adds_up() {
    let server = Server::start(&[]);
    server.connect().set("n", "0");
    each_client(
        |client| {
            for _ in 0..CALLS {
                client.ask("incr n 1\r\n");
            }
        },
        &server,
    );
    assert_eq!(server.connect().call("n"), (CLIENTS * CALLS).to_string());
}

fn each_client<T: Send>(
    work: impl Fn(&mut cacheismo_tests::client::Client) -> T + Sync,
    server: &Server,
) -> Vec<T> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| work(&mut server.connect())))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a client's work succeeds"))
            .collect()
    })
}

#[test]
#[ignore = "long: `make soak` runs it"]
fn a_million_calls_leave_memory_as_it_was() {
    const BATCH: usize = 1000;
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.call("map:new:m");
    client.call("swcounter:new:c:16");
    let request = "get swcounter:add:c:5 map:put:m:field:value\r\n".repeat(BATCH);
    let mut play = |calls: usize| {
        for _ in 0..calls / BATCH / 2 {
            client.send(&request);
            for _ in 0..BATCH {
                assert!(
                    client
                        .read_until(b"END\r\n")
                        .ends_with(b"SUCCESS\r\nEND\r\n")
                );
            }
        }
        server.resident_bytes()
    };
    // What the first calls build (instances, buffers) stays; nothing may be added by the rest.
    let before = play(100_000);
    let after = play(1_000_000);
    assert!(after < before + (4 << 20), "{before} bytes became {after}");
}
