//! What is asked: the same work in each system's own words.

mod calls;
mod lua;
mod plain;
mod words;

use crate::process::System;
use crate::replies::Protocol;

pub(crate) use plain::kept;

/// A workload and who takes part in it; the first one is what the others are compared with.
pub(crate) struct Workload {
    pub(crate) name: String,
    /// Requests each connection keeps in flight.
    pub(crate) depth: usize,
    pub(crate) entries: Vec<Entry>,
}

/// One participant: its system and its words for the work.
pub(crate) struct Entry {
    pub(crate) system: System,
    pub(crate) label: String,
    pub(crate) protocol: Protocol,
    /// How many requests `prepare` makes.
    pub(crate) prepared: u64,
    /// Writes the n-th request that fills the server.
    pub(crate) prepare: Writer,
    /// Writes a request of the run; the number is random.
    pub(crate) request: Writer,
}

/// Appends a request to a buffer.
pub(crate) type Writer = Box<dyn Fn(u64, &mut Vec<u8>)>;

/// All workloads, in the order of the table.
pub(crate) fn all() -> Vec<Workload> {
    let depths = [1, 16, 64];
    let mut all: Vec<Workload> = depths.map(plain::small).into();
    all.extend([plain::big(), plain::multi_get()]);
    for depth in depths {
        all.extend([
            calls::quota(depth),
            calls::counter(depth),
            calls::set_put(depth),
            calls::map_put(depth),
            calls::map_get(depth),
        ]);
    }
    for depth in depths {
        all.extend([lua::increment(depth), lua::legacy(depth)]);
    }
    all
}

/// Redis, on objects of its own.
fn redis(
    label: &str,
    prepare: impl Fn(u64, &mut Vec<u8>) + 'static,
    request: impl Fn(u64, &mut Vec<u8>) + 'static,
) -> Entry {
    Entry {
        system: System::Redis,
        label: label.to_owned(),
        protocol: Protocol::Resp,
        prepared: calls::OBJECTS,
        prepare: Box::new(prepare),
        request: Box::new(request),
    }
}

/// Cacheismo, on its objects; `function` is what the requests call.
fn calls(
    function: &str,
    prepare: impl Fn(u64, &mut Vec<u8>) + 'static,
    request: impl Fn(u64, &mut Vec<u8>) + 'static,
) -> Entry {
    Entry {
        system: System::Cacheismo,
        label: format!("cacheismo `{function}`"),
        protocol: Protocol::Text,
        prepared: calls::OBJECTS,
        prepare: Box::new(prepare),
        request: Box::new(request),
    }
}
