//! Where answers wait for the disk, nobody is shown what can still be lost.

use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread::Thread;

use cacheismo_journal::log::{Fsync, Log};
use cacheismo_journal::record;
use cacheismo_store::{Body, Effect};

use crate::Logged;
use crate::orders::{put, read};

const THREADS: u8 = 3;
const WRITES: u32 = 300;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait(log: &Log, tick: u64) {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match log.poll_durable(tick, &waker) {
            Poll::Pending => std::thread::park(),
            Poll::Ready(durable) => return durable.expect("nothing fails"),
        }
    }
}

/// Whether that value of the key is on disk, or a later one.
fn is_on_disk(logged: &Logged, key: &[u8], value: &[u8]) -> bool {
    let synced = {
        let written = logged.written.lock().expect("nobody panicked");
        written.bytes[..written.synced].to_vec()
    };
    let is = |effect: &Effect<'_>| match effect {
        Effect::Stored {
            key: stored,
            body: Body::Value(bytes),
            ..
        } => *stored == key && *bytes == value,
        _ => false,
    };
    let mut records = record::iter(&synced);
    records.any(|record| record.expect("the log is whole").changes.iter().any(is))
}

#[test]
fn an_answer_that_has_waited_is_on_disk_whether_it_tells_of_a_write_or_of_what_others_wrote() {
    let logged = Logged::new(Fsync::Always);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let logged = &logged;
            scope.spawn(move || {
                let (store, log) = (&*logged.store, &logged.log);
                for number in 0..WRITES {
                    let key = [b'k', (number % 5) as u8];
                    let value = [&[thread][..], &number.to_be_bytes()].concat();
                    store.begin_turn();
                    put(store, &key, &value);
                    store.end_turn();
                    wait(log, log.take_told().expect("it has told"));
                    assert!(is_on_disk(logged, &key, &value));

                    let key = [b'k', (number % 3) as u8];
                    store.begin_turn();
                    let value = read(store, &key);
                    store.end_turn();
                    assert_eq!(log.take_told(), None);
                    if let Some(tick) = log.must_wait_for(store.hash(&key)) {
                        wait(log, tick);
                    }
                    assert!(value.is_empty() || is_on_disk(logged, &key, &value));
                }
            });
        }
    });
    logged.log.flush().expect("nothing fails");
    assert_eq!(logged.log.must_wait_for(0), None);
    let status = logged.log.status();
    assert!(status.syncs > 0 && status.at_risk.bytes == 0);
    assert_eq!(
        status.appended_records,
        u64::from(THREADS) * u64::from(WRITES)
    );
    assert!(!logged.log.refuses_writes());
}
