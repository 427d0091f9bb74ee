//! A client of the test host: `get`, `set` and `delete` lines, virtual keys included.

use super::{Answer, Host, Item};
use cacheismo_lua_contract::{CALL, Call, Command, Loaded, Tag, write_first_keys};
use wasmtime::{Result, bail};

/// The host with what it learnt when it loaded the scripts.
pub struct Client {
    pub host: Host,
    /// (type, function) pairs of the registry.
    functions: Vec<(String, String)>,
}

impl Client {
    /// Loads scripts.
    pub fn new(scripts: &[(&str, &str)]) -> Result<Self> {
        Self::of(Host::new(scripts)?)
    }

    /// Takes over a host with its scripts loaded.
    pub fn of(host: Host) -> Result<Self> {
        let types = match Loaded::from_json(host.types.as_bytes())? {
            Loaded::Types(types) => types,
            Loaded::Error(error) => bail!("{error:?}"),
        };
        let mut functions = Vec::new();
        for object in types {
            for function in object.functions {
                functions.push((object.name.clone(), function.name));
            }
        }
        Ok(Self { host, functions })
    }

    /// Calls a virtual key; `None` when it is an ordinary one.
    pub fn call(&mut self, key: &str, keys: &[&str], data: Option<&[u8]>) -> Option<Answer> {
        let mut parts = key.split(':');
        let (kind, function) = (parts.next()?, parts.next()?);
        if !self
            .functions
            .iter()
            .any(|(k, f)| k == kind && f == function)
        {
            return None;
        }
        let object = parts.next().unwrap_or("");
        self.host.data().world.set_self(kind, object.as_bytes());
        let mut packed = Vec::new();
        write_first_keys(&mut packed, keys.iter().map(|k| k.as_bytes()));
        let call = Call {
            object: object.as_bytes(),
            type_name: kind.as_bytes(),
            function: function.as_bytes(),
            virtual_key: key.as_bytes(),
            command: Command {
                name: b"get",
                numbers: b"",
                keys: &packed,
                data,
            },
        };
        let args: Vec<_> = call.arguments().collect();
        Some(self.host.invoke(CALL, &args, 300).expect("the host works"))
    }

    /// The value a virtual key answers.
    ///
    /// # Panics
    /// When the key answers anything else.
    pub fn value(&mut self, key: &str) -> String {
        match self.call(key, &[key], None) {
            Some(Answer::Reply(reply)) => match Tag::split(&reply) {
                Some((Tag::Value, value)) => String::from_utf8_lossy(value).into_owned(),
                _ => panic!("{key}: {reply:?}"),
            },
            other => panic!("{key}: {other:?}"),
        }
    }

    /// The text a virtual key fails with.
    ///
    /// # Panics
    /// When the key does not fail by itself.
    pub fn failure(&mut self, key: &str) -> String {
        match self.call(key, &[key], None) {
            Some(Answer::Failed(text)) => text,
            other => panic!("{key}: {other:?}"),
        }
    }

    /// Sends one request and returns the whole answer.
    pub fn request(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        let end = request
            .windows(2)
            .position(|w| w == b"\r\n")
            .unwrap_or(request.len());
        let line = String::from_utf8(request[..end].to_vec())?;
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["get", keys @ ..] => self.get(keys),
            ["set", key, flags, seconds, _] => {
                let seconds: i64 = seconds.parse()?;
                let expiry_ms = match seconds {
                    0 => -1,
                    s => self.host.data().world.now_ms + s * 1000,
                };
                let data = request[end + 2..request.len() - 2].to_vec();
                let item = Item {
                    flags: flags.parse()?,
                    expiry_ms,
                    data,
                };
                self.host.data().world.put_item(key.as_bytes(), Some(item));
                Ok(b"STORED\r\n".to_vec())
            }
            ["delete", key] => {
                let there = self.host.data().world.put_item(key.as_bytes(), None);
                Ok(if there {
                    b"DELETED\r\n".to_vec()
                } else {
                    b"NOT_FOUND\r\n".to_vec()
                })
            }
            _ => bail!("not a request of these tests: {line}"),
        }
    }

    fn get(&mut self, keys: &[&str]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for key in keys {
            match self.call(key, keys, None) {
                Some(Answer::Reply(reply)) => match Tag::split(&reply) {
                    Some((Tag::Value, value)) => block(&mut out, key, 0, value),
                    Some((_, raw)) => out.extend_from_slice(raw),
                    None => bail!("an answer without a tag: {reply:?}"),
                },
                Some(Answer::Failed(text) | Answer::Trapped(text)) => {
                    out.extend_from_slice(format!("SERVER_ERROR {text}\r\n").as_bytes());
                    return Ok(out);
                }
                None => {
                    if let Some(item) = self.host.data().world.items.get(key.as_bytes()).cloned() {
                        block(&mut out, key, item.flags, &item.data);
                    }
                }
            }
        }
        out.extend_from_slice(b"END\r\n");
        Ok(out)
    }
}

fn block(out: &mut Vec<u8>, key: &str, flags: u32, data: &[u8]) {
    out.extend_from_slice(format!("VALUE {key} {flags} {}\r\n", data.len()).as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}
