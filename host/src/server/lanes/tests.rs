use super::queue::{WAITING_MAX, WAITING_OF_CLIENT_MAX};
use super::*;
use proptest::prelude::*;
use std::sync::mpsc;

fn fair(client: u64, kind: u64) -> Fair {
    Fair {
        client,
        connection: client,
        kind,
    }
}

/// Submits a job that is no client's.
fn submit(lanes: &Lanes, job: impl FnOnce() + Send + 'static) {
    let submitted = lanes.submit_for(fair(0, 0), (), |()| job());
    submitted.expect("there is room");
}

#[test]
fn connections_of_one_client_take_turns_too() {
    let of = |connection| Fair {
        client: 1,
        connection,
        kind: 1,
    };
    let jobs = [
        (of(1), "a0"),
        (of(1), "a1"),
        (of(1), "a2"),
        (of(2), "b0"),
        (of(3), "c0"),
    ];
    assert_eq!(order(&jobs), ["a0", "b0", "c0", "a1", "a2"]);
}

#[test]
fn a_client_is_a_machine_and_a_local_one_a_connection() {
    let connections = crate::stats::Connections::default();
    let of = |peer: &str| Fair::of(&connections.open(peer.to_owned(), "tcp:x".into(), 0), 1);
    let (a, b, c) = (
        of("tcp:10.0.0.1:1"),
        of("tcp:10.0.0.1:2"),
        of("tcp:10.0.0.2:1"),
    );
    assert!(a.client == b.client && a.client != c.client && a.connection != b.connection);
    assert_ne!(of("unix").client, of("unix").client);
    let datagram = Fair::of_address("10.0.0.1:5".parse().expect("an address"), 1);
    assert_eq!(datagram.client, a.client);
    let datagram = Fair::of_address("[::1]:5".parse().expect("an address"), 1);
    assert_eq!(datagram.client, of("tcp:[::1]:6").client);
}

#[test]
fn threads_grow_to_the_limit_and_no_further() {
    let lanes = Lanes::new(3);
    let (started, starts) = mpsc::channel();
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock();
    for n in 0..10 {
        let (started, gate) = (started.clone(), Arc::clone(&gate));
        submit(&lanes, move || {
            started.send(n).expect("the test listens");
            drop(gate.lock());
        });
    }
    let first: Vec<i32> = starts.iter().take(3).collect();
    assert_eq!(lanes.shared.state.lock().threads, 3);
    assert_eq!(lanes.shared.state.lock().queue.waiting(), 7);
    drop(closed);
    let mut all: Vec<i32> = first.into_iter().chain(starts.iter().take(7)).collect();
    all.sort_unstable();
    assert_eq!(all, (0..10).collect::<Vec<_>>());
}

#[test]
fn a_panic_costs_neither_thread_nor_order() {
    let lanes = Lanes::new(1);
    let (done, finished) = mpsc::channel();
    submit(&lanes, || panic!("this panic belongs to the test"));
    submit(&lanes, move || done.send(7).expect("the test listens"));
    assert_eq!(finished.recv(), Ok(7));
    assert_eq!(lanes.shared.state.lock().threads, 1);
}

#[test]
fn lanes_are_nicer_than_the_workers() {
    let lanes = Lanes::new(1);
    let (say, said) = mpsc::channel();
    submit(&lanes, move || {
        let nice = rustix::process::getpriority_process(None).expect("of this thread");
        say.send(nice).expect("the test listens");
    });
    let own = rustix::process::getpriority_process(None).expect("of this thread");
    assert_eq!(said.recv(), Ok(own.max(NICE)));
}

/// Runs the jobs on one thread, and returns them in the order in which they ran. The first is held until all others
/// wait.
fn order(jobs: &[(Fair, &'static str)]) -> Vec<&'static str> {
    let lanes = Lanes::new(1);
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock();
    let (ran, order) = mpsc::channel();
    let (started, start) = mpsc::channel();
    for (n, (fair, name)) in jobs.iter().enumerate() {
        let (ran, gate, started) = (ran.clone(), Arc::clone(&gate), started.clone());
        let submitted = lanes.submit_for(*fair, *name, move |name| {
            started.send(()).expect("the test listens");
            drop(gate.lock());
            ran.send(name).expect("the test listens");
        });
        submitted.expect("there is room");
        if n == 0 {
            start.recv().expect("it starts");
        }
    }
    drop(closed);
    order.iter().take(jobs.len()).collect()
}

#[test]
fn a_hundred_jobs_of_one_client_delay_another_by_one() {
    let mut jobs = vec![(fair(1, 1), "many"); 100];
    jobs.push((fair(2, 1), "one"));
    let order = order(&jobs);
    assert_eq!(order[..3], ["many", "one", "many"]);
}

#[test]
fn clients_take_turns_and_each_has_its_order() {
    let (a, b) = (fair(1, 1), fair(2, 2));
    let jobs = [
        (a, "a0"),
        (a, "a1"),
        (a, "a2"),
        (b, "b0"),
        (b, "b1"),
        (b, "b2"),
    ];
    assert_eq!(order(&jobs), ["a0", "b0", "a1", "b1", "a2", "b2"]);
}

#[test]
fn a_slow_type_does_not_keep_another_from_the_threads() {
    // Every client's slow calls are of one type; then somebody calls another one.
    let mut queue = Queue::default();
    (0..100).for_each(|client| queue.push(fair(client, 1), Box::new(|| ())));
    let running: Vec<Fair> = (0..8)
        .filter_map(|_| queue.next())
        .map(|(f, _)| f)
        .collect();
    queue.push(fair(200, 2), Box::new(|| ()));
    queue.done(running[0]);
    assert_eq!(queue.next().map(|(fair, _)| fair), Some(fair(200, 2)));
}

#[test]
fn too_many_jobs_are_refused_and_others_still_find_room() {
    let lanes = Lanes::new(1);
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock();
    let (started, start) = mpsc::channel();
    let waits = Arc::clone(&gate);
    submit(&lanes, move || {
        started.send(()).expect("the test listens");
        drop(waits.lock());
    });
    start.recv().expect("it starts");
    let submit = |client| lanes.submit_for(fair(client, 1), "work", drop);
    (0..WAITING_OF_CLIENT_MAX).for_each(|_| submit(1).expect("there is room"));
    let (full, work) = submit(1).expect_err("there is none");
    assert_eq!((full, work), (Full::Client, "work"));
    assert_eq!(
        full.to_string(),
        "512 slow calls of this client wait already"
    );
    (WAITING_OF_CLIENT_MAX..WAITING_MAX).for_each(|_| submit(2).expect("there is room"));
    let (full, _) = submit(3).expect_err("there is none");
    assert_eq!(full.to_string(), "1024 slow calls wait already");
    drop(closed);
}

proptest! {
    /// Any arrivals and endings, on any number of threads: no job that waits has fewer of its client and type running
    /// than the one that is taken, and each client of a kind keeps its order.
    #[test]
    fn the_one_with_least_running_is_next(
        threads in 1usize..9,
        steps in prop::collection::vec((any::<bool>(), 0u64..5, 0u64..3), 1..200),
    ) {
        let mut queue = Queue::default();
        let (mut waiting, mut running): (Vec<(Fair, usize)>, Vec<Fair>) = (Vec::new(), Vec::new());
        let (told, tells) = mpsc::channel();
        for (number, (arrives, client, kind)) in steps.into_iter().enumerate() {
            if arrives {
                let told = told.clone();
                queue.push(fair(client, kind), Box::new(move || told.send(number).expect("the test listens")));
                waiting.push((fair(client, kind), number));
            } else if let Some(ended) = (!running.is_empty()).then(|| running.remove(number % running.len())) {
                queue.done(ended);
            }
            while running.len() < threads {
                let Some((taken, job)) = queue.next() else { break };
                job();
                let job = tells.recv().expect("it ran");
                let load = |of: Fair| {
                    let same = |a, b| usize::from(a == b);
                    running.iter().map(|r| same(r.client, of.client) + same(r.kind, of.kind)).sum::<usize>()
                };
                let least = waiting.iter().map(|(fair, _)| load(*fair)).min();
                prop_assert_eq!(least, Some(load(taken)));
                let first = waiting.iter().position(|(fair, _)| *fair == taken).expect("it waited");
                prop_assert_eq!(waiting.remove(first), (taken, job));
                running.push(taken);
            }
            prop_assert_eq!(queue.waiting(), waiting.len());
        }
    }

    /// While several clients always have jobs waiting, none gets more than one turn ahead of another.
    #[test]
    fn turns_are_equal(clients in 2u64..6, jobs in prop::collection::vec(1usize..6, 1..60)) {
        let mut queue = Queue::default();
        let mut turns = vec![0usize; clients as usize];
        for client in 0..clients {
            // Some have many more waiting than others.
            (0..200 * (client + 1)).for_each(|_| queue.push(fair(client, 7), Box::new(|| ())));
        }
        for _ in jobs {
            let (taken, _) = queue.next().expect("many wait");
            queue.done(taken);
            turns[taken.client as usize] += 1;
            let (least, most) = (turns.iter().min(), turns.iter().max());
            prop_assert!(most <= least.map(|n| n + 1).as_ref(), "{:?}", turns);
        }
    }
}
