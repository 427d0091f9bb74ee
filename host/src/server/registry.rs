//! Every metric there is. A room declares its own; this room knows all others.

use super::durability::PERSISTENCE;
use super::settings::{SERVER_SETTINGS, TLS};
use crate::cache;
use crate::metrics::{self, Group};

/// Every group of metrics: the one place from which all of them can be shown.
pub fn metric_groups() -> impl Iterator<Item = &'static Group> {
    let groups = metrics::GROUPS.iter().chain(cache::METRIC_GROUPS).copied();
    groups.chain([&SERVER_SETTINGS.group, &TLS.group, &PERSISTENCE.group])
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::*;
    use crate::cache::{Cache, Config, Connection, Worker};
    use crate::metrics::{Kind, Listing, Metric, Unit};
    use crate::runtime::{Engine, EngineOptions, LimitsTable, NoLog, Registry, Source};
    use crate::server::options::{Request, parse};
    use crate::server::{Listeners, ServerHost, Surroundings};

    const COUNTER: &[u8] = include_bytes!("../../../objects/prebuilt/counter.wasm");

    /// The `stats` command of a listing, and what stands before a metric's name in its lines.
    const LISTINGS: &[(Listing, &str, &[&str])] = &[
        (Listing::General, "stats", &[""]),
        (Listing::Settings, "stats settings", &[""]),
        (Listing::Items, "stats items", &["items:1:"]),
        (Listing::Slabs, "stats slabs", &["1:", ""]),
        (Listing::Objects, "stats objects", &["counter:"]),
    ];

    fn metrics_of(listing: Listing) -> impl Iterator<Item = &'static Metric> {
        metric_groups()
            .filter(move |group| group.listing == listing)
            .flat_map(|group| group.metrics)
    }

    /// A worker of a cache in a server that is not served.
    fn worker() -> Worker {
        let Ok(Request::Serve(options)) = parse(["cacheismo", "-p", "-1", "-l", "127.0.0.1"])
        else {
            panic!("these are options to serve");
        };
        let listeners = Listeners::bind(&options.server).expect("a free port");
        let surroundings = Surroundings::new(&options.server, &listeners).expect("no files");
        let config = Config::small();
        let engine = Engine::new(&EngineOptions::default()).expect("WebAssembly runs here");
        let registry = Registry::new(engine, LimitsTable::default());
        let refused = registry.load(&[Source::embedded("counter.wasm", COUNTER)]);
        assert!(refused.is_empty(), "{refused:?}");
        let host = Arc::new(ServerHost::new(*options, surroundings));
        Cache::new(&config, Arc::new(registry), host, Arc::new(NoLog)).worker()
    }

    fn ask(worker: &mut Worker, request: &str) -> String {
        let mut out = Vec::new();
        worker.execute(&mut Connection::default(), request.as_bytes(), &mut out);
        String::from_utf8(out).expect("text")
    }

    /// The lines of a listing by name.
    fn shown(worker: &mut Worker, request: &str) -> Vec<(String, String)> {
        ask(worker, &format!("{request}\r\n"))
            .lines()
            .filter_map(|line| line.strip_prefix("STAT "))
            .map(|line| line.split_once(' ').expect("a name and a value"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// The metric that a line's name stands for.
    fn declared(listing: Listing, prefixes: &[&str], name: &str) -> Option<&'static Metric> {
        metrics_of(listing).find(|metric| {
            prefixes
                .iter()
                .any(|prefix| name.strip_prefix(prefix) == Some(metric.name))
        })
    }

    #[test]
    fn names_are_unique_where_they_are_shown() {
        let mut seen = HashMap::new();
        for group in metric_groups() {
            for metric in group.metrics {
                let before = seen.insert((group.listing as u8, metric.name), group.name);
                assert_eq!(before, None, "{} is in {}, too", metric.name, group.name);
            }
        }
        assert!(seen.len() > 100, "{} metrics", seen.len());
    }

    #[test]
    fn every_metric_has_a_name_of_the_usual_letters_and_a_sentence_of_help() {
        for metric in metric_groups().flat_map(|group| group.metrics) {
            let usual = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(metric.name.chars().all(usual), "{metric:?}");
            let (first, last) = (metric.help.chars().next(), metric.help.chars().last());
            assert!(first.is_some_and(char::is_uppercase), "{metric:?}");
            assert_eq!(last, Some('.'), "{metric:?}");
            assert!(!metric.help.contains("  "), "{metric:?}");
        }
    }

    #[test]
    fn a_unit_in_a_name_is_the_declared_one() {
        const SUFFIXES: &[(&str, Unit)] = &[
            ("_bytes", Unit::Bytes),
            ("_ms", Unit::Milliseconds),
            ("_ns", Unit::Nanoseconds),
            ("_us", Unit::Microseconds),
        ];
        for metric in metric_groups().flat_map(|group| group.metrics) {
            for (suffix, unit) in SUFFIXES {
                if metric.name.ends_with(suffix) {
                    assert_eq!(metric.unit, *unit, "{metric:?}");
                }
            }
        }
    }

    #[test]
    fn every_line_is_declared_and_every_declaration_shows() {
        let mut worker = worker();
        ask(&mut worker, "set a 0 0 1\r\nx\r\nget counter:new:c\r\n");
        for (listing, request, prefixes) in LISTINGS {
            let lines = shown(&mut worker, request);
            for (name, value) in &lines {
                let metric = declared(*listing, prefixes, name);
                let metric = metric.unwrap_or_else(|| panic!("{request}: {name} is not declared"));
                let number = value.parse::<f64>().is_ok();
                assert!(number || metric.kind == Kind::Info, "{name} {value}");
            }
            assert_eq!(lines.len(), metrics_of(*listing).count(), "{request}");
        }
    }

    #[test]
    fn counters_only_grow_until_they_are_reset() {
        /// Counters that the system keeps, not the server.
        const KEPT: &[&str] = &["rusage_user", "rusage_system"];
        let mut worker = worker();
        let counters = |worker: &mut Worker| {
            let mut found: Vec<(String, f64)> = Vec::new();
            for (listing, request, prefixes) in LISTINGS {
                for (name, value) in shown(worker, request) {
                    let kind = declared(*listing, prefixes, &name).map(|metric| metric.kind);
                    if kind == Some(Kind::Counter) {
                        found.push((
                            format!("{request} {name}"),
                            value.parse().expect("a number"),
                        ));
                    }
                }
            }
            found
        };
        let requests = [
            "set a 0 0 1\r\nx\r\n",
            "mg a\r\nmg b v\r\nmg c v\r\n",
            "set a 0 0 1\r\ny\r\nset b 0 0 1\r\nz\r\nset c 0 0 1\r\nz\r\n",
            "get a b q\r\ngets a\r\ngat 0 a q\r\ndelete a\r\ndelete a\r\nincr a 1\r\n",
            "get counter:new:c\r\nget counter:add:c:1 counter:get:c\r\n",
            "flush_all\r\nset a 0 0 1\r\n1\r\nincr a 1\r\ndecr a 1\r\ntouch a 0\r\ncas a 0 0 1 1\r\nx\r\n",
        ];
        let mut before = counters(&mut worker);
        for request in requests {
            ask(&mut worker, request);
            let after = counters(&mut worker);
            // An empty cache has no lines of items.
            let after_by_name: HashMap<_, _> = after.iter().cloned().collect();
            for (name, value) in &before {
                if let Some(now) = after_by_name.get(name) {
                    assert!(now >= value, "{name} fell from {value} to {now}");
                }
            }
            before = after;
        }
        assert!(before.iter().filter(|(_, value)| *value > 0.0).count() > 20);
        ask(&mut worker, "stats reset\r\n");
        for (name, value) in counters(&mut worker) {
            let kept =
                name.starts_with("stats objects ") || KEPT.iter().any(|kept| name.ends_with(kept));
            assert!(kept || value == 0.0, "{name} is {value} after a reset");
        }
    }
}
