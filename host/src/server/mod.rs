//! Sockets, threads, signals, options. The only room that uses tokio, and one that knows no command.
//!
//! - [`run()`]: a whole server, from its options to its end; what it is made of is here, too:
//! - [`options`]: the command line and the configuration file become a [`options::Config`].
//! - [`Listeners`]: sockets are bound, before there are threads.
//! - [`serve`]: an acceptor deals connections out to worker threads, each with a runtime of its own; there a
//!   session feeds what it reads to the [`Service`] and writes what comes back.
//! - [`process`]: limits, user, background. [`Signals`]: what the system tells it.
//! - [`registry()`] and [`load_scripts`]: modules and Lua scripts, as the options name them.
//! - [`ServerHost`]: what the cache asks of the process.
//! - [`run_tool`]: `cacheismo log` and its kin.
//! - [`metric_groups`]: every metric there is.
//! - [`Control`] and [`Surroundings`]: what the rooms behind may do to the server, and what they share with it.

mod acceptor;
mod allocator;
mod auth;
mod buffers;
mod cached;
mod control;
mod durability;
mod files;
mod host;
mod lanes;
mod link;
mod listener;
mod objects;
pub mod options;
mod peers;
pub mod process;
mod registry;
mod reload;
mod run;
mod scripts;
mod service;
mod session;
mod settings;
mod signals;
mod socket;
mod start;
mod tls;
mod tools;
mod turns;
mod udp;
mod worker;
mod worker_state;

#[cfg(test)]
mod tests;

pub use auth::{Logins, Outcome, Passwords};
pub use control::Control;
pub use host::{GuestLog, ServerHost};
pub use listener::{Listeners, StartError};
pub use objects::registry;
pub use registry::metric_groups;
pub use run::{Surroundings, serve};
pub use scripts::load_scripts;
pub use service::{Application, Service};
pub use signals::Signals;
pub use start::run;
pub use tools::{run as run_tool, sentence};
