//! The client against servers: a fake one that fails as it is told, and Debian's memcached.

mod basics;
mod example;
mod failover;
mod fake;
mod memcached;
mod placement;
mod posting;
mod support;
