//! Metrics: each is declared once, with name, kind, unit and help, and whatever shows it is made from that.
//!
//! - [`Metric`], [`Kind`], [`Unit`], [`Value`]: what a metric is.
//! - [`Counter`] and [`Gauge`]: numbers that threads write and others read.
//! - [`Table`]: declared metrics, each with how it is read from a sample. `table!` declares one.
//! - `metrics!` declares a struct of counters and gauges together with the table that shows them;
//!   [`PerThread`] adds up those of all threads, [`Single`] holds those of the whole process.
//! - [`PROCESS`] and the tables after it: what is counted without a store or objects. The tables of other rooms
//!   stand there, since this room knows nobody. The server's registry lists all.
//!
//! Counting costs a load, an addition and a store where one thread counts alone. All else happens when somebody asks.

mod cell;
mod cells;
mod commands;
mod metric;
mod process;
mod server;
mod table;
mod watch;

pub use cell::{Counter, Gauge};
pub use cells::{Cells, PerThread, Single};
pub use commands::{COMMANDS, CommandCounters, CommandTotals};
pub use metric::{Group, Kind, Listing, Metric, Unit, Value};
pub use process::{PROCESS, ProcessSample};
pub use server::{
    CONNECTIONS, ConnectionCells, ConnectionTotals, SERVING, ServingCells, ServingTotals, TRAFFIC,
    TrafficCells, TrafficTotals,
};
pub(crate) use table::table;
pub use table::{Line, Read, Since, Table};
pub use watch::{WATCH, WatchCells, WatchTotals};

/// The groups declared in this room, in the order of `stats`.
pub static GROUPS: &[&Group] = &[
    &PROCESS.group,
    &CONNECTIONS.group,
    &TRAFFIC.group,
    &SERVING.group,
    &WATCH.group,
    &COMMANDS.group,
];
