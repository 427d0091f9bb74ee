//! When calls that keep being stopped are refused without trying, and which calls.
//!
//! A trap costs an instance, and a deadline stop holds a thread for its whole time. Calls of one function on one object
//! that are stopped again and again are paused, for longer each time, and then tried again. The function's calls on
//! other objects go on: one client's huge object is no fault of theirs. Only when many objects in a row are stopped,
//! without a success in between, the function itself is taken for broken and paused as a whole. So a client whose calls
//! are stopped cannot pause the calls of others that succeed. Pure logic.

/// Stops within [`WINDOW_MS`] that pause a function's calls on one object.
pub const STOPS_MAX: u32 = 8;
/// Different objects stopped in a row within [`WINDOW_MS`], without a success in between, that pause the whole
/// function.
pub const ROW_MAX: usize = 16;
/// How far back stops are counted, in milliseconds.
pub const WINDOW_MS: u64 = 10_000;
/// First pause, in milliseconds; each further one is twice as long.
pub const PAUSE_MS_MIN: u64 = 500;
/// Longest pause, in milliseconds.
pub const PAUSE_MS_MAX: u64 = 30_000;
/// Objects of one function whose stops are remembered; the one stopped longest ago is forgotten first.
pub const OBJECTS_MAX: usize = 64;

/// Which calls of a function are paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Calls on one object.
    OneObject,
    /// Calls on any object.
    All,
}

/// A pause that a stop has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paused {
    /// Which calls are paused.
    pub whose: Whose,
    /// When the pause ends, in milliseconds of the clock by which stops are noted.
    pub until_ms: u64,
}

/// The recent stops of one function.
#[derive(Debug, Default)]
pub struct Backoff {
    objects: Vec<Stopped>,
    whole: Pause,
}

/// An object on which calls were stopped.
#[derive(Debug)]
struct Stopped {
    /// Hash of the object's name.
    object: u64,
    stops: Stops,
    last_ms: u64,
    /// No call of the function has succeeded since the object's last stop.
    in_row: bool,
}

impl Backoff {
    /// Notes a trap or deadline stop of a call on an object, and whether any call of the function has `succeeded` since
    /// the stop before; returns the pause that the stop brings, if it brings one.
    pub fn note_stop(&mut self, object: u64, succeeded: bool, now_ms: u64) -> Option<Paused> {
        if succeeded {
            self.end_row();
        }
        let stopped = self.stopped(object);
        stopped.last_ms = now_ms;
        stopped.in_row = true;
        let object_until = stopped.stops.note(now_ms);
        let in_row = |stopped: &&Stopped| stopped.in_row && now_ms < stopped.last_ms + WINDOW_MS;
        if self.objects.iter().filter(in_row).count() >= ROW_MAX {
            self.end_row();
            return Some(Paused {
                whose: Whose::All,
                until_ms: self.whole.begin(now_ms),
            });
        }
        object_until.map(|until_ms| Paused {
            whose: Whose::OneObject,
            until_ms,
        })
    }

    /// The pause of calls on the object, if they are paused.
    pub fn paused(&self, object: u64, now_ms: u64) -> Option<Paused> {
        let of_object = self
            .objects
            .iter()
            .find(|stopped| stopped.object == object)
            .map_or(0, |stopped| stopped.stops.pause.until_ms);
        [
            (Whose::All, self.whole.until_ms),
            (Whose::OneObject, of_object),
        ]
        .into_iter()
        .find(|(_, until_ms)| now_ms < *until_ms)
        .map(|(whose, until_ms)| Paused { whose, until_ms })
    }

    /// The record of an object. A new one takes the place of the stalest if there are too many.
    fn stopped(&mut self, object: u64) -> &mut Stopped {
        let known = self.objects.iter().position(|known| known.object == object);
        let place = known.unwrap_or_else(|| {
            if self.objects.len() >= OBJECTS_MAX {
                let ages = self.objects.iter().enumerate();
                let stalest = ages.min_by_key(|(_, stopped)| stopped.last_ms);
                self.objects.swap_remove(stalest.map_or(0, |(at, _)| at));
            }
            self.objects.push(Stopped {
                object,
                stops: Stops::default(),
                last_ms: 0,
                in_row: false,
            });
            self.objects.len() - 1
        });
        &mut self.objects[place]
    }

    fn end_row(&mut self) {
        self.objects
            .iter_mut()
            .for_each(|stopped| stopped.in_row = false);
    }
}

/// The recent stops on one object.
#[derive(Clone, Copy, Debug, Default)]
struct Stops {
    /// Times of the last stops in milliseconds, a ring.
    times: [u64; STOPS_MAX as usize],
    /// Stops noted since the last pause, or since the ring was last stale.
    noted: u32,
    pause: Pause,
}

impl Stops {
    /// Notes a stop; returns when the pause ends that the stop brings, if it brings one.
    ///
    /// After a pause a single stop within [`WINDOW_MS`] brings the next, longer pause: what still fails need not fail
    /// eight times more. An object without a stop for that long starts with a clean record.
    fn note(&mut self, now_ms: u64) -> Option<u64> {
        let on_probation = self.pause.is_recent(now_ms);
        let slot = (self.noted % STOPS_MAX) as usize;
        let oldest = self.times[(self.noted + 1) as usize % STOPS_MAX as usize];
        self.times[slot] = now_ms;
        self.noted += 1;
        let frequent = self.noted >= STOPS_MAX && now_ms - oldest.min(now_ms) < WINDOW_MS;
        if !on_probation && !frequent {
            return None;
        }
        self.noted = 0;
        Some(self.pause.begin(now_ms))
    }
}

/// The last pause.
#[derive(Clone, Copy, Debug, Default)]
struct Pause {
    /// When the pause ends, in milliseconds; 0 when there was none.
    until_ms: u64,
    length_ms: u64,
}

impl Pause {
    /// Whether the pause goes on, or ended less than [`WINDOW_MS`] ago.
    fn is_recent(&self, now_ms: u64) -> bool {
        self.length_ms > 0 && now_ms < self.until_ms + WINDOW_MS
    }

    /// Begins the next pause, twice as long when the last was recent; returns when it ends.
    fn begin(&mut self, now_ms: u64) -> u64 {
        if !self.is_recent(now_ms) {
            self.length_ms = 0;
        }
        self.length_ms = (self.length_ms * 2).clamp(PAUSE_MS_MIN, PAUSE_MS_MAX);
        self.until_ms = now_ms + self.length_ms;
        self.until_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: u64 = 7;

    /// Notes a stop on the object; returns the end of the pause it brought.
    fn stop(backoff: &mut Backoff, now_ms: u64) -> Option<u64> {
        let paused = backoff.note_stop(OBJECT, false, now_ms)?;
        assert_eq!(paused.whose, Whose::OneObject);
        assert_eq!(backoff.paused(OBJECT, paused.until_ms - 1), Some(paused));
        assert_eq!(backoff.paused(OBJECT, paused.until_ms), None);
        Some(paused.until_ms)
    }

    #[test]
    fn some_stops_are_tolerated() {
        let mut backoff = Backoff::default();
        for n in 0..100 {
            // Seven stops in ten seconds, forever.
            assert_eq!(stop(&mut backoff, n * (WINDOW_MS / 7 + 1)), None);
        }
    }

    #[test]
    fn many_stops_pause_it_for_a_growing_time() {
        let mut backoff = Backoff::default();
        let mut now = 1000;
        for _ in 1..STOPS_MAX {
            assert_eq!(stop(&mut backoff, now), None);
            now += 10;
        }
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let until = stop(&mut backoff, now).expect("paused");
            pauses.push(until - now);
            now = until + 1;
        }
        assert_eq!(
            pauses,
            [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]
        );
    }

    #[test]
    fn after_a_quiet_time_it_starts_with_a_clean_record() {
        let mut backoff = Backoff::default();
        let mut until = None;
        for now in 0..u64::from(STOPS_MAX) {
            until = stop(&mut backoff, now);
        }
        let mut now = until.expect("paused") + WINDOW_MS;
        for _ in 1..STOPS_MAX {
            assert_eq!(stop(&mut backoff, now), None);
            now += 1;
        }
        assert_eq!(stop(&mut backoff, now), Some(now + PAUSE_MS_MIN));
    }

    #[test]
    fn others_do_not_pay_for_it() {
        let mut backoff = Backoff::default();
        for now in 0..1000 {
            stop(&mut backoff, now);
        }
        assert!(backoff.paused(OBJECT, 1000).is_some());
        assert_eq!(backoff.paused(OBJECT + 1, 1000), None);
    }

    #[test]
    fn many_objects_in_a_row_pause_the_whole_function() {
        let mut backoff = Backoff::default();
        let row = |backoff: &mut Backoff, first: u64, now_ms: u64| {
            let stops = (first..first + ROW_MAX as u64)
                .filter_map(|object| backoff.note_stop(object, false, now_ms));
            let pauses: Vec<Paused> = stops.collect();
            assert_eq!(pauses.len(), 1, "only the last one brings it: {pauses:?}");
            assert_eq!(pauses[0].whose, Whose::All);
            assert_eq!(backoff.paused(u64::MAX, now_ms), Some(pauses[0]));
            assert_eq!(backoff.paused(u64::MAX, pauses[0].until_ms), None);
            pauses[0].until_ms
        };
        let mut now = 0;
        for (round, length) in [500, 1000, 2000].into_iter().enumerate() {
            let until = row(&mut backoff, 100 * round as u64, now);
            assert_eq!(until, now + length);
            now = until;
        }
        // A row is not made of stops that are long past.
        for object in 0..100 {
            now += WINDOW_MS / (ROW_MAX as u64 - 1) + 1;
            assert_eq!(backoff.note_stop(1000 + object, false, now), None);
        }
    }

    #[test]
    fn a_success_shows_that_the_function_is_not_broken() {
        let mut backoff = Backoff::default();
        for object in 0..1000 {
            let succeeded = object % (ROW_MAX as u64 - 1) == 0;
            assert_eq!(backoff.note_stop(object, succeeded, object), None);
        }
        assert_eq!(backoff.paused(0, 1000), None);
    }

    #[test]
    fn the_record_is_bounded_and_forgets_the_stalest() {
        let mut backoff = Backoff::default();
        for now in 0..u64::from(STOPS_MAX) {
            stop(&mut backoff, now);
        }
        for object in 0..OBJECTS_MAX as u64 - 1 {
            backoff.note_stop(100 + object, true, 100);
        }
        assert!(backoff.paused(OBJECT, 101).is_some());
        backoff.note_stop(1, true, 101);
        assert_eq!(backoff.objects.len(), OBJECTS_MAX);
        assert_eq!(backoff.paused(OBJECT, 102), None);
    }
}
