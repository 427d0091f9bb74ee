//! Conversations with Debian's memcached, and its death.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cacheismo_client::{Client, Item, Mode, Options, RingName, Store, Stored, Ttl};
use cacheismo_tests::tools;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::support::{client, key_of, patient, until};

/// How long a server may take to listen.
const READY: Duration = Duration::from_secs(20);

/// A memcached process. It is killed when it is dropped.
pub(crate) struct Memcached {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Memcached {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let address = listener.local_addr().expect("the socket is bound");
        drop(listener);
        Self::start_at(address)
    }

    /// Starts a server on a port that was free a moment ago.
    pub(crate) fn start_at(address: SocketAddr) -> Self {
        let child = Command::new(tools::program("memcached"))
            .args([
                "-l",
                "127.0.0.1",
                "-U",
                "0",
                "-t",
                "1",
                "-m",
                "64",
                "-u",
                "nobody",
            ])
            .args(["-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .spawn()
            .expect("memcached can be started");
        let mut server = Self { child, address };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = server.child.try_wait().expect("the child is ours");
            assert!(
                ended.is_none() && start.elapsed() < READY,
                "memcached at {address}: {ended:?}"
            );
            std::thread::yield_now();
        }
        server
    }

    /// Stops the process; returns when all its threads stand still.
    fn stop(&self) {
        self.signal(Signal::STOP);
        let pid = Some(Pid::from_child(&self.child));
        let status = waitpid(pid, WaitOptions::UNTRACED).expect("the child is ours");
        assert!(status.is_some_and(|(_, status)| status.stopped()));
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the process is ours and there");
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        // It may have been killed by the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn item(client: &Client, key: &str) -> Option<Item> {
    client.get(key).await.expect("it answers")
}

#[tokio::test]
async fn a_value_is_stored_under_every_condition() {
    let server = Memcached::start();
    let client = client([server.address], patient());
    assert_eq!(item(&client, "k").await, None);
    client.set("k", "v", Ttl::Never).await.expect("it answers");
    assert!(
        !client
            .add("k", "other", Ttl::Never)
            .await
            .expect("it answers")
    );
    let found = item(&client, "k").await.expect("it was stored");
    assert_eq!(
        (&found.value[..], found.flags, found.ttl_s),
        (&b"v"[..], 0, None)
    );

    let how = |mode, cas| Store {
        mode,
        flags: 7,
        ttl: Ttl::Seconds(1000),
        cas,
    };
    let changed = client
        .store("k", "w", &how(Mode::Set, Some(found.cas + 1)))
        .await;
    assert_eq!(changed, Ok(Stored::Changed));
    let Ok(Stored::Yes { cas }) = client
        .store("k", "w", &how(Mode::Set, Some(found.cas)))
        .await
    else {
        panic!("the item is the one that was fetched");
    };
    assert_eq!(
        client.store("absent", "w", &how(Mode::Set, Some(1))).await,
        Ok(Stored::Absent)
    );
    assert_eq!(
        client.store("absent", "w", &how(Mode::Replace, None)).await,
        Ok(Stored::Not)
    );
    let found = item(&client, "k").await.expect("it was stored");
    assert_eq!((found.flags, found.cas), (7, cas));
    assert!(
        found.ttl_s.is_some_and(|ttl| (900..=1000).contains(&ttl)),
        "{found:?}"
    );
}

#[tokio::test]
async fn an_item_grows_and_gets_new_times_and_goes() {
    let server = Memcached::start();
    let client = client([server.address], patient());
    client
        .set("k", "w", Ttl::Seconds(1000))
        .await
        .expect("it answers");
    let how = |mode| Store {
        mode,
        ..Store::default()
    };
    assert!(
        client
            .store("k", "x", &how(Mode::Append))
            .await
            .is_ok_and(Stored::is_stored)
    );
    assert!(
        client
            .store("k", "u", &how(Mode::Prepend))
            .await
            .is_ok_and(Stored::is_stored)
    );
    assert_eq!(item(&client, "k").await.expect("it is there").value, "uwx");
    assert_eq!(client.touch("k", Ttl::Seconds(50)).await, Ok(true));
    let touched = client
        .get_and_touch("k", Ttl::Never)
        .await
        .expect("it answers");
    assert!(touched.is_some());
    assert_eq!(item(&client, "k").await.expect("it is there").ttl_s, None);
    assert_eq!(client.touch("k", Ttl::Seconds(0)).await, Ok(true));
    assert_eq!(item(&client, "k").await, None);
    assert_eq!(client.touch("k", Ttl::Never).await, Ok(false));

    client
        .set("k", "v", Ttl::Seconds(40 * 86_400))
        .await
        .expect("it answers");
    let found = item(&client, "k")
        .await
        .expect("a time over 30 days is not past");
    assert!(found.ttl_s.is_some_and(|ttl| ttl > 39 * 86_400));
    assert_eq!(client.delete_if("k", found.cas + 1).await, Ok(false));
    assert_eq!(client.delete_if("k", found.cas).await, Ok(true));
    assert_eq!(client.delete("k").await, Ok(false));
}

#[tokio::test]
async fn numbers_are_counted() {
    let server = Memcached::start();
    let client = client([server.address], patient());
    assert_eq!(client.increment("n", 5, None).await, Ok(None));
    assert_eq!(
        client.increment("n", 5, Some((10, Ttl::Never))).await,
        Ok(Some(10))
    );
    assert_eq!(
        client.increment("n", 5, Some((10, Ttl::Never))).await,
        Ok(Some(15))
    );
    assert_eq!(client.decrement("n", 6, None).await, Ok(Some(9)));
    assert_eq!(client.decrement("n", 60, None).await, Ok(Some(0)));
    client
        .set("text", "abc", Ttl::Never)
        .await
        .expect("it answers");
    let error = client
        .increment("text", 1, None)
        .await
        .expect_err("abc is no number");
    assert!(
        error.did_not_happen() && error.to_string().contains("non-numeric"),
        "{error}"
    );
}

#[tokio::test]
async fn nodes_tell_their_version_and_are_emptied() {
    let server = Memcached::start();
    let client = client([server.address], patient());
    client.set("k", "v", Ttl::Never).await.expect("it answers");
    let versions = client.versions().await;
    assert!(
        versions.len() == 1
            && versions[0]
                .1
                .as_ref()
                .is_ok_and(|version| version.starts_with("1."))
    );
    assert!(
        client
            .flush_all()
            .await
            .iter()
            .all(|(_, result)| result.is_ok())
    );
    assert_eq!(item(&client, "k").await, None);
}

#[tokio::test]
async fn keys_and_values_are_any_bytes() {
    let server = Memcached::start();
    let client = client([server.address], patient());
    let every_byte: Vec<u8> = (0..=255).collect();
    for key in [
        &b"a b\r\n"[..],
        &[0; 186],
        &every_byte[..32],
        &every_byte[100..250],
        "schlüssel".as_bytes(),
        &[b'k'; 250],
    ] {
        for value in [&b""[..], &every_byte, &[b'\n'; 100_000]] {
            client
                .set(key, value, Ttl::Never)
                .await
                .expect("it answers");
            let found = client
                .get(key)
                .await
                .expect("it answers")
                .expect("it was stored");
            assert_eq!(found.value, value);
        }
    }
    // A little less than memcached's own limit, which counts the key, too.
    let large = vec![7; (1 << 20) - 500];
    client
        .set("large", &large, Ttl::Never)
        .await
        .expect("it answers");
    let copies = client.get_many(&["large"; 20]).await;
    assert!(
        copies
            .into_iter()
            .all(|item| item.is_ok_and(|item| item.is_some_and(|item| item.value == large)))
    );
    let error = client
        .set("large", vec![7; 1 << 20], Ttl::Never)
        .await
        .expect_err("it is too large");
    assert!(error.to_string().contains("too large"), "{error}");
    assert_eq!(client.get("absent").await, Ok(None));
}

/// Options under which a test notices a dead server soon, and a busy machine is not mistaken for one.
fn watchful(ring: RingName) -> Options {
    Options {
        ring,
        connect_ms: 2_000,
        dead_ms: 2_000,
        reconnect_ms: 100,
        request_ms: 15_000,
        ..Options::default()
    }
}

#[tokio::test]
async fn a_kill_costs_no_read_and_moves_only_the_keys_of_the_killed() {
    for ring in [RingName::Slots, RingName::Omcache] {
        let mut servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
        let client = client(servers.iter().map(|server| server.address), watchful(ring));
        let keys: Vec<_> = (0..300).map(|number| format!("key:{number}")).collect();
        for key in &keys {
            client.set(key, key, Ttl::Never).await.expect("all answer");
        }
        let victim = servers[1].address;
        let readers: Vec<_> = (0..8)
            .map(|_| {
                let (client, keys) = (client.clone(), keys.clone());
                tokio::spawn(async move {
                    let mut misses = 0;
                    for key in keys.iter().cycle().take(3000) {
                        // Not one of them may fail.
                        let item = client.get(key).await.expect("some node answers");
                        let is_home = client.owner(key.as_bytes()).name == victim.to_string();
                        assert!(item.is_some() || is_home, "{key}");
                        misses += usize::from(item.is_none());
                    }
                    misses
                })
            })
            .collect();
        tokio::task::yield_now().await;
        servers[1].signal(Signal::KILL);
        servers[1].child.wait().expect("the child is ours");
        let mut misses = 0;
        for reader in readers {
            misses += reader.await.expect("no read failed");
        }
        assert!(misses > 0, "the killed server had keys");
        let key = key_of(&client, 1);
        client
            .set(&key, "elsewhere", Ttl::Never)
            .await
            .expect("another node answers");

        servers[1] = Memcached::start_at(victim);
        until("the keys are home", || async {
            item(&client, &key).await.is_none() && client.nodes()[1].outage.is_none()
        })
        .await;
        client
            .set(&key, "home", Ttl::Never)
            .await
            .expect("it answers");
        assert_eq!(
            item(&client, &key).await.expect("it was stored").value,
            "home"
        );
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_replaced_and_comes_back() {
    let servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    let client = client(
        servers.iter().map(|server| server.address),
        watchful(RingName::Ketama),
    );
    let key = key_of(&client, 2);
    client.set(&key, "v", Ttl::Never).await.expect("it answers");
    servers[2].stop();
    assert_eq!(client.get(&key).await, Ok(None), "another node answers");
    let start = Instant::now();
    assert_eq!(client.get(&key).await, Ok(None));
    assert!(
        start.elapsed() < Duration::from_millis(2_000),
        "nobody waits for it any more"
    );
    servers[2].signal(Signal::CONT);
    until("it is back", || async {
        item(&client, &key).await.is_some()
    })
    .await;
}
