//! Which log to clean next: the one with the largest dirty part, among those whose configs ask for it. No IO, no clock.

use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

/// What there is to clean in a log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogToClean {
    /// Below this the log is clean.
    pub first_dirty_offset: i64,
    /// The base offset of the first segment that may not be cleaned yet.
    pub first_uncleanable_offset: i64,
    /// Bytes of the segments that are clean.
    pub clean_bytes: u64,
    /// Bytes of those that are dirty and may be cleaned.
    pub cleanable_bytes: u64,
    /// By how much `max.compaction.lag.ms` is exceeded; 0 if it is not.
    pub compaction_delay_ms: i64,
    /// `min.cleanable.dirty.ratio`.
    pub min_cleanable_dirty_ratio: f64,
}

/// Chooses logs for the cleaners of a node and remembers which ones failed.
#[derive(Debug, Default)]
pub struct Cleaner {
    in_progress: BTreeSet<TopicPartition>,
    uncleanable: BTreeMap<TopicPartition, String>,
    max_dirty_percent: u64,
}

impl LogToClean {
    /// The dirty part of all that may be cleaned, 0 to 1.
    pub fn cleanable_ratio(&self) -> f64 {
        match self.clean_bytes + self.cleanable_bytes {
            0 => 0.0,
            total => self.cleanable_bytes as f64 / total as f64,
        }
    }

    /// Whether the log's configs ask for a cleaning.
    pub fn is_due(&self) -> bool {
        let is_late = self.compaction_delay_ms > 0 && self.cleanable_bytes > 0;
        is_late || self.cleanable_ratio() > self.min_cleanable_dirty_ratio
    }
}

impl Cleaner {
    /// Nothing is being cleaned, no log is known to be uncleanable.
    pub fn new() -> Cleaner {
        Cleaner::default()
    }

    /// Whether the log may be chosen: it is not being cleaned and has not failed. Saves looking at it.
    pub fn may_choose(&self, partition: &TopicPartition) -> bool {
        !self.in_progress.contains(partition) && !self.uncleanable.contains_key(partition)
    }

    /// The filthiest of `logs` that is due and may be chosen. It counts as being cleaned until [`Cleaner::done`].
    pub fn choose(
        &mut self,
        logs: impl IntoIterator<Item = (TopicPartition, LogToClean)>,
    ) -> Option<(TopicPartition, LogToClean)> {
        let mut filthiest: Option<(TopicPartition, LogToClean)> = None;
        let mut max_ratio = 0.0_f64;
        for (partition, log) in logs {
            if !self.may_choose(&partition) || log.clean_bytes + log.cleanable_bytes == 0 {
                continue;
            }
            max_ratio = max_ratio.max(log.cleanable_ratio());
            let is_filthier =
                filthiest.as_ref().is_none_or(|(_, known)| log.cleanable_ratio() > known.cleanable_ratio());
            if log.is_due() && is_filthier {
                filthiest = Some((partition, log));
            }
        }
        self.max_dirty_percent = (max_ratio * 100.0) as u64;
        if let Some((partition, _)) = &filthiest {
            self.in_progress.insert(partition.clone());
        }
        filthiest
    }

    /// The cleaning of a log ended. With a reason it failed for good: the log is not chosen again before a restart.
    pub fn done(&mut self, partition: &TopicPartition, failed: Option<String>) {
        self.in_progress.remove(partition);
        if let Some(reason) = failed {
            self.uncleanable.insert(partition.clone(), reason);
        }
    }

    /// Forgets failed logs that are not there any more.
    pub fn retain(&mut self, exists: impl Fn(&TopicPartition) -> bool) {
        self.uncleanable.retain(|partition, _| exists(partition));
    }

    /// Logs whose cleaning failed, and why (Kafka's `uncleanable-partitions-count`).
    pub fn uncleanable(&self) -> &BTreeMap<TopicPartition, String> {
        &self.uncleanable
    }

    /// How dirty the dirtiest log was at the last choice (Kafka's `max-dirty-percent`).
    pub fn max_dirty_percent(&self) -> u64 {
        self.max_dirty_percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(clean_bytes: u64, cleanable_bytes: u64) -> LogToClean {
        LogToClean {
            first_dirty_offset: 0,
            first_uncleanable_offset: 100,
            clean_bytes,
            cleanable_bytes,
            compaction_delay_ms: 0,
            min_cleanable_dirty_ratio: 0.5,
        }
    }

    fn named(logs: &[(&str, LogToClean)]) -> Vec<(TopicPartition, LogToClean)> {
        logs.iter().map(|&(name, log)| (TopicPartition::new(name, 0), log)).collect()
    }

    fn choose(cleaner: &mut Cleaner, logs: &[(&str, LogToClean)]) -> Option<String> {
        cleaner.choose(named(logs)).map(|(partition, _)| partition.topic.to_string())
    }

    #[test]
    fn the_filthiest_log_above_its_ratio_is_chosen() {
        let logs = [("a", log(10, 20)), ("b", log(10, 90)), ("c", log(100, 100)), ("d", log(0, 0))];
        let mut cleaner = Cleaner::new();
        assert_eq!(choose(&mut cleaner, &logs).as_deref(), Some("b"));
        assert_eq!(cleaner.max_dirty_percent(), 90);
        assert_eq!(choose(&mut cleaner, &logs).as_deref(), Some("a"), "b is being cleaned");
        assert_eq!(choose(&mut cleaner, &logs), None, "c is at its ratio, not above");
        cleaner.done(&TopicPartition::new("b", 0), None);
        assert_eq!(choose(&mut cleaner, &logs).as_deref(), Some("b"));
    }

    #[test]
    fn a_log_that_waited_too_long_is_due_whatever_its_ratio() {
        let late = LogToClean { compaction_delay_ms: 1, ..log(1000, 1) };
        let nothing_to_do = LogToClean { compaction_delay_ms: 1, ..log(1000, 0) };
        assert_eq!(choose(&mut Cleaner::new(), &[("a", nothing_to_do), ("b", late)]).as_deref(), Some("b"));
    }

    #[test]
    fn a_log_that_failed_is_left_alone_until_it_is_gone() {
        let (mut cleaner, logs) = (Cleaner::new(), [("a", log(0, 1))]);
        let a = TopicPartition::new("a", 0);
        assert!(choose(&mut cleaner, &logs).is_some());
        cleaner.done(&a, Some("damaged".to_string()));
        assert_eq!(choose(&mut cleaner, &logs), None);
        assert_eq!(cleaner.uncleanable()[&a], "damaged");
        cleaner.retain(|_| false);
        assert!(choose(&mut cleaner, &logs).is_some());
    }
}
