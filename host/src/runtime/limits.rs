//! What one call, and one instance, may take. Every bound on guest-chosen work is named here.

use std::collections::BTreeMap;

/// Largest linear memory any type may be given, in bytes: the engine lays out its pool for it.
pub const LINEAR_MEMORY_BYTES_CAP: u64 = 1 << 30;
/// Largest table any type may be given, in elements, for the same reason.
pub const TABLE_ELEMENTS_CAP: u64 = 20_000;

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident = $default:expr;)+) => {
        /// Bounds of one type's calls. The defaults suit small objects; an operator may set each, for all types or one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Default for Limits {
            fn default() -> Limits {
                Limits { $($name: $default,)+ }
            }
        }

        impl Limits {
            /// Names of all limits, as options spell them.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)+];

            fn field(&mut self, name: &str) -> Option<&mut u64> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)+
                    _ => None,
                }
            }

            /// Every limit with its name and value.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }
    };
}

limits! {
    /// A call is stopped after this many milliseconds, wherever it runs. Resolution: one tick, 4 ms.
    deadline_ms = 100;
    /// A call that took this many milliseconds is named in the log; 0 names none.
    slow_log_ms = 10;
    /// Linear memory of an instance in bytes; growing beyond is refused to the guest.
    memory_bytes = 16 << 20;
    /// An instance whose memory has grown beyond this many bytes is dropped after the call: memory never shrinks.
    memory_keep_bytes = 4 << 20;
    /// Elements of an instance's table.
    table_elements = 10_000;
    /// Calls after which an instance is dropped all the same.
    instance_calls = 1_000_000;
    /// Bytes of a call's arguments.
    argument_bytes = 2 << 20;
    /// Bytes of a call's reply.
    reply_bytes = 1 << 20;
    /// Host functions a call may use. A million-member scan in 8 KiB batches takes some thousands.
    host_calls = 1_000_000;
    /// Bytes the host may copy for a call: field names, values, batches, items.
    host_bytes = 256 << 20;
    /// Bytes of field names, values and items a call may write: they are gathered until its end.
    written_bytes = 32 << 20;
    /// Other objects a call may open. A key of 250 bytes names at most 120.
    objects = 128;
    /// Lines a call may log.
    log_lines = 100;
    /// Bytes a call may log.
    log_bytes = 16 << 10;
    /// Requests to peers, each of which starts the deadline anew.
    peer_calls = 64;
}

impl Limits {
    /// Sets a limit by its name.
    ///
    /// # Errors
    /// When there is no such limit, or the engine could not keep the value.
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), String> {
        let cap = match name {
            "memory_bytes" => LINEAR_MEMORY_BYTES_CAP,
            "table_elements" => TABLE_ELEMENTS_CAP,
            // Replies and arguments are addressed with 32 bits, and held in memory.
            "reply_bytes" | "argument_bytes" => 1 << 30,
            _ => u64::MAX >> 1,
        };
        if value > cap {
            return Err(format!("limit {name}={value} is above {cap}"));
        }
        match self.field(name) {
            Some(field) => {
                *field = value;
                Ok(())
            }
            None => Err(format!(
                "unknown limit {name:?}; there are {}",
                Limits::NAMES.join(", ")
            )),
        }
    }
}

/// The limits of all types.
#[derive(Clone, Debug, Default)]
pub struct LimitsTable {
    /// The limits of types that have none of their own.
    pub general: Limits,
    overrides: BTreeMap<String, Vec<(String, u64)>>,
}

impl LimitsTable {
    /// Sets `name=value` for every type, or `type.name=value` for one, whichever was said first.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn set(&mut self, assignment: &str) -> Result<(), String> {
        let (path, value) = assignment
            .split_once('=')
            .ok_or_else(|| format!("limit {assignment:?} is not name=value or type.name=value"))?;
        let value = value
            .parse()
            .map_err(|_| format!("limit {assignment:?}: {value:?} is not a number"))?;
        match path.split_once('.') {
            None => self.general.set(path, value),
            Some((type_name, name)) => {
                // Tried on a copy, so that a mistake is found at start and not at load.
                self.general.clone().set(name, value)?;
                self.overrides
                    .entry(type_name.to_owned())
                    .or_default()
                    .push((name.to_owned(), value));
                Ok(())
            }
        }
    }

    /// Limits of one type.
    pub fn of(&self, type_name: &str) -> Limits {
        let mut limits = self.general;
        for (name, value) in self.overrides.get(type_name).into_iter().flatten() {
            limits
                .set(name, *value)
                .expect("it was tried when it was set");
        }
        limits
    }
}

/// How long a call may keep its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// On a worker, whose other connections wait meanwhile: stopped as [`Slow`](super::CallError::Slow) after
    /// this many milliseconds, to be run again on a lane.
    Inline {
        /// Milliseconds.
        ms: u64,
    },
    /// On a thread that may wait: the type's own deadline.
    Full,
}

impl Budget {
    /// On a worker, with the default of 2 ms.
    pub const INLINE: Budget = Budget::Inline { ms: 2 };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_type_can_have_limits_of_its_own() {
        let mut table = LimitsTable::default();
        table.set("lua.memory_bytes=67108864").unwrap();
        table.set("deadline_ms=50").unwrap();
        assert_eq!(table.of("lua").memory_bytes, 64 << 20);
        assert_eq!(table.of("lua").deadline_ms, 50);
        assert_eq!(table.of("set").memory_bytes, 16 << 20);
    }

    #[test]
    fn a_mistyped_limit_is_explained() {
        let mut table = LimitsTable::default();
        for (text, words) in [
            (
                "deadline=1",
                "unknown limit \"deadline\"; there are deadline_ms,",
            ),
            ("set.deadline=1", "unknown limit"),
            ("deadline_ms", "is not name=value"),
            ("deadline_ms=soon", "\"soon\" is not a number"),
            ("memory_bytes=2147483648", "is above 1073741824"),
        ] {
            let error = table.set(text).unwrap_err();
            assert!(error.contains(words), "{error:?}");
        }
    }
}
