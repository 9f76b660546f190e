//! The planted switches: with any single sync turned off, some run must fail. Each seed is run twice: with power losses only,
//! which finds most, and as usual, because some syncs are needed when a process crash or a failed fsync comes first.

use crate::{Options, run};
use std::collections::BTreeSet;
use std::fmt;

/// Runs in which sync sites are looked for.
const DISCOVERY_SEEDS: u64 = 6;

/// Seeds for a site of which nothing is expected.
const INVISIBLE_SEEDS: u64 = 10;

/// Sites whose loss no client can see, and why.
pub const INVISIBLE: &[(&str, &str)] = &[
    ("storage.txnindex", "there are no transactions yet"),
    ("storage.cut-file", "what was cut is kept for an operator, and no client reads it"),
    ("storage.cut-dir", "what was cut is kept for an operator, and no client reads it"),
    ("storage.meta-properties.dir", "the dirty marker's sync of the same directory follows at every start"),
    ("storage.dirty-marker.dir", "the next checkpoint or new partition syncs the same directory, twice a second"),
    ("quorum.directory", "the log directory that holds the metadata is synced by its own files at the same start"),
    (
        "quorum.identity.dir",
        "the first segment of the metadata log syncs the same directory before anything is committed",
    ),
    ("storage.recovered-metadata", "a directory that names no topic id is taken for the topic of its name"),
    ("storage.recovered-log-dir", "the dirty marker's sync of the same directory comes before it at every start"),
];

/// What turning one site off led to.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The sync site.
    pub site: String,
    /// The seed that failed, and what it said; or how many were tried.
    pub outcome: Result<(u64, String), u64>,
}

impl Finding {
    /// Whether the harm was found, or there is a reason why it cannot be.
    pub fn is_as_expected(&self) -> bool {
        self.outcome.is_ok() || reason(&self.site).is_some()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.outcome, reason(&self.site)) {
            (Ok((seed, broken)), _) => write!(f, "without {}: seed {seed}: {broken}", self.site),
            (Err(tries), Some(reason)) => write!(f, "without {}: nothing in {tries} runs, because {reason}", self.site),
            (Err(tries), None) => write!(f, "without {}: NOTHING in {tries} runs", self.site),
        }
    }
}

fn reason(site: &str) -> Option<&'static str> {
    INVISIBLE.iter().find(|(name, _)| *name == site).map(|(_, reason)| *reason)
}

/// Every sync site that some runs pass.
pub fn sites() -> BTreeSet<String> {
    let runs = (0..DISCOVERY_SEEDS).flat_map(|seed| [Options::new(seed), Options::power_losses(seed)]);
    runs.filter_map(|options| run(&options).ok()).flat_map(|report| report.sync_sites.into_keys()).collect()
}

/// Turns `site` off in at most `tries` runs, until one fails.
pub fn one_site(site: &str, tries: u64) -> Finding {
    let tries = if reason(site).is_some() { tries.min(INVISIBLE_SEEDS) } else { tries };
    let failing = (0..tries).find_map(|seed| {
        let usual = Options { ignored_sync: Some(site.to_string()), ..Options::new(seed) };
        let failure = [Options::planted(seed, site), usual].iter().find_map(|options| run(options).err())?;
        Some((seed, failure.broken))
    });
    Finding { site: site.to_string(), outcome: failing.ok_or(tries) }
}

/// Turns every site off, one after the other.
pub fn every_site(tries: u64) -> impl Iterator<Item = Finding> {
    sites().into_iter().map(move |site| one_site(&site, tries))
}
