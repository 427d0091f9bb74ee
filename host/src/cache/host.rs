//! What the cache needs of the process around it. The server implements it.

use std::fmt::{Debug, Display};
use std::sync::Arc;

use super::peers::{NoPeers, Peers};
use crate::stats::WatchHub;

/// How a login ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// User and password are right.
    Granted,
    /// They are wrong; the client may try again.
    Denied,
    /// They were wrong once too often: the connection ends.
    Cut,
}

/// The process around the cache.
pub trait Host: Debug + Send + Sync {
    /// The process's and connections' part of `stats`: calls `line` with each name and value.
    fn stats(&self, line: &mut dyn FnMut(&str, &dyn Display));
    /// The process's part of `stats settings`.
    fn settings(&self, line: &mut dyn FnMut(&str, &dyn Display));
    /// `stats conns`: a line for each property of each connection.
    fn connections(&self, line: &mut dyn FnMut(&str, &dyn Display));
    /// `stats persistence`; false where nothing is kept over a restart.
    fn persistence(&self, _line: &mut dyn FnMut(&str, &dyn Display)) -> bool {
        false
    }
    /// `snapshot`; false where nothing is kept over a restart.
    fn snapshot(&self) -> bool {
        false
    }
    /// `stats reset`.
    fn reset_stats(&self);
    /// `verbosity`.
    fn set_verbosity(&self, level: u32);
    /// `shutdown`; false when that is not enabled.
    fn shutdown(&self, graceful: bool) -> bool;
    /// `refresh_certs`; the error says why nothing was loaded.
    fn refresh_certs(&self) -> Result<(), String>;
    /// Whether `flush_all` is allowed (not with `-F`).
    fn flush_enabled(&self) -> bool;
    /// Whether SASL is asked for.
    fn asks_for_sasl(&self) -> bool;
    /// Checks a login on the connection of this number.
    fn sasl(&self, connection: u64, user: &[u8], password: &[u8]) -> Login;
    /// Other servers, for calls that ask them. By default there are none.
    fn peers(&self) -> Arc<dyn Peers> {
        Arc::new(NoPeers)
    }
    /// Where the streams of `watch` are published. By default nobody watches.
    fn watch_hub(&self) -> Arc<WatchHub> {
        Arc::new(WatchHub::new(0))
    }
}

/// A host for tests and embedding: knows nothing, allows nothing special.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standalone;

impl Host for Standalone {
    fn stats(&self, _: &mut dyn FnMut(&str, &dyn Display)) {}
    fn settings(&self, _: &mut dyn FnMut(&str, &dyn Display)) {}
    fn connections(&self, _: &mut dyn FnMut(&str, &dyn Display)) {}
    fn reset_stats(&self) {}
    fn set_verbosity(&self, _: u32) {}
    fn shutdown(&self, _: bool) -> bool {
        false
    }
    fn refresh_certs(&self) -> Result<(), String> {
        Err("no TLS here".to_owned())
    }
    fn flush_enabled(&self) -> bool {
        true
    }
    fn asks_for_sasl(&self) -> bool {
        false
    }
    fn sasl(&self, _: u64, _: &[u8], _: &[u8]) -> Login {
        Login::Denied
    }
}
