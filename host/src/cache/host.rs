//! What the cache needs of the process around it. The server implements it.

use std::fmt::{Debug, Display};
use std::sync::Arc;

use super::peers::{NoPeers, Peers};
use crate::stats::WatchHub;

/// The process around the cache.
pub trait Host: Debug + Send + Sync {
    /// The process's and connections' part of `stats`: calls `line` with each name and value.
    fn stats(&self, line: &mut dyn FnMut(&str, &dyn Display));
    /// The process's part of `stats settings`.
    fn settings(&self, line: &mut dyn FnMut(&str, &dyn Display));
    /// `stats conns`: a line for each property of each connection.
    fn connections(&self, line: &mut dyn FnMut(&str, &dyn Display));
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
    /// Whether `user` may log in with `password`. `None`: no SASL here.
    fn sasl(&self, user: &[u8], password: &[u8]) -> Option<bool>;
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
    fn sasl(&self, _: &[u8], _: &[u8]) -> Option<bool> {
        None
    }
}
