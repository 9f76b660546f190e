//! What a run is asked to do.

use crate::planted::Planted;
use std::fmt;
use std::str::FromStr;

/// What keeps the node busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Load {
    /// Producers, consumers, retention, DeleteRecords, topics that change.
    #[default]
    Logs,
    /// Consumer groups of both protocols, and a compacted topic.
    Groups,
    /// Transactions that consume, transform and produce, in both versions.
    Transactions,
    /// A share group, whose members accept, release and reject records one by one.
    Shares,
    /// A streams group, whose members take tasks over from one another.
    Streams,
}

impl Load {
    /// Every load.
    pub const ALL: &[Load] = &[Load::Logs, Load::Groups, Load::Transactions, Load::Shares, Load::Streams];

    /// What stands in front of a seed that is run under this load.
    pub fn prefix(self) -> &'static str {
        match self {
            Load::Logs => "",
            Load::Groups => "groups:",
            Load::Transactions => "transactions:",
            Load::Shares => "shares:",
            Load::Streams => "streams:",
        }
    }
}

/// A seed and the load that it is run under, as in `23`, `groups:23`, `transactions:23`, `shares:23` and `streams:23`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadedSeed {
    /// The load.
    pub load: Load,
    /// The seed.
    pub seed: u64,
}

impl FromStr for LoadedSeed {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<LoadedSeed, Self::Err> {
        let prefixed = Load::ALL.iter().copied().filter(|load| *load != Load::Logs);
        let mut loaded = prefixed.filter_map(|load| Some((load, text.strip_prefix(load.prefix())?)));
        let (load, seed) = loaded.next().unwrap_or((Load::Logs, text));
        Ok(LoadedSeed { load, seed: seed.parse()? })
    }
}

impl fmt::Display for LoadedSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.load.prefix(), self.seed)
    }
}

/// A run. Everything else follows from the seed.
#[derive(Debug, Clone)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// What keeps the node busy.
    pub load: Load,
    /// Lives of the node's process, besides the last one, in which everything is checked in peace.
    pub lives: u32,
    /// Whether power losses are what mostly ends a life, early and often, and nothing else goes wrong: what the
    /// planted switches need.
    pub mostly_power_losses: bool,
    /// Whether the power mostly fails soon after the sync that was planted to do nothing.
    pub aims_at_planted: bool,
    /// An error that was planted: some run must then fail.
    pub planted: Option<Planted>,
    /// Whether a failure carries the world's whole trace.
    pub keep_trace: bool,
}

impl Options {
    /// The usual run of a seed.
    pub fn new(load: Load, seed: u64) -> Options {
        Options {
            seed,
            load,
            lives: 8,
            mostly_power_losses: false,
            aims_at_planted: false,
            planted: None,
            keep_trace: false,
        }
    }

    /// A run of power losses only.
    pub fn power_losses(load: Load, seed: u64) -> Options {
        Options { mostly_power_losses: true, ..Options::new(load, seed) }
    }

    /// A run of power losses that mostly come soon after the planted sync.
    pub fn aimed(load: Load, seed: u64) -> Options {
        Options { aims_at_planted: true, ..Options::power_losses(load, seed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_its_load() {
        for text in ["23", "groups:7", "transactions:9", "shares:8", "streams:6"] {
            assert_eq!(text.parse::<LoadedSeed>().unwrap().to_string(), text);
        }
        assert!("logs".parse::<LoadedSeed>().is_err());
    }
}
