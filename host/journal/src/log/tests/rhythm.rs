//! When the log syncs, when it sleeps, and what it sleeps for.

use super::*;

#[test]
fn always_nothing_is_durable_before_its_sync_has_returned() {
    let mut world = World::new(Fsync::Always);
    let tick = world.write();
    let (calls, waker) = calls();
    assert_eq!(world.poll(tick, &waker), Poll::Pending);
    let (shared, waiting) = (Arc::clone(&world.shared), Arc::clone(&calls));
    world.disk.borrow_mut().meanwhile = Some(Box::new(move || {
        assert!(shared.durable.below() <= tick);
        assert_eq!(
            shared
                .undurable
                .as_ref()
                .map(|table| table.must_wait_for(KEY[0].into(), || 1)),
            Some(Some(tick))
        );
        assert_eq!(waiting.count(), 0);
    }));
    assert_eq!(world.run(), (Sleep::Idle, None));
    assert_eq!(calls.count(), 1);
    assert_eq!(world.poll(tick, &waker), Poll::Ready(Ok(())));
    assert_eq!(world.disk.borrow().synced(), [tick]);
    let undurable = world
        .shared
        .undurable
        .as_ref()
        .expect("the log syncs always");
    // Not even its place is looked at.
    assert_eq!(undurable.must_wait_for(KEY[0].into(), || 0), None);
}

#[test]
fn a_sealed_turn_waits_for_one_that_is_open_and_its_end_wakes_the_log() {
    let mut world = World::new(Fsync::Always);
    let mut slow = world.other();
    slow.turn_begins(world.clock.load(SeqCst));
    let tick = world.write();
    assert_eq!(world.run(), (Sleep::Held, None));
    assert!(world.disk.borrow().synced().is_empty());
    world.machine.shared().intake.prepare_to_sleep(Sleep::Held);
    slow.turn_ends();
    assert!(!world.shared.intake.sleeps());
    assert_eq!(world.run(), (Sleep::Idle, None));
    assert_eq!(world.disk.borrow().synced(), [tick]);
    // Turns that only read let the idle log sleep.
    world.machine.shared().intake.prepare_to_sleep(Sleep::Idle);
    slow.turn_begins(world.clock.load(SeqCst));
    slow.turn_ends();
    assert!(world.shared.intake.sleeps());
    world.write();
    assert!(!world.shared.intake.sleeps());
}

#[test]
fn every_second_nothing_is_at_risk_for_longer_and_the_idle_log_sleeps_for_ever() {
    let mut world = World::new(Fsync::EverySecond);
    assert_eq!(world.run(), (Sleep::Idle, None));
    for round in 1..5 {
        let told_at = world.now.get();
        world.write();
        let (sleep, until) = world.run();
        assert_eq!(sleep, Sleep::Idle);
        let until = until.expect("a sync is due");
        assert!(until - told_at < Duration::from_secs(1));
        // More is written meanwhile, and does not put off the sync.
        world.pass(400);
        world.write();
        assert_eq!(world.run(), (Sleep::Idle, Some(until)));
        let status = world.shared.status.lock().clone();
        assert!(status.at_risk.bytes > 0);
        assert_eq!(status.at_risk.age, Duration::from_millis(400));
        world.now.set(until);
        assert_eq!(world.run(), (Sleep::Idle, None));
        assert_eq!(world.disk.borrow().synced().len(), 2 * round);
        assert_eq!(world.disk.borrow().syncs, round);
        assert_eq!(world.shared.status.lock().at_risk, Default::default());
    }
}

#[test]
fn off_syncs_only_when_it_is_asked_to() {
    let mut world = World::new(Fsync::Off);
    world.write();
    assert_eq!(world.run(), (Sleep::Idle, None));
    assert_eq!(world.disk.borrow().segments[0].ticks.len(), 1);
    assert_eq!(world.disk.borrow().syncs, 0);
    let answer = world.shared.requests.flush();
    assert_eq!(world.run(), (Sleep::Idle, None));
    assert_eq!(answer.try_recv(), Ok(Ok(world.snapshot().position)));
    assert_eq!(world.disk.borrow().syncs, 1);
}

#[test]
fn a_flush_waits_for_turns_that_have_told_something() {
    let mut world = World::new(Fsync::EverySecond);
    let mut slow = world.other();
    slow.turn_begins(world.clock.load(SeqCst));
    let tick = world.tell(&mut slow);
    let answer = world.shared.requests.flush();
    assert_eq!(world.run().0, Sleep::Held);
    assert!(answer.try_recv().is_err());
    // A turn that begins later is not waited for.
    let mut later = world.other();
    later.turn_begins(world.clock.load(SeqCst));
    slow.turn_ends();
    world.run();
    assert_eq!(answer.try_recv(), Ok(Ok(world.snapshot().position)));
    assert_eq!(world.disk.borrow().synced(), [tick]);
}

#[test]
fn at_the_end_all_is_on_disk_and_what_comes_later_is_dropped() {
    let mut world = World::new(Fsync::EverySecond);
    let tick = world.write();
    world.shared.requests.stop();
    while world.machine.step() != Rest::Over {}
    assert!(world.disk.borrow().finished);
    assert_eq!(world.disk.borrow().synced(), [tick]);
    assert_eq!(world.state(), State::Stopped);
}

#[test]
fn much_that_is_not_synced_is_synced_before_its_time() {
    let mut world = World::new(Fsync::EverySecond);
    let value = vec![1; 1 << 20];
    for _ in 0..16 {
        let tick = world.clock.fetch_add(1, SeqCst);
        world.local.turn_begins(tick);
        world.local.change(tick, Some(KEY), |out, open| {
            let body = cacheismo_store::Body::State(&value);
            let head = head();
            record::add(
                out,
                open,
                &Effect::Stored {
                    key: KEY,
                    head,
                    body,
                },
            );
        });
        world.local.turn_ends();
        world.run();
    }
    assert_eq!(world.disk.borrow().synced().len(), 16);
}

fn head() -> cacheismo_store::Head {
    cacheismo_store::Head {
        flags: 0,
        expiry: cacheismo_store::Expiry(None),
        cas: 0,
        stale: false,
        token_sent: false,
        object: true,
    }
}
