//! Host functions with hostile arguments on a real store: what is committed is whole, the rest leaves nothing.

use super::*;
use crate::cache::calls::{Failure, Run};
use crate::runtime::tests::arguments::{HOSTILE, cases, good, hostile, is_good, module, nothing};
use crate::runtime::{Budget, FunctionRef, Instances};

/// On a busy machine good calls take long, too.
const DEADLINE_MS: &str = "deadline_ms=20000";
/// An object that no call is made on, and what is in it.
const WITNESS: &[u8] = b"driver$witness";
const FIELDS: u8 = 40;

/// A cache with the attacking module, and one thread's part of it.
struct Attacked {
    cache: Cache,
    instances: Instances<Transaction>,
    transaction: Option<Box<Transaction>>,
}

impl Attacked {
    fn new() -> Attacked {
        let mut limits = LimitsTable::default();
        limits.set(DEADLINE_MS).expect("a limit");
        let engine = Engine::new(&EngineOptions::default()).expect("this processor is supported");
        let registry = Registry::new(engine, limits);
        assert!(registry.load(&[module()]).is_empty());
        let cache = cache_of(registry);
        let instances = Instances::new(&cache.shared.registry, Arc::new(NoLog));
        let transaction = Some(Transaction::new(Arc::clone(&cache.shared)));
        Attacked {
            cache,
            instances,
            transaction,
        }
    }

    fn function(&self, name: &str) -> FunctionRef {
        let types = self.cache.shared.registry.types();
        types.find(name.as_bytes()).expect("the module has it")
    }

    /// Calls a function on the object of that name. `None` when it has no reply.
    fn call(
        &mut self,
        function: &str,
        object: &[u8],
        args: &[Vec<u8>],
        budget: Budget,
    ) -> Option<Vec<u8>> {
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let run = Run {
            function: self.function(function),
            args: &args,
            touch: None,
            budget,
        };
        let key = self.cache.shared.store.key(object);
        let writes = function == "driver:run";
        let begun = self.transaction.as_mut().expect("it came back");
        begun.begin(NOW, key, writes, true);
        let mut reply = Vec::new();
        match run.run(&mut self.instances, &mut self.transaction, &mut reply) {
            Ok(_) => Some(reply),
            Err(Failure::Text(text)) => {
                assert!(!text.starts_with("paused"), "{text:?}");
                assert_eq!(reply, b"", "a failed call leaves no reply");
                None
            }
            Err(Failure::Lane) => {
                assert_eq!(budget, HOSTILE, "this is where it may wait");
                None
            }
        }
    }

    /// Deletes the object of that name.
    fn delete(&mut self, object: &[u8]) {
        let key = self.cache.shared.store.key(object);
        let transaction = self.transaction.as_mut().expect("it came back");
        transaction.begin(NOW, key, true, true);
        assert!(transaction.lock());
        transaction.delete(Handle::OWN).expect("it can be asked");
        transaction.commit().expect("that takes no room");
    }

    fn witness(&mut self) -> &mut Transaction {
        let key = self.cache.shared.store.key(WITNESS);
        let transaction = self.transaction.as_mut().expect("it came back");
        transaction.begin(NOW, key, true, true);
        assert!(transaction.lock());
        transaction
    }

    fn plant(&mut self) {
        let transaction = self.witness();
        for number in 0..FIELDS {
            let value = vec![number; usize::from(number) * 9];
            let put = transaction.field_put(Handle::OWN, &field(number), &value);
            assert_eq!(put, Ok(true));
        }
        transaction.commit().expect("there is room");
    }

    /// Whether the witness is there. If so, it is whole.
    fn is_there(&mut self) -> bool {
        let transaction = self.witness();
        let there = transaction.exists(Handle::OWN).expect("it can be asked");
        if there {
            assert_eq!(transaction.field_count(Handle::OWN), Ok(FIELDS.into()));
            for number in 0..FIELDS {
                let value = transaction.field(Handle::OWN, &field(number), <[u8]>::to_vec);
                let planted = vec![number; usize::from(number) * 9];
                assert_eq!(value.as_ref(), Ok(&Some(planted)));
            }
        }
        transaction.abandon();
        there
    }
}

#[test]
fn hostile_arguments_leave_the_store_whole() {
    let mut attacked = Attacked::new();
    attacked.plant();
    let (mut done, mut failed) = (0, 0);
    for number in 0..cases() {
        let case = hostile(number);
        let function = if case.writes {
            "driver:run"
        } else {
            "driver:look"
        };
        // Calls on one object that keep being stopped would be paused.
        let object = format!("driver$of case {number}");
        let replied = attacked.call(function, object.as_bytes(), &case.args, HOSTILE);
        match replied {
            Some(_) => done += 1,
            None => failed += 1,
        }
        if !attacked.is_there() {
            // Only a call that is committed may evict.
            let committed = case.writes && (replied.is_some() || case.commits);
            assert!(committed, "case {number}: {}", case.steps);
            attacked.plant();
        }
        attacked.delete(object.as_bytes());
        // A function that is stopped on many objects in a row is paused as a whole.
        let looked = attacked.call("driver:look", b"driver$good", &nothing(), Budget::Full);
        assert!(looked.is_some());
        let reply = attacked.call("driver:run", b"driver$good", &good(number), Budget::Full);
        let right = reply.as_ref().is_some_and(|reply| is_good(number, reply));
        assert!(right, "after case {number}, {}: {reply:?}", case.steps);
    }
    println!("ABI on a store: {done} cases came to their end, {failed} were stopped");
    assert!(
        done > cases() / 10 && failed > cases() / 10,
        "{done} and {failed}"
    );
    let store = &attacked.cache.shared.store;
    store.flush_all(NOW, NOW);
    while store.maintain(NOW, 1000) > 0 {}
    let stats = store.stats();
    assert_eq!(
        (stats.curr_items, stats.bytes, stats.payload_bytes),
        (0, 0, 0),
        "a leak"
    );
}
