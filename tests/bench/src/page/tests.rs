use super::*;
use crate::record;

/// A row of a workload in which only the figures of ratios matter.
fn row(workload: &str, system: &str, requests_per_s: f64, cpu_s_per_million: f64) -> Row {
    Row {
        workload: workload.to_owned(),
        system: system.to_owned(),
        requests_per_s,
        noise_percent: 1.0,
        p50_us: 2.0,
        p99_us: 3.0,
        p999_us: None,
        cpu_s_per_million,
        errors: 0,
    }
}

#[test]
fn the_page_is_what_the_records_render() {
    let records = record::all().expect("every record can be read");
    let path = cacheismo_tests::tools::repository().join("BENCHMARKS.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    assert!(
        page == render(&records),
        "BENCHMARKS.md is not what tests/bench/record renders: run `make bench-page`"
    );
}

#[test]
fn ratios_are_ours_to_the_others_of_the_same_depth() {
    let rows = [
        row("counter, depth 1", "Redis", 100.0, 8.0),
        row("counter, depth 1", "cacheismo", 150.0, 4.0),
        row("counter, depth 16", "cacheismo", 900.0, 1.0),
        row("counter, depth 16", "Redis", 300.0, 2.0),
    ];
    let glance = glance(&rows);
    assert!(
        glance.ends_with("| counter | Redis | 1.50, 0.50 | 3.00, 0.50 |  |\n"),
        "{glance}"
    );
    assert_eq!(glance.matches("| counter |").count(), 1);
}

#[test]
fn rows_of_a_workload_are_measured_by_its_first() {
    let rows = [
        row("get", "memcached", 1_000.0, 1.0),
        row("get", "cacheismo", 2_500.0, 1.0),
        row("set", "memcached", 5_000.0, 1.0),
    ];
    let table = requests(&rows);
    let last: Vec<&str> = table
        .lines()
        .rev()
        .take(3)
        .map(|line| line.trim_end_matches(" |").rsplit(' ').next().unwrap_or(""))
        .collect();
    assert_eq!(last, ["1.00", "2.50", "1.00"]);
    assert!(table.contains("|  | cacheismo | 2,500 |"), "{table}");
}

#[test]
fn a_section_is_of_the_newest_record_that_has_it() {
    let record = |date: &str, titles: &[&str]| {
        let tables = titles.iter().map(|title| {
            serde_json::json!({"title": title, "about": [], "columns": ["of"], "rows": [[date]]})
        });
        let machine = serde_json::json!({
            "processor": "", "cores": 1, "kernel": "", "memcached": "", "redis": "", "rustc": "", "commit": "",
        });
        let run = serde_json::json!({"round_s": 1.0, "rounds": 1, "connections": 1});
        let tables: Vec<_> = tables.collect();
        let record =
            serde_json::json!({"date": date, "machine": machine, "run": run, "tables": tables});
        serde_json::from_value::<Record>(record).expect("this is a record")
    };
    let page = render(&[
        record("2026-01-01", &["A", "B"]),
        record("2026-02-02", &["B"]),
    ]);
    assert!(page.ends_with(
        "## A\n\nRecorded on 2026-01-01.\n\n| of |\n| --- |\n| 2026-01-01 |\n\
         \n## B\n\nRecorded on 2026-02-02.\n\n| of |\n| --- |\n| 2026-02-02 |\n"
    ));
}

#[test]
fn numbers_have_commas() {
    let numbers = [1.0, 999.4, 1_000.0, 123_456.0, 1_234_567.0];
    let printed = numbers.map(thousands);
    assert_eq!(printed, ["1", "999", "1,000", "123,456", "1,234,567"]);
}
