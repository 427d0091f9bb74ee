//! Everything the `memcache` crate offers, in both its protocols: `use-memcache-crate HOST:PORT`.

use std::collections::HashMap;

use memcache::{Client, CommandError, MemcacheError};

fn main() -> Result<(), MemcacheError> {
    let address = std::env::args().nth(1).expect("the server's address");
    for protocol in ["ascii", "binary"] {
        let client = Client::connect(format!("memcache://{address}?protocol={protocol}"))?;
        stores(&client)?;
        counts(&client)?;
        compares(&client)?;
        calls(&client)?;
        let versions = client.version()?;
        assert!(versions[0].1.starts_with("1.6."), "{versions:?}");
        // In text the crate stops reading statistics after the first line.
        if protocol == "binary" {
            tells(&client)?;
        }
    }
    Ok(())
}

fn tells(client: &Client) -> Result<(), MemcacheError> {
    let stats = client.stats()?;
    let of_server: &HashMap<String, String> = &stats[0].1;
    assert!(of_server["pid"].parse::<u32>().is_ok());
    assert!(
        of_server["cmd_flush"]
            .parse::<u64>()
            .is_ok_and(|flushes| flushes > 0)
    );
    Ok(())
}

fn stores(client: &Client) -> Result<(), MemcacheError> {
    client.set("text", "value", 0)?;
    assert_eq!(client.get("text")?, Some("value".to_owned()));
    let bytes = [0u8, 13, 10, 255].repeat(100_000);
    client.set("bytes", bytes.as_slice(), 100)?;
    assert_eq!(client.get("bytes")?, Some(bytes));
    client.set("truth", true, 0)?;
    assert_eq!(client.get("truth")?, Some(true));
    let found: HashMap<String, String> = client.gets(&["text", "nosuch", "truth"])?;
    assert_eq!((found.len(), found["text"].as_str()), (2, "value"));
    // In text the crate takes a refusal of these two for success.
    if let Err(error) = client.add("text", "x", 0) {
        assert_refused(error, CommandError::KeyExists);
    }
    assert_eq!(client.get("text")?, Some("value".to_owned()));
    client.add("new", "x", 0)?;
    if let Err(error) = client.replace("nosuch", "x", 0) {
        assert_refused(error, CommandError::KeyNotFound);
    }
    assert_eq!(client.get::<String>("nosuch")?, None);
    client.replace("new", "b", 0)?;
    client.append("new", "c")?;
    client.prepend("new", "a")?;
    assert_eq!(client.get("new")?, Some("abc".to_owned()));
    assert!(client.touch("new", 100)? && !client.touch("nosuch", 100)?);
    assert!(client.delete("new")? && !client.delete("new")?);
    assert_eq!(client.get::<String>("new")?, None);
    client.flush()?;
    assert_eq!(client.get::<String>("text")?, None);
    Ok(())
}

fn counts(client: &Client) -> Result<(), MemcacheError> {
    client.set("n", 40, 0)?;
    assert_eq!(client.increment("n", 2)?, 42);
    assert_eq!(client.decrement("n", 50)?, 0);
    // In binary the crate asks for a number that is missing to be made.
    match client.increment("nosuch", 1) {
        Ok(made) => assert!(made == 0 && client.delete("nosuch")?),
        Err(error) => assert_refused(error, CommandError::KeyNotFound),
    }
    client.delete("n").map(drop)
}

fn compares(client: &Client) -> Result<(), MemcacheError> {
    client.set("cas", "old", 0)?;
    let found: HashMap<String, (Vec<u8>, u32, Option<u64>)> = client.gets(&["cas"])?;
    let token = found["cas"].2.expect("gets shows the token");
    assert!(client.cas("cas", "new", 0, token)?);
    assert!(!client.cas("cas", "late", 0, token)?);
    assert_eq!(client.get("cas")?, Some("new".to_owned()));
    client.delete("cas").map(drop)
}

/// Virtual keys are keys.
fn calls(client: &Client) -> Result<(), MemcacheError> {
    assert_eq!(client.get("set:new:k")?, Some("CREATED".to_owned()));
    client.set("set:put:k", "member", 0)?;
    assert_eq!(client.get("set:count:k")?, Some("1".to_owned()));
    client.delete("set$k").map(drop)
}

#[track_caller]
fn assert_refused(error: MemcacheError, with: CommandError) {
    match error {
        MemcacheError::CommandError(error) if error == with => {}
        other => panic!("{other:?}"),
    }
}
