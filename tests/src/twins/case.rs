//! A case: an operation on a key that was prepared, and what it must come to.

use super::operation::{Answer, Operation, Token, Verb};

/// What a key leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An item.
    Plain,
    /// A function of an object of a module.
    Call,
    /// A function of a script.
    ScriptCall,
    /// The state of an object, `type$key`.
    Name,
}

/// An item as the neutral channel finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The value.
    pub bytes: Vec<u8>,
    /// Client flags.
    pub flags: u32,
    /// Seconds left; `None` is for ever.
    pub seconds: Option<u32>,
}

/// An item with a value that is text.
#[must_use]
pub fn item(text: &str, flags: u32, seconds: Option<u32>) -> Option<Item> {
    Some(Item {
        bytes: text.into(),
        flags,
        seconds,
    })
}

/// An operation and what it must come to, in every dialect that has it.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is done, for messages.
    pub name: &'static str,
    /// What the key leads to.
    pub kind: Kind,
    /// The key.
    pub key: &'static str,
    /// Text requests that make what is there before.
    pub before: Vec<String>,
    /// What is asked for.
    pub operation: Operation,
    /// Flags that only the meta commands have; empty for a request that others have, too.
    pub meta_flags: &'static str,
    /// The answer, when it is asked for loudly.
    pub answer: Answer,
    /// By how much counters of `stats` change, without those that stay; `detail get` and so on are those of the key's
    /// prefix in `stats detail dump`.
    pub counters: Vec<(&'static str, i64)>,
    /// What watchers are told.
    pub lines: Vec<String>,
    /// The key under which the neutral channel looks for what is left.
    pub probe: &'static str,
    /// What the neutral channel finds there.
    pub left: Option<Item>,
}

impl Case {
    /// A case of which nothing is expected yet.
    #[must_use]
    pub fn new(name: &'static str, kind: Kind, key: &'static str, operation: Operation) -> Self {
        Self {
            name,
            kind,
            key,
            before: Vec::new(),
            operation,
            meta_flags: "",
            answer: Answer::Silence,
            counters: Vec::new(),
            lines: Vec::new(),
            probe: key,
            left: None,
        }
    }

    /// The case of a request that only the meta commands have, by these flags.
    #[must_use]
    pub fn by(self, meta_flags: &'static str) -> Self {
        Self { meta_flags, ..self }
    }

    /// The case with something there before.
    #[must_use]
    pub fn with(self, before: &[&str]) -> Self {
        let before = before.iter().map(|line| format!("{line}\r\n")).collect();
        Self { before, ..self }
    }

    /// The case with this answer.
    #[must_use]
    pub fn answers(self, answer: Answer) -> Self {
        Self { answer, ..self }
    }

    /// The case with these changes of counters.
    #[must_use]
    pub fn counts(self, counters: &[(&'static str, i64)]) -> Self {
        let counters = counters.to_vec();
        Self { counters, ..self }
    }

    /// The case with these lines for watchers.
    #[must_use]
    pub fn tells(self, lines: impl IntoIterator<Item = String>) -> Self {
        let lines = lines.into_iter().collect();
        Self { lines, ..self }
    }

    /// The case with this left under another key.
    #[must_use]
    pub fn leaves_at(self, probe: &'static str, left: Option<Item>) -> Self {
        Self {
            probe,
            left,
            ..self
        }
    }

    /// The case with this left.
    #[must_use]
    pub fn leaves(self, left: Option<Item>) -> Self {
        Self { left, ..self }
    }

    /// Whether scripts that handle every command are asked about the request: not about what is no script's, nor about
    /// a refused line.
    #[must_use]
    pub fn passes_scripts(&self) -> bool {
        matches!(self.kind, Kind::Plain | Kind::ScriptCall) && self.answer != Answer::TooLarge
    }
}

/// `get`.
pub const GET: Operation = Operation::Get {
    touch: None,
    cas: false,
};

/// `gets`.
pub const GETS: Operation = Operation::Get {
    touch: None,
    cas: true,
};

/// `gat`, a hundred seconds.
pub const GAT: Operation = Operation::Get {
    touch: Some(100),
    cas: false,
};

/// A hit of text.
#[must_use]
pub fn value(text: &str, flags: u32) -> Answer {
    Answer::Value {
        bytes: text.into(),
        flags,
        cas: None,
    }
}

/// A store of text that stays for ever.
#[must_use]
pub fn store(verb: Verb, text: &str, cas: Option<Token>) -> Operation {
    Operation::Store {
        verb,
        flags: 0,
        exptime: 0,
        value: text.into(),
        cas,
    }
}

/// Arithmetic by five.
#[must_use]
pub fn arith(down: bool, create: Option<(u64, u32)>, cas: Option<Token>) -> Operation {
    Operation::Arith {
        down,
        delta: 5,
        create,
        cas,
    }
}

/// The line of a look-up of an item; `None` is a miss.
#[must_use]
pub fn fetched(key: &str, found: Option<usize>) -> String {
    let key = percent_encoded(key);
    match found {
        Some(len) => format!("type=item_get key={key} status=found clsid=1 size={len}"),
        None => format!("type=item_get key={key} status=not_found clsid=0 size=0"),
    }
}

/// The line of a write of an item.
#[must_use]
pub fn stored(key: &str, status: &str, command: &str, ttl: u32, len: usize) -> String {
    let key = percent_encoded(key);
    format!("type=item_store key={key} status={status} cmd={command} ttl={ttl} clsid=1 size={len}")
}

/// The line of an item that was deleted.
#[must_use]
pub fn deleted(key: &str, len: usize) -> String {
    let key = percent_encoded(key);
    format!("type=deleted key={key} cmd=delete clsid=1 size={len}")
}

/// The line of a call by `get`, answered with so many bytes; `None` is a miss or a failure.
#[must_use]
pub fn called(key: &str, answered: Option<usize>) -> String {
    let line = fetched(key, answered);
    line.replace("clsid=1", "clsid=0")
}

/// The line of a call by `set`.
#[must_use]
pub fn called_by_set(key: &str, status: &str, len: usize) -> String {
    stored(key, status, "set", 0, len).replace("clsid=1", "clsid=0")
}

fn percent_encoded(key: &str) -> String {
    key.replace(':', "%3A").replace('$', "%24")
}
