//! The same elements in a HyperLogLog of Redis and in this one: the same answers, estimates to the last digit.

use cacheismo_object_hll::Hll;
use cacheismo_redis::Redis;
use cacheismo_sdk::testing::Harness;

#[test]
fn it_answers_as_redis_does() {
    let Some(mut redis) = Redis::start() else {
        return;
    };
    let mut t = Harness::new::<Hll>();
    let mut seed: u64 = 1;
    let mut random = |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for n in 0..40_000 {
        let key = ["a", "b", "c"][random(3) as usize];
        let element = "x".repeat(random(20) as usize) + &random(30_000).to_string();
        let answer = redis.ask(&["PFADD", key, &element]).text();
        assert_eq!(
            t.call("add", &[key, &element]),
            Ok(&*answer),
            "{key} {element}"
        );
        if n % 500 == 499 {
            for keys in [&["a"][..], &["b"], &["a", "b", "c"], &["c", "none"]] {
                let words = [&["PFCOUNT"], keys].concat();
                let answer = redis.ask(&words).text();
                assert_eq!(t.call("count", keys), Ok(&*answer), "{keys:?} after {n}");
            }
        }
        if n % 9_000 == 8_999 {
            redis.ask(&["PFMERGE", "a", "b", "none"]);
            assert_eq!(t.call("merge", &["a", "b", "none"]), Ok("SUCCESS"));
        }
    }
}
