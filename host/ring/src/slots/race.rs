//! The race of all nodes for a slot: rendezvous hashing with weights.
//!
//! The time of a node is `-ln(u) / weight`, where `u` is a random number between 0 and 1. Then the chance to be the
//! fastest is exactly a node's share of the weight.
//!
//! All members of a cluster must compute the same order. So the logarithm is computed here, by additions, multiplications
//! and divisions only, which are the same on every machine; those of system libraries differ in their last bits.

use std::collections::HashSet;

use rapidhash::v3::rapidhash_v3;

use crate::{Node, RingError};

/// A node's time for a slot. The least is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finish {
    pub(super) time: u64,
    /// The node's hash, so that a tie does not depend on the order of nodes.
    tie: u64,
    pub(super) node: u16,
}

#[derive(Clone, Debug)]
pub(super) struct Race {
    runners: Vec<Runner>,
    /// All weights are the same, so no logarithm is needed: it would not change the order.
    equal: bool,
}

#[derive(Clone, Debug)]
struct Runner {
    seed: u64,
    weight: f64,
}

impl Runner {
    /// The time where all weights are the same. The larger the random number, the faster.
    fn equal_time(&self, slot: usize) -> u64 {
        !mix(self.seed, slot as u64)
    }

    /// Positive floats are in the order of their bits.
    fn weighted_time(&self, slot: usize) -> u64 {
        (minus_ln(mix(self.seed, slot as u64)) / self.weight).to_bits()
    }
}

impl Race {
    /// # Errors
    /// When two nodes have the same id.
    pub(super) fn new(nodes: &[Node]) -> Result<Self, RingError> {
        let mut seeds = HashSet::with_capacity(nodes.len());
        let runners = nodes
            .iter()
            .map(|node| {
                let seed = rapidhash_v3(&node.id);
                if !seeds.insert(seed) {
                    let name = node.name.clone();
                    return Err(RingError::Twice { name });
                }
                let weight = f64::from(node.weight());
                Ok(Runner { seed, weight })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let equal = runners
            .iter()
            .all(|runner| runner.weight == runners[0].weight);
        Ok(Self { runners, equal })
    }

    pub(super) fn nodes(&self) -> usize {
        self.runners.len()
    }

    /// The time of one node for a slot.
    pub(super) fn finish(&self, slot: usize, node: u16) -> Finish {
        let runner = &self.runners[usize::from(node)];
        let time = match self.equal {
            true => runner.equal_time(slot),
            false => runner.weighted_time(slot),
        };
        Finish {
            time,
            tie: runner.seed,
            node,
        }
    }

    /// The times of all nodes for a slot, without more. This is where building a table spends its time.
    pub(super) fn times(&self, slot: usize, times: &mut Vec<u64>) {
        times.clear();
        match self.equal {
            true => times.extend(self.runners.iter().map(|runner| runner.equal_time(slot))),
            false => times.extend(self.runners.iter().map(|runner| runner.weighted_time(slot))),
        }
    }

    /// The times of all nodes for a slot, in the order of nodes.
    pub(super) fn finishes(&self, slot: usize) -> impl Iterator<Item = Finish> {
        (0..self.runners.len() as u16).map(move |node| self.finish(slot, node))
    }

    /// Each node's share of the weight times `total`, as a fraction of integers: numerators and their denominator.
    pub(super) fn shares(&self, total: usize) -> (Vec<u128>, u128) {
        let weights = self.runners.iter().map(|runner| runner.weight as u128);
        let sum = weights.clone().sum();
        (weights.map(|weight| weight * total as u128).collect(), sum)
    }
}

/// A random number for a seed and a number: the step of the generator SplitMix64.
fn mix(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// Bits of a random number that make the fraction of a float.
const FRACTION_BITS: u32 = 52;

/// `-ln(u)` for the number `u` between 0 and 1 that the upper bits of `random` stand for; more than 0.
fn minus_ln(random: u64) -> f64 {
    // Half a step up, so that neither 0 nor 1 comes out.
    let u =
        ((random >> (u64::BITS - FRACTION_BITS)) as f64 + 0.5) / (1_u64 << FRACTION_BITS) as f64;
    // u = m * 2^e with m between 1 and 2, or between sqrt(1/2) and sqrt(2) after the step below.
    let bits = u.to_bits();
    let mut exponent = (bits >> FRACTION_BITS) as i64 - 1023;
    let mut m = f64::from_bits(bits & ((1 << FRACTION_BITS) - 1) | 1023 << FRACTION_BITS);
    if m > std::f64::consts::SQRT_2 {
        m /= 2.0;
        exponent += 1;
    }
    // ln(m) = 2 * (t + t^3/3 + t^5/5 + ...) with t = (m - 1) / (m + 1), which is at most 0.172.
    let t = (m - 1.0) / (m + 1.0);
    let square = t * t;
    let mut sum = 0.0;
    for divisor in [19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        sum = sum * square + 1.0 / divisor;
    }
    -(2.0 * t * sum + exponent as f64 * std::f64::consts::LN_2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn race(weights: &[u32]) -> Race {
        let nodes: Vec<_> = (1..)
            .zip(weights)
            .map(|(port, weight)| Node::new("a", port).with_weight(*weight))
            .collect();
        Race::new(&nodes).expect("ports differ")
    }

    #[test]
    fn the_extremes_have_a_time() {
        for random in [0, u64::MAX, 1 << 63, (1 << 63) - 1] {
            let time = minus_ln(random);
            assert!(time > 0.0 && time < 37.0, "{random}: {time}");
        }
    }

    #[test]
    fn the_chance_to_be_first_is_the_share_of_the_weight() {
        let race = race(&[1, 2, 5]);
        let slots = 200_000;
        let mut first = [0; 3];
        for slot in 0..slots {
            let fastest = race.finishes(slot).min().expect("there are nodes");
            first[usize::from(fastest.node)] += 1;
        }
        for (wins, weight) in first.into_iter().zip([1.0, 2.0, 5.0]) {
            let share = f64::from(wins) / slots as f64;
            assert!((share - weight / 8.0).abs() < 0.005, "{first:?}");
        }
    }

    #[test]
    fn without_logarithms_the_order_is_the_same() {
        let equal = race(&[3, 3, 3, 3, 3]);
        let general = Race {
            equal: false,
            ..equal.clone()
        };
        for slot in 0..10_000 {
            let order = |race: &Race| {
                let mut finishes: Vec<_> = race.finishes(slot).collect();
                finishes.sort_unstable();
                finishes
                    .iter()
                    .map(|finish| finish.node)
                    .collect::<Vec<_>>()
            };
            assert_eq!(order(&equal), order(&general), "slot {slot}");
        }
    }

    proptest! {
        #[test]
        fn the_logarithm_is_right(random: u64) {
            let u = ((random >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
            let exact = -u.ln();
            prop_assert!((minus_ln(random) - exact).abs() <= exact * 1e-13);
        }
    }
}
