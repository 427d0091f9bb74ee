use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

use super::*;

/// Polls connections until `done` is notified.
fn run(turns: &Rc<Turns>, before_second: impl Fn() + 'static, done: &Rc<tokio::sync::Notify>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build_local(tokio::runtime::LocalOptions::default())
        .expect("a runtime");
    runtime.block_on(async {
        let turns = Rc::clone(turns);
        tokio::task::spawn_local(async move { turns.run(before_second).await });
        done.notified().await;
    });
}

/// Counts down how many connections there are still.
struct Ends {
    open: Cell<usize>,
    done: Rc<tokio::sync::Notify>,
}

impl Ends {
    fn of(connections: usize) -> Rc<Ends> {
        Rc::new(Ends {
            open: Cell::new(connections),
            done: Rc::default(),
        })
    }

    fn ended(&self) {
        self.open.set(self.open.get() - 1);
        if self.open.get() == 0 {
            self.done.notify_one();
        }
    }
}

#[test]
fn a_crowd_reads_in_groups_before_any_of_a_group_goes_on() {
    let turns = Rc::new(Turns::default());
    let ends = Ends::of(GROUP + CROWD);
    let log = Rc::new(RefCell::new(String::new()));
    for _ in 0..GROUP + CROWD {
        let (turns, ends, log) = (Rc::clone(&turns), Rc::clone(&ends), Rc::clone(&log));
        Rc::clone(&turns).add(async move {
            log.borrow_mut().push('r');
            turns.after_others().await;
            log.borrow_mut().push('x');
            // There is nobody to wait for in a second pass.
            assert!(!turns.is_crowd());
            turns.after_others().await;
            ends.ended();
        });
    }
    let seen = Rc::clone(&log);
    run(&turns, move || seen.borrow_mut().push('-'), &ends.done);
    let groups = [GROUP, CROWD].map(|n| format!("{}-{}", "r".repeat(n), "x".repeat(n)));
    assert_eq!(*log.borrow(), groups.concat());
}

#[test]
fn few_connections_do_not_wait_for_each_other() {
    let turns = Rc::new(Turns::default());
    let ends = Ends::of(CROWD - 1);
    let log = Rc::new(RefCell::new(String::new()));
    for _ in 0..CROWD - 1 {
        let (turns, ends, log) = (Rc::clone(&turns), Rc::clone(&ends), Rc::clone(&log));
        Rc::clone(&turns).add(async move {
            log.borrow_mut().push('r');
            turns.after_others().await;
            log.borrow_mut().push('x');
            ends.ended();
        });
    }
    run(&turns, || panic!("nobody waits"), &ends.done);
    assert_eq!(*log.borrow(), "rx".repeat(CROWD - 1));
}

#[test]
fn after_a_long_turn_a_connection_waits_for_all_others() {
    const ROUNDS: usize = 20;
    let turns = Rc::new(Turns::default());
    let ends = Ends::of(1);
    let log = Rc::new(RefCell::new(String::new()));
    for name in ['A', 'B', 'C', 's'] {
        let (turns, ends, log) = (Rc::clone(&turns), Rc::clone(&ends), Rc::clone(&log));
        Rc::clone(&turns).add(async move {
            for _ in 0..ROUNDS {
                log.borrow_mut().push(name);
                if name != 's' {
                    turns.took(LONG);
                }
                tokio::task::yield_now().await;
            }
            if name == 's' {
                ends.ended();
            }
        });
    }
    run(&turns, || (), &ends.done);
    let log = log.borrow();
    // All look alike in the first pass.
    let (first, later) = log.split_at("ABCs".len());
    assert_eq!(first, "ABCs");
    // Behind the last of the short turns there is nobody to wait for.
    let (until_last, _) = later.rsplit_once('s').expect("there are more passes");
    assert!(until_last.split('s').all(|long| long.len() <= 1), "{log}");
    let count = |name: char| later.chars().filter(|seen| *seen == name).count();
    let counts = ['A', 'B', 'C'].map(count);
    assert!(
        counts.iter().all(|turns| turns.abs_diff(counts[0]) <= 1),
        "{log}"
    );
}

#[test]
fn a_connection_that_panics_costs_the_others_nothing() {
    let turns = Rc::new(Turns::default());
    let ends = Ends::of(1);
    turns.add(async { panic!("this panic belongs to the test") });
    let (others, last) = (Rc::clone(&turns), Rc::clone(&ends));
    turns.add(async move {
        tokio::task::yield_now().await;
        others.after_others().await;
        last.ended();
    });
    run(&turns, || {}, &ends.done);
    assert_eq!(turns.tasks.borrow().free.len(), 2, "both places are free");
}

/// A future that counts its polls and hands out its waker.
async fn polled(times: usize, wakers: mpsc::Sender<Waker>) {
    let mut polls = 0;
    poll_fn(|context| {
        polls += 1;
        // Nobody may listen any more.
        let _ = wakers.send(context.waker().clone());
        match polls < times {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    })
    .await;
}

#[test]
fn no_ring_of_another_thread_is_lost() {
    const CONNECTIONS: usize = 20;
    const POLLS: usize = 500;
    let turns = Rc::new(Turns::default());
    let ends = Ends::of(CONNECTIONS);
    let ringers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (sender, wakers) = mpsc::channel::<Waker>();
            let ends = Rc::clone(&ends);
            turns.add(async move {
                polled(POLLS, sender).await;
                ends.ended();
            });
            thread::spawn(move || wakers.iter().for_each(|waker| waker.wake()))
        })
        .collect();
    run(&turns, || {}, &ends.done);
    ringers.into_iter().for_each(|ringer| {
        ringer.join().expect("a ringer only rings");
    });
}

#[test]
fn a_waker_kept_from_an_ended_connection_may_ring_its_successor() {
    let turns = Rc::new(Turns::default());
    let (sender, wakers) = mpsc::channel();
    let ends = Ends::of(1);
    let first = Rc::clone(&ends);
    turns.add(async move {
        polled(1, sender).await;
        first.ended();
    });
    run(&turns, || {}, &ends.done);
    let stale = wakers.recv().expect("it was polled");
    stale.wake_by_ref();

    let (sender, wakers) = mpsc::channel();
    let ends = Ends::of(1);
    let second = Rc::clone(&ends);
    turns.add(async move {
        polled(2, sender).await;
        second.ended();
    });
    assert_eq!(turns.tasks.borrow().slots.len(), 1, "it has the same place");
    let ringer = thread::spawn(move || {
        wakers.iter().for_each(|waker| waker.wake());
        stale.wake();
    });
    run(&turns, || {}, &ends.done);
    ringer.join().expect("a ringer only rings");
}
