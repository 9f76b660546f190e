//! From fetched bytes to records: checksums, decompression, control batches, aborted transactions.

use super::record::ConsumerRecord;
use crate::error::ClientError;
use crate::fetch::Isolation;
use bytes::Bytes;
use ottla_records::{BatchHeader, DECOMPRESSED_BATCH_BYTES_MAX, EndTxnMarker, read_all, scan};
use ottla_types::TopicPartition;
use std::collections::{BTreeSet, VecDeque};

/// One partition's part of an answer, read step by step.
#[derive(Debug)]
pub(crate) struct FetchedBatches {
    pub(super) partition: TopicPartition,
    /// The partition's version when it was asked for; another one makes this worthless.
    pub(super) version: u64,
    /// The next offset to hand out.
    pub(super) position: i64,
    /// The leader epoch of what was handed out last.
    pub(super) epoch: i32,
    bytes: Bytes,
    check_crcs: bool,
    isolation: Isolation,
    /// Producer id and first offset, ascending by offset.
    aborted: VecDeque<(i64, i64)>,
    aborting: BTreeSet<i64>,
    /// Records of the batch that is read now.
    records: VecDeque<ConsumerRecord>,
    /// Behind that batch; its last records may be compacted away.
    batch_end: i64,
}

impl FetchedBatches {
    pub(crate) fn new(
        partition: TopicPartition,
        version: u64,
        position: i64,
        bytes: Bytes,
        mut aborted: Vec<(i64, i64)>,
        rules: (Isolation, bool),
    ) -> FetchedBatches {
        aborted.sort_by_key(|(_, first_offset)| *first_offset);
        FetchedBatches {
            partition,
            version,
            position,
            epoch: -1,
            bytes,
            check_crcs: rules.1,
            isolation: rules.0,
            aborted: aborted.into(),
            aborting: BTreeSet::new(),
            records: VecDeque::new(),
            batch_end: position,
        }
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// `CorruptRecords`; the position stays before the batch.
    pub(crate) fn next(&mut self) -> Result<Option<ConsumerRecord>, ClientError> {
        loop {
            if let Some(record) = self.records.pop_front() {
                self.position = if self.records.is_empty() { self.batch_end } else { record.offset + 1 };
                return Ok(Some(record));
            }
            if !self.open_batch()? {
                return Ok(None);
            }
        }
    }

    /// Goes on to the next batch; `false` at the end. A batch that is cut off is fetched again.
    fn open_batch(&mut self) -> Result<bool, ClientError> {
        let Some(found) = scan(&self.bytes, self.check_crcs).next() else { return Ok(false) };
        let (header, range) = found.map_err(|error| self.corrupt(&error.to_string()))?;
        let batch = self.bytes.slice(range.clone());
        if header.last_offset() >= self.position {
            if self.is_to_be_read(&header, &batch)? {
                let position = self.position;
                let records = read_all(&batch, DECOMPRESSED_BATCH_BYTES_MAX);
                let records = records.map_err(|error| self.corrupt(&error.to_string()))?;
                let wanted = records.into_iter().filter(|record| record.offset >= position);
                self.records = wanted.map(|record| to_consumer_record(&self.partition, &header, record)).collect();
            }
            self.batch_end = header.next_offset();
            if self.records.is_empty() {
                self.position = self.batch_end;
            }
            self.epoch = header.partition_leader_epoch.0;
        }
        self.bytes = self.bytes.slice(range.end..);
        Ok(true)
    }

    /// Goes past the batch of which `next` said that it is damaged: its first and last offset. `None` when not even those can be
    /// read.
    pub(crate) fn skip_damaged(&mut self) -> Option<(i64, i64)> {
        let (header, range) = scan(&self.bytes, false).next()?.ok()?;
        self.bytes = self.bytes.slice(range.end..);
        // It cannot be trusted to say how far it goes; the batch behind it can.
        let behind = scan(&self.bytes, false).next().and_then(Result::ok).map(|(behind, _)| behind.base_offset);
        let behind = behind.filter(|behind| *behind > header.base_offset);
        Some((header.base_offset, behind.map_or(header.last_offset(), |behind| behind - 1)))
    }

    /// Whether there is the beginning of a batch behind the last one.
    pub(crate) fn is_cut_off(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Whether an application may see the batch.
    fn is_to_be_read(&mut self, header: &BatchHeader, batch: &Bytes) -> Result<bool, ClientError> {
        if self.isolation == Isolation::ReadCommitted && header.has_producer_id() {
            while self.aborted.front().is_some_and(|(_, first_offset)| *first_offset <= header.last_offset()) {
                let (producer_id, _) = self.aborted.pop_front().expect("there is a front");
                self.aborting.insert(producer_id);
            }
            if header.is_control() {
                let marker = EndTxnMarker::of_batch(batch).map_err(|error| self.corrupt(&error.to_string()))?;
                if marker.is_some_and(|marker| !marker.committed) {
                    self.aborting.remove(&header.producer_id.0);
                }
            } else if header.is_transactional() && self.aborting.contains(&header.producer_id.0) {
                return Ok(false);
            }
        }
        Ok(!header.is_control())
    }

    fn corrupt(&self, reason: &str) -> ClientError {
        ClientError::CorruptRecords {
            topic: self.partition.topic.to_string(),
            partition: self.partition.partition,
            offset: self.position,
            reason: reason.to_string(),
        }
    }
}

fn to_consumer_record(
    partition: &TopicPartition,
    header: &BatchHeader,
    record: ottla_records::Record,
) -> ConsumerRecord {
    ConsumerRecord {
        topic: partition.topic.clone(),
        partition: partition.partition,
        offset: record.offset,
        timestamp: record.timestamp,
        timestamp_type: header.timestamp_type(),
        leader_epoch: header.partition_leader_epoch.0,
        delivery_count: None,
        key: record.key,
        value: record.value,
        headers: record.headers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_records::{BatchBuilder, Compression, TimestampType};
    use ottla_types::{LeaderEpoch, ProducerEpoch, ProducerId};

    fn stamped(batch: &Bytes, offset: i64) -> Vec<u8> {
        let mut batch = batch.to_vec();
        ottla_records::stamp(batch.first_chunk_mut().unwrap(), offset, LeaderEpoch(3));
        batch
    }

    fn transactional(producer: i64, values: &[&str]) -> Bytes {
        let mut builder = BatchBuilder::new(Compression::Lz4, TimestampType::CreateTime);
        builder = builder.producer(ProducerId(producer), ProducerEpoch(0), 0).transactional();
        for value in values {
            builder.append(1, None, Some(value.as_bytes()), &[]).unwrap();
        }
        builder.build().unwrap().to_bytes()
    }

    fn marker(producer: i64, committed: bool) -> Bytes {
        let marker = EndTxnMarker { committed, coordinator_epoch: 0 };
        marker.to_batch(ProducerId(producer), ProducerEpoch(0), 1).to_bytes()
    }

    fn log() -> Bytes {
        let batches = [
            (transactional(1, &["a", "b"]), 0),
            (transactional(2, &["c"]), 2),
            (marker(1, false), 3),
            (transactional(1, &["d"]), 4),
            (marker(2, true), 5),
            (marker(1, true), 6),
        ];
        batches.iter().flat_map(|(batch, offset)| stamped(batch, *offset)).collect::<Vec<u8>>().into()
    }

    fn read(bytes: Bytes, position: i64, isolation: Isolation) -> (Vec<String>, i64) {
        let partition = TopicPartition::new("t", 0);
        let aborted = vec![(1, 0)];
        let mut batches = FetchedBatches::new(partition, 0, position, bytes, aborted, (isolation, true));
        let mut values = Vec::new();
        while let Some(record) = batches.next().unwrap() {
            values.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
        }
        (values, batches.position)
    }

    #[test]
    fn aborted_records_and_markers_are_skipped_and_the_position_passes_them() {
        let committed = read(log(), 0, Isolation::ReadCommitted);
        assert_eq!(committed, (vec!["c".to_string(), "d".to_string()], 7));
        let (all, end) = read(log(), 1, Isolation::ReadUncommitted);
        assert_eq!((all.join(""), end), ("bcd".to_string(), 7));
    }

    #[test]
    fn a_damaged_batch_is_an_error_and_the_position_stays_before_it() {
        let mut bytes = log().to_vec();
        let end = bytes.len() - 1;
        bytes[end] ^= 1;
        let (partition, isolation) = (TopicPartition::new("t", 0), Isolation::ReadUncommitted);
        let mut batches = FetchedBatches::new(partition, 0, 0, bytes.into(), Vec::new(), (isolation, true));
        let failed = loop {
            match batches.next() {
                Ok(Some(_)) => {}
                other => break other,
            }
        };
        assert!(matches!(failed, Err(ClientError::CorruptRecords { offset: 6, .. })), "{failed:?}");
    }
}
