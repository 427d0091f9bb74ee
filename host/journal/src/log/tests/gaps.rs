//! Disks that fail, and logs that get over it.

use super::*;

const SECOND: u64 = 1000;

/// The snapshot that the log wants is made.
fn heal(world: &mut World) {
    let snapshot = world.snapshot();
    world.shared.requests.snapshot_is_durable(snapshot);
    world.run();
}

fn fails(fault: impl Fn(&mut Script)) {
    let mut world = World::new(Fsync::Always);
    let kept = world.write();
    world.run();
    fault(&mut world.disk.borrow_mut());
    let lost = world.write();
    let (calls, waker) = calls();
    assert_eq!(world.poll(lost, &waker), Poll::Pending);
    let (sleep, until) = world.run();
    assert_eq!(
        (sleep, until),
        (Sleep::Deep, Some(world.now.get() + Duration::from_secs(1)))
    );
    assert!(matches!(world.state(), State::Failed { .. }));
    assert_eq!(calls.count(), 1);
    assert_eq!(world.poll(lost, &waker), Poll::Ready(Err(NotDurable)));
    assert_eq!(world.poll(kept, &waker), Poll::Ready(Ok(())));
    assert!(world.refuses_writes());
    assert!(world.shared.status.lock().at_risk.bytes > 0);
    // What comes now fails at once, and so does a flush.
    let lost = world.write();
    assert_eq!(world.poll(lost, &waker), Poll::Ready(Err(NotDurable)));
    let answer = world.shared.requests.flush();
    world.run();
    assert_eq!(answer.try_recv(), Ok(Err(NotDurable)));

    // The disk is tried each second.
    world.disk.borrow_mut().fail_begin = true;
    for _ in 0..3 {
        let errors = world.shared.status.lock().errors;
        world.pass(SECOND);
        world.run();
        assert_eq!(world.shared.status.lock().errors, errors + 1);
        assert!(matches!(world.state(), State::Failed { .. }));
    }
    world.disk.borrow_mut().mend();
    world.pass(SECOND);
    world.run();
    assert!(matches!(world.state(), State::Recovering { .. }));
    assert_eq!((world.wanted(), world.disk.borrow().segments.len()), (1, 2));
    // Synced, but of no use before the snapshot.
    let early = world.write();
    world.run();
    assert_eq!(world.disk.borrow().synced(), [early]);
    assert_eq!(world.poll(early, &waker), Poll::Ready(Err(NotDurable)));
    assert!(world.refuses_writes());
    heal(&mut world);
    assert!(world.is_ok() && !world.refuses_writes());
    assert_eq!(world.shared.status.lock().at_risk, Default::default());
    assert_eq!(world.poll(early, &waker), Poll::Ready(Ok(())));
    assert_eq!(
        world.poll(lost, &waker),
        Poll::Ready(Ok(())),
        "the snapshot has it"
    );
    let tick = world.write();
    assert_eq!(world.poll(tick, &waker), Poll::Pending);
    world.run();
    assert_eq!(world.poll(tick, &waker), Poll::Ready(Ok(())));
}

#[test]
fn a_failed_append_is_got_over() {
    fails(|disk| disk.fail_append = true);
}

#[test]
fn a_failed_sync_is_got_over() {
    fails(|disk| disk.fail_sync = true);
}

#[test]
fn a_snapshot_is_wanted_when_all_turns_from_before_have_ended_and_their_records_are_dropped() {
    let mut world = World::new(Fsync::EverySecond);
    let mut slow = world.other();
    slow.turn_begins(world.clock.load(SeqCst));
    world.tell(&mut slow);
    world.disk.borrow_mut().fail_append = true;
    let mut local = world.other();
    local.turn_begins(world.clock.load(SeqCst));
    // This one is not held back by the slow turn.
    world.write();
    let answer = world.shared.requests.flush();
    slow.turn_ends();
    local.turn_ends();
    world.run();
    assert!(matches!(world.state(), State::Failed { .. }));
    assert_eq!(answer.try_recv(), Ok(Err(NotDurable)));
    world.disk.borrow_mut().fail_append = false;
    let mut slow = world.other();
    slow.turn_begins(world.clock.load(SeqCst));
    world.tell(&mut slow);
    world.pass(SECOND);
    let before = world.snapshot();
    assert_eq!(world.run().0, Sleep::Held);
    assert_eq!(world.wanted(), 0);
    let too_early = world.snapshot();
    slow.turn_ends();
    world.run();
    assert_eq!(world.wanted(), 1);
    assert!(
        world.disk.borrow().segments[1].ticks.is_empty(),
        "it was told before the floor"
    );
    for start in [before, too_early] {
        world.shared.requests.snapshot_is_durable(start);
        world.run();
        assert!(matches!(world.state(), State::Recovering { .. }));
    }
    // Until there is one, it is asked for again.
    world.pass(SECOND);
    world.run();
    assert_eq!(world.wanted(), 2);
    heal(&mut world);
    assert!(world.is_ok());
    world.pass(10 * SECOND);
    world.run();
    assert_eq!(world.wanted(), 2);
}

#[test]
fn a_disk_that_is_too_slow_makes_a_gap_while_it_still_syncs() {
    for fsync in [Fsync::Always, Fsync::EverySecond] {
        let mut world = World::new(fsync);
        let kept = world.write();
        let (shared, clock) = (Arc::clone(&world.shared), Arc::clone(&world.clock));
        let (calls, waker) = calls();
        let waiting = Arc::clone(&calls);
        world.disk.borrow_mut().meanwhile = Some(Box::new(move || {
            let mut local = Local::new(Arc::clone(&shared));
            let mut told = 0;
            while !shared.durable.has_failed() {
                told = clock.fetch_add(1, SeqCst);
                let polled = shared.durable.poll(told, &waker);
                assert_eq!(polled, Poll::Pending);
                local.turn_begins(told);
                local.change(told, Some(KEY), |out, open| {
                    record::add(out, open, &Effect::Deleted { key: KEY });
                });
                local.turn_ends();
                assert!(shared.intake.waiting() <= QUEUE_BYTES_MAX);
            }
            // Whoever waits is told before the disk is back.
            assert_eq!(waiting.count(), 1);
            assert_eq!(
                shared.durable.poll(told, &waker),
                Poll::Ready(Err(NotDurable))
            );
            assert_eq!(shared.refuses_writes(), shared.fsync == Fsync::Always);
        }));
        world.run();
        world.pass(900);
        world.run();
        assert!(matches!(world.state(), State::Failed { .. }));
        // The sync that was so slow has counted.
        assert_eq!(world.disk.borrow().synced(), [kept]);
        assert_eq!(world.durable(), world.disk.borrow().synced()[0] + 1);
        assert_eq!(world.shared.intake.waiting(), 0);
        world.pass(SECOND);
        world.run();
        heal(&mut world);
        assert!(world.is_ok());
        let tick = world.write();
        world.pass(SECOND);
        world.run();
        world.pass(SECOND);
        world.run();
        assert_eq!(world.disk.borrow().synced(), [tick]);
        assert_eq!(world.durable(), tick + 1);
    }
}

#[test]
fn one_turn_may_be_longer_than_the_queue() {
    let mut world = World::new(Fsync::Always);
    let mut local = world.other();
    local.turn_begins(world.clock.load(SeqCst));
    for _ in 0..2 * QUEUE_BYTES_MAX / 20 {
        world.tell(&mut local);
    }
    local.turn_ends();
    world.run();
    assert!(world.is_ok());
    assert_eq!(world.disk.borrow().synced().len(), 2 * QUEUE_BYTES_MAX / 20);
}

#[test]
fn a_record_that_no_log_can_hold_makes_a_gap() {
    let mut world = World::new(Fsync::Always);
    let tick = world.clock.fetch_add(1, SeqCst);
    world.local.turn_begins(tick);
    let long = [b'k'; 256];
    world.local.change(tick, Some(KEY), |out, open| {
        record::add(out, open, &Effect::Deleted { key: &long });
    });
    world.local.turn_ends();
    world.run();
    assert!(matches!(world.state(), State::Failed { .. }));
    world.pass(SECOND);
    world.run();
    heal(&mut world);
    assert!(world.is_ok());
    let undurable = world
        .shared
        .undurable
        .as_ref()
        .expect("the log syncs always");
    assert_eq!(
        undurable.must_wait_for(KEY[0].into(), || 0),
        None,
        "no turn is left"
    );
}
