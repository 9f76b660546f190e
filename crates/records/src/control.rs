//! Control records: a key of `version i16, type i16`, and a value that depends on the type. They take an offset each
//! and are never shown to applications.

use crate::{BatchBuilder, BatchError, Compression, RecordRef, Records, TimestampType, ValidatedBatch};
use ottla_types::{ProducerEpoch, ProducerId};

/// Version of the keys and of the end-transaction values that are written.
const VERSION: i16 = 0;

/// What a control record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlRecordType {
    /// The transaction of the batch's producer is aborted.
    Abort,
    /// The transaction of the batch's producer is committed.
    Commit,
    /// One of Kafka's quorum types (2 to 6), or one that this version does not know and skips.
    Other(i16),
}

/// The end of a transaction on one partition (KIP-98), written by the transaction coordinator's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTxnMarker {
    /// Commit, or else abort.
    pub committed: bool,
    /// Epoch of the coordinator's partition; an older coordinator is fenced by it.
    pub coordinator_epoch: i32,
}

impl ControlRecordType {
    /// The type in a control record's key. A newer version of the key only adds fields.
    pub fn parse(key: &[u8]) -> Result<ControlRecordType, BatchError> {
        let bytes: &[u8; 4] = key.first_chunk().ok_or(invalid("a control record's key has at least 4 bytes"))?;
        if i16::from_be_bytes([bytes[0], bytes[1]]) < 0 {
            return Err(invalid("negative version of a control record's key"));
        }
        Ok(match i16::from_be_bytes([bytes[2], bytes[3]]) {
            0 => ControlRecordType::Abort,
            1 => ControlRecordType::Commit,
            other => ControlRecordType::Other(other),
        })
    }

    fn to_key(self) -> [u8; 4] {
        let code: i16 = match self {
            ControlRecordType::Abort => 0,
            ControlRecordType::Commit => 1,
            ControlRecordType::Other(code) => code,
        };
        let ([v0, v1], [c0, c1]) = (VERSION.to_be_bytes(), code.to_be_bytes());
        [v0, v1, c0, c1]
    }
}

impl EndTxnMarker {
    /// The marker in a control record, or `None` if the record is of another type.
    pub fn parse(record: &RecordRef<'_>) -> Result<Option<EndTxnMarker>, BatchError> {
        let committed = match ControlRecordType::parse(record.key.unwrap_or_default())? {
            ControlRecordType::Abort => false,
            ControlRecordType::Commit => true,
            ControlRecordType::Other(_) => return Ok(None),
        };
        let value = record.value.unwrap_or_default();
        let bytes: &[u8; 6] = value.first_chunk().ok_or(invalid("an end-transaction value has at least 6 bytes"))?;
        let [v0, v1, epoch @ ..] = *bytes;
        if i16::from_be_bytes([v0, v1]) < 0 {
            return Err(invalid("negative version of an end-transaction value"));
        }
        Ok(Some(EndTxnMarker { committed, coordinator_epoch: i32::from_be_bytes(epoch) }))
    }

    /// The marker of a whole control batch; `None` if it is of another type, or if compaction emptied the batch.
    pub fn of_batch(batch: &[u8]) -> Result<Option<EndTxnMarker>, BatchError> {
        let mut records = Records::new(batch, crate::RECORD_BYTES_MAX as u64)?;
        match records.next() {
            Some(record) => EndTxnMarker::parse(&record?),
            None => Ok(None),
        }
    }

    /// The control batch that ends the open transaction of `producer_id`.
    pub fn to_batch(self, producer_id: ProducerId, producer_epoch: ProducerEpoch, timestamp: i64) -> ValidatedBatch {
        let kind = if self.committed { ControlRecordType::Commit } else { ControlRecordType::Abort };
        let mut value = Vec::with_capacity(6);
        value.extend_from_slice(&VERSION.to_be_bytes());
        value.extend_from_slice(&self.coordinator_epoch.to_be_bytes());
        let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime)
            .producer(producer_id, producer_epoch, crate::NO_SEQUENCE)
            .transactional()
            .control();
        builder.append(timestamp, Some(&kind.to_key()), Some(&value), &[]).expect("a marker fits into any batch");
        builder.build().expect("an uncompressed batch of one record is built")
    }
}

fn invalid(what: &'static str) -> BatchError {
    BatchError::InvalidRecord { index: 0, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker_of(key: &[u8], value: Option<&[u8]>) -> Result<Option<EndTxnMarker>, BatchError> {
        let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime).control();
        builder.append(0, Some(key), value, &[]).expect("fits");
        EndTxnMarker::of_batch(&builder.build().expect("one record").to_bytes())
    }

    #[test]
    fn newer_versions_are_read_and_other_types_are_skipped() {
        let value: &[u8] = &[0, 5, 0, 0, 0, 9, 77, 77];
        let marker = EndTxnMarker { committed: true, coordinator_epoch: 9 };
        assert_eq!(marker_of(&[0, 3, 0, 1, 99], Some(value)), Ok(Some(marker)));
        assert_eq!(marker_of(&[0, 0, 0, 2], Some(b"leader change")), Ok(None));
        assert_eq!(ControlRecordType::parse(&[0, 0, 0x7f, 0]), Ok(ControlRecordType::Other(0x7f00)));
    }

    #[test]
    fn short_keys_and_values_are_invalid() {
        for (key, value) in
            [(&[0u8, 0, 0][..], None), (&[0xff, 0, 0, 1], None), (&[0, 0, 0, 1], Some(&[0u8, 0, 0][..]))]
        {
            assert!(matches!(marker_of(key, value), Err(BatchError::InvalidRecord { .. })), "{key:?} {value:?}");
        }
        assert!(marker_of(&[0, 0, 0, 0], None).is_err());
    }
}
