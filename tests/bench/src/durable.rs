//! What a log costs: the same work with and without, beside Redis with and without its own.

use crate::process::System;
use crate::workload::{Workload, kept};

/// Whether the options ask for these workloads.
pub(crate) fn is_wanted(only: Option<&str>) -> bool {
    only.is_none_or(|text| "durability".contains(text))
}

/// Of ten requests, how many set.
const MIXED: u64 = 1;
const SETS: u64 = 10;

/// All workloads. Of each system the first entry has no log.
pub(crate) fn all() -> Vec<Workload> {
    let everysec = [
        (System::Cacheismo, "cacheismo"),
        (System::CacheismoLog("everysec"), "cacheismo, everysec"),
        (System::Redis, "Redis"),
        (System::RedisLog("everysec"), "Redis, everysec"),
    ];
    let always = [
        (System::Cacheismo, "cacheismo"),
        (System::CacheismoLog("always"), "cacheismo, always"),
        (System::Redis, "Redis"),
        (System::RedisLog("always"), "Redis, always"),
    ];
    vec![
        kept("get/set 90/10, 100 B", 1, MIXED, &everysec),
        kept("get/set 90/10, 100 B", 16, MIXED, &everysec),
        kept("get/set 90/10, 100 B", 64, MIXED, &everysec),
        kept("set, 100 B", 1, SETS, &everysec),
        kept("set, 100 B", 16, SETS, &everysec),
        kept("set, 100 B", 64, SETS, &everysec),
        kept("set, 100 B", 1, SETS, &always),
        kept("get/set 90/10, 100 B", 1, MIXED, &always),
    ]
}
