//! Waiting for a condition that another task brings about.

use ottla_runtime::Runtime;
use std::time::Duration;

/// Asks again and again until something holds, and says what did not when patience ends.
#[derive(Debug, Clone)]
pub struct Inquiry {
    runtime: Runtime,
    patience: Duration,
}

impl Inquiry {
    /// Asks every millisecond of the runtime's clock, for a minute.
    pub fn new(runtime: &Runtime) -> Inquiry {
        Inquiry { runtime: runtime.clone(), patience: Duration::from_secs(60) }
    }

    /// Returns when `holds` does.
    ///
    /// # Panics
    /// With `what`, when it does not within a minute.
    pub async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = self.runtime.now() + self.patience;
        while !holds() {
            assert!(self.runtime.now() < deadline, "waited in vain until {what}");
            self.runtime.sleep(Duration::from_millis(1)).await;
        }
    }
}
