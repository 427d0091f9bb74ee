//! Keys that pylibmc, over libmemcached, has stored are found where our rings look for them.

use std::process::Command;

use cacheismo_client::{Node, Options, RingName};
use cacheismo_tests::tools;

use crate::memcached::Memcached;
use crate::support::patient;

/// Stores `count` keys with pylibmc: arguments are behaviors as a Python dictionary, the count, and HOST:PORT:WEIGHT each.
const STORE: &str = r#"
import ast, sys, pylibmc
client = pylibmc.Client(sys.argv[3:], behaviors=ast.literal_eval(sys.argv[1]))
for number in range(int(sys.argv[2])):
    assert client.set(f"key:{number}", str(number).encode())
"#;

const KEYS: usize = 10_000;

#[tokio::test]
async fn pylibmc_and_our_rings_agree_on_the_node_of_every_key() {
    let servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    for (behaviors, ring, weights) in [
        ("{'ketama': True}", RingName::Ketama, [1, 1, 1]),
        (
            "{'ketama_weighted': True}",
            RingName::KetamaWeighted,
            [1, 1, 1],
        ),
        (
            "{'ketama_weighted': True}",
            RingName::KetamaWeighted,
            [1, 2, 5],
        ),
        (
            "{'ketama': True, 'hash': 'md5'}",
            RingName::KetamaMd5,
            [1, 1, 1],
        ),
        ("{}", RingName::Modula, [1, 1, 1]),
    ] {
        let nodes: Vec<_> = servers
            .iter()
            .zip(weights)
            .map(|(server, weight)| {
                Node::new("127.0.0.1", server.address.port()).with_weight(weight)
            })
            .collect();
        let options = Options { ring, ..patient() };
        let client =
            cacheismo_client::Client::new(nodes.clone(), options).expect("the nodes make a ring");
        assert!(
            client
                .flush_all()
                .await
                .iter()
                .all(|(_, result)| result.is_ok())
        );
        let mut store = Command::new(tools::python());
        store.args(["-c", STORE, behaviors, &KEYS.to_string()]);
        store.args(
            nodes
                .iter()
                .map(|node| format!("{}/{}", node.name, node.weight).replace('/', ":")),
        );
        let _ = tools::run(&mut store);
        let keys: Vec<_> = (0..KEYS).map(|number| format!("key:{number}")).collect();
        let found = client.get_many(&keys).await;
        let missed: Vec<_> = keys
            .iter()
            .zip(&found)
            .enumerate()
            .filter(|(number, (_, item))| {
                let item = item.as_ref().expect("all nodes answer");
                item.as_ref()
                    .is_none_or(|item| item.value != number.to_string())
            })
            .map(|(_, (key, _))| key)
            .collect();
        assert!(
            missed.is_empty(),
            "{ring}, weights {weights:?}: {} keys elsewhere, such as {}",
            missed.len(),
            missed[0]
        );
    }
}
