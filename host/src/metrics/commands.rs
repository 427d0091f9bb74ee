//! Commands, by memcached's names.

use super::cells::metrics;

metrics! {
    /// What one worker has executed. Only its thread counts.
    pub struct CommandCounters => CommandTotals, COMMANDS {
        /// Keys asked for by get, gets, gat, gats, mg and their binary kin, calls included.
        cmd_get: Counter(Requests),
        /// Storage commands: set, add, replace, append, prepend, cas, ms and their binary kin, calls included.
        cmd_set: Counter(Requests),
        /// Commands that emptied the cache.
        cmd_flush: Counter(Requests),
        /// Keys whose expiry was to be set by touch, gat, gats and their binary kin.
        cmd_touch: Counter(Requests),
        /// Meta commands: mg, ms, md, ma.
        cmd_meta: Counter(Requests),
        /// Keys asked for that were there.
        get_hits: Counter(Requests),
        /// Keys asked for that were not there.
        get_misses: Counter(Requests),
        /// Always 0: an expired item is gone, so that a get of it is a miss like any other.
        get_expired: Counter(Requests),
        /// Always 0: a flushed item is gone, so that a get of it is a miss like any other.
        get_flushed: Counter(Requests),
        /// Keys to delete that were not there.
        delete_misses: Counter(Requests),
        /// Keys that were deleted.
        delete_hits: Counter(Requests),
        /// Keys to increment that were not there.
        incr_misses: Counter(Requests),
        /// Numbers that were incremented.
        incr_hits: Counter(Requests),
        /// Keys to decrement that were not there.
        decr_misses: Counter(Requests),
        /// Numbers that were decremented.
        decr_hits: Counter(Requests),
        /// Writes with a CAS token of keys that were not there.
        cas_misses: Counter(Requests),
        /// Writes whose CAS token was the item's.
        cas_hits: Counter(Requests),
        /// Writes whose CAS token was not the item's.
        cas_badval: Counter(Requests),
        /// Keys that got a new expiry.
        touch_hits: Counter(Requests),
        /// Keys to touch that were not there.
        touch_misses: Counter(Requests),
        /// Values refused for being longer than -I allows.
        store_too_large: Counter(Requests),
        /// Values refused because no memory was left or could be made.
        store_no_memory: Counter(Requests),
        /// Logins tried.
        auth_cmds: Counter(Requests),
        /// Logins refused, and requests that came before a login.
        auth_errors: Counter(Requests),
        /// Calls of the functions of objects.
        object_calls: Counter(Calls),
        /// Calls that failed.
        object_errors: Counter(Calls),
    }
}
