//! Every record that a client ever sent. Its content follows from its number, so what is read can be compared.

use super::{Check, PartitionKey, broken};
use bytes::Bytes;
use ottla_records::Record;
use std::collections::BTreeMap;

/// Longest filling of a value. Bytes.
const FILLING_MAX: u64 = 240;

/// A record that was sent at least once.
#[derive(Debug)]
struct Sent {
    key: PartitionKey,
    timestamp: i64,
    /// What its acknowledgement said.
    acknowledged_at: Option<i64>,
    /// Where it is known to be.
    offset: Option<i64>,
}

/// All records, by number.
#[derive(Debug, Default)]
pub(super) struct RecordBook {
    sent: Vec<Sent>,
}

impl RecordBook {
    /// A new record for this partition.
    pub(super) fn add(&mut self, key: &PartitionKey, timestamp: i64) -> (u64, Record) {
        let number = self.sent.len() as u64;
        self.sent.push(Sent { key: key.clone(), timestamp, acknowledged_at: None, offset: None });
        (number, content(number, timestamp))
    }

    /// The number of a record that was read; its content must be what was sent, to this partition.
    pub(super) fn recognise(&self, key: &PartitionKey, found: &Record) -> Check<u64> {
        let number = number_of(found).filter(|number| *number < self.sent.len() as u64);
        let Some(number) = number else {
            return broken(format!("{key} holds at offset {} what nobody sent: {found:?}", found.offset));
        };
        let sent = &self.sent[number as usize];
        if sent.key != *key {
            return broken(format!("{key} holds at offset {} record {number} of {}", found.offset, sent.key));
        }
        let expected = Record { offset: found.offset, ..content(number, sent.timestamp) };
        if expected != *found {
            return broken(format!("record {number} of {key} was {expected:?}, is {found:?}"));
        }
        Ok(number)
    }

    /// Record `number` is at `offset`. It can be at no other one.
    pub(super) fn is_at(&self, number: u64, offset: i64) -> Check {
        let sent = &self.sent[number as usize];
        for (known, how) in [(sent.acknowledged_at, "was acknowledged at"), (sent.offset, "is already at")] {
            if let Some(known) = known.filter(|known| *known != offset) {
                return broken(format!("record {number} of {} {how} offset {known} and is at {offset} too", sent.key));
            }
        }
        Ok(())
    }

    pub(super) fn acknowledge(&mut self, number: u64, offset: i64) {
        self.sent[number as usize].acknowledged_at = Some(offset);
    }

    pub(super) fn place(&mut self, number: u64, offset: i64) {
        self.sent[number as usize].offset = Some(offset);
    }

    /// It is not known any more where these are.
    pub(super) fn displace(&mut self, slots: &BTreeMap<i64, u64>) {
        for number in slots.values() {
            self.sent[*number as usize].offset = None;
        }
    }

    pub(super) fn timestamp(&self, number: u64) -> i64 {
        self.sent[number as usize].timestamp
    }
}

/// What record `number` consists of.
fn content(number: u64, timestamp: i64) -> Record {
    let filling = (0..number * 37 % FILLING_MAX).map(|index| (number * 31 + index * 7) as u8);
    let value: Vec<u8> = number.to_be_bytes().into_iter().chain(filling).collect();
    let name = || Bytes::from(number.to_string());
    let headers =
        if number.is_multiple_of(5) { vec![(Bytes::from_static(b"number"), Some(name()))] } else { Vec::new() };
    let key = (!number.is_multiple_of(3)).then(name);
    Record { offset: 0, timestamp, key, value: Some(Bytes::from(value)), headers }
}

fn number_of(record: &Record) -> Option<u64> {
    record.value.as_ref()?.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}
