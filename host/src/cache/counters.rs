//! Counters of the commands, one set for each worker: written by its thread alone, read by `stats`.

use crate::stats::Counter;

macro_rules! counters {
    ($($name:ident),* $(,)?) => {
        /// The commands a worker has executed, by memcached's names.
        #[derive(Debug, Default)]
        pub(super) struct Counters { $(pub(super) $name: Counter),* }

        /// Sums over all workers.
        #[derive(Clone, Copy, Debug, Default)]
        pub(super) struct Totals { $(pub(super) $name: u64),* }

        impl Totals {
            /// Adds one worker's counters.
            pub(super) fn add(&mut self, worker: &Counters) {
                $(self.$name = self.$name.wrapping_add(worker.$name.get());)*
            }

            /// What was counted since `base`.
            pub(super) fn since(&self, base: &Totals) -> Totals {
                Totals { $($name: self.$name.wrapping_sub(base.$name)),* }
            }
        }
    };
}

counters!(
    cmd_get,
    cmd_set,
    cmd_flush,
    cmd_touch,
    cmd_meta,
    get_hits,
    get_misses,
    delete_hits,
    delete_misses,
    incr_hits,
    incr_misses,
    decr_hits,
    decr_misses,
    cas_hits,
    cas_misses,
    cas_badval,
    touch_hits,
    touch_misses,
    store_too_large,
    store_no_memory,
    auth_cmds,
    auth_errors,
    object_calls,
    object_errors,
);
