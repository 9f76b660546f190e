//! Batches of idempotent producers that were refused, or lost with a cut log, and come again.
//!
//! A producer that a log knows nothing of may begin with any sequence: what was known of it may have expired. But producers
//! send several batches without waiting. When the first one meets a partition that is still being opened, or was in a log
//! that a failed flush cut, the next one must not be taken for a beginning: its success would tell the producer that the
//! first one is stored, too (and librdkafka and Kafka's own client believe that), and the first one, when it comes again,
//! would be out of order, which ends librdkafka's producer for good.
//!
//! So the lowest sequence that did not get in is remembered until it does, or is refused for good: then it does not come again,
//! and some clients go on behind it in the same epoch (aiokafka), as Kafka lets them. Until then what comes behind it is out of
//! order, as it is for a producer that the log knows, and is sent again after it. Kafka does the same for transactions
//! (`lowestSequence` of its verification state).

use super::Partition;
use ottla_records::BatchHeader;
use ottla_storage::Log;
use ottla_storage::producer_state::ProducerError;
use ottla_types::{ErrorCode, ProducerEpoch, ProducerId, Uuid};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Producers that are remembered, over all partitions of the node; beyond that the oldest are forgotten.
const REFUSED_MAX: usize = 100_000;

/// One producer on one partition.
type Key = (Uuid, i32, ProducerId);

/// The producers of a node whose batches did not get in.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    inside: Mutex<Inside>,
    /// Entries, so that the usual append has nothing to lock.
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Inside {
    lowest: BTreeMap<Key, Lowest>,
    /// By the order in which they came.
    by_age: BTreeMap<u64, Key>,
    noted: u64,
}

/// The lowest sequence of an epoch that did not get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lowest {
    epoch: ProducerEpoch,
    sequence: i32,
    number: u64,
}

impl Refused {
    /// The batch with this header was refused, for this reason.
    pub(crate) fn note(&self, topic_id: Uuid, index: i32, header: &BatchHeader, reason: ErrorCode) {
        if !header.has_producer_id() || header.base_sequence < 0 {
            return;
        }
        let (key, epoch) = ((topic_id, index, header.producer_id), header.producer_epoch);
        match reason {
            // What it came behind is known.
            ErrorCode::OutOfOrderSequenceNumber => {}
            // Kafka's client sends the records in two batches then.
            ErrorCode::MessageTooLarge if header.record_count > 1 => {
                self.note_sequence(key, epoch, header.base_sequence);
            }
            reason if reason.is_retriable() => self.note_sequence(key, epoch, header.base_sequence),
            // It does not come again.
            _ => self.forget_if(key, |lowest| (lowest.epoch, lowest.sequence) == (epoch, header.base_sequence)),
        }
    }

    fn note_sequence(&self, key: Key, epoch: ProducerEpoch, sequence: i32) {
        let mut guard = self.lock();
        let inside = &mut *guard;
        if let Some(known) = inside.lowest.get_mut(&key) {
            if epoch > known.epoch || epoch == known.epoch && !is_at_or_before(known.sequence, sequence) {
                (known.epoch, known.sequence) = (epoch, sequence);
            }
            return;
        }
        inside.noted += 1;
        inside.lowest.insert(key, Lowest { epoch, sequence, number: inside.noted });
        inside.by_age.insert(inside.noted, key);
        if inside.lowest.len() > REFUSED_MAX
            && let Some((_, oldest)) = inside.by_age.pop_first()
        {
            inside.lowest.remove(&oldest);
        }
        self.count.store(inside.lowest.len(), Ordering::Release);
    }

    /// Whether a batch of a producer that the log does not know comes behind one that did not get in.
    fn is_behind(&self, key: Key, header: &BatchHeader) -> bool {
        self.lock().lowest.get(&key).is_some_and(|lowest| {
            lowest.epoch == header.producer_epoch && !is_at_or_before(header.base_sequence, lowest.sequence)
        })
    }

    /// A batch of the producer got in.
    fn forget(&self, key: Key) {
        self.forget_if(key, |_| true);
    }

    fn forget_if(&self, key: Key, is_over: impl FnOnce(&Lowest) -> bool) {
        let mut inside = self.lock();
        if let Some(Lowest { number, .. }) = inside.lowest.get(&key).copied().filter(is_over) {
            inside.lowest.remove(&key);
            inside.by_age.remove(&number);
            self.count.store(inside.lowest.len(), Ordering::Release);
        }
    }

    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `sequence` is `other` or comes before it. Sequences wrap at 2^31 - 1.
fn is_at_or_before(sequence: i32, other: i32) -> bool {
    const SEQUENCES: i64 = 1 << 31;
    (i64::from(other) - i64::from(sequence)).rem_euclid(SEQUENCES) < SEQUENCES / 2
}

impl Partition {
    /// Refuses a batch of a producer that `log` does not know, if an earlier one of it did not get in.
    pub(super) fn check_not_behind_refused(&self, log: &Log, header: &BatchHeader) -> Result<(), ProducerError> {
        let refused = &self.shared.refused;
        if refused.is_empty() || !header.has_producer_id() || log.producers().producer(header.producer_id).is_some() {
            return Ok(());
        }
        let (producer_id, epoch, found) = (header.producer_id, header.producer_epoch, header.base_sequence);
        match refused.is_behind((self.topic_id, self.index, producer_id), header) {
            true => Err(ProducerError::OutOfOrderSequence { producer_id, epoch, found, last: -1 }),
            false => Ok(()),
        }
    }

    /// A batch is in the log.
    pub(super) fn forget_refused(&self, header: &BatchHeader) {
        if !self.shared.refused.is_empty() && header.has_producer_id() {
            self.shared.refused.forget((self.topic_id, self.index, header.producer_id));
        }
    }

    /// `log` is about to be cut at its flushed offset: whatever of a producer is lost with it comes again.
    pub(super) fn note_cut_producers(&self, log: &Log) {
        for producer in log.producers().producers() {
            // Of those that have older batches the cut log knows the next sequence.
            let lost = producer.batches().first().filter(|first| first.first_offset() >= log.flushed_offset());
            if let Some(first) = lost.filter(|first| first.last_sequence >= 0) {
                let key = (self.topic_id, self.index, producer.producer_id());
                self.shared.refused.note_sequence(key, producer.epoch(), first.first_sequence());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_compared_across_their_wrap() {
        assert!(is_at_or_before(0, 0) && is_at_or_before(3, 9) && is_at_or_before(i32::MAX, 0));
        assert!(!is_at_or_before(9, 3) && !is_at_or_before(0, i32::MAX));
    }

    #[test]
    fn the_lowest_sequence_of_the_newest_epoch_counts() {
        let (refused, key) = (Refused::default(), (Uuid::ZERO, 0, ProducerId(7)));
        let lowest =
            |refused: &Refused| refused.lock().lowest.get(&key).map(|lowest| (lowest.epoch.0, lowest.sequence));
        for (epoch, sequence) in [(0, 5), (0, 9), (0, 3), (1, 20), (0, 1)] {
            refused.note_sequence(key, ProducerEpoch(epoch), sequence);
        }
        assert_eq!(lowest(&refused), Some((1, 20)));
        refused.forget(key);
        assert!(refused.is_empty() && lowest(&refused).is_none());
    }

    #[test]
    fn what_is_remembered_has_a_limit() {
        let refused = Refused::default();
        for id in 0..REFUSED_MAX as i64 + 10 {
            refused.note_sequence((Uuid::ZERO, 0, ProducerId(id)), ProducerEpoch(0), 0);
        }
        assert_eq!(refused.lock().lowest.len(), REFUSED_MAX);
        assert!(!refused.lock().lowest.contains_key(&(Uuid::ZERO, 0, ProducerId(9))));
    }
}
