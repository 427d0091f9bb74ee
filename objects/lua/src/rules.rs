//! What the host would refuse, known here too: a script gets an error it can catch and that says
//! where, while a refusal of the host ends the call and costs the instance. Pure.

use cacheismo_lua_contract as contract;

/// Longest key of an item, and longest `type$key` of an object.
const KEY_BYTES_MAX: usize = 250;
/// Most servers one question may go to.
pub(crate) const SERVERS_MAX: usize = 1024;

/// What the host said when it gave the scripts, and what the scripts declared.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    value_bytes_max: usize,
    /// Names of types, sorted, and whether only their functions write their objects.
    types: Vec<(Vec<u8>, bool)>,
}

impl Rules {
    /// Rules of which nothing is known yet.
    pub(crate) const fn new() -> Self {
        Self {
            value_bytes_max: usize::MAX,
            types: Vec::new(),
        }
    }

    /// Takes over what the host said.
    pub(crate) fn told(told: &contract::Rules<'_>) -> Self {
        let mut types: Vec<_> = told.types().map(|name| (name.to_vec(), true)).collect();
        types.sort();
        Self {
            value_bytes_max: told.value_bytes_max as usize,
            types,
        }
    }

    /// Notes that a script has a type of this name, in place of a native one.
    pub(crate) fn declare(&mut self, type_name: &[u8], protected: bool) {
        match self.find(type_name) {
            Ok(at) => self.types[at].1 = protected,
            Err(at) => self.types.insert(at, (type_name.to_vec(), protected)),
        }
    }

    fn find(&self, type_name: &[u8]) -> Result<usize, usize> {
        self.types
            .binary_search_by(|(name, _)| name.as_slice().cmp(type_name))
    }

    /// Whether an item can have this key.
    pub(crate) fn is_key(key: &[u8]) -> bool {
        (1..=KEY_BYTES_MAX).contains(&key.len())
    }

    /// Whether a client can ask for this key. Checked before it goes to another server.
    pub(crate) fn is_wire_key(key: &[u8]) -> bool {
        Self::is_key(key) && key.iter().all(|b| *b > b' ' && *b != 0x7f)
    }

    /// Why the item cannot be written.
    pub(crate) fn refuse_write(&self, key: &[u8], data: &[u8]) -> Option<&'static str> {
        if !Self::is_key(key) {
            return Some("an item's key has 1 to 250 bytes");
        }
        if data.len() > self.value_bytes_max {
            return Some("the value is longer than the cache takes");
        }
        let dollar = key
            .iter()
            .position(|b| *b == cacheismo_abi::OBJECT_SEPARATOR)?;
        let state = self.find(&key[..dollar]).is_ok_and(|at| self.types[at].1);
        state.then_some("the key names the state of an object")
    }

    /// Why the object cannot be opened.
    pub(crate) fn refuse_open(&self, type_name: &[u8], key: &[u8]) -> Option<&'static str> {
        if self.find(type_name).is_err() {
            return Some("there is no such object type");
        }
        let too_long = type_name.len() + 1 + key.len() > KEY_BYTES_MAX;
        too_long.then_some("the object's key is too long")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn rules() -> Rules {
        let mut told = Vec::new();
        contract::Rules::write(&mut told, 10, [&b"set"[..], b"map"].into_iter());
        let mut rules = Rules::told(&contract::Rules::read(&told).expect("written above"));
        rules.declare(b"map", false);
        rules.declare(b"board", true);
        rules
    }

    #[test]
    fn the_state_of_objects_is_not_written_as_an_item() {
        let rules = rules();
        for (key, refused) in [
            ("set$k", true),
            ("board$", true),
            ("map$k", false),
            ("sets$k", false),
            ("set", false),
            ("", true),
        ] {
            assert_eq!(
                rules.refuse_write(key.as_bytes(), b"").is_some(),
                refused,
                "{key}"
            );
        }
        assert!(rules.refuse_write(&[b'k'; 251], b"").is_some());
        assert!(rules.refuse_write(b"k", &[0; 11]).is_some());
        assert!(rules.refuse_write(&[b'k'; 250], &[0; 10]).is_none());
    }

    #[test]
    fn only_objects_of_known_types_are_opened() {
        let rules = rules();
        assert!(rules.refuse_open(b"set", b"k").is_none());
        assert!(rules.refuse_open(b"board", &[b'k'; 244]).is_none());
        assert!(rules.refuse_open(b"board", &[b'k'; 245]).is_some());
        assert!(rules.refuse_open(b"map", b"k").is_none());
        assert!(rules.refuse_open(b"other", b"k").is_some());
    }

    #[test]
    fn other_servers_are_asked_for_keys_only() {
        assert!(Rules::is_wire_key(b"a:b$\xff"));
        for key in [&b""[..], b"a b", b"a\r\nb", b"\x7f", &[b'k'; 251]] {
            assert!(!Rules::is_wire_key(key));
        }
    }
}
