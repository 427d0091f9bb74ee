//! A tour of the client: `cargo run -p cacheismo-client --example tour -- 127.0.0.1:11211,127.0.0.1:11212`
//!
//! Any memcached of version 1.6 will do; with cacheismo servers the objects answer, too.

use cacheismo_client::{Client, Mode, NO_ARGUMENTS, Options, Store, Stored, Ttl};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let list = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:11211".to_owned());
    let client = Client::new(&list, Options::default())?;

    // Values, and what belongs to them.
    client.set("greeting", "hello", Ttl::Seconds(60)).await?;
    let item = client
        .get("greeting")
        .await?
        .ok_or("the greeting is gone")?;
    println!(
        "greeting: {}, {} more seconds",
        String::from_utf8_lossy(&item.value),
        item.ttl_s.unwrap_or(0)
    );

    // Only over the value that was read.
    let how = Store {
        mode: Mode::Set,
        flags: 1,
        cas: Some(item.cas),
        ..Store::default()
    };
    match client.store("greeting", "good evening", &how).await? {
        Stored::Yes { .. } => println!("changed"),
        other => println!("somebody was faster: {other:?}"),
    }

    // Many keys at once, each node's in one piece.
    client
        .store_many(&[("a", "1"), ("b", "2")], &Store::default())
        .await;
    let keys = ["a", "b", "absent"];
    let found = client.get_many(&keys).await;
    let hits = found
        .iter()
        .filter(|item| matches!(item, Ok(Some(_))))
        .count();
    println!("{hits} of {} keys found", keys.len());

    // A counter that is made when it is not there.
    client.delete("visits").await?;
    client.increment("visits", 1, Some((1, Ttl::Never))).await?;
    let visits = client.increment("visits", 1, Some((1, Ttl::Never))).await?;
    println!("visits: {}", visits.unwrap_or(0));

    // A write that nobody waits for, until the flush.
    client.post_store("log", "posted", &Store::default())?;
    client.flush().await?;

    // An object. A server without such a type has no such key either.
    let fruit = client.object("set", "fruit");
    match fruit.call("new", &NO_ARGUMENTS).await? {
        Some(answer) => {
            println!("set fruit: {}", String::from_utf8_lossy(&answer));
            fruit.call("put", &["red apple"]).await?;
            // What has colons, or is too long for a key, goes as data.
            fruit
                .call_with_data("put", &NO_ARGUMENTS, b"fig: dried")
                .await?;
            let count = fruit.reading().call("count", &NO_ARGUMENTS).await?;
            println!(
                "members: {}",
                String::from_utf8_lossy(&count.unwrap_or_default())
            );
        }
        None => println!("there is no object type `set` here"),
    }

    for node in client.nodes() {
        match node.outage {
            None => println!(
                "{} is up with {:.0} % of the keys",
                node.name,
                node.share * 100.0
            ),
            Some((cause, left)) => println!("{} is taken out for {left:?}: {cause}", node.name),
        }
    }
    Ok(())
}
