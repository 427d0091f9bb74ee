//! Everything that can be chosen.

use cacheismo_rings::RingName;

use crate::BuildError;

/// What a client is made with. Start from [`Options::default`] or [`Options::omcache`] and change what matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which node a key belongs to. All clients of the same servers must agree on it. Default: `slots`.
    pub ring: RingName,
    /// Seed of the hash that slot tables use. Clients that find each other's data agree on it. Default: 0.
    pub hash_seed: u64,
    /// Whether only the bytes in a key's first `{…}` decide about its node, so that related keys are kept together.
    /// Default: with slot tables yes; other clients hash whole keys.
    pub tags: Option<bool>,
    /// What decides about the node of an object. Default: type and name.
    pub objects_by: ObjectsBy,
    /// Connections to each node; a key always uses the same one, so requests for a key are carried out in their order.
    /// 1 to 256. Default: 2.
    pub connections_per_node: usize,
    /// Longest time in milliseconds to connect, to log in, and to hear the first answer. Default: 500.
    pub connect_ms: u64,
    /// A node that sends nothing for so many milliseconds, although it owes answers, is dead: its connections are
    /// closed and it is taken out. Default: 500. More than the longest call of an object may take.
    pub dead_ms: u64,
    /// Milliseconds for which a node stays taken out before it is tried again. Default: 2,000.
    pub reconnect_ms: u64,
    /// Longest time in milliseconds for a request, including all nodes it is sent to. Default: 1,500. With more than
    /// `dead_ms`, a read whose node dies is still answered by another node.
    pub request_ms: u64,
    /// Whether reads whose answer was lost are sent again, to the next node if theirs was taken out. Default: yes.
    pub repeat_reads: bool,
    /// Most bytes of requests to one node that have no answer yet. Beyond it requests wait, and posted ones are refused.
    /// 64 KiB to 1 GiB. Default: 10 MiB.
    pub buffer_bytes_max: usize,
    /// Longest value in bytes, sent or received: at least what servers take (`-I`). At most 1 GiB. Default: 1 MiB.
    pub value_bytes_max: usize,
    /// Most requests that are sent on one connection before their answers have come. Default: 4,096.
    pub in_flight_max: usize,
    /// Most keys of a multi-key request that are sent as one piece. Default: 256.
    pub batch_keys_max: usize,
    /// User and password, for servers that were started with `-Y`. Default: none.
    pub login: Option<Login>,
}

/// User and password of a text connection.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A password has no place in a log.
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// What decides about the node of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ObjectsBy {
    /// Type and name, `type$name`, which is also the key of the object's item.
    #[default]
    TypeAndName,
    /// The name alone, so that objects of several types and one name are on one node.
    Name,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ring: RingName::Slots,
            hash_seed: 0,
            tags: None,
            objects_by: ObjectsBy::default(),
            connections_per_node: 2,
            connect_ms: 500,
            dead_ms: 500,
            reconnect_ms: 2_000,
            request_ms: 1_500,
            repeat_reads: true,
            buffer_bytes_max: 10 << 20,
            value_bytes_max: 1 << 20,
            in_flight_max: 4_096,
            batch_keys_max: 256,
            login: None,
        }
    }
}

impl Options {
    /// OMcache's ring, times and buffer, for programs that come from there. Requests may take 30 seconds.
    pub fn omcache() -> Self {
        Self {
            ring: RingName::Omcache,
            connections_per_node: 1,
            connect_ms: 10_000,
            dead_ms: 10_000,
            reconnect_ms: 10_000,
            request_ms: 30_000,
            ..Self::default()
        }
    }

    /// Whether tags count.
    pub(crate) fn tags(&self) -> bool {
        self.tags.unwrap_or(self.ring.is_slots())
    }

    /// # Errors
    /// When an option is out of its range.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        const DAY_MS: u64 = 86_400_000;
        let size = |bytes: usize| bytes as u64;
        let ranges = [
            (
                "connections_per_node",
                size(self.connections_per_node),
                1..=256,
                "1 to 256",
            ),
            ("connect_ms", self.connect_ms, 1..=DAY_MS, "1 to 86400000"),
            ("dead_ms", self.dead_ms, 1..=DAY_MS, "1 to 86400000"),
            (
                "reconnect_ms",
                self.reconnect_ms,
                1..=DAY_MS,
                "1 to 86400000",
            ),
            ("request_ms", self.request_ms, 1..=DAY_MS, "1 to 86400000"),
            (
                "buffer_bytes_max",
                size(self.buffer_bytes_max),
                1 << 16..=1 << 30,
                "64 KiB to 1 GiB",
            ),
            (
                "value_bytes_max",
                size(self.value_bytes_max),
                1..=1 << 30,
                "1 byte to 1 GiB",
            ),
            (
                "in_flight_max",
                size(self.in_flight_max),
                1..=1 << 20,
                "1 to 1048576",
            ),
            (
                "batch_keys_max",
                size(self.batch_keys_max),
                1..=1 << 16,
                "1 to 65536",
            ),
        ];
        for (option, value, allowed, range) in ranges {
            if !allowed.contains(&value) {
                return Err(BuildError::Option {
                    option,
                    value,
                    range,
                });
            }
        }
        let fits = |login: &Login| {
            let has_end = |text: &str| text.contains(['\r', '\n']);
            let empty = login.user.is_empty() || login.password.is_empty();
            !empty
                && !login.user.contains(' ')
                && !has_end(&login.user)
                && !has_end(&login.password)
        };
        match self.login.as_ref().is_none_or(fits) {
            true => Ok(()),
            false => Err(BuildError::Login),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_are_within_their_ranges() {
        assert_eq!(Options::default().check(), Ok(()));
        assert_eq!(Options::omcache().check(), Ok(()));
        assert!(Options::default().tags() && !Options::omcache().tags());
    }

    #[test]
    fn an_option_out_of_range_is_named() {
        let options = Options {
            dead_ms: 0,
            ..Options::default()
        };
        let error = options.check().expect_err("nobody answers in no time");
        assert_eq!(
            error.to_string(),
            "the option dead_ms is 0; it must be 1 to 86400000"
        );
        for (user, password) in [("", "p"), ("u", ""), ("u u", "p"), ("u", "p\r\nflush_all")] {
            let login = Login {
                user: user.to_owned(),
                password: password.to_owned(),
            };
            assert!(!format!("{login:?}").contains("flush_all"));
            let options = Options {
                login: Some(login),
                ..Options::default()
            };
            assert_eq!(options.check(), Err(BuildError::Login));
        }
    }
}
