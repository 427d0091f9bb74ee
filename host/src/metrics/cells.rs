//! Structs of counters and gauges, declared together with the table that shows them.

use std::fmt::Debug;
use std::ops::Deref;
use std::sync::Arc;

use parking_lot::Mutex;

use super::table::{Line, Table};

/// A struct of counters and gauges, as `metrics!` declares it.
pub trait Cells: Debug + Default + 'static {
    /// The plain numbers of the struct, or the sums over several.
    type Totals: Copy + Debug + Default + 'static;

    /// Adds every number of this struct to `totals`.
    fn add_to(&self, totals: &mut Self::Totals);

    /// The table that shows the totals.
    fn table() -> &'static Table<Self::Totals>;
}

/// Cells that each thread has of its own, and writes alone.
#[derive(Debug, Default)]
pub struct PerThread<C: Cells> {
    threads: Mutex<Vec<Arc<C>>>,
    base: Mutex<C::Totals>,
}

impl<C: Cells> PerThread<C> {
    /// Cells for one more thread.
    pub fn join(&self) -> Arc<C> {
        let cells = Arc::new(C::default());
        self.threads.lock().push(Arc::clone(&cells));
        cells
    }

    /// The sums over all threads since the start.
    pub fn totals(&self) -> C::Totals {
        let mut totals = C::Totals::default();
        for cells in self.threads.lock().iter() {
            cells.add_to(&mut totals);
        }
        totals
    }

    /// What the totals were at the last `stats reset`.
    pub fn base(&self) -> C::Totals {
        *self.base.lock()
    }

    /// `stats reset`: counters begin again at zero.
    pub fn reset(&self) {
        *self.base.lock() = self.totals();
    }

    /// The lines of `stats`.
    pub fn lines(&self, line: &mut Line<'_>) {
        C::table().lines("", &self.totals(), &self.base(), line);
    }
}

/// Cells that all threads share. It derefs to them.
#[derive(Debug, Default)]
pub struct Single<C: Cells> {
    cells: C,
    base: Mutex<C::Totals>,
}

impl<C: Cells> Deref for Single<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.cells
    }
}

impl<C: Cells> Single<C> {
    /// The numbers since the start.
    pub fn totals(&self) -> C::Totals {
        let mut totals = C::Totals::default();
        self.cells.add_to(&mut totals);
        totals
    }

    /// `stats reset`: counters begin again at zero.
    pub fn reset(&self) {
        *self.base.lock() = self.totals();
    }

    /// The lines of `stats`.
    pub fn lines(&self, line: &mut Line<'_>) {
        C::table().lines("", &self.totals(), &self.base.lock(), line);
    }
}

/// Declares a struct of [`Counter`](super::Counter)s and [`Gauge`](super::Gauge)s, a struct of their totals, and
/// the table that shows the totals in `stats`. A metric's doc comment is its help.
///
/// ```text
/// metrics! {
///     /// What one worker pours.
///     pub struct TankCells => TankTotals, TANK {
///         /// Water that came in.
///         poured: Counter(Bytes),
///     }
/// }
/// ```
macro_rules! metrics {
    (
        $(#[$meta:meta])*
        $vis:vis struct $Cells:ident => $Totals:ident, $TABLE:ident {
            $($(#[doc = $help:literal])+ $name:ident: $kind:ident($unit:ident),)*
        }
    ) => {
        $(#[$meta])*
        // A processor fetches two cache lines at a time: no thread's counters are in another's way.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        $vis struct $Cells {
            $($(#[doc = $help])+ pub $name: $crate::metrics::$kind,)*
        }

        #[doc = concat!("The numbers of [`", stringify!($Cells), "`], added up.")]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        $vis struct $Totals {
            $($(#[doc = $help])+ pub $name: u64,)*
        }

        impl $crate::metrics::Cells for $Cells {
            type Totals = $Totals;

            fn add_to(&self, totals: &mut $Totals) {
                $(totals.$name = totals.$name.wrapping_add(self.$name.get());)*
            }

            fn table() -> &'static $crate::metrics::Table<$Totals> {
                &$TABLE
            }
        }

        $crate::metrics::table! {
            #[doc = concat!("What `stats` shows of [`", stringify!($Totals), "`].")]
            $vis static $TABLE: Table<$Totals> in General {
                $($(#[doc = $help])+ $name: $kind($unit) = |totals| totals.$name,)*
            }
        }
    };
}

pub(super) use metrics;

#[cfg(test)]
mod tests {
    use super::*;

    metrics! {
        /// What one thread does with water.
        struct TankCells => TankTotals, TANK {
            /// Water that came in.
            poured: Counter(Bytes),
            /// Water that is in.
            level: Gauge(Bytes),
        }
    }

    fn lines(cells: impl Fn(&mut Line<'_>)) -> String {
        let mut text = String::new();
        cells(&mut |name, value| text.push_str(&format!("{name} {value}\n")));
        text
    }

    #[test]
    fn threads_are_added_up_and_reset_together() {
        let tanks = PerThread::<TankCells>::default();
        let (a, b) = (tanks.join(), tanks.join());
        a.poured.add_alone(3);
        b.poured.add_alone(4);
        b.level.set(5);
        let totals = TankTotals {
            poured: 7,
            level: 5,
        };
        assert_eq!(tanks.totals(), totals);
        tanks.reset();
        assert_eq!(lines(|line| tanks.lines(line)), "poured 0\nlevel 5\n");
        a.poured.add_alone(1);
        b.level.sub(2);
        assert_eq!(lines(|line| tanks.lines(line)), "poured 1\nlevel 3\n");
        assert_eq!(tanks.totals().poured, 8, "totals count from the start");
    }

    #[test]
    fn shared_cells_are_reset_where_they_count() {
        let tank = Single::<TankCells>::default();
        assert_eq!((tank.poured.add(2), tank.poured.add(3)), (2, 5));
        tank.level.raise(9);
        tank.level.raise(8);
        assert_eq!(lines(|line| tank.lines(line)), "poured 5\nlevel 9\n");
        tank.reset();
        assert_eq!(lines(|line| tank.lines(line)), "poured 0\nlevel 9\n");
        assert_eq!(TANK.group.metrics.len(), 2);
    }

    #[test]
    fn what_a_thread_counted_stays_when_it_ends() {
        let tanks = PerThread::<TankCells>::default();
        let cells = tanks.join();
        let thread = std::thread::spawn(move || cells.poured.add_alone(6));
        thread.join().expect("it only counts");
        assert_eq!(tanks.totals().poured, 6);
    }
}
