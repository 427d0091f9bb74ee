//! The process: who it is, how long it runs, what it used of the machine.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use super::table::table;

/// What `stats` shows of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessSample {
    uptime_s: u64,
    unix_s: u64,
    memcached_version: &'static str,
    user: Duration,
    system: Duration,
}

impl ProcessSample {
    /// A sample of now. The caller gives what the process can't know of itself: the server's age, the time, and the
    /// version of memcached it answers like.
    pub fn now(uptime_s: u64, unix_s: u64, memcached_version: &'static str) -> ProcessSample {
        // The call can't fail for this process; the times would be missed by nobody.
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
        let time = |of: fn(&nix::sys::resource::Usage) -> TimeVal| {
            usage.as_ref().map_or(Duration::ZERO, |u| duration(of(u)))
        };
        ProcessSample {
            uptime_s,
            unix_s,
            memcached_version,
            user: time(nix::sys::resource::Usage::user_time),
            system: time(nix::sys::resource::Usage::system_time),
        }
    }
}

fn duration(time: TimeVal) -> Duration {
    let micros = time.tv_sec().saturating_mul(1_000_000) + time.tv_usec();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

table! {
    /// The process, in `stats`. `stats reset` leaves it alone.
    pub static PROCESS: Table<ProcessSample> in General {
        /// Number of the process.
        pid: Info(None) = |_| u64::from(std::process::id()),
        /// Time since the server started.
        uptime: Gauge(Seconds) = |s| s.uptime_s,
        /// The server's clock, as seconds since 1970.
        time: Gauge(Seconds) = |s| s.unix_s,
        /// Version of memcached whose commands and answers the server has.
        version: Info(None) = |s| s.memcached_version,
        /// Version of the server.
        cacheismo_version: Info(None) = |_| env!("CARGO_PKG_VERSION"),
        /// Width of a pointer.
        pointer_size: Info(Bits) = |_| u64::from(usize::BITS),
        /// Processor time that all threads spent in the program.
        rusage_user: Counter(Seconds) = |s| s.user,
        /// Processor time that the system spent on the program's behalf.
        rusage_system: Counter(Seconds) = |s| s.system,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_has_used_some_time() {
        let sample = ProcessSample::now(7, 8, "1.6");
        let mut lines = Vec::new();
        PROCESS.lines(
            "",
            &sample,
            &ProcessSample::default(),
            &mut |name, value| {
                lines.push(format!("{name} {value}"));
            },
        );
        assert!(
            lines.contains(&"uptime 7".to_owned()) && lines.contains(&"version 1.6".to_owned())
        );
        let seconds: f64 = ["rusage_user ", "rusage_system "]
            .iter()
            .map(|name| {
                let line = lines.iter().find_map(|line| line.strip_prefix(name));
                let (whole, micros) = line
                    .and_then(|line| line.split_once('.'))
                    .expect("decimals");
                assert_eq!(micros.len(), 6);
                format!("{whole}.{micros}")
                    .parse::<f64>()
                    .expect("a number")
            })
            .sum();
        assert!(seconds > 0.0, "{lines:?}");
    }
}
