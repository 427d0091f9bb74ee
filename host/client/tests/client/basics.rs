//! What a client sends, and what it makes of the answers.

use cacheismo_client::{
    Cause, Client, Error, Login, Mode, NO_ARGUMENTS, Options, RingName, Store, Ttl,
};

use crate::fake::{Fake, Mood};
use crate::support::{client, patient};

#[tokio::test]
async fn requests_of_many_tasks_share_one_connection() {
    let server = Fake::start().await;
    let options = Options {
        connections_per_node: 1,
        ..patient()
    };
    let client = client([server.address], options);
    let tasks: Vec<_> = (0..500)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                let (key, value) = (format!("k{number}"), format!("v{number}"));
                client
                    .set(&key, &value, Ttl::Never)
                    .await
                    .expect("it answers");
                let item = client.get(&key).await.expect("it answers");
                assert_eq!(item.expect("it was stored").value, value);
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no task panics");
    }
    assert_eq!((server.connections(), server.seen("m").len()), (1, 1000));
}

#[tokio::test]
async fn requests_for_one_key_keep_their_order() {
    let server = Fake::start().await;
    let options = Options {
        connections_per_node: 4,
        ..patient()
    };
    let client = client([server.address], options);
    for round in 0..200 {
        let how = Store {
            flags: round,
            ..Store::default()
        };
        client.post_store("k", "v", &how).expect("there is room");
    }
    let item = client
        .get("k")
        .await
        .expect("it answers")
        .expect("it was stored");
    assert_eq!(item.flags, 199);
    assert_eq!(client.flush().await, Ok(()));
}

#[tokio::test]
async fn a_multi_get_asks_each_node_once_and_answers_in_order() {
    let servers = [
        Fake::start().await,
        Fake::start().await,
        Fake::start().await,
    ];
    let options = Options {
        connections_per_node: 1,
        ..patient()
    };
    let client = client(servers.iter().map(|server| server.address), options);
    let items: Vec<_> = (0..1000)
        .map(|number| (format!("k{number}"), number.to_string()))
        .collect();
    let stored = client.store_many(&items, &Store::default()).await;
    assert!(
        stored
            .iter()
            .all(|stored| stored.as_ref().is_ok_and(|stored| stored.is_stored()))
    );
    let mut keys: Vec<_> = items.iter().map(|(key, _)| key.clone()).collect();
    keys.extend(["absent".to_owned(), "k7".to_owned(), String::new()]);
    let mut found = client.get_many(&keys).await;
    assert!(
        matches!(found.pop(), Some(Err(Error::Key { bytes: 0 }))),
        "a bad key spoils only itself"
    );
    let values: Vec<_> = found
        .into_iter()
        .map(|item| item.expect("they answer").map(|item| item.value.to_vec()))
        .collect();
    let mut expected: Vec<_> = items
        .iter()
        .map(|(_, value)| Some(value.clone().into_bytes()))
        .collect();
    expected.extend([None, Some(b"7".to_vec())]);
    assert_eq!(values, expected);
    for server in &servers {
        assert_eq!(server.connections(), 1);
        let share = server.seen("mg").len();
        assert!((100..700).contains(&share), "{share} of 1002 keys");
    }
}

#[tokio::test]
async fn a_refusal_is_certain_unless_the_server_says_that_it_is_not() {
    let server = Fake::start().await;
    let client = client([server.address], patient());
    server.mood(Mood::Saying("SERVER_ERROR set:put: no such member"));
    let error = client.get("k").await.expect_err("it refuses");
    assert!(error.did_not_happen());
    assert!(
        error
            .to_string()
            .ends_with("refused: SERVER_ERROR set:put: no such member"),
        "{error}"
    );
    server.mood(Mood::Saying("SERVER_ERROR outcome unknown"));
    let error = client.delete("k").await.expect_err("it doesn't know");
    assert!(!error.did_not_happen(), "{error}");
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_ends_the_connection_only() {
    let server = Fake::start().await;
    let client = client([server.address], patient());
    for nonsense in ["HELLO", "VA 99999999", "HD\r\nHD"] {
        server.mood(Mood::Saying(nonsense));
        // Where the answer has one too many, the request itself may succeed.
        match client.delete("k").await {
            Err(Error::OutcomeUnknown {
                cause: Cause::Answer(_),
                ..
            })
            | Ok(true) => (),
            other => panic!("{nonsense}: {other:?}"),
        }
    }
    server.mood(Mood::Well);
    assert_eq!(client.get("k").await, Ok(None));
}

#[tokio::test]
async fn what_cannot_be_sent_fails_before_it_is_sent() {
    let server = Fake::start().await;
    let options = Options {
        value_bytes_max: 10,
        ..patient()
    };
    let client = client([server.address], options);
    let long = client.set("k", [0; 11], Ttl::Never).await;
    assert_eq!(long, Err(Error::Value { bytes: 11, max: 10 }));
    assert_eq!(
        client.get([b'k'; 251]).await,
        Err(Error::Key { bytes: 251 })
    );
    let part = client.object("set", "k").call("put", &["a:b"]).await;
    assert!(matches!(part, Err(Error::Part { .. })));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_login_comes_first() {
    let server = Fake::start().await;
    let with = |password: &str| {
        let login = Login {
            user: "user".to_owned(),
            password: password.to_owned(),
        };
        let options = Options {
            login: Some(login),
            ..patient()
        };
        client([server.address], options)
    };
    assert_eq!(with("secret").get("k").await, Ok(None));
    let error = with("wrong")
        .get("k")
        .await
        .expect_err("the login is refused");
    assert!(
        error.to_string().contains("authentication failure"),
        "{error}"
    );
    assert!(!error.to_string().contains("wrong"), "{error}");
}

#[tokio::test]
async fn calls_of_an_object_go_where_its_item_goes() {
    let servers = [
        Fake::start().await,
        Fake::start().await,
        Fake::start().await,
    ];
    let client = client(servers.iter().map(|server| server.address), patient());
    for name in ["a", "b", "c", "d", "e", "f"] {
        let object = client.object("set", name);
        let home = client.owner(&object.item_key()).name;
        let server = servers
            .iter()
            .find(|server| server.address.to_string() == home);
        let server = server.expect("a node is one of the servers");
        // The fake has no functions, so a call is a miss.
        assert_eq!(object.call("put", &["red apple"]).await, Ok(None));
        assert_eq!(object.call("count", &NO_ARGUMENTS).await, Ok(None));
        assert_eq!(
            object.call_with_data("put", &["x"], b"a: b").await,
            Ok(true)
        );
        assert_eq!(object.delete().await, Ok(false));
        assert!(server.has(&format!("set:put:{name}:x")));
        assert_eq!(server.seen(&format!("mg set:count:{name} v")).len(), 1);
        assert_eq!(server.seen(&format!("md set${name}")).len(), 1);
        // A blank sends the key in base64.
        assert_eq!(
            server
                .seen("mg c2V0On")
                .iter()
                .filter(|line| line.ends_with(" v b"))
                .count(),
            server.seen("mg c2V0On").len()
        );
    }
}

#[tokio::test]
async fn a_list_of_nodes_can_be_replaced_without_new_connections() {
    let servers = [Fake::start().await, Fake::start().await];
    let client = client([servers[0].address], patient());
    client.set("k", "v", Ttl::Never).await.expect("it answers");
    let both = format!("{},{}", servers[0].address, servers[1].address);
    client.set_nodes(&both).expect("the list is good");
    assert!(client.set_nodes("a:b:c").is_err());
    assert_eq!(client.nodes().len(), 2);
    for number in 0..50 {
        client.get(format!("k{number}")).await.expect("they answer");
    }
    // As many as there were: the keys of the first node use both of its connections.
    assert!(servers[0].connections() <= 2 && servers[1].connections() <= 2);
    assert!(servers[1].seen("mg").len() > 5);
}

#[tokio::test]
async fn a_client_that_is_dropped_closes_its_connections() {
    let server = Fake::start().await;
    let client = client([server.address], patient());
    let pending = tokio::spawn({
        let client = client.clone();
        async move {
            client
                .store(
                    "k",
                    "v",
                    &Store {
                        mode: Mode::Set,
                        ..Store::default()
                    },
                )
                .await
        }
    });
    assert!(
        pending
            .await
            .expect("no panic")
            .expect("it answers")
            .is_stored()
    );
    drop(client);
    assert!(server.has("k"));
}

#[test]
fn a_client_that_cannot_be_made_tells_why() {
    for (list, options, part) in [
        ("", Options::default(), "at least one node"),
        ("a:b:c", Options::default(), "brackets"),
        ("a,a", Options::default(), "twice"),
        (
            "a",
            Options {
                request_ms: 0,
                ..Options::default()
            },
            "request_ms",
        ),
        (
            "a-name-of-more-than-27-bytes",
            Options {
                ring: RingName::Cacheismo,
                ..Options::default()
            },
            "27",
        ),
    ] {
        let error = Client::new(list, options).expect_err(list);
        assert!(error.to_string().contains(part), "{error}");
    }
}
