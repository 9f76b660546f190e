//! What a run is asked to do.

/// A run. Everything else follows from the seed.
#[derive(Debug, Clone)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// Lives of the node's process, besides the last one, in which everything is checked in peace.
    pub lives: u32,
    /// Whether power losses are what mostly ends a life, early and often, and nothing else goes wrong: what the
    /// planted switches need.
    pub mostly_power_losses: bool,
    /// A sync site that does nothing and reports success: the run must then fail.
    pub ignored_sync: Option<String>,
    /// Whether a failure carries the world's whole trace.
    pub keep_trace: bool,
}

impl Options {
    /// The usual run of a seed.
    pub fn new(seed: u64) -> Options {
        Options { seed, lives: 8, mostly_power_losses: false, ignored_sync: None, keep_trace: false }
    }

    /// A run that looks for the harm that ignoring `site` does.
    pub fn planted(seed: u64, site: &str) -> Options {
        Options { ignored_sync: Some(site.to_string()), ..Options::power_losses(seed) }
    }

    /// A run of power losses only.
    pub fn power_losses(seed: u64) -> Options {
        Options { mostly_power_losses: true, ..Options::new(seed) }
    }
}
