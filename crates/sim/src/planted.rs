//! Planted errors: with any one of them, some run must fail. So it is shown that every sync is needed, and that the oracle
//! sees what a broken coordinator would do.
//!
//! Each seed is run with power losses only, which finds most; with power losses that come soon after the sync that was left out,
//! for the harm that the next sync of the same directory would undo; and as usual, because some errors need a process crash or a
//! failed fsync first.

use crate::{Load, Options, run};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Runs in which sync sites are looked for.
const DISCOVERY_SEEDS: u64 = 4;

/// Seeds for an error of which nothing is expected.
const INVISIBLE_SEEDS: u64 = 5;

/// Sites whose loss no client can see, and why.
pub const INVISIBLE: &[(&str, &str)] = &[
    ("storage.cut-file", "what was cut is kept for an operator, and no client reads it"),
    ("storage.cut-dir", "what was cut is kept for an operator, and no client reads it"),
    ("storage.meta-properties.dir", "the dirty marker's sync of the same directory follows at every start"),
    ("storage.dirty-marker.dir", "the next checkpoint or new partition syncs the same directory, twice a second"),
    ("quorum.directory", "the log directory that holds the metadata is synced by its own files at the same start"),
    (
        "quorum.identity.dir",
        "the first segment of the metadata log syncs the same directory before anything is committed",
    ),
    ("storage.cleaner-offsets.file", "how far a log was compacted is no promise: it is compacted again"),
    ("storage.cleaner-offsets.dir", "how far a log was compacted is no promise: it is compacted again"),
    (
        "storage.cleaned-index",
        "the file is new: without its end reads only look at more of the segment, and with a hole it is built again",
    ),
    ("storage.recovered-metadata", "a directory that names no topic id is taken for the topic of its name"),
    ("storage.recovered-log-dir", "the dirty marker's sync of the same directory comes before it at every start"),
];

/// An error that was planted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planted {
    /// A sync site does nothing and reports success.
    Sync(String),
    /// Something is wrong with groups.
    Group(GroupError),
    /// Something is wrong with transactions.
    Transaction(TransactionError),
}

/// What can be wrong with groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupError {
    /// No sync of the offsets topic reaches the disk: what is answered is not committed.
    OffsetsUnsynced,
    /// The offsets topic is gone when the coordinator loads again.
    OffsetsLost,
    /// A commit is answered without having been made.
    CommitDropped,
    /// A commit of a member that was fenced is answered as if it were made.
    CommitUnfenced,
    /// Members are told a partition that another one has.
    AssignedTwice,
    /// A member that is not heard of any more keeps its partitions.
    SessionsNeverEnd,
}

/// What can be wrong with transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionError {
    /// A partition of a transaction gets no marker.
    MarkerSkipped,
    /// It gets one before the transaction ends, and another one then.
    MarkerTwice,
    /// A position is committed beside the transaction.
    OffsetOutside,
}

/// Every error of transactions, with its name.
const TRANSACTION_ERRORS: &[(TransactionError, &str)] = &[
    (TransactionError::MarkerSkipped, "marker-skipped"),
    (TransactionError::MarkerTwice, "marker-twice"),
    (TransactionError::OffsetOutside, "offset-outside"),
];

/// Every error of groups, with its name.
const GROUP_ERRORS: &[(GroupError, &str)] = &[
    (GroupError::OffsetsUnsynced, "offsets-unsynced"),
    (GroupError::OffsetsLost, "offsets-lost"),
    (GroupError::CommitDropped, "commit-dropped"),
    (GroupError::CommitUnfenced, "commit-unfenced"),
    (GroupError::AssignedTwice, "assigned-twice"),
    (GroupError::SessionsNeverEnd, "sessions-never-end"),
];

impl fmt::Display for Planted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Planted::Sync(site) => write!(f, "without {site}"),
            Planted::Group(error) => {
                let name = GROUP_ERRORS.iter().find(|(known, _)| known == error).map_or("", |(_, name)| name);
                write!(f, "with {name}")
            }
            Planted::Transaction(error) => {
                let name = TRANSACTION_ERRORS.iter().find(|(known, _)| known == error).map_or("", |(_, name)| name);
                write!(f, "with {name}")
            }
        }
    }
}

impl FromStr for Planted {
    type Err = std::convert::Infallible;

    /// The name of an error of groups or transactions; any other text is a sync site.
    fn from_str(text: &str) -> Result<Planted, Self::Err> {
        let of_groups = GROUP_ERRORS.iter().find(|(_, name)| *name == text).map(|(error, _)| Planted::Group(*error));
        let of_transactions = TRANSACTION_ERRORS.iter().find(|(_, name)| *name == text);
        let error = of_groups.or(of_transactions.map(|(error, _)| Planted::Transaction(*error)));
        Ok(error.unwrap_or_else(|| Planted::Sync(text.to_string())))
    }
}

impl Planted {
    /// The site whose sync does nothing.
    pub(crate) fn site(&self) -> Option<String> {
        match self {
            Planted::Sync(site) => Some(site.clone()),
            Planted::Group(_) | Planted::Transaction(_) => None,
        }
    }

    fn reason(&self) -> Option<&'static str> {
        let Planted::Sync(site) = self else { return None };
        INVISIBLE.iter().find(|(name, _)| name == site).map(|(_, reason)| *reason)
    }

    /// The loads under which it can show.
    fn loads(&self) -> &'static [Load] {
        match self {
            Planted::Sync(site) if site.ends_with("txnindex") => &[Load::Transactions],
            // Nothing is compacted under the load of logs.
            Planted::Sync(site) if site.starts_with("storage.clean") || site.starts_with("storage.swap") => {
                &[Load::Groups]
            }
            Planted::Sync(_) => &[Load::Logs, Load::Groups],
            Planted::Group(_) => &[Load::Groups],
            Planted::Transaction(_) => &[Load::Transactions],
        }
    }

    /// Runs with this error until one fails, with at most so many seeds.
    pub fn find(&self, tries: u64) -> Finding {
        let tries = if self.reason().is_some() { tries.min(INVISIBLE_SEEDS) } else { tries };
        let failing = (0..tries).find_map(|seed| {
            let aimed = |load| self.site().map(|_| Options::aimed(load, seed));
            let runs = self.loads().iter().flat_map(|&load| {
                [Some(Options::power_losses(load, seed)), aimed(load), Some(Options::new(load, seed))]
            });
            let mut runs = runs.flatten().map(|options| Options { planted: Some(self.clone()), ..options });
            runs.find_map(|options| run(&options).err())
        });
        let outcome = failing.map(|failure| (format!("{}{}", failure.load.prefix(), failure.seed), failure.broken));
        Finding { planted: self.clone(), outcome: outcome.ok_or(tries) }
    }
}

/// What an error led to.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The error.
    pub planted: Planted,
    /// The seed that failed, and what it said; or how many were tried.
    pub outcome: Result<(String, String), u64>,
}

impl Finding {
    /// Whether the harm was found, or there is a reason why it cannot be.
    pub fn is_as_expected(&self) -> bool {
        self.outcome.is_ok() || self.planted.reason().is_some()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let planted = &self.planted;
        match (&self.outcome, planted.reason()) {
            (Ok((seed, broken)), _) => write!(f, "{planted}: seed {seed}: {broken}"),
            (Err(tries), Some(reason)) => write!(f, "{planted}: nothing with {tries} seeds, because {reason}"),
            (Err(tries), None) => write!(f, "{planted}: NOTHING with {tries} seeds"),
        }
    }
}

/// The names of every error: of groups, of transactions, and every sync site that some runs pass.
pub fn names() -> Vec<String> {
    let usual =
        |load| (0..DISCOVERY_SEEDS).flat_map(move |seed| [Options::new(load, seed), Options::power_losses(load, seed)]);
    let runs = usual(Load::Logs).chain(usual(Load::Groups)).chain(usual(Load::Transactions));
    let sites: BTreeSet<String> =
        runs.filter_map(|options| run(&options).ok()).flat_map(|report| report.sync_sites.into_keys()).collect();
    let known = GROUP_ERRORS.iter().map(|(_, name)| name).chain(TRANSACTION_ERRORS.iter().map(|(_, name)| name));
    known.map(|name| (*name).to_string()).chain(sites).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_names() {
        for (error, name) in GROUP_ERRORS {
            assert_eq!(name.parse(), Ok(Planted::Group(*error)));
        }
        for (error, name) in TRANSACTION_ERRORS {
            assert_eq!(name.parse(), Ok(Planted::Transaction(*error)));
        }
        assert_eq!("storage.segment".parse(), Ok(Planted::Sync("storage.segment".to_string())));
    }
}
