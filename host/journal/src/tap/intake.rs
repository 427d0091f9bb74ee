//! Where workers hand over their records, and how the log's thread looks at them and sleeps.
//!
//! **Looking.** [`Intake::look`] reads the store's clock, then each slot, and then what its thread handed over. The
//! least of the clock and of the open slots is the *watermark*: no record below it is still to come. For a thread hands
//! over before it closes its slot; a turn that is open then has no tick below its slot; and one that opens its slot
//! later reads the clock after that, and has no tick below what was read here.
//!
//! **Sleeping.** The log's thread says for what it wants to be woken, looks again whether that is there already, and
//! sleeps. Workers do their part first and look whether somebody sleeps after. Both do so in one order that all agree
//! on, so one of them sees the other, and no call is lost.
//!
//! **A gap.** What is handed over beyond the limit cannot be kept, and then the log must not go on: it would be no
//! prefix of what happened. From there to [`Intake::resume`] all that is handed over is dropped.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, fence};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::slot::{Queue, Slot};
use crate::point::point;

/// Waiting bytes at which a thread that gathers is woken.
const GATHER_BYTES: usize = 256 << 10;
/// Capacity in bytes that an empty buffer may keep, however little of it is needed.
const CAPACITY_KEPT: usize = 1 << 20;
/// Records of so many bytes change hands without a copy, where that is possible.
const SWAPPED_BYTES_MIN: usize = 16 << 10;

/// Why what is handed over is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Gap {
    /// It is not.
    None,
    /// More waited than is allowed.
    Full,
    /// A record was longer than any log can hold.
    TooLong,
    /// The disk failed.
    Disk,
    /// The log has ended.
    Closed,
}

const GAPS: [Gap; 5] = [Gap::None, Gap::Full, Gap::TooLong, Gap::Disk, Gap::Closed];

/// For what the log's thread is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Sleep {
    /// It is awake.
    Awake,
    /// For requests, as always.
    Deep,
    /// When enough waits to be worth it.
    Gathering,
    /// When anything is handed over.
    Idle,
    /// When any turn ends.
    Held,
}

/// On a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

/// What all workers share with the log's thread.
pub(crate) struct Intake {
    slots: Mutex<Slots>,
    /// Most bytes that may wait, unless they are one turn's.
    bytes_max: usize,
    /// Bytes that were handed over and are not in the log yet. Written in each turn that writes.
    waiting: Padded<AtomicUsize>,
    /// Written seldom, read in each turn.
    gap: Padded<AtomicU8>,
    sleep: AtomicU8,
    /// Bytes that were dropped.
    dropped: AtomicU64,
    /// Wakes the log's thread.
    alarm: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Debug, Default)]
struct Slots {
    all: Vec<Arc<Slot>>,
    made: u64,
}

/// What became of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handed {
    /// They wait, behind so many bytes of all threads.
    Behind(usize),
    /// There is a gap, and they were dropped.
    Dropped,
    /// There is no room for them, and they were dropped. Whoever is told breaks the log off.
    Full,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting = self.waiting();
        let gap = self.gap();
        f.debug_struct("Intake")
            .field("waiting", &waiting)
            .field("gap", &gap)
            .finish_non_exhaustive()
    }
}

impl Intake {
    pub(crate) fn new(bytes_max: usize) -> Intake {
        Intake {
            slots: Mutex::default(),
            bytes_max,
            waiting: Padded::default(),
            gap: Padded(AtomicU8::new(Gap::None as u8)),
            sleep: AtomicU8::new(Sleep::Awake as u8),
            dropped: AtomicU64::new(0),
            alarm: OnceLock::new(),
        }
    }

    /// A slot for a thread.
    pub(crate) fn slot(&self) -> Arc<Slot> {
        let mut slots = self.slots.lock();
        slots.made += 1;
        let slot = Arc::new(Slot::new(slots.made));
        slots.all.push(Arc::clone(&slot));
        slot
    }

    /// Hands over whole records, of which the last has tick `last`, and empties `records`.
    pub(crate) fn hand_over(&self, slot: &Slot, records: &mut Vec<u8>, last: u64) -> Handed {
        let handed = slot.with_queue(|queue| {
            let bytes = records.len();
            if self.gap() != Gap::None {
                self.dropped.fetch_add(bytes as u64, Relaxed);
                return Handed::Dropped;
            }
            let before = self.waiting.0.fetch_add(bytes, Relaxed);
            if before > 0 && before + bytes > self.bytes_max {
                self.waiting.0.fetch_sub(bytes, Relaxed);
                self.dropped.fetch_add(bytes as u64, Relaxed);
                return Handed::Full;
            }
            if queue.records.is_empty() && bytes >= SWAPPED_BYTES_MIN {
                std::mem::swap(&mut queue.records, records);
            } else {
                queue.records.extend_from_slice(records);
            }
            queue.last = last;
            queue.turns += 1;
            Handed::Behind(before)
        });
        empty(records);
        handed
    }

    /// Calls the log's thread if it sleeps until what a turn just did.
    #[inline]
    pub(crate) fn turn_ended(&self, handed: Option<Handed>) {
        point();
        let sleep = self.sleep.load(SeqCst);
        if sleep == Sleep::Awake as u8 {
            return;
        }
        let wake = match handed {
            Some(Handed::Behind(before)) => {
                sleep >= Sleep::Idle as u8
                    || sleep == Sleep::Gathering as u8
                        && before < GATHER_BYTES
                        && self.waiting() >= GATHER_BYTES
            }
            _ => sleep == Sleep::Held as u8,
        };
        if wake {
            self.wake();
        }
    }

    /// Calls the log's thread.
    #[cold]
    pub(crate) fn wake(&self) {
        point();
        let slept = self.sleep.swap(Sleep::Awake as u8, SeqCst) != Sleep::Awake as u8;
        if slept && let Some(alarm) = self.alarm.get() {
            alarm();
        }
    }

    /// Begins a gap, if there is none.
    pub(crate) fn break_off(&self, gap: Gap) -> bool {
        point();
        let (none, gap) = (Gap::None as u8, gap as u8);
        self.gap
            .0
            .compare_exchange(none, gap, AcqRel, Acquire)
            .is_ok()
    }

    /// Why what is handed over is dropped.
    pub(crate) fn gap(&self) -> Gap {
        GAPS[usize::from(self.gap.0.load(Acquire))]
    }

    /// Bytes that were handed over and are not in the log yet.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.0.load(Relaxed)
    }

    /// Bytes that were dropped since this was asked last.
    pub(crate) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Relaxed)
    }
}

/// The side of the log's thread.
impl Intake {
    /// Says how this thread is woken.
    pub(crate) fn set_alarm(&self, alarm: Box<dyn Fn() + Send + Sync>) {
        if self.alarm.set(alarm).is_err() {
            unreachable!("a log has one thread");
        }
    }

    /// Gives `take` what threads have handed over, with the numbers of their slots. Returns the watermark: all records
    /// with a lower tick have been given.
    pub(crate) fn look(
        &self,
        clock: &dyn Fn() -> u64,
        mut take: impl FnMut(u64, &mut Queue),
    ) -> u64 {
        let mut watermark = clock();
        fence(SeqCst);
        point();
        let slots = self.slots.lock().all.clone();
        let mut gone = Vec::new();
        for slot in &slots {
            if slot.is_gone() {
                gone.push(slot.id);
            }
            watermark = watermark.min(slot.open());
            slot.with_queue(|queue| {
                if !queue.records.is_empty() {
                    take(slot.id, queue);
                }
            });
        }
        if !gone.is_empty() {
            let is_there = |slot: &Arc<Slot>| !gone.contains(&slot.id);
            self.slots.lock().all.retain(is_there);
        }
        watermark
    }

    /// The turns under way: their slots, and how many turns each has ended.
    pub(crate) fn turns_under_way(&self) -> Vec<(u64, u64)> {
        let slots = self.slots.lock().all.clone();
        // The count comes first: if the turn ends in between, it is waited for in vain by nobody.
        let counted = slots.iter().map(|slot| (slot, slot.ended()));
        let open = counted.filter(|(slot, _)| slot.is_open());
        open.map(|(slot, ended)| (slot.id, ended)).collect()
    }

    /// Whether one of these turns has not ended.
    pub(crate) fn is_under_way(&self, turns: &[(u64, u64)]) -> bool {
        let slots = self.slots.lock().all.clone();
        slots.iter().any(|slot| {
            let ended = slot.ended();
            turns.iter().any(|turn| *turn == (slot.id, ended))
        })
    }

    /// How many turns have ended, of the threads that there are.
    pub(crate) fn turns_ended(&self) -> u64 {
        let slots = self.slots.lock().all.clone();
        // The slot is read first: what its thread did before it closed the slot is seen then.
        let ended = slots.iter().map(|slot| {
            slot.open();
            slot.ended()
        });
        ended.fold(0, u64::wrapping_add)
    }

    /// Says for what this thread is woken from now on. It must look whether that is there already before it sleeps.
    pub(crate) fn prepare_to_sleep(&self, sleep: Sleep) {
        point();
        self.sleep.store(sleep as u8, SeqCst);
        point();
    }

    /// Whether nobody has called.
    pub(crate) fn sleeps(&self) -> bool {
        point();
        self.sleep.load(SeqCst) != Sleep::Awake as u8
    }

    /// So many bytes are in the log, or were dropped.
    pub(crate) fn left(&self, bytes: usize) {
        self.waiting.0.fetch_sub(bytes, Relaxed);
    }

    /// Drops what was handed over. Returns how many bytes and of how many turns.
    pub(crate) fn drop_all(&self) -> (usize, u64) {
        let slots = self.slots.lock().all.clone();
        let (mut bytes, mut turns) = (0, 0);
        for slot in &slots {
            slot.with_queue(|queue| {
                bytes += queue.records.len();
                turns += queue.turns;
                queue.records = Vec::new();
                queue.turns = 0;
            });
        }
        self.left(bytes);
        (bytes, turns)
    }

    /// Ends a gap. What was handed over before is dropped, and what is handed over from now on is not. Returns how many
    /// bytes were dropped, and of how many turns.
    pub(crate) fn resume(&self) -> (usize, u64) {
        point();
        self.gap.0.store(Gap::None as u8, SeqCst);
        self.drop_all()
    }

    /// Drops all that comes from now on.
    pub(crate) fn close(&self) {
        point();
        self.gap.0.store(Gap::Closed as u8, SeqCst);
    }
}

/// Empties a buffer. A large one gives its memory back when little of it was needed.
pub(crate) fn empty(buffer: &mut Vec<u8>) {
    if buffer.capacity() > CAPACITY_KEPT && buffer.len() < buffer.capacity() / 4 {
        *buffer = Vec::new();
    }
    buffer.clear();
}
