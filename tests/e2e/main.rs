//! End-to-end tests: the built server as its users meet it.

mod clients;
mod conversations;
mod counters;
mod differential;
mod golden;
mod idle;
mod lifecycle;
mod options;
mod rooms;
