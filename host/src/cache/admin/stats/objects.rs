//! `stats objects`: what each object type has done.

use crate::metrics::{Line, table};
use crate::runtime::{Registry, TypeStats};

#[derive(Default)]
pub(super) struct ObjectSample {
    version: String,
    calls: TypeStats,
}

/// The lines of each type, with `type:` before the name. They count from the start: `stats reset` leaves them alone.
pub(super) fn lines(registry: &Registry, line: &mut Line<'_>) {
    let none = ObjectSample::default();
    for object in registry.types().iter() {
        let metadata = object.metadata();
        let sample = ObjectSample {
            version: metadata.version.clone(),
            calls: object.stats(),
        };
        let prefix = format!("{}:", metadata.type_name);
        OBJECTS.lines(&prefix, &sample, &none, line);
    }
}

table! {
    /// A type in `stats objects`.
    pub(super) static OBJECTS: Table<ObjectSample> in Objects {
        /// Version of the type's module.
        version: Info(None) = |s| s.version.clone(),
        /// Calls that ran, those to be run again included.
        calls: Counter(Calls) = |s| s.calls.calls,
        /// Calls that the function ended with an error, or that were refused.
        errors: Counter(Calls) = |s| s.calls.errors,
        /// Calls that broke a rule of the sandbox.
        traps: Counter(Calls) = |s| s.calls.traps,
        /// Calls stopped at their deadline.
        deadline_stops: Counter(Calls) = |s| s.calls.deadline_stops,
        /// Calls stopped at another limit.
        limit_stops: Counter(Calls) = |s| s.calls.limit_stops,
        /// Calls given up to be run again, for a conflict or because they were too slow for a worker.
        retries: Counter(Calls) = |s| s.calls.retries,
        /// Time spent in calls; after the first calls one in some is timed and stands for the rest.
        total_ns: Counter(Nanoseconds) = |s| s.calls.total_ns,
        /// Half of the calls took at most this long, to a quarter of a power of two.
        p50_ns: Gauge(Nanoseconds) = |s| s.calls.p50_ns,
        /// Ninety-nine of a hundred calls took at most this long, to a quarter of a power of two.
        p99_ns: Gauge(Nanoseconds) = |s| s.calls.p99_ns,
        /// Instances made.
        instances_made: Counter(Times) = |s| s.calls.instances_made,
        /// Linear memory of the instances there are.
        memory_bytes: Gauge(Bytes) = |s| s.calls.memory_bytes,
    }
}
