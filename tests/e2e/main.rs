//! End-to-end tests: the built server as its users meet it.

mod addresses;
mod clients;
mod conversations;
mod counters;
mod differential;
mod dumps;
mod golden;
mod hostile;
mod idle;
mod lifecycle;
mod limits;
mod lua;
mod lua_limits;
mod lua_main;
mod lua_peers;
mod objects;
mod options;
mod pinned;
mod readme;
mod rooms;
mod transport;
mod uploads;
mod watch;
