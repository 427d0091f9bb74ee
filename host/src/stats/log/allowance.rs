//! How many lines others may cause.

use std::time::Instant;

/// Lines that may be written at once after silence.
const BURST: f64 = 100.0;
/// Lines a second in the long run.
const PER_S: f64 = 20.0;

/// A bucket of lines that fills with time.
#[derive(Debug)]
pub(super) struct Allowance {
    lines: f64,
    filled_at: Instant,
    skipped: u64,
}

impl Allowance {
    pub(super) fn full(now: Instant) -> Allowance {
        Allowance {
            lines: BURST,
            filled_at: now,
            skipped: 0,
        }
    }

    /// Takes one line out: `Some` with how many were skipped before, or `None` when this one is skipped.
    pub(super) fn take(&mut self, now: Instant) -> Option<u64> {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.lines = (self.lines + passed * PER_S).min(BURST);
        self.filled_at = now;
        if self.lines < 1.0 {
            self.skipped += 1;
            return None;
        }
        self.lines -= 1.0;
        Some(std::mem::take(&mut self.skipped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_flood_of_lines_is_cut_and_counted() {
        let start = Instant::now();
        let mut allowance = Allowance::full(start);
        let written = (0..1000)
            .filter(|_| allowance.take(start).is_some())
            .count();
        assert_eq!(written, 100);
        assert_eq!(allowance.take(start + Duration::from_millis(49)), None);
        assert_eq!(
            allowance.take(start + Duration::from_millis(101)),
            Some(901)
        );
    }
}
