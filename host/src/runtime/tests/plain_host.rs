//! A host of plain maps. A call gets a copy; the caller keeps the copy when the call succeeded.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::{Duration, Instant};

use cacheismo_abi::{SCAN_AFTER, SCAN_ENTRY_HEAD, SCAN_KEYS, SCAN_REVERSE, TTL_ABSENT, TTL_NEVER};

use super::api::{Deadline, Handle, ObjectHost, Scan, Stop};

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) fields: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) ttl_ms: i64,
}

impl Default for Object {
    fn default() -> Object {
        Object {
            fields: BTreeMap::new(),
            value: None,
            ttl_ms: TTL_NEVER,
        }
    }
}

/// The state, and a way to inject stops.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PlainHost {
    pub(crate) objects: BTreeMap<String, Object>,
    pub(crate) items: BTreeMap<Vec<u8>, (u32, i64, Vec<u8>)>,
    pub(crate) handles: Vec<String>,
    pub(crate) lru_bytes: u64,
    pub(crate) random: u64,
    /// How the next `exists` ends the call instead.
    pub(crate) stop: Option<Stop>,
    /// Whether the next `exists` panics.
    pub(crate) panics: bool,
    /// Hash of the name of the call's own object.
    pub(crate) object_hash: u64,
    /// Pieces of work that `item_keys` finds before the keys, each a millisecond long.
    pub(crate) scan_ms: u64,
    /// When the call has to end.
    pub(crate) deadline: SeenDeadline,
}

impl PlainHost {
    pub(crate) fn new() -> PlainHost {
        PlainHost {
            handles: vec!["self".to_owned()],
            ..PlainHost::default()
        }
    }

    fn name(&self, h: Handle) -> Result<String, Stop> {
        self.handles
            .get(h.0 as usize)
            .cloned()
            .ok_or(Stop::Misuse("unknown handle"))
    }

    fn object(&self, h: Handle) -> Result<Option<&Object>, Stop> {
        Ok(self.objects.get(&self.name(h)?))
    }

    fn object_made(&mut self, h: Handle) -> Result<&mut Object, Stop> {
        let name = self.name(h)?;
        Ok(self.objects.entry(name).or_default())
    }

    fn object_there(&mut self, h: Handle) -> Result<Option<&mut Object>, Stop> {
        let name = self.name(h)?;
        Ok(self.objects.get_mut(&name))
    }
}

fn copy(from: &[u8], out: &mut [u8]) {
    let len = from.len().min(out.len());
    out[..len].copy_from_slice(&from[..len]);
}

/// A deadline that does not count when two hosts are compared.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeenDeadline(Deadline);

impl PartialEq for SeenDeadline {
    fn eq(&self, _: &SeenDeadline) -> bool {
        true
    }
}

impl Eq for SeenDeadline {}

/// Works for so long.
fn work(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}

impl ObjectHost for PlainHost {
    fn object_hash(&self) -> u64 {
        self.object_hash
    }
    fn set_deadline(&mut self, deadline: &Deadline) {
        self.deadline = SeenDeadline(deadline.clone());
    }
    fn open(&mut self, type_name: &[u8], key: &[u8]) -> Result<Handle, Stop> {
        let name = format!(
            "{}${}",
            String::from_utf8_lossy(type_name),
            String::from_utf8_lossy(key)
        );
        let known = self.handles.iter().position(|open| *open == name);
        let index = known.unwrap_or_else(|| {
            self.handles.push(name);
            self.handles.len() - 1
        });
        Ok(Handle(index as u32))
    }
    fn exists(&mut self, h: Handle) -> Result<bool, Stop> {
        assert!(!self.panics, "told to panic");
        match self.stop.take() {
            Some(stop) => Err(stop),
            None => Ok(self.object(h)?.is_some()),
        }
    }
    fn create(&mut self, h: Handle) -> Result<bool, Stop> {
        let name = self.name(h)?;
        let there = self.objects.contains_key(&name);
        self.objects.entry(name).or_default();
        Ok(!there)
    }
    fn delete(&mut self, h: Handle) -> Result<bool, Stop> {
        let name = self.name(h)?;
        Ok(self.objects.remove(&name).is_some())
    }
    fn ttl_ms(&mut self, h: Handle) -> Result<i64, Stop> {
        Ok(self.object(h)?.map_or(TTL_ABSENT, |object| object.ttl_ms))
    }
    fn set_ttl_ms(&mut self, h: Handle, ms: i64) -> Result<bool, Stop> {
        let object = self.object_there(h)?;
        Ok(object.map(|object| object.ttl_ms = ms).is_some())
    }
    fn value_get(
        &mut self,
        h: Handle,
        offset: usize,
        out: &mut [u8],
    ) -> Result<Option<usize>, Stop> {
        let Some(value) = self.object(h)?.and_then(|object| object.value.as_ref()) else {
            return Ok(None);
        };
        copy(value.get(offset..).unwrap_or(&[]), out);
        Ok(Some(value.len()))
    }
    fn value_set(&mut self, h: Handle, value: &[u8]) -> Result<(), Stop> {
        self.object_made(h)?.value = Some(value.to_vec());
        Ok(())
    }
    fn field<R>(
        &mut self,
        h: Handle,
        field: &[u8],
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, Stop> {
        let value = self.object(h)?.and_then(|object| object.fields.get(field));
        Ok(value.map(|value| read(value)))
    }
    fn field_put(&mut self, h: Handle, field: &[u8], value: &[u8]) -> Result<bool, Stop> {
        let fields = &mut self.object_made(h)?.fields;
        Ok(fields.insert(field.to_vec(), value.to_vec()).is_none())
    }
    fn field_delete(&mut self, h: Handle, field: &[u8]) -> Result<bool, Stop> {
        let object = self.object_there(h)?;
        Ok(object.is_some_and(|object| object.fields.remove(field).is_some()))
    }
    fn field_count(&mut self, h: Handle) -> Result<u64, Stop> {
        Ok(self
            .object(h)?
            .map_or(0, |object| object.fields.len() as u64))
    }
    fn field_scan(
        &mut self,
        h: Handle,
        from: &[u8],
        flags: i32,
        out: &mut [u8],
    ) -> Result<Scan, Stop> {
        let Some(object) = self.object(h)? else {
            return Ok(Scan::Filled(0));
        };
        let after = flags & SCAN_AFTER != 0;
        let edge = if after {
            Bound::Excluded(from)
        } else {
            Bound::Included(from)
        };
        let range: Box<dyn Iterator<Item = (&Vec<u8>, &Vec<u8>)>> = match flags & SCAN_REVERSE != 0
        {
            false => Box::new(object.fields.range::<[u8], _>((edge, Bound::Unbounded))),
            true if from.is_empty() => Box::new(object.fields.iter().rev()),
            true => Box::new(
                object
                    .fields
                    .range::<[u8], _>((Bound::Unbounded, edge))
                    .rev(),
            ),
        };
        let mut filled = 0;
        for (key, value) in range {
            let value: &[u8] = if flags & SCAN_KEYS != 0 { &[] } else { value };
            let needs = SCAN_ENTRY_HEAD + key.len() + value.len();
            if filled + needs > out.len() {
                return Ok(if filled == 0 {
                    Scan::Needs(needs)
                } else {
                    Scan::Filled(filled)
                });
            }
            let head = [key.len() as u32, value.len() as u32]
                .map(u32::to_le_bytes)
                .concat();
            copy(&[&head, key.as_slice(), value].concat(), &mut out[filled..]);
            filled += needs;
        }
        Ok(Scan::Filled(filled))
    }
    fn field_clear(&mut self, h: Handle) -> Result<(), Stop> {
        if let Some(object) = self.object_there(h)? {
            object.fields.clear();
        }
        Ok(())
    }
    fn now_ms(&self) -> i64 {
        1_700_000_000_123
    }
    fn utc_offset_s(&self, unix_s: i64) -> i32 {
        if unix_s < 0 { -3600 } else { 7200 }
    }
    fn zone_name(&self, unix_s: i64) -> String {
        if unix_s < 0 { "WINTER" } else { "SUMMER" }.to_owned()
    }
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_sub(1);
        self.random
    }
    fn item_get(&mut self, key: &[u8], out: &mut Vec<u8>) -> Result<bool, Stop> {
        let Some((flags, expiry_ms, data)) = self.items.get(key) else {
            return Ok(false);
        };
        out.extend(flags.to_le_bytes());
        out.extend(expiry_ms.to_le_bytes());
        out.extend(data);
        Ok(true)
    }
    fn item_put(
        &mut self,
        key: &[u8],
        flags: u32,
        expiry_ms: i64,
        data: &[u8],
    ) -> Result<(), Stop> {
        self.items
            .insert(key.to_vec(), (flags, expiry_ms, data.to_vec()));
        Ok(())
    }
    fn item_delete(&mut self, key: &[u8]) -> Result<bool, Stop> {
        Ok(self.items.remove(key).is_some())
    }
    fn item_delete_lru(&mut self, bytes: u64) -> Result<(), Stop> {
        self.lru_bytes = self.lru_bytes.saturating_add(bytes);
        Ok(())
    }
    fn item_keys(&mut self, prefix: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        for _ in 0..self.scan_ms {
            work(Duration::from_millis(1));
            self.deadline.0.check()?;
        }
        for key in self.items.keys().filter(|key| key.starts_with(prefix)) {
            out.extend((key.len() as u32).to_le_bytes());
            out.extend(key);
        }
        Ok(())
    }
    fn peer_get(&mut self, requests: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        work(Duration::from_millis(self.scan_ms));
        out.extend(b"answer to ");
        out.extend(requests);
        Ok(())
    }
}
