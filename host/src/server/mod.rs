//! Sockets, threads, signals, options. The only room that uses tokio, and one that knows no command.
//!
//! - [`options`]: the command line and the configuration file become a [`options::Config`].
//! - [`Listeners`]: sockets are bound, before there are threads.
//! - [`serve`]: an acceptor deals connections out to worker threads, each with a runtime of its own; there a
//!   session feeds what it reads to the [`Service`] and writes what comes back.
//! - [`Control`] and [`Surroundings`]: what the rooms behind may do to the server, and what they share with it.

mod acceptor;
mod auth;
mod buffers;
mod control;
mod lanes;
mod link;
mod listener;
pub mod options;
mod run;
mod service;
mod session;
mod shard;
mod tls;
mod udp;
mod worker;

#[cfg(test)]
mod tests;

pub use auth::Passwords;
pub use control::Control;
pub use listener::{Listeners, StartError};
pub use run::{Surroundings, serve};
pub use service::{Application, Service, Step};
