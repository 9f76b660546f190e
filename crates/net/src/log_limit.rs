//! Keeps a stranger from filling the disk with our own log lines.

use ottla_runtime::Instant;
use std::time::Duration;

/// Lines in a burst.
const BURST: u32 = 20;
/// After a burst, one line per this time.
const INTERVAL: Duration = Duration::from_secs(1);

/// Permits a burst of lines, then one a second, and counts those it left out.
#[derive(Debug)]
pub(crate) struct LogLimit {
    tokens: u32,
    refilled: Instant,
    suppressed: u64,
}

impl LogLimit {
    /// A full burst is permitted at first.
    pub(crate) fn new(now: Instant) -> LogLimit {
        LogLimit { tokens: BURST, refilled: now, suppressed: 0 }
    }

    /// Whether a line may be written now; if so, how many were left out since the last one.
    pub(crate) fn permit(&mut self, now: Instant) -> Option<u64> {
        let intervals = u32::try_from((now - self.refilled).as_secs() / INTERVAL.as_secs()).unwrap_or(u32::MAX);
        if intervals >= BURST - self.tokens {
            (self.tokens, self.refilled) = (BURST, now);
        } else {
            self.tokens += intervals;
            self.refilled += INTERVAL * intervals;
        }
        if self.tokens == 0 {
            self.suppressed += 1;
            return None;
        }
        self.tokens -= 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_thinned_out_and_counted() {
        let now = Instant::now();
        let mut limit = LogLimit::new(now);
        assert_eq!((0..BURST + 5).filter(|_| limit.permit(now).is_some()).count(), BURST as usize);
        assert_eq!(limit.permit(now + INTERVAL), Some(5));
        assert_eq!(limit.permit(now + INTERVAL), None);
        let calm = now + INTERVAL * 100;
        assert_eq!(limit.permit(calm), Some(1));
        assert_eq!((0..BURST).filter(|_| limit.permit(calm).is_some()).count(), BURST as usize - 1);
    }
}
