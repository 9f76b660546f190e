//! What a Fetch brought, compared record by record.

use crate::oracle::{Check, Oracle, PartitionKey, Sent, broken};
use bytes::Bytes;
use ottla_records::{BatchHeader, increment_sequence, read_all, scan};
use ottla_runtime::Instant;
use ottla_types::LeaderEpoch;
use std::collections::BTreeMap;

/// Bounds what a batch decompresses to.
const BATCH_BYTES_MAX: u64 = 1 << 20;

/// The order of a partition's batches, while it is read from one end to the other.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// Next sequence by producer id and epoch.
    next_sequence: BTreeMap<(i64, i16), i32>,
    leader_epoch: Option<LeaderEpoch>,
    /// Bytes of the batches so far.
    pub(crate) bytes: u64,
}

/// Compares the batches from `position` on; the position behind the last whole one.
pub(crate) fn batches(
    oracle: &Oracle,
    sent: &Sent,
    mut position: i64,
    bytes: &Bytes,
    order: &mut Order,
    now: Instant,
) -> Check<i64> {
    let key = &sent.key;
    let mut is_first = true;
    for found in scan(bytes, true) {
        let (header, range) = match found {
            Ok(found) => found,
            Err(error) => return broken(format!("{key} at offset {position}: {error}")),
        };
        let holds = header.base_offset <= position && position <= header.last_offset();
        if !holds || !(is_first || header.base_offset == position) {
            let (first, last) = (header.base_offset, header.last_offset());
            return broken(format!("{key} has a batch of offsets {first} to {last} where offset {position} belongs"));
        }
        order.follow(key, &header)?;
        let records = match read_all(&bytes.slice(range), BATCH_BYTES_MAX) {
            Ok(records) => records,
            Err(error) => return broken(format!("{key} at offset {position}: {error}")),
        };
        for record in records.iter().filter(|record| record.offset >= position) {
            oracle.read(sent, record, now)?;
        }
        position = header.next_offset();
        is_first = false;
    }
    Ok(position)
}

impl Order {
    fn follow(&mut self, key: &PartitionKey, header: &BatchHeader) -> Check {
        self.bytes += header.total_len() as u64;
        let epoch = header.partition_leader_epoch;
        if let Some(former) = self.leader_epoch.replace(epoch).filter(|former| *former > epoch) {
            return broken(format!(
                "{key} has leader epoch {} behind {} at offset {}",
                epoch.0, former.0, header.base_offset
            ));
        }
        if header.base_sequence < 0 {
            return Ok(());
        }
        let producer = (header.producer_id.0, header.producer_epoch.0);
        let next = increment_sequence(header.base_sequence, header.last_offset_delta + 1);
        let expected = self.next_sequence.insert(producer, next);
        match expected.filter(|expected| *expected != header.base_sequence) {
            Some(expected) => broken(format!(
                "{key} at offset {}: producer {} goes on with sequence {}, {expected} is due",
                header.base_offset, producer.0, header.base_sequence
            )),
            None => Ok(()),
        }
    }
}
