//! Writes that nobody waits for.

use cacheismo_client::{Cause, Error, Options, Store};

use crate::fake::{Fake, Mood};
use crate::support::{client, patient, until};

#[tokio::test]
async fn posted_writes_wait_for_a_connection_and_for_a_new_one() {
    let server = Fake::start().await;
    let client = client([server.address], patient());
    for round in 0..3 {
        for number in 0..100 {
            let key = format!("{round}:{number}");
            client
                .post_store(key, "v", &Store::default())
                .expect("there is room");
        }
        assert_eq!(client.flush().await, Ok(()));
        assert_eq!(server.seen(&format!("ms {round}:")).len(), 100);
        // The next command finds its connection closed.
        server.mood(Mood::Closing);
        let _ = client.get("k").await;
        server.mood(Mood::Well);
    }
    client.post_delete("0:0").expect("there is room");
    assert_eq!(client.flush().await, Ok(()));
    assert!(!server.has("0:0") && server.has("0:1"));
}

#[tokio::test]
async fn a_posted_write_that_was_not_sent_goes_to_the_next_node() {
    let servers = [Fake::start().await, Fake::start().await];
    let client = client(servers.iter().map(|server| server.address), patient());
    let [first, second] = servers;
    first.stop().await;
    for number in 0..50 {
        client
            .post_store(format!("k{number}"), "v", &Store::default())
            .expect("there is room");
    }
    assert_eq!(client.flush().await, Ok(()));
    assert_eq!(
        (0..50)
            .filter(|number| second.has(&format!("k{number}")))
            .count(),
        50
    );
}

#[tokio::test]
async fn a_flush_tells_what_failed_once() {
    let server = Fake::start().await;
    let client = client([server.address], patient());
    server.mood(Mood::Saying("SERVER_ERROR out of memory storing object"));
    for _ in 0..3 {
        client
            .post_store("k", "v", &Store::default())
            .expect("there is room");
    }
    let error = client.flush().await.expect_err("all were refused");
    assert_eq!(error.failures, 3);
    assert!(matches!(error.first, Error::Refused { .. }));
    assert_eq!(client.flush().await, Ok(()));
}

#[tokio::test]
async fn a_full_buffer_refuses_posts_and_lets_others_wait() {
    let server = Fake::start().await;
    server.mood(Mood::Silent);
    let options = Options {
        buffer_bytes_max: 64 << 10,
        dead_ms: 300,
        request_ms: 10_000,
        reconnect_ms: 1,
        ..patient()
    };
    let client = client([server.address], options);
    let value = vec![0; 40 << 10];
    client
        .post_store("a", &value, &Store::default())
        .expect("there is room");
    let error = client
        .post_store("b", &value, &Store::default())
        .expect_err("there is none");
    assert!(
        matches!(error, Error::BufferFull { max: 65536, .. }) && error.did_not_happen(),
        "{error}"
    );
    assert!(client.nodes()[0].buffered_bytes > 40 << 10);
    // Who waits gets its turn when the silent server is given up.
    let waiting = client.store("b", &value, &Store::default()).await;
    assert!(
        matches!(
            waiting,
            Err(Error::OutcomeUnknown {
                cause: Cause::Silent(300),
                ..
            })
        ),
        "{waiting:?}"
    );
    assert_eq!(
        client
            .flush()
            .await
            .expect_err("the first was lost")
            .failures,
        1
    );
    until("the buffer is empty", || async {
        client.nodes()[0].buffered_bytes == 0
    })
    .await;
}
