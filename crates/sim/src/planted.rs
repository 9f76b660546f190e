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
    /// Something is wrong with share groups.
    Share(ShareError),
    /// Something is wrong with streams groups.
    Streams(StreamsError),
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

/// What can be wrong with share groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareError {
    /// No sync of the states reaches the disk: what is answered is not written.
    StateUnsynced,
    /// An acknowledgement is answered without having been made.
    AcknowledgementDropped,
    /// A lock ends although its member did not give the record back.
    LockDropped,
    /// A record counts as accepted although no member said so.
    RecordSkipped,
    /// Records are delivered more often than the group allows.
    LimitIgnored,
}

/// What can be wrong with streams groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamsError {
    /// No sync of the offsets topic reaches the disk: members are forgotten.
    MembersUnsynced,
    /// Members are told a task that another one has.
    TaskAssignedTwice,
    /// A member that is not heard of any more keeps its tasks.
    SessionsNeverEnd,
}

/// Every error that is no sync site, with its name.
const NAMED: &[(Planted, &str)] = &[
    (Planted::Group(GroupError::OffsetsUnsynced), "offsets-unsynced"),
    (Planted::Group(GroupError::OffsetsLost), "offsets-lost"),
    (Planted::Group(GroupError::CommitDropped), "commit-dropped"),
    (Planted::Group(GroupError::CommitUnfenced), "commit-unfenced"),
    (Planted::Group(GroupError::AssignedTwice), "assigned-twice"),
    (Planted::Group(GroupError::SessionsNeverEnd), "sessions-never-end"),
    (Planted::Transaction(TransactionError::MarkerSkipped), "marker-skipped"),
    (Planted::Transaction(TransactionError::MarkerTwice), "marker-twice"),
    (Planted::Transaction(TransactionError::OffsetOutside), "offset-outside"),
    (Planted::Share(ShareError::StateUnsynced), "share-state-unsynced"),
    (Planted::Share(ShareError::AcknowledgementDropped), "acknowledgement-dropped"),
    (Planted::Share(ShareError::LockDropped), "lock-dropped"),
    (Planted::Share(ShareError::RecordSkipped), "record-skipped"),
    (Planted::Share(ShareError::LimitIgnored), "delivery-limit-ignored"),
    (Planted::Streams(StreamsError::MembersUnsynced), "streams-members-unsynced"),
    (Planted::Streams(StreamsError::TaskAssignedTwice), "task-assigned-twice"),
    (Planted::Streams(StreamsError::SessionsNeverEnd), "streams-sessions-never-end"),
];

impl From<GroupError> for Planted {
    fn from(error: GroupError) -> Planted {
        Planted::Group(error)
    }
}

impl From<TransactionError> for Planted {
    fn from(error: TransactionError) -> Planted {
        Planted::Transaction(error)
    }
}

impl From<ShareError> for Planted {
    fn from(error: ShareError) -> Planted {
        Planted::Share(error)
    }
}

impl From<StreamsError> for Planted {
    fn from(error: StreamsError) -> Planted {
        Planted::Streams(error)
    }
}

impl fmt::Display for Planted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Planted::Sync(site) => write!(f, "without {site}"),
            error => {
                let name = NAMED.iter().find(|(known, _)| known == error).map_or("", |(_, name)| name);
                write!(f, "with {name}")
            }
        }
    }
}

impl FromStr for Planted {
    type Err = std::convert::Infallible;

    /// The name of an error; any other text is a sync site.
    fn from_str(text: &str) -> Result<Planted, Self::Err> {
        let named = NAMED.iter().find(|(_, name)| *name == text).map(|(error, _)| error.clone());
        Ok(named.unwrap_or_else(|| Planted::Sync(text.to_string())))
    }
}

impl Planted {
    /// The site whose sync does nothing.
    pub(crate) fn site(&self) -> Option<String> {
        match self {
            Planted::Sync(site) => Some(site.clone()),
            _ => None,
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
            Planted::Share(_) => &[Load::Shares],
            Planted::Streams(_) => &[Load::Streams],
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

/// The names of every error: those of coordinators, and every sync site that some runs pass.
pub fn names() -> Vec<String> {
    let usual =
        |load| (0..DISCOVERY_SEEDS).flat_map(move |seed| [Options::new(load, seed), Options::power_losses(load, seed)]);
    let runs = Load::ALL.iter().flat_map(|load| usual(*load));
    let sites: BTreeSet<String> =
        runs.filter_map(|options| run(&options).ok()).flat_map(|report| report.sync_sites.into_keys()).collect();
    NAMED.iter().map(|(_, name)| (*name).to_string()).chain(sites).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_names() {
        for (error, name) in NAMED {
            assert_eq!(name.parse(), Ok(error.clone()));
        }
        assert_eq!("storage.segment".parse(), Ok(Planted::Sync("storage.segment".to_string())));
    }
}
