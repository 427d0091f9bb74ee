//! What the tests of a client share.

use std::time::Duration;

use cacheismo_client::{Client, Options, RingName};
use tokio::time::{Instant, sleep};

/// Longest wait for something that must happen. Generous, because other tests run meanwhile.
const PATIENCE: Duration = Duration::from_secs(20);

/// Options that leave a busy machine time.
pub(crate) fn patient() -> Options {
    Options {
        ring: RingName::Ketama,
        connect_ms: 10_000,
        dead_ms: 10_000,
        request_ms: 20_000,
        reconnect_ms: 50,
        ..Options::default()
    }
}

/// A client of the servers with these addresses.
pub(crate) fn client<A: ToString>(
    addresses: impl IntoIterator<Item = A>,
    options: Options,
) -> Client {
    let list: Vec<_> = addresses
        .into_iter()
        .map(|address| address.to_string())
        .collect();
    Client::new(&list.join(","), options).expect("the options are in range")
}

/// A key that belongs to the node of this index.
pub(crate) fn key_of(client: &Client, node: usize) -> String {
    let name = &client.nodes()[node].name;
    let mut keys = (0..).map(|number| format!("key:{number}"));
    keys.find(|key| client.owner(key.as_bytes()).name == *name)
        .expect("every node has keys")
}

/// Waits until something holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let start = Instant::now();
    while !holds().await {
        assert!(
            start.elapsed() < PATIENCE,
            "still not so after {PATIENCE:?}: {what}"
        );
        sleep(Duration::from_millis(2)).await;
    }
}
