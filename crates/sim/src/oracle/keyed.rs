//! What is known of the compacted topic: for each key the last value that was acknowledged, and everything sent since.
//!
//! A record says its own number in a header, so that a tombstone has one, too.

use super::{Check, Oracle, broken};
use bytes::Bytes;
use ottla_records::Record;
use std::collections::BTreeMap;

/// Longest value. Bytes.
const VALUE_MAX: u64 = 120;

/// A record that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    partition: i32,
    key: u64,
    is_tombstone: bool,
    offset: Option<i64>,
}

/// All records of the compacted topic.
#[derive(Debug, Default)]
pub(super) struct KeyedBook {
    written: Vec<Written>,
    /// The number of the last acknowledged record of each partition and key.
    latest: BTreeMap<(i32, u64), u64>,
}

/// What must be found by a reading that begins now: offset and number by key.
pub(crate) type Expected = BTreeMap<u64, (i64, u64)>;

/// What a reading found: the last record of each key, and how many offsets are gone.
#[derive(Debug, Default)]
pub(crate) struct KeyedReading {
    last: BTreeMap<u64, (i64, u64)>,
    next: i64,
    pub(crate) gone: u64,
}

impl Oracle {
    /// A new record for a key; `None` as its value if it is a tombstone.
    pub(crate) fn new_keyed(&self, partition: i32, key: u64, is_tombstone: bool, timestamp: i64) -> (u64, Record) {
        let book = &mut self.state().keyed;
        let number = book.written.len() as u64;
        book.written.push(Written { partition, key, is_tombstone, offset: None });
        (number, book.content(number, timestamp))
    }

    /// Records were acknowledged, the first one at `base_offset`.
    pub(crate) fn keyed_acknowledged(&self, numbers: &[u64], base_offset: i64) {
        let state = &mut *self.state();
        state.counts.acknowledged += numbers.len() as u64;
        let book = &mut state.keyed;
        for (&number, offset) in numbers.iter().zip(base_offset..) {
            let written = &mut book.written[number as usize];
            written.offset = Some(offset);
            let place = (written.partition, written.key);
            let former = book.latest.get(&place).and_then(|former| book.written[*former as usize].offset);
            if former.is_none_or(|former| former < offset) {
                book.latest.insert(place, number);
            }
        }
    }

    /// What a reading that begins now must find.
    pub(crate) fn keyed_expected(&self, partition: i32) -> Expected {
        let book = &self.state().keyed;
        let of_partition = book.latest.range((partition, 0)..=(partition, u64::MAX));
        of_partition
            .filter_map(|((_, key), &number)| Some((*key, (book.written[number as usize].offset?, number))))
            .collect()
    }

    /// A reading found this record, behind those before it.
    pub(crate) fn keyed_read(&self, partition: i32, reading: &mut KeyedReading, record: &Record) -> Check {
        let state = &mut *self.state();
        state.counts.read += 1;
        let offset = record.offset;
        if offset < reading.next {
            return broken(format!("keyed-{partition} has offset {offset} behind {}", reading.next - 1));
        }
        reading.gone += (offset - reading.next) as u64;
        reading.next = offset + 1;
        let book = &state.keyed;
        let number = number_of(record).filter(|number| *number < book.written.len() as u64);
        let Some(number) = number else {
            return broken(format!("keyed-{partition} holds at offset {offset} what nobody sent: {record:?}"));
        };
        let written = &book.written[number as usize];
        let expected = Record { offset, ..book.content(number, record.timestamp) };
        if written.partition != partition || expected != *record {
            return broken(format!("keyed-{partition} was sent {written:?} {expected:?}, and holds {record:?}"));
        }
        if written.offset.is_some_and(|known| known != offset) {
            return broken(format!("keyed-{partition}: {written:?} is at offset {offset}"));
        }
        reading.last.insert(written.key, (offset, number));
        Ok(())
    }

    /// A reading from the start to the end is over. `is_quick`: it took less than `delete.retention.ms`, so that no tombstone
    /// can have gone between a record and the end.
    pub(crate) fn keyed_whole(
        &self,
        partition: i32,
        expected: &Expected,
        reading: &KeyedReading,
        is_quick: bool,
    ) -> Check {
        let state = &mut *self.state();
        let book = &state.keyed;
        for (key, &(offset, number)) in expected {
            let is_tombstone = book.written[number as usize].is_tombstone;
            match reading.last.get(key) {
                Some(&(found, _)) if found >= offset => {}
                None if is_tombstone || book.may_be_deleted(partition, *key, offset) => {}
                Some(_) if !is_quick && (is_tombstone || book.may_be_deleted(partition, *key, offset)) => {}
                found => {
                    let what = if is_tombstone { "a tombstone" } else { "a value" };
                    return broken(format!(
                        "keyed-{partition}: key {key} has {what} (record {number}) at offset {offset}, found {found:?}"
                    ));
                }
            }
        }
        state.counts.compacted = state.counts.compacted.max(reading.gone);
        Ok(())
    }
}

impl KeyedBook {
    fn content(&self, number: u64, timestamp: i64) -> Record {
        let Written { key, is_tombstone, .. } = self.written[number as usize];
        let filling = (0..number * 41 % VALUE_MAX).map(|index| (number * 13 + index * 5) as u8).collect::<Vec<u8>>();
        Record {
            offset: 0,
            timestamp,
            key: Some(Bytes::from(format!("key {key}"))),
            value: (!is_tombstone).then(|| Bytes::from(filling)),
            headers: vec![(Bytes::from_static(b"number"), Some(Bytes::copy_from_slice(&number.to_be_bytes())))],
        }
    }

    /// Whether a tombstone can be behind `offset`: one that was acknowledged since, or never.
    fn may_be_deleted(&self, partition: i32, key: u64, offset: i64) -> bool {
        let is_it = |written: &&Written| written.is_tombstone && (written.partition, written.key) == (partition, key);
        self.written.iter().filter(is_it).any(|written| written.offset.is_none_or(|other| other > offset))
    }
}

fn number_of(record: &Record) -> Option<u64> {
    let (_, value) = record.headers.first()?;
    value.as_ref()?.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_runtime::Instant;

    #[test]
    fn the_last_value_must_be_there_and_a_tombstone_need_not() {
        let oracle = Oracle::new(Instant::now());
        let records =
            [(1, false), (2, false), (1, false), (2, true)].map(|(key, gone)| oracle.new_keyed(0, key, gone, 5));
        let numbers = records.each_ref().map(|(number, _)| *number);
        oracle.keyed_acknowledged(&numbers, 10);
        let expected = oracle.keyed_expected(0);
        let read = |offsets: &[usize]| {
            let mut reading = KeyedReading::default();
            for &index in offsets {
                let record = Record { offset: 10 + index as i64, ..records[index].1.clone() };
                oracle.keyed_read(0, &mut reading, &record).unwrap();
            }
            oracle.keyed_whole(0, &expected, &reading, true)
        };
        assert_eq!(read(&[2]), Ok(()));
        assert_eq!(read(&[0, 1, 2, 3]), Ok(()));
        assert!(read(&[0, 3]).is_err(), "an old value");
        assert!(read(&[3]).is_err(), "no value");
        assert!(read(&[1, 2]).is_err(), "what was deleted is back");
    }
}
