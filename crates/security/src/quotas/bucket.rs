//! The token bucket of the controller mutation quota (KIP-599).

use super::rate::Window;

/// Tokens that come at a steady rate, up to a burst. They may go below zero: a large request is taken as long as any are
/// there, and the debt is paid before the next.
#[derive(Debug, Clone, Copy)]
pub struct TokenBucket {
    tokens: f64,
    updated_ms: i64,
}

impl TokenBucket {
    /// A full one.
    pub fn full(window: Window, limit: f64, now_ms: i64) -> TokenBucket {
        TokenBucket { tokens: burst(window, limit), updated_ms: now_ms }
    }

    /// How long until there are tokens again, in milliseconds; 0 when there are.
    pub fn wait_ms(&mut self, window: Window, limit: f64, now_ms: i64) -> i64 {
        self.refill(window, limit, now_ms);
        if self.tokens < 0.0 { (-self.tokens / limit * 1000.0).round() as i64 } else { 0 }
    }

    /// Takes `amount` tokens, also beyond what is there; a negative amount gives them back.
    pub fn take(&mut self, window: Window, limit: f64, amount: f64, now_ms: i64) {
        self.refill(window, limit, now_ms);
        self.tokens = (self.tokens - amount).min(burst(window, limit));
    }

    /// Whether it is full, so that a new one would be the same.
    pub fn is_full(&mut self, window: Window, limit: f64, now_ms: i64) -> bool {
        self.refill(window, limit, now_ms);
        self.tokens >= burst(window, limit)
    }

    fn refill(&mut self, window: Window, limit: f64, now_ms: i64) {
        let seconds = (now_ms - self.updated_ms).max(0) as f64 / 1000.0;
        self.tokens = (self.tokens + limit * seconds).min(burst(window, limit));
        self.updated_ms = self.updated_ms.max(now_ms);
    }
}

fn burst(window: Window, limit: f64) -> f64 {
    window.total_ms() as f64 / 1000.0 * limit
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Window = Window { samples: 11, sample_ms: 1000 };

    #[test]
    fn a_burst_is_taken_and_its_debt_waited_for() {
        let mut bucket = TokenBucket::full(WINDOW, 2.0, 0);
        assert_eq!(bucket.wait_ms(WINDOW, 2.0, 0), 0);
        bucket.take(WINDOW, 2.0, 30.0, 0);
        assert_eq!(bucket.wait_ms(WINDOW, 2.0, 0), 4000);
        assert_eq!(bucket.wait_ms(WINDOW, 2.0, 3000), 1000);
        assert_eq!(bucket.wait_ms(WINDOW, 2.0, 4000), 0);
        assert!(bucket.is_full(WINDOW, 2.0, 20_000));
    }

    proptest! {
        #[test]
        fn the_wait_is_what_pays_the_debt(limit in 0.1f64..1000.0, amount in 0.0f64..1e6) {
            let mut bucket = TokenBucket::full(WINDOW, limit, 0);
            bucket.take(WINDOW, limit, amount, 0);
            let wait = bucket.wait_ms(WINDOW, limit, 0);
            prop_assert!(wait >= 0);
            prop_assert_eq!(bucket.wait_ms(WINDOW, limit, wait + 1), 0);
        }
    }
}
