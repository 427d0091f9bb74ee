//! Items and objects in maps, with an undo log: the world of the test host.

use cacheismo_abi as abi;
use std::collections::BTreeMap;

/// A plain item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub flags: u32,
    pub expiry_ms: i64,
    pub data: Vec<u8>,
}

/// An object with keyed fields.
#[derive(Clone, Debug, Default)]
pub struct Object {
    fields: BTreeMap<Vec<u8>, Vec<u8>>,
    value: Option<Vec<u8>>,
    expiry_ms: Option<i64>,
}

/// Another server: what it answers for a key.
pub type Peer = Box<dyn FnMut(&[u8]) -> Option<Vec<u8>> + Send>;

type Name = (Vec<u8>, Vec<u8>);

enum Undo {
    Item(Vec<u8>, Option<Item>),
    Object(Name, Option<Object>),
}

/// The world.
pub struct Store {
    pub items: BTreeMap<Vec<u8>, Item>,
    pub objects: BTreeMap<Name, Object>,
    pub now_ms: i64,
    pub zone: jiff::tz::TimeZone,
    pub peers: BTreeMap<String, Peer>,
    pub lru_deleted: i64,
    undo: Vec<Undo>,
    handles: Vec<Name>,
    parked: Vec<u8>,
    seed: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            objects: BTreeMap::new(),
            now_ms: 1_700_000_000_123,
            zone: jiff::tz::TimeZone::UTC,
            peers: BTreeMap::new(),
            lru_deleted: 0,
            undo: Vec::new(),
            handles: vec![(b"self".to_vec(), Vec::new())],
            parked: Vec::new(),
            seed: 1,
        }
    }
}

impl Store {
    pub fn commit(&mut self) {
        self.undo.clear();
    }

    pub fn roll_back(&mut self) {
        while let Some(undo) = self.undo.pop() {
            match undo {
                Undo::Item(key, Some(item)) => drop(self.items.insert(key, item)),
                Undo::Item(key, None) => drop(self.items.remove(&key)),
                Undo::Object(name, Some(object)) => drop(self.objects.insert(name, object)),
                Undo::Object(name, None) => drop(self.objects.remove(&name)),
            }
        }
    }

    /// Makes (type, key) the object of the next call.
    pub fn set_self(&mut self, type_name: &str, key: &[u8]) {
        self.handles = vec![(type_name.as_bytes().to_vec(), key.to_vec())];
    }

    pub fn random(&mut self) -> i64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.seed.cast_signed()
    }

    pub fn utc_offset_s(&self, unix_s: i64) -> i32 {
        let at = jiff::Timestamp::from_second(unix_s).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        self.zone.to_offset(at).seconds()
    }

    pub fn zone_name(&self, unix_s: i64) -> String {
        let at = jiff::Timestamp::from_second(unix_s).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        self.zone.to_offset_info(at).abbreviation().to_owned()
    }

    /// Stores or deletes an item; true when it was there.
    pub fn put_item(&mut self, key: &[u8], item: Option<Item>) -> bool {
        let old = match item {
            Some(item) => self.items.insert(key.to_vec(), item),
            None => self.items.remove(key),
        };
        let there = old.is_some();
        self.undo.push(Undo::Item(key.to_vec(), old));
        there
    }

    pub fn park_item(&mut self, key: &[u8]) -> Option<usize> {
        let item = self.items.get(key)?;
        if item.expiry_ms >= 0 && item.expiry_ms <= self.now_ms {
            return None;
        }
        self.parked.clear();
        self.parked.extend_from_slice(&item.flags.to_le_bytes());
        self.parked.extend_from_slice(&item.expiry_ms.to_le_bytes());
        self.parked.extend_from_slice(&item.data);
        Some(self.parked.len())
    }

    pub fn park_keys(&mut self, prefix: &[u8]) -> usize {
        let keys = self
            .items
            .keys()
            .filter(|k| k.starts_with(prefix))
            .map(Vec::as_slice);
        self.parked = super::pack_list(keys);
        self.parked.len()
    }

    pub fn parked(&self) -> &[u8] {
        &self.parked
    }

    pub fn delete_lru(&mut self, bytes: i64) {
        self.lru_deleted += bytes;
    }

    pub fn park_answers(&mut self, mut requests: &[u8]) -> usize {
        fn number(input: &mut &[u8]) -> usize {
            let (head, rest) = input.split_at(4);
            *input = rest;
            u32::from_le_bytes(head.try_into().expect("four bytes")) as usize
        }
        fn bytes<'a>(input: &mut &'a [u8]) -> &'a [u8] {
            let len = number(input);
            let (head, rest) = input.split_at(len);
            *input = rest;
            head
        }
        self.parked.clear();
        let mut index = 0_u32;
        while !requests.is_empty() {
            let server = String::from_utf8_lossy(bytes(&mut requests)).into_owned();
            for _ in 0..number(&mut requests) {
                let key = bytes(&mut requests);
                let value = self.peers.get_mut(&server).and_then(|peer| peer(key));
                if let Some(value) = value {
                    self.parked.extend_from_slice(&index.to_le_bytes());
                    self.parked
                        .extend(super::pack_list([key, value.as_slice()]));
                }
            }
            index += 1;
        }
        self.parked.len()
    }

    pub fn open(&mut self, type_name: &[u8], key: &[u8]) -> i32 {
        let name = (type_name.to_vec(), key.to_vec());
        let at = self.handles.iter().position(|n| *n == name);
        at.unwrap_or_else(|| {
            self.handles.push(name);
            self.handles.len() - 1
        }) as i32
    }

    fn object(&self, h: i32) -> Option<&Object> {
        self.objects.get(&self.handles[h as usize])
    }

    /// The object to change, with its old state remembered.
    fn touch(&mut self, h: i32) -> &mut Object {
        let name = self.handles[h as usize].clone();
        self.undo
            .push(Undo::Object(name.clone(), self.objects.get(&name).cloned()));
        self.objects.entry(name).or_default()
    }

    pub fn exists(&mut self, h: i32) -> i32 {
        i32::from(self.object(h).is_some())
    }

    pub fn create(&mut self, h: i32) -> i32 {
        let new = self.object(h).is_none();
        self.touch(h);
        i32::from(new)
    }

    pub fn delete(&mut self, h: i32) -> i32 {
        let there = self.object(h).is_some();
        self.touch(h);
        self.objects.remove(&self.handles[h as usize]);
        i32::from(there)
    }

    pub fn ttl(&mut self, h: i32) -> i64 {
        match self.object(h) {
            None => abi::TTL_ABSENT,
            Some(o) => o.expiry_ms.map_or(abi::TTL_NEVER, |at| at - self.now_ms),
        }
    }

    pub fn set_ttl(&mut self, h: i32, ms: i64) -> i32 {
        if self.object(h).is_none() {
            return 0;
        }
        let at = (ms >= 0).then_some(self.now_ms + ms);
        self.touch(h).expiry_ms = at;
        1
    }

    pub fn value(&self, h: i32) -> Option<&[u8]> {
        self.object(h)?.value.as_deref()
    }

    pub fn set_value(&mut self, h: i32, value: &[u8]) {
        self.touch(h).value = Some(value.to_vec());
    }

    pub fn field(&self, h: i32, key: &[u8]) -> Option<&[u8]> {
        self.object(h)?.fields.get(key).map(Vec::as_slice)
    }

    pub fn put_field(&mut self, h: i32, key: &[u8], value: &[u8]) -> i32 {
        i32::from(
            self.touch(h)
                .fields
                .insert(key.to_vec(), value.to_vec())
                .is_none(),
        )
    }

    pub fn delete_field(&mut self, h: i32, key: &[u8]) -> i32 {
        i32::from(self.object(h).is_some() && self.touch(h).fields.remove(key).is_some())
    }

    pub fn count(&mut self, h: i32) -> i64 {
        self.object(h).map_or(0, |o| o.fields.len() as i64)
    }

    pub fn clear(&mut self, h: i32) {
        if self.object(h).is_some() {
            self.touch(h).fields.clear();
        }
    }

    /// A batch of entries, or how many bytes the first one needs.
    pub fn scan(&self, h: i32, from: &[u8], flags: i32, cap: usize) -> Result<Vec<u8>, usize> {
        let mut out = Vec::new();
        let Some(object) = self.object(h) else {
            return Ok(out);
        };
        let reverse = flags & abi::SCAN_REVERSE != 0;
        let mut entries: Vec<_> = object.fields.iter().collect();
        if reverse {
            entries.reverse();
        }
        for (key, value) in entries {
            let skip = match key.as_slice().cmp(from) {
                _ if reverse && from.is_empty() => false,
                std::cmp::Ordering::Equal => flags & abi::SCAN_AFTER != 0,
                std::cmp::Ordering::Less => !reverse,
                std::cmp::Ordering::Greater => reverse,
            };
            if skip {
                continue;
            }
            let value: &[u8] = if flags & abi::SCAN_KEYS != 0 {
                &[]
            } else {
                value
            };
            let size = abi::SCAN_ENTRY_HEAD + key.len() + value.len();
            if out.len() + size > cap {
                return if out.is_empty() { Err(size) } else { Ok(out) };
            }
            out.extend_from_slice(&(key.len() as u32).to_le_bytes());
            out.extend_from_slice(&(value.len() as u32).to_le_bytes());
            out.extend_from_slice(key);
            out.extend_from_slice(value);
        }
        Ok(out)
    }
}
