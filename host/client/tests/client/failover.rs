//! What happens to requests when nodes fail. The fakes fail on command, so nothing here waits for luck.

use cacheismo_client::{Cause, Client, Error, Options, Ttl};

use crate::fake::{Fake, Mood};
use crate::support::{client, key_of, patient, until};

/// Three servers, and a client of them.
async fn three(options: Options) -> ([Fake; 3], Client) {
    let servers = [
        Fake::start().await,
        Fake::start().await,
        Fake::start().await,
    ];
    let client = client(servers.iter().map(|server| server.address), options);
    (servers, client)
}

/// A read's deadline is far, a silent server's is near.
fn impatient() -> Options {
    Options {
        dead_ms: 100,
        reconnect_ms: 60_000,
        ..patient()
    }
}

#[tokio::test]
async fn keys_of_a_node_that_ended_go_to_the_others_and_come_home() {
    let ([first, second, third], client) = three(patient()).await;
    let keys: Vec<_> = (0..300).map(|number| format!("key:{number}")).collect();
    for key in &keys {
        client
            .set(key, "old", Ttl::Never)
            .await
            .expect("all answer");
    }
    let homes: Vec<_> = keys
        .iter()
        .map(|key| client.owner(key.as_bytes()).name)
        .collect();
    let address = second.stop().await;
    for (key, home) in keys.iter().zip(&homes) {
        let item = client.get(key).await.expect("another node answers");
        // Keys of the others are where they were; those of the one that ended are missed, not failed.
        assert_eq!(item.is_some(), *home != address.to_string(), "{key}");
        client
            .set(key, "new", Ttl::Never)
            .await
            .expect("another node answers");
    }
    for (key, home) in keys.iter().zip(&homes) {
        let places = [&first, &third].map(|server| server.has(key));
        let expected = [&first, &third].map(|server| server.address.to_string() == *home);
        match *home == address.to_string() {
            true => assert_ne!(places[0], places[1], "{key} has one place"),
            false => assert_eq!(places, expected, "{key}"),
        }
    }
    let outage = client.nodes()[1].outage.clone();
    assert!(
        matches!(outage, Some((Cause::Connect(_) | Cause::Closed, _))),
        "{outage:?}"
    );

    let second = Fake::start_at(address).await;
    let key = key_of(&client, 1);
    until("the node is back", || async {
        client
            .set(&key, "home", Ttl::Never)
            .await
            .expect("a node answers");
        second.has(&key)
    })
    .await;
    assert_eq!(client.nodes()[1].outage, None);
}

#[tokio::test]
async fn a_read_from_a_silent_server_is_answered_by_another() {
    let (servers, client) = three(impatient()).await;
    let key = key_of(&client, 0);
    client.set(&key, "v", Ttl::Never).await.expect("it answers");
    servers[0].mood(Mood::Silent);
    assert_eq!(client.get(&key).await, Ok(None));
    let outage = client.nodes()[0]
        .outage
        .clone()
        .expect("the node is taken out");
    assert_eq!(outage.0, Cause::Silent(100));
    // From now on nobody waits for it, writes neither.
    client
        .set(&key, "w", Ttl::Never)
        .await
        .expect("another node answers");
    assert_eq!(servers[0].seen(&format!("ms {key}")).len(), 1);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_has_an_unknown_outcome_and_is_never_repeated() {
    let (servers, client) = three(impatient()).await;
    let key = key_of(&client, 1);
    for (mood, cause) in [
        (Mood::Closing, Cause::Closed),
        (Mood::Silent, Cause::Silent(100)),
    ] {
        servers[1].mood(mood);
        let error = client
            .set(&key, "v", Ttl::Never)
            .await
            .expect_err("the answer is lost");
        assert!(!error.did_not_happen());
        match error {
            Error::OutcomeUnknown { cause: actual, .. } => assert_eq!(actual, cause),
            error => panic!("{error}"),
        }
    }
    let sent: usize = servers.iter().map(|server| server.seen("ms").len()).sum();
    assert_eq!(sent, 2);
}

#[tokio::test]
async fn a_read_whose_connection_closes_is_sent_again_if_that_is_wanted() {
    for repeat_reads in [true, false] {
        let options = Options {
            repeat_reads,
            reconnect_ms: 60_000,
            ..patient()
        };
        let (servers, client) = three(options).await;
        let key = key_of(&client, 2);
        client.set(&key, "v", Ttl::Never).await.expect("it answers");
        servers[2].mood(Mood::Closing);
        let result = client.get(&key).await;
        let asked = servers[2].seen("mg").len();
        // The server lives, as its greeting shows, so it is asked as long as attempts are left.
        assert_eq!(asked, if repeat_reads { 5 } else { 1 });
        assert!(matches!(
            result,
            Err(Error::OutcomeUnknown {
                cause: Cause::Closed,
                ..
            })
        ));
    }
}

#[tokio::test]
async fn a_write_that_was_not_sent_goes_to_the_next_node() {
    let (servers, client) = three(patient()).await;
    let key = key_of(&client, 0);
    let [first, second, third] = servers;
    first.stop().await;
    client
        .set(&key, "v", Ttl::Never)
        .await
        .expect("the next node answers");
    assert!(second.has(&key) != third.has(&key));
}

#[tokio::test]
async fn a_request_that_never_left_says_so() {
    let server = Fake::start().await;
    server.mood(Mood::Mute);
    let options = Options {
        request_ms: 100,
        ..patient()
    };
    let client = client([server.address], options);
    let error = client
        .set("k", "v", Ttl::Never)
        .await
        .expect_err("nobody greets");
    assert!(error.did_not_happen());
    assert!(
        matches!(
            error,
            Error::NotSent {
                cause: Cause::Late(100),
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(server.seen("ms").len(), 0);
}

#[tokio::test]
async fn without_any_node_requests_fail_at_once() {
    let ([first, second, third], client) = three(impatient()).await;
    for server in [first, second, third] {
        server.stop().await;
    }
    for _ in 0..3 {
        let error = client
            .set("k", "v", Ttl::Never)
            .await
            .expect_err("nobody is there");
        assert!(
            matches!(error, Error::NoNodes { nodes: 3, .. }) && error.did_not_happen(),
            "{error}"
        );
    }
    let results = client.get_many(&["a", "b"]).await;
    assert!(results.iter().all(Result::is_err));
}

#[tokio::test]
async fn a_multi_get_survives_a_node_that_fails_within_it() {
    let (servers, client) = three(impatient()).await;
    let keys: Vec<_> = (0..200).map(|number| format!("key:{number}")).collect();
    for key in &keys {
        client.set(key, key, Ttl::Never).await.expect("all answer");
    }
    servers[0].mood(Mood::Silent);
    let found = client.get_many(&keys).await;
    for (key, item) in keys.iter().zip(found) {
        let item = item.expect("some node answers");
        let is_home = client.owner(key.as_bytes()).name == servers[0].address.to_string();
        assert_eq!(item.is_none(), is_home, "{key}");
    }
}

#[tokio::test]
async fn a_node_that_stays_silent_is_taken_out_again_by_its_probe() {
    let options = Options {
        connect_ms: 50,
        dead_ms: 50,
        reconnect_ms: 20,
        ..patient()
    };
    let (servers, client) = three(options).await;
    let key = key_of(&client, 0);
    servers[0].mood(Mood::Mute);
    assert_eq!(client.get(&key).await, Ok(None));
    let before = servers[0].connections();
    until("it was probed twice", || async {
        assert_eq!(client.get(&key).await, Ok(None));
        servers[0].connections() >= before + 2
    })
    .await;
    assert!(client.nodes()[0].outage.is_some());
    servers[0].mood(Mood::Well);
    until("it is back", || async {
        client.get(&key).await.expect("a node answers");
        client.nodes()[0].outage.is_none()
    })
    .await;
}

#[tokio::test]
async fn a_long_value_on_a_slow_way_is_no_silence() {
    let server = Fake::start().await;
    server.mood(Mood::Slow);
    let options = Options {
        dead_ms: 1_500,
        value_bytes_max: 32 << 20,
        buffer_bytes_max: 64 << 20,
        ..patient()
    };
    let client = client([server.address], options);
    // It takes twice as long, in which nothing comes back.
    let value = vec![1; 32 << 20];
    client
        .set("k", &value, Ttl::Never)
        .await
        .expect("the server reads all the time");
    let item = client.get("k").await.expect("it answers");
    assert_eq!(item.expect("it was stored").value.len(), value.len());
}
