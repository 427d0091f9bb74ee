//! Objects as a log has them: a large state, or changes of fields, with the version they had.

use super::trees::{tree_of, tree_of_fields};
use super::{Drafted, Stamp};
use crate::fields::{FieldChange, Tree};
use crate::index::bucket::NODE_PLAN;
use crate::item::draft::Draft;
use crate::item::flag;
use crate::memory::nodes::Writer;
use crate::shard::{Found, Room, Spare};
use crate::{Applied, Body, Content, Key, Now, Store};

impl Store {
    /// Changes an object as `body` says, all of it or nothing. `draft` is the object's item with the root of a tree in
    /// it, yet to be made. An item that was used at `tick` stays where it is in the order.
    pub(in crate::ops) fn restore_object(
        &self,
        key: Key<'_>,
        now: Now,
        tick: u64,
        draft: Draft<'_>,
        body: &Body<'_>,
    ) -> Applied {
        // What makes room while it has a shard may wait for another one.
        let _turn = self.commit.lock();
        let drafted = Drafted {
            plan: draft.plan(),
            draft,
            value: &[],
        };
        let mut spare = Spare::default();
        let done = loop {
            let room = match self.try_restore(key, now, tick, &drafted, body, &mut spare) {
                Ok(done) => break done,
                Err(room) => room,
            };
            match self.make_room(&room.plan) {
                Ok(chain) if room.plan == NODE_PLAN => spare.node = Some(chain.head),
                Ok(chain) => spare.item = Some((room.plan, chain)),
                Err(_) => break Applied::NoRoom,
            }
        };
        self.drop_spare(spare);
        self.settle();
        done
    }

    fn try_restore(
        &self,
        key: Key<'_>,
        now: Now,
        tick: u64,
        drafted: &Drafted<'_>,
        body: &Body<'_>,
        spare: &mut Spare,
    ) -> Result<Applied, Room> {
        let mut locked = [self.lock(key.hash)];
        let found = locked[0].find(key, now);
        if !has_base(body, found) {
            return Ok(Applied::Missing);
        }
        locked[0].prepare_item(&drafted.plan, found, spare)?;
        let spared = found.map(|found| found.item.addr());
        let mut nodes = Writer {
            store: self,
            evicts: true,
            held: &mut locked,
            spared: spared.as_slice(),
        };
        let Some(tree) = changed(body, found, &mut nodes) else {
            return Ok(Applied::NoRoom);
        };
        let [locked] = &mut locked;
        // Found again, since others may have left the bucket.
        let found = locked.find(key, now);
        let stamp = Stamp {
            cas: drafted.draft.cas,
            in_place: found.is_some_and(|found| found.item.tick() == tick as u32),
        };
        let item = locked.apply_value(key.hash, drafted, found, Some(tree), spare, stamp);
        if self.listeners.want_changes() {
            let anew = found.is_none_or(|found| !found.item.has(flag::OBJECT));
            told(body, anew, |content| {
                locked.tell_stored(&item, Some(content))
            });
        }
        Ok(Applied::Done)
    }
}

/// Whether there is what `body` changes, if it needs anything to be there. Fields that were cleared leave the opaque
/// value, so these need one, too, unless they bring their own.
fn has_base(body: &Body<'_>, found: Option<Found<'_>>) -> bool {
    let object = found.is_some_and(|found| found.item.has(flag::OBJECT));
    match body {
        Body::Fields {
            fresh,
            clear,
            value,
            ..
        } => object || *fresh || *clear && value.is_some(),
        _ => true,
    }
}

/// The object's tree after the change; `None` when there is no room, and then nothing changed.
fn changed(body: &Body<'_>, found: Option<Found<'_>>, nodes: &mut Writer<'_, '_>) -> Option<Tree> {
    let item = found.map(|found| found.item);
    match body {
        Body::Fields {
            fields,
            clear,
            fresh,
            value,
        } => {
            let fields: Vec<FieldChange<'_>> =
                fields.iter().map(|(name, value)| (*name, *value)).collect();
            tree_of_fields(item, &fields, (*clear, *fresh), *value, nodes)
        }
        Body::State(state) => tree_of(item, state, nodes),
        _ => None,
    }
}

/// Hands what is told of `body` to `tell`; `anew` where there was no object before.
#[cold]
fn told(body: &Body<'_>, anew: bool, mut tell: impl FnMut(Content<'_>)) {
    match body {
        Body::Fields {
            fields,
            clear,
            fresh,
            value,
        } => {
            let owned = |bytes: &[u8]| bytes.to_vec();
            let fields = fields
                .iter()
                .map(|(name, value)| (owned(name), value.map(owned)))
                .collect();
            tell(Content::Fields {
                fields: &fields,
                clear: *clear,
                fresh: *fresh || anew,
                value: *value,
            });
        }
        Body::State(state) => tell(Content::State(state)),
        _ => {}
    }
}
