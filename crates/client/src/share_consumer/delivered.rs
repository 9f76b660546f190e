//! From the answer of a broker to records: those that were acquired, with their delivery counts. Offsets that were acquired
//! and have no record (markers of transactions, compaction) are gaps; a damaged batch is rejected, and told.

use super::acknowledgements::{AcknowledgeType, Acknowledgements, Place};
use crate::consumer::{ConsumerRecord, FetchedBatches};
use crate::error::ClientError;
use crate::fetch::Isolation;
use bytes::Bytes;
use ottla_protocol::share_fetch_response::AcquiredRecords;
use ottla_runtime::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// One partition's part of an answer, not yet read.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) place: Place,
    /// How long the broker locks records; `None` when it does not say.
    pub(super) lock_timeout: Option<Duration>,
    /// When the locks began, at the latest.
    pub(super) came_at: Instant,
    pub(super) bytes: Bytes,
    pub(super) acquired: Vec<AcquiredRecords>,
}

/// What is in it.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) records: Vec<ConsumerRecord>,
    /// What is to be said of offsets that have no record.
    pub(super) unseen: Acknowledgements,
    pub(super) errors: Vec<ClientError>,
}

impl Delivered {
    /// Whether somebody else may have the records by now.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.lock_timeout.is_some_and(|timeout| now.saturating_duration_since(self.came_at) >= timeout)
    }

    pub(super) fn read(self, check_crcs: bool) -> Read {
        // Which records may be seen, the broker decided when it acquired them.
        let rules = (Isolation::ReadUncommitted, check_crcs);
        let mut batches = FetchedBatches::new(self.place.partition.clone(), 0, 0, self.bytes, Vec::new(), rules);
        let mut acquired = Acquired::new(self.acquired);
        let mut read = Read::default();
        loop {
            match batches.next() {
                Ok(Some(mut record)) => {
                    if let Some(delivery_count) = acquired.take(record.offset, &mut read.unseen) {
                        record.delivery_count = Some(delivery_count);
                        read.records.push(record);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(partition = %self.place.partition, %error, "damaged records are rejected");
                    read.errors.push(error);
                    match batches.skip_damaged() {
                        Some((first, last)) => acquired.reject(first, last, &mut read.unseen),
                        // Where the next batch begins nobody knows: somebody may have more luck.
                        None => {
                            acquired.rest(|rest| read.unseen.add(rest, AcknowledgeType::Release));
                            return read;
                        }
                    }
                }
            }
        }
        let is_cut_off = batches.is_cut_off();
        acquired.rest(|rest| match is_cut_off {
            // They may be there.
            true => read.unseen.add(rest, AcknowledgeType::Release),
            false => read.unseen.add_gap(rest),
        });
        read
    }
}

/// Acquired ranges of offsets that are not accounted for yet.
struct Acquired {
    ranges: VecDeque<AcquiredRecords>,
}

impl Acquired {
    /// What is out of order, names an offset twice or cannot be an offset is left out.
    fn new(mut ranges: Vec<AcquiredRecords>) -> Acquired {
        let mut next = 0;
        ranges.retain(|range| {
            let is_sound = (next..i64::MAX).contains(&range.first_offset)
                && (range.first_offset..i64::MAX).contains(&range.last_offset);
            if is_sound {
                next = range.last_offset + 1;
            } else {
                tracing::warn!(
                    range.first_offset,
                    range.last_offset,
                    "the broker names acquired records that cannot be"
                );
            }
            is_sound
        });
        Acquired { ranges: ranges.into() }
    }

    /// The delivery count of a record, if it was acquired. All acquired offsets before it are gaps.
    fn take(&mut self, offset: i64, unseen: &mut Acknowledgements) -> Option<i16> {
        self.take_before(offset, |gap| unseen.add_gap(gap));
        let range = self.ranges.front_mut().filter(|range| range.first_offset == offset)?;
        let delivery_count = range.delivery_count;
        if range.last_offset == offset {
            self.ranges.pop_front();
        } else {
            range.first_offset += 1;
        }
        Some(delivery_count)
    }

    fn reject(&mut self, first: i64, last: i64, unseen: &mut Acknowledgements) {
        self.take_before(first, |gap| unseen.add_gap(gap));
        self.take_before(last.saturating_add(1), |damaged| unseen.add(damaged, AcknowledgeType::Reject));
    }

    /// Takes the offsets before `offset` out.
    fn take_before(&mut self, offset: i64, mut each: impl FnMut(std::ops::RangeInclusive<i64>)) {
        while let Some(range) = self.ranges.front_mut().filter(|range| range.first_offset < offset) {
            each(range.first_offset..=range.last_offset.min(offset - 1));
            if range.last_offset >= offset {
                range.first_offset = offset;
                return;
            }
            self.ranges.pop_front();
        }
    }

    fn rest(self, mut each: impl FnMut(std::ops::RangeInclusive<i64>)) {
        self.ranges.iter().for_each(|range| each(range.first_offset..=range.last_offset));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_records::{BatchBuilder, Compression, TimestampType};
    use ottla_runtime::sim::World;
    use ottla_types::{LeaderEpoch, TopicPartition, Uuid};

    fn batch(offset: i64, values: &[&str]) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
        for value in values {
            builder.append(1, None, Some(value.as_bytes()), &[]).unwrap();
        }
        let mut batch = builder.build().unwrap().to_bytes().to_vec();
        ottla_records::stamp(batch.first_chunk_mut().unwrap(), offset, LeaderEpoch(0));
        batch
    }

    fn range(first_offset: i64, last_offset: i64, delivery_count: i16) -> AcquiredRecords {
        AcquiredRecords { first_offset, last_offset, delivery_count }
    }

    /// Records with their delivery counts, acknowledgements of offsets from and to with their types, and how many errors.
    type Read = (Vec<(i64, i16)>, Vec<(i64, i64, Vec<i8>)>, usize);

    fn read(bytes: Vec<u8>, acquired: Vec<AcquiredRecords>) -> Read {
        let place = Place { node: 0, partition: TopicPartition::new("t", 0), topic_id: Uuid::ZERO };
        let world = World::new(1);
        let came_at = world.run(async { world.node("client").now() });
        let delivered = Delivered { place, lock_timeout: None, came_at, bytes: bytes.into(), acquired };
        let read = delivered.read(true);
        let records = read.records.iter().map(|record| (record.offset, record.delivery_count.unwrap()));
        (records.collect(), read.unseen.batches(), read.errors.len())
    }

    #[test]
    fn only_acquired_records_are_seen_and_acquired_offsets_without_a_record_are_gaps() {
        let bytes = [batch(3, &["a", "b", "c"]), batch(9, &["d"])].concat();
        let (records, unseen, errors) = read(bytes, vec![range(2, 4, 1), range(7, 9, 3), range(10, i64::MAX - 1, 1)]);
        assert_eq!(records, [(3, 1), (4, 1), (9, 3)]);
        let gaps = [(2, 2, vec![0]), (7, 8, vec![0]), (10, i64::MAX - 1, vec![0])];
        assert_eq!((unseen.as_slice(), errors), (gaps.as_slice(), 0));
    }

    #[test]
    fn a_damaged_batch_is_rejected_and_those_behind_it_are_read() {
        let mut damaged = batch(2, &["b", "c"]);
        *damaged.last_mut().unwrap() ^= 1;
        let bytes = [batch(0, &["a"]), damaged, batch(4, &["d"])].concat();
        let (records, unseen, errors) = read(bytes, vec![range(0, 2, 1), range(4, 4, 2)]);
        assert_eq!((records, errors), (vec![(0, 1), (4, 2)], 1));
        assert_eq!(unseen, [(1, 2, vec![0, 3])]);
    }

    #[test]
    fn a_damaged_batch_takes_none_of_those_behind_it_along() {
        // Offsets up to the last of a batch are in bytes 23 to 26.
        const LAST_OFFSET_DELTA: usize = 26;
        for delta in [0, 9] {
            let mut damaged = batch(1, &["b", "c"]);
            damaged[LAST_OFFSET_DELTA] = delta;
            let bytes = [batch(0, &["a"]), damaged, batch(3, &["d", "e"])].concat();
            let (records, unseen, errors) = read(bytes, vec![range(0, 4, 1)]);
            assert_eq!((records, errors), (vec![(0, 1), (3, 1), (4, 1)], 1));
            assert_eq!(unseen, [(1, 2, vec![3])]);
        }
    }

    #[test]
    fn what_is_no_batch_at_all_is_released() {
        let (records, unseen, errors) = read([batch(0, &["a"]), vec![7; 100]].concat(), vec![range(0, 5, 1)]);
        assert_eq!((records, unseen, errors), (vec![(0, 1)], vec![(1, 5, vec![2])], 1));
    }

    #[test]
    fn what_was_cut_off_is_released_and_is_no_gap() {
        let bytes = [batch(0, &["a"]), batch(1, &["b", "c"])[..70].to_vec()].concat();
        let (records, unseen, errors) = read(bytes, vec![range(0, 2, 1)]);
        assert_eq!((records, unseen, errors), (vec![(0, 1)], vec![(1, 2, vec![2])], 0));
    }

    #[test]
    fn ranges_that_overlap_count_once_and_those_that_cannot_be_do_not() {
        let bytes = batch(0, &["a", "b", "c"]);
        let (records, unseen, _) =
            read(bytes, vec![range(0, 1, 1), range(1, 2, 9), range(2, 2, 2), range(2, 1, 1), range(3, i64::MAX, 1)]);
        assert_eq!((records, unseen), (vec![(0, 1), (1, 1), (2, 2)], vec![]));
    }
}
